"""Runs a submitted pruner in a sandbox and takes bytes out of it, and nothing else.

What comes out is not believed to be weights; it goes through the intake like any stranger's file.
The tests that this holds are in `tests/ci/test_hostile.py`.
"""

import json
import os
import platform
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from bench.errors import BenchError
from ci.seccomp import MACHINE, seccomp_filter
from ci.shipped import ROOT

Level = Literal["strong", "weak"]
GIB, MIB = 2**30, 2**20
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "2",
    "PATH": "/nowhere",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}
MOUNTED = "/box"  # where our own code is seen inside
INPUTS = "/in"
HIDDEN = ("sklearn/datasets/data", "sklearn/datasets/images")  # test sets of the suite digits
THREADS = 256  # of root the kernel counts none, so that address space alone bounds them
CHUNK = 2**16
TAIL = 800  # characters of the log in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a pruner may use.

    Args:
        seconds: Wall-clock time; of the processor twice as much, for two threads.
        memory: Bytes of address space of its one process.
        scratch: Bytes of its temporary files together, in memory.
        output: Bytes of the weights.
        log: Bytes of its prints that are kept.
    """

    seconds: float = 600.0
    memory: int = 8 * GIB
    scratch: int = 256 * MIB
    output: int = 512 * MIB
    log: int = MIB

    @property
    def of_process(self) -> dict[str, int]:
        """Limits that the kernel enforces, by their names in `resource`."""
        return {
            "RLIMIT_AS": self.memory,
            "RLIMIT_CPU": int(2 * self.seconds) + 1,
            "RLIMIT_FSIZE": self.scratch,
            "RLIMIT_NOFILE": 256,
            "RLIMIT_CORE": 0,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of the sandbox.

    Args:
        content: At most `Limits.output` bytes, of any kind.
        log: What was printed, without characters that steer a terminal.
    """

    content: bytes
    log: str


def sandbox_level(*, allow_weak: bool = False) -> Level:
    """The strongest sandbox of this machine.

    Args:
        allow_weak: Whether limits alone will do where bubblewrap does not work.

    Returns:
        `strong`: bubblewrap, a filter of system calls, and limits. `weak`: limits alone; the code
        may read and write what its user may.

    Raises:
        BenchError: E-SANDBOX-MISSING if only the weak one is there and it is not allowed.
    """
    why = _obstacle()
    if not why:
        return "strong"
    if allow_weak:
        return "weak"
    raise BenchError(
        "E-SANDBOX-MISSING",
        f"sandbox: {why}; a pruner's code runs in bubblewrap only. For code that you trust, "
        "--allow-weak runs it without",
    )


def run_sandboxed(inputs: Path, task: Mapping[str, Any], limits: Limits, level: Level) -> Outcome:
    """Lets `pruner.py` prune.

    Args:
        inputs: Folder with `pruner.py`, `weights.safetensors`, `images.npy`, `labels.npy`; seen
            inside, and nothing else of this machine but Python, its packages and `bench`.
        task: What `ci/inside/work.py` is told.
        limits: What it may use.
        level: As `sandbox_level` says.

    Raises:
        BenchError: E-PRUNER-LIMIT if it takes too long or gives back too much; E-PRUNER-FAILED if
            it ends in an error or without a result.
    """
    own = {"RLIMIT_NPROC": THREADS} if level == "strong" else {}  # else those of its user count
    told = {**task, "limits": limits.of_process | own}
    (inputs / "task.json").write_text(json.dumps(told), encoding="utf-8")
    if level == "strong":
        with _filter() as number:
            status, outcome = _run(_fenced(inputs, limits, number), MOUNTED, limits, (number,))
    else:
        status, outcome = _run(_program(inputs), str(ROOT), limits)
    if status == 0 and outcome.content:
        return outcome
    killed = status in (-signal.SIGKILL, -signal.SIGXCPU)
    code = "E-PRUNER-LIMIT" if killed else "E-PRUNER-FAILED"
    end = f"was ended by signal {-status}" if status < 0 else f"ended with exit code {status}"
    # on one line, for a forge takes lines that begin in its own way for commands
    shown = " / ".join(outcome.log.strip()[-TAIL:].splitlines()) or "nothing was printed"
    raise BenchError(
        code, f"pruner.py {end}, {len(outcome.content)} bytes of weights came out: {shown}"
    )


def _obstacle() -> str:
    """Why there is no strong sandbox; "" if there is one."""
    if platform.system() != "Linux" or platform.machine() != MACHINE:
        return f"needs Linux on {MACHINE}"
    if shutil.which("bwrap") is None:
        return "bubblewrap (bwrap) is not installed"
    with tempfile.TemporaryDirectory() as folder, _filter() as number:
        fence = _fence(Path(folder), Limits(), number)
        done = subprocess.run(
            [*fence, str(Path(sys.executable).resolve()), "-I", "-S", "-c", ""],
            env=ENVIRONMENT,
            pass_fds=(number,),
            capture_output=True,
            text=True,
            check=False,
        )
    return f"bubblewrap does not work here ({done.stderr.strip()})" if done.returncode else ""


