"""Tensors from a file of a stranger, which a child process reads."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, cast

import safetensors.torch
from torch import Tensor

from bench.errors import BenchError
from bench.intake.header import entries
from bench.intake.opened import file_content

PACKAGES = Path(__file__).parents[2]  # where `bench` is
PATIENCE = 60.0  # seconds for one file
LONGEST_LINE = 2**16


class Weights(NamedTuple):
    """What a file holds.

    Args:
        tensors: Fresh, contiguous, finite CPU tensors by name: floating point as float32,
            counters as int64.
        sha256: Of the file as it was read, in hex.
    """

    tensors: dict[str, Tensor]
    sha256: str


def read_weights(path: Path, *, pickled_module: bool = False) -> Weights:
    """The named tensors of a safetensors file or a zip state-dict.

    Args:
        path: A regular file.
        pickled_module: Whether it is a pickled `nn.Module`, whose state-dict is meant. Nothing
            of it is unpickled either.

    Raises:
        BenchError: One code for every kind of file that is refused.
    """
    content = file_content(path)
    with Reader() as reader:
        tensors = reader.tensors(str(path), content, pickled_module=pickled_module)
    return Weights(tensors, hashlib.sha256(content).hexdigest())


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

    def tensors(
        self, place: str, content: bytes, *, pickled_module: bool = False
    ) -> dict[str, Tensor]:
        """As `read_weights`, of all bytes of a file.

        Args:
            place: What to call the file in errors.
            content: All of it.
            pickled_module: Whether it is a pickled `nn.Module`.
        """
        clock = Timer(PATIENCE, self.child.kill)
        clock.start()
        try:
            request = {"place": place, "length": len(content), "pickled_module": pickled_module}
            canonical = self._ask(request, content)
        except (OSError, ValueError) as error:
            raise BenchError(
                "E-READER-LIMIT", f"{place}: reading it took more memory or time than it may"
            ) from error
        finally:
            clock.cancel()
        entries(place, canonical)
        return safetensors.torch.load(canonical)

    def _ask(self, request: Mapping[str, object], content: bytes) -> bytes:
        """The child's answer; ValueError if it has none."""
        to, back = cast(BinaryIO, self.child.stdin), cast(BinaryIO, self.child.stdout)
        to.write(json.dumps(request).encode() + b"\n")
        to.write(content)
        to.flush()
        head = json.loads(back.readline(LONGEST_LINE))
        if "code" in head:
            raise BenchError(head["code"], head["message"])
        answer = back.read(head["length"])
        if len(answer) != head["length"]:
            raise ValueError("an answer without an end")
        return answer
