"""What the sandbox hands in and out, its levels, and its filter of system calls."""

import json
import struct
from dataclasses import replace

import pytest

from bench.errors import BenchError
from ci.sandbox import ENVIRONMENT, MIB, Limits, run_sandboxed, sandbox_level
from ci.seccomp import ALLOW, CLONE, CLONE3, CLONE_THREAD, DENIED, KILL, REFUSE, seccomp_filter

SHORT = Limits(seconds=20, memory=1024 * MIB)
SAY = """
import json, os, resource, sys
kinds = ('AS', 'CPU', 'FSIZE', 'NOFILE', 'CORE', 'NPROC')
limits = {k: resource.getrlimit(getattr(resource, f'RLIMIT_{k}')) for k in kinds}
names = {place: sorted(os.listdir(place)) for place in ('/', '/in', '/box', '/tmp', '/box/ci')}
print(json.dumps([dict(os.environ), limits, names, os.getuid(), os.getpid()]))
raise SystemExit(1)
"""


def said(code, folder, level="strong", limits=SHORT):
    """What a pruner prints that ends without weights."""
    folder.mkdir(exist_ok=True)
    (folder / "pruner.py").write_text(code)
    with pytest.raises(BenchError) as caught:
        run_sandboxed(folder, {"seed": 1}, limits, level)
    assert caught.value.code == "E-PRUNER-FAILED"
    return caught.value.message.partition("came out: ")[2]


def test_a_pruner_sees_its_inputs_and_the_program_alone(strong, tmp_path, monkeypatch):
    monkeypatch.setattr("ci.sandbox.TAIL", 4000)
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    environment, limits, names, user, _ = json.loads(said(SAY, tmp_path))
    assert set(environment) <= {*ENVIRONMENT, "PYTHONPATH", "PWD", "LC_CTYPE"}
    assert environment["PYTHONPATH"].startswith("/box:")
    assert names["/in"] == ["pruner.py", "task.json"]
    assert names["/box"] == ["bench", "ci"]
    assert names["/box/ci"] == ["inside"]
    assert names["/tmp"] == []
    assert not {"etc", "home", "sys", "var", "run", "opt", "mnt", "boot"} & set(names["/"])
    assert user == 65534
    told = {"AS": 1024 * MIB, "CPU": 41, "FSIZE": 256 * MIB, "NOFILE": 256, "CORE": 0, "NPROC": 256}
    assert limits == {name: [most, most] for name, most in told.items()}


def test_nothing_of_one_run_is_there_in_the_next(strong, tmp_path):
    leave = "open('/tmp/left', 'w').write('x'); print('left'); raise SystemExit(1)"
    assert said(leave, tmp_path) == "left"
    look = "import os; print(os.listdir('/tmp')); raise SystemExit(1)"
    assert said(look, tmp_path) == "[]"


def test_the_weak_level_has_the_limits_and_the_clean_environment(tmp_path, monkeypatch):
    monkeypatch.setattr("ci.sandbox.TAIL", 4000)
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    code = SAY.replace("'/in', '/box', '/tmp', '/box/ci'", "")
    environment, limits, _, _, _ = json.loads(said(code, tmp_path, "weak"))
    assert set(environment) <= {*ENVIRONMENT, "PYTHONPATH", "PWD", "LC_CTYPE"}
    assert limits["AS"] == [1024 * MIB] * 2


def test_of_the_log_the_beginning_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("ci.sandbox.TAIL", 10_000)
    code = "print('first' + 'x' * 100_000); raise SystemExit(1)"
    message = said(code, tmp_path, "weak", replace(SHORT, log=1000))
    assert message.startswith("first")
    assert len(message) <= 1000


def test_without_bubblewrap_the_sandbox_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match=r"bwrap\) is not installed.*--allow-weak") as caught:
        sandbox_level()
    assert caught.value.code == "E-SANDBOX-MISSING"
    assert sandbox_level(allow_weak=True) == "weak"


def test_a_bubblewrap_that_cannot_make_namespaces_is_none(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match=r"does not work here .*Permission denied"):
        sandbox_level()


def test_where_bubblewrap_works_the_level_is_strong(strong):
    assert sandbox_level() == sandbox_level(allow_weak=True) == "strong"


def answer(number: int, argument: int = 0, arch: int = 0xC000003E) -> int:
    """What the filter says to a system call: its program, run as the kernel runs it."""
    words = struct.pack("=IIQ6Q", number, arch, 0, argument, 0, 0, 0, 0, 0)
    program = list(struct.iter_unpack("=HBBI", seccomp_filter()))
    at = loaded = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            loaded = struct.unpack_from("=I", words, value)[0]
            continue
        holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
        at += if_true if holds else if_false


def test_the_filter_denies_its_table_and_allows_threads_and_files():
    for name, number in DENIED.items():
        assert answer(number) == REFUSE | 1, name
    assert answer(CLONE3) == REFUSE | 38
    assert answer(CLONE, 17) == REFUSE | 1
    assert answer(CLONE, 0x3D0F00 | CLONE_THREAD) == ALLOW
    assert {answer(number) for number in (0, 1, 2, 9, 59, 231, 257)} == {ALLOW}


def test_the_filter_ends_calls_of_another_architecture():
    assert answer(0, arch=0x40000003) == KILL
    assert answer(0x40000000 | 41) == KILL