@contextmanager
def _filter() -> Iterator[int]:
    """Descriptor of a file with the filter of system calls."""
    with tempfile.TemporaryFile() as file:
        file.write(seccomp_filter())
        file.seek(0)
        yield file.fileno()


def _program(inputs: Path | str) -> list[str]:
    return [str(Path(sys.executable).resolve()), "-P", "-s", "-m", "ci.inside", str(inputs)]


def _fenced(inputs: Path, limits: Limits, seccomp: int) -> list[str]:
    return [*_fence(inputs, limits, seccomp), *_program(INPUTS)]


def _fence(inputs: Path, limits: Limits, seccomp: int) -> list[str]:
    """The call of bubblewrap: new namespaces without rights, and files that are only read."""
    binds = {path: path for path in (*_system(), *_python()) if Path(path).exists()}
    binds |= {f"{ROOT}/bench": f"{MOUNTED}/bench", f"{ROOT}/ci/inside": f"{MOUNTED}/ci/inside"}
    binds[str(inputs)] = INPUTS
    hidden = [place for home in _homes() for name in HIDDEN if (place := Path(home, name)).is_dir()]
    links = [path for path in (Path("/lib"), Path("/lib64")) if path.is_symlink()]
    return [
        str(shutil.which("bwrap")),
        *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"),
        "--as-pid-1",  # else an init without limits runs beside the code, in reach of it
        *("--uid", "65534", "--gid", "65534", "--cap-drop", "ALL", "--hostname", "sandbox"),
        *("--size", str(limits.scratch), "--tmpfs", "/tmp"),  # before what may lie below it
        *(word for seen, path in binds.items() for word in ("--ro-bind", seen, path)),
        *(word for link in links for word in ("--symlink", str(link.readlink()), str(link))),
        *(word for place in map(str, hidden) for word in _covered(place)),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", "/tmp", "--seccomp", str(seccomp), "--"),
    ]


def _system() -> list[str]:
    """Folders of shared libraries."""
    own = [path for path in ("/lib", "/lib64") if not Path(path).is_symlink()]
    return ["/usr/lib", "/usr/lib64", *own]


def _python() -> list[str]:
    """The interpreter, its library and its packages."""
    program = Path(sys.executable).resolve()
    return [str(program), str(Path(sys.base_prefix).resolve() / "lib"), _packages()]


def _covered(place: str) -> tuple[str, ...]:
    return ("--size", "4096", "--tmpfs", place, "--remount-ro", place)


def _homes() -> list[str]:
    """Where packages may lie in what is seen inside."""
    own = map(str, Path(sys.base_prefix).resolve().glob("lib/python3*/site-packages"))
    return sorted({_packages(), *own, "/usr/lib/python3/dist-packages"})


def _packages() -> str:
    return str(Path(sysconfig.get_path("purelib")).resolve())


def _run(
    command: Sequence[str], code: str, limits: Limits, passed: tuple[int, ...] = ()
) -> tuple[int, Outcome]:
    """Exit code, negative for a signal, and what was written; everything is ended at the end."""
    process = subprocess.Popen(
        command,
        env=ENVIRONMENT | {"PYTHONPATH": f"{code}:{_packages()}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=passed,
        start_new_session=True,
        cwd="/",
    )
    deadline = time.monotonic() + limits.seconds
    try:
        content, log = _drained(process, limits, deadline)
        status = process.wait(max(deadline - time.monotonic(), 0.0))
    except (subprocess.TimeoutExpired, TimeoutError) as error:
        raise BenchError(
            "E-PRUNER-LIMIT", f"pruner.py was ended after {limits.seconds:g} s, which it may take"
        ) from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    status = 128 - status if status > 128 else status  # bubblewrap tells signals as a shell does
    return status, Outcome(bytes(content), _printable(bytes(log)))


def _drained(
    process: "subprocess.Popen[bytes]", limits: Limits, deadline: float
) -> tuple[bytearray, bytearray]:
    """Reads both pipes to their ends; of the log only the beginning is kept."""
    assert process.stdout
    assert process.stderr
    kept: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    content, log = kept.values()
    with selectors.DefaultSelector() as pipes, process.stdout, process.stderr:
        for pipe in kept:
            pipes.register(pipe, selectors.EVENT_READ, kept[pipe])
        while pipes.get_map():
            for key, _ in pipes.select(max(deadline - time.monotonic(), 0.0)):
                chunk = os.read(key.fd, CHUNK)
                key.data.extend(chunk)
                if not chunk:
                    pipes.unregister(key.fileobj)
            del log[limits.log :]
            if len(content) > limits.output:
                raise BenchError(
                    "E-PRUNER-LIMIT",
                    f"pruner.py gave back more than {limits.output:,} bytes, which it may",
                )
            if time.monotonic() > deadline:
                raise TimeoutError
    return content, log


def _printable(log: bytes) -> str:
    text = log.decode(errors="replace")
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
