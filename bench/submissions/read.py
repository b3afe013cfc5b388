"""Tensors from a file of a stranger, which a child process reads."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import BinaryIO, Self, cast

import safetensors.torch
from torch import Tensor

from bench.errors import BenchError
from bench.intake.header import entries
from bench.intake.opened import file_content

PACKAGES = Path(__file__).parents[2]  # where `bench` is
PATIENCE = 60.0  # seconds for one file
LONGEST_LINE = 2**16


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file or a zip state-dict.

    Args:
        path: A regular file.

    Returns:
        Fresh, contiguous, finite CPU tensors: floating point as float32, counters as int64.

    Raises:
        BenchError: One code for every kind of file that is refused.
    """
    content = file_content(path)
    with Reader() as reader:
        return reader.tensors(str(path), content)


class Reader:
    """A child process that reads files, one after the other; see `bench.intake.child`.

    Strangers' files get one each, so that none can spoil what is read of another.
    """

    def __enter__(self) -> Self:
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.intake.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PYTHONPATH": str(PACKAGES), "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.child.kill()
        self.child.communicate()

    def tensors(self, place: str, content: bytes) -> dict[str, Tensor]:
        """As `read_tensors`, of all bytes of a file.

        Args:
            place: What to call the file in errors.
            content: All of it.
        """
        clock = Timer(PATIENCE, self.child.kill)
        clock.start()
        try:
            canonical = self._ask(place, content)
        except (OSError, ValueError) as error:
            raise BenchError(
                "E-READER-LIMIT", f"{place}: reading it took more memory or time than it may"
            ) from error
        finally:
            clock.cancel()
        entries(place, canonical)
        return safetensors.torch.load(canonical)

    def _ask(self, place: str, content: bytes) -> bytes:
        """The child's answer; ValueError if it has none."""
        to, back = cast(BinaryIO, self.child.stdin), cast(BinaryIO, self.child.stdout)
        to.write(json.dumps({"place": place, "length": len(content)}).encode() + b"\n")
        to.write(content)
        to.flush()
        head = json.loads(back.readline(LONGEST_LINE))
        if "code" in head:
            raise BenchError(head["code"], head["message"])
        answer = back.read(head["length"])
        if len(answer) != head["length"]:
            raise ValueError("an answer without an end")
        return answer
