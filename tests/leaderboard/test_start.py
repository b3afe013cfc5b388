import io
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from leaderboard import __main__ as start


@pytest.fixture
def started(monkeypatch):
    """The command lines that would have been run, and the store of each."""
    commands: list[tuple[list[str], str]] = []

    def run(command, check, env):
        commands.append((command, env["BENCH_STORE"]))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(start.subprocess, "run", run)
    monkeypatch.setattr(start, "warm_up", lambda port: None)
    return commands


def test_the_page_is_served_on_this_machine_alone_and_reports_to_nobody():
    command = start.command(8502)
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert {
        "--server.address=127.0.0.1",
        "--server.port=8502",
        "--server.headless=false",
        "--server.showEmailPrompt=false",
        "--browser.gatherUsageStats=false",
        "--logger.hideWelcomeMessage=true",
    } <= set(command)
    assert Path(command[-1]).is_file()


@pytest.mark.parametrize(
    ("arguments", "environment", "store"),
    [
        (["--store", "sqlite:///a.db"], "sqlite:///b.db", "sqlite:///a.db"),
        ([], "sqlite:///b.db", "sqlite:///b.db"),
        ([], None, "sqlite:///bench.db"),
    ],
)
def test_the_store_is_named_by_option_then_environment_then_default(
    monkeypatch, started, capsys, arguments, environment, store
):
    monkeypatch.delenv("BENCH_STORE", raising=False)
    if environment:
        monkeypatch.setenv("BENCH_STORE", environment)
    monkeypatch.setattr("sys.argv", ["leaderboard", *arguments, "--port", "8600", "--headless"])
    assert start.main() == 3
    assert "The page: http://127.0.0.1:8600" in capsys.readouterr().err
    assert started == [(start.command(8600, headless=True), store)]  # which may have a password


def test_the_server_is_asked_to_draw_the_page_until_it_does(monkeypatch):
    asked = []

    def urlopen(address, timeout):
        asked.append(address)
        if len(asked) < 3:
            raise ConnectionRefusedError
        return io.BytesIO(b"ok")

    monkeypatch.setattr(start.urllib.request, "urlopen", urlopen)
    start.warm_up(8600)
    assert asked == ["http://127.0.0.1:8600/_stcore/script-health-check"] * 3


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(start.urllib.request, "urlopen", lambda *_, **__: 1 / 0)
    start.warm_up(8600, patience=0)


@pytest.mark.slow
def test_the_server_takes_every_setting_and_answers(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        start.command(port, headless=True),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"BENCH_STORE": f"sqlite:///{tmp_path / 'bench.db'}"},
    )
    try:
        assert health(server, port) == "ok"
    finally:
        server.terminate()
        said = server.communicate()[0]
    assert "not a valid config option" not in said


def health(server: subprocess.Popen, port: int) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.1)
    return "no answer"
