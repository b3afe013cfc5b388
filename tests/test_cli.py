import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from bench.cli import app
from bench.models import build
from bench.protocol import PROTOCOL, PROTOCOLS
from bench.store import open_store, score_frame

COMMANDS = [
    "demo",
    "evaluate",
    "protocol",
    "doctor",
    "inspect",
    "train",
    "prune",
    "sweep",
    "detect",
    "pack",
    "assemble",
    "efficiency",
    "runs",
    "show",
    "compare",
    "export",
    "verify",
    "leaderboard",
    "data list",
    "data fetch",
    "data import",
    "data verify",
    "data where",
]


def bench(*words: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def store(dense: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two runs on the first digits: dense, and pruned by magnitude."""
    folder = tmp_path_factory.mktemp("cli")
    url = f"sqlite:///{folder / 'bench.db'}"
    pruned = folder / "magnitude"
    arguments = ["--pruner", "magnitude", "--sparsity", "0.5", "--from", str(dense)]
    assert CliRunner().invoke(app, ["prune", *arguments, "--out", str(pruned)]).exit_code == 0
    for model in (dense, pruned):
        result = CliRunner().invoke(
            app, ["evaluate", str(model), "--limit", "30", "--store", url, "--quiet"]
        )
        assert result.exit_code == 0, result.output
    return url


def run_ids(url: str) -> list[str]:
    with open_store(url, readonly=True) as opened:
        return list(score_frame(opened)["run_id"].unique())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command):
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert re.search(rf"Examples?:\s+bench {command}", result.output)


def test_the_list_of_commands_here_is_complete():
    listed = CliRunner().invoke(app, ["--help"]).output
    shown = re.findall(r"^│ ([a-z]+) ", listed, flags=re.MULTILINE)
    assert set(shown) == {command.split()[0] for command in COMMANDS}


def test_a_run_is_stored_shown_compared_and_exported(store, tmp_path):
    ids = run_ids(store)
    assert len(ids) == 2
    invoke = CliRunner().invoke
    listing = invoke(app, ["runs", "--store", store])
    assert all(run_id in listing.output for run_id in ids)
    assert "fog 5" in invoke(app, ["show", ids[0][:6], "--store", store]).output
    assert "McNemar" in invoke(app, ["compare", *ids, "--store", store]).output
    assert "fog" in invoke(app, ["compare", *ids, "--all", "--store", store]).output
    record = json.loads(invoke(app, ["export", ids[0], "--store", store]).output)
    assert record["run_id"] == ids[0]
    assert record["limit"] == 30
    for format in ("csv", "json", "parquet", "markdown", "latex"):
        out = tmp_path / f"table.{format}"
        for what in ([], ["--relative"], [ids[0]]):
            words = ["export", *what, "--format", format, "--out", str(out), "--store", store]
            result = invoke(app, words)
            assert result.exit_code == 0, result.output
            assert out.stat().st_size > 100


def test_the_board_is_exported_as_a_page_of_every_run(store, tmp_path):
    out = tmp_path / "pages" / "board.html"
    result = CliRunner().invoke(app, ["export", "--html", str(out), "--store", store])
    assert result.exit_code == 0, result.output
    assert result.output == ""
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert all(run_id in page for run_id in run_ids(store))
    assert store not in page


@pytest.mark.slow
def test_the_same_command_twice_writes_the_same_bytes_but_for_times(dense, tmp_path):
    records = []
    for name in ("one", "two"):
        words = ["evaluate", dense, "--limit", "30", "--quiet"]
        store = ["--store", f"sqlite:///{tmp_path / 'b.db'}", "--json", tmp_path / name]
        done = bench(*words, *store)
        assert done.returncode == 0, done.stderr
        text = (tmp_path / name).read_text()
        text = re.sub(r'"(started":"[^"]*"|seconds":[0-9.]+)', "", text)
        timed = r'\{[^{}]*"metric":"latency_ratio"[^{}]*\}'
        records.append(re.sub(timed, "", text).encode())
    assert records[0] == records[1]
    assert "Was there already" in done.stderr
    assert len(run_ids(f"sqlite:///{tmp_path / 'b.db'}")) == 1


def test_a_refused_file_ends_in_one_line_with_a_code_and_stores_nothing(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(build("lenet5"), path)
    done = bench("evaluate", path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"E-PICKLED-MODULE: .*state_dict.*\n", done.stderr)
    assert run_ids(f"sqlite:///{tmp_path / 'bench.db'}") == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["evaluate", "nothing.pt"], "E-NO-SUCH-FILE"),
        (["evaluate", "x.pt", "--preset", "lenient"], "E-BAD-VALUE"),
        (["evaluate", "x.pt", "--normalize", "yes"], "E-BAD-VALUE"),
        (["evaluate", "x.pt", "--reason", "no run is named"], "E-BAD-VALUE"),
        (["evaluate", "x.pt", "--store", "sqlite:////no/such/x.db"], "E-NO-STORE"),
        (["evaluate", "{dense}", "--arch", "resnet18", "--quiet"], "E-BAD-VALUE"),
        (["runs", "--suite", "digit", "--store", "{store}"], "E-UNKNOWN-SUITE"),
        (["leaderboard", "--port", "99999999"], 2),
        (["evaluate", "x.pt", "--json", "."], "E-BAD-VALUE"),
        (["evaluate", "x.pt", "--json", "/proc/run.json"], "E-BAD-VALUE"),
        (["train", "--suite", "imagenet", "--out", "o"], "E-UNKNOWN-SUITE"),
        (["train", "--recipe", "soup", "--out", "o"], "E-BAD-VALUE"),
        (["prune", "--pruner", "axe", "--sparsity", "0.5", "--out", "o"], "E-BAD-VALUE"),
        (["prune", "--pruner", "magnitude", "--sparsity", "0.5", "--out", "o"], "E-BAD-VALUE"),
        (["prune", "--pruner", "snip", "--sparsity", "90", "--out", "o"], "E-BAD-VALUE"),
        (
            ["prune", "--pruner", "snip", "--sparsity", "0.9", "--out", "o", "--option", "loss"],
            "E-BAD-VALUE",
        ),
        (["runs", "--store", "sqlite:///nothing.db"], "E-NO-STORE"),
        (["show", "abc", "--store", "{store}"], "E-NO-SUCH-RUN"),
        (["export", "--format", "xls", "--store", "{store}"], "E-BAD-VALUE"),
        (["export", "abc", "--html", "b.html", "--store", "{store}"], "E-BAD-VALUE"),
        (["export", "--html", "b.html", "--format", "json", "--store", "{store}"], "E-BAD-VALUE"),
        (["export", "--html", "b.html", "--out", "o", "--store", "{store}"], "E-BAD-VALUE"),
        (["export", "--html", "b.html", "--relative", "--store", "{store}"], "E-BAD-VALUE"),
        (["export", "--html", "b.html", "--by", "beauty", "--store", "{store}"], "E-BAD-VALUE"),
        (["runs", "--by", "beauty", "--store", "{store}"], "E-BAD-VALUE"),
        (["data", "fetch", "imagenet"], "E-BAD-VALUE"),
        (["data", "fetch"], "E-BAD-VALUE"),
        (["data", "fetch", "mnist", "--suite", "mnist"], "E-BAD-VALUE"),
        (["data", "fetch", "--suite", "imagenet"], "E-UNKNOWN-SUITE"),
    ],
)
def test_wrong_input_raises_the_error_that_ends_in_exit_code_two(
    words, code, store, dense, tmp_path
):
    previous = Path.cwd()
    os.chdir(tmp_path)
    try:
        result = CliRunner().invoke(app, [word.format(store=store, dense=dense) for word in words])
    finally:
        os.chdir(previous)
    assert getattr(result.exception, "code", result.exception) == code


def test_the_version_is_that_of_the_package_and_of_every_protocol():
    told = CliRunner().invoke(app, ["--version"])
    assert told.exit_code == 0
    first, *protocols = told.output.splitlines()
    assert first == f"sparse-bench {version('sparse-bench')}"
    assert [line.split()[2] for line in protocols] == list(PROTOCOLS)
    assert protocols[0].split()[3] == PROTOCOL.id.sha256[:12]


def test_unknown_options_are_usage_errors():
    done = bench("evaluate")
    assert done.returncode == 2
    assert "Missing argument" in done.stderr


@pytest.mark.slow
def test_a_killed_evaluation_leaves_a_store_of_whole_runs(dense, tmp_path):
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    command = [sys.executable, "-m", "bench", "evaluate", str(dense), "--store", url]
    whole = bench(*command[3:], "--limit", "20")
    assert whole.returncode == 0, whole.stderr
    (scores,) = score_counts(url)
    for limit, delay in enumerate((0.0, 0.5, 1.0, 1.5), 21):
        words = [*command, "--limit", str(limit)]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert process.stderr.readline()  # how far it is: it works
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert set(score_counts(url)) == {scores}
    again = bench(*command[3:], "--limit", "21")
    assert again.returncode == 0, again.stderr


def score_counts(url: str) -> list[int]:
    with open_store(url) as opened:
        return score_frame(opened).groupby("run_id").size().tolist()


def test_interrupting_ends_with_130(dense, tmp_path):
    command = [sys.executable, "-m", "bench", "evaluate", str(dense)]
    cache = tmp_path / "cache"
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, env=os.environ | {"BENCH_CACHE": str(cache)}
    )
    while not list(cache.glob("shifts/*/*.json")):  # at work on the first of 90
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130


def test_help_needs_no_torch(tmp_path):
    program = (
        "import sys; sys.argv = ['bench', '--help']\n"
        "from bench.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0


def test_partial_runs_are_not_stored(dense, tmp_path):
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    result = CliRunner().invoke(app, ["evaluate", str(dense), "--only", "clean", "--store", url])
    assert result.exit_code == 0
    assert not (tmp_path / "bench.db").exists()


def test_pack_makes_a_folder_of_a_state_dict(tmp_path):
    network = build("resnet18-relu")
    path = tmp_path / "resnet18.pt"
    torch.save(network.state_dict(), path)
    words = ["pack", str(path), "--arch", "resnet18-relu", "--normalize", "cifar10"]
    out = tmp_path / "mine"
    result = CliRunner().invoke(app, [*words, "--slug", "mine", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert 'architecture = "resnet18-relu"' in (out / "submission.toml").read_text()
    assert (out / "weights.safetensors").is_file()


def test_the_protocol_is_printed_in_three_forms():
    invoke = CliRunner().invoke
    record = json.loads(invoke(app, ["protocol", "--json"]).output)
    assert record["version"] == 1
    assert record["metrics"]["accuracy"]["higher_is_better"] is True
    assert "| `accuracy` | ↑ |" in invoke(app, ["protocol", "--markdown"]).output
    assert record["sha256"][:12] in invoke(app, ["protocol"]).output
