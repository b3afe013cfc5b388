"""Tensors from a file of a stranger. The only `torch.load`; nothing is unpickled.

What a file is, is read off its content, never off its name.
"""

import io
import json
import warnings
import zipfile
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from bench.errors import BenchError

LARGEST_FILE = 2**30
CONVERT = (
    "save the weights alone, `torch.save(model.state_dict(), 'weights.pt')`, "
    "or as safetensors, on the machine where you trust the file"
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file or a zip state-dict.

    Args:
        path: A regular file.

    Returns:
        Fresh, contiguous, finite CPU tensors: floating point as float32, counters as int64.

    Raises:
        BenchError: E-NO-SUCH-FILE, or one code for every kind of file that is refused.
    """
    if not path.is_file():
        raise BenchError("E-NO-SUCH-FILE", f"{path}: no such file")
    if path.stat().st_size > LARGEST_FILE:
        raise BenchError(
            "E-BROKEN-FILE", f"{path}: got {path.stat().st_size} bytes, at most {LARGEST_FILE}"
        )
    content = path.read_bytes()
    if content[:4] == b"PK\x03\x04":
        return _checked(path, _state_dict(path, content))
    if _is_safetensors(content):
        return _checked(path, _safetensors(path, content))
    raise _refusal(path, content)


def _is_safetensors(content: bytes) -> bool:
    length = int.from_bytes(content[:8], "little")
    return len(content) > 10 and content[8:9] == b"{" and length <= len(content) - 8


def _safetensors(path: Path, content: bytes) -> dict[str, object]:
    try:
        json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return dict(safetensors.torch.load(content))
    except Exception as error:
        raise BenchError(
            "E-BROKEN-FILE", f"{path}: not readable as safetensors ({error})"
        ) from error


def _state_dict(path: Path, content: bytes) -> dict[str, object]:
    _check_archive(path, content)
    try:
        with warnings.catch_warnings():  # of kinds of tensors that are refused below
            warnings.simplefilter("ignore")
            loaded = torch.load(
                io.BytesIO(content), weights_only=True, map_location="cpu", mmap=False
            )
    except Exception as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise BenchError(
                "E-PICKLED-MODULE",
                f"{path}: holds Python objects besides tensors, and reading them would run "
                f"code; {CONVERT}",
            ) from error
        raise BenchError("E-BROKEN-FILE", f"{path}: not readable as weights ({error})") from error
    return _innermost(path, loaded)


def _check_archive(path: Path, content: bytes) -> None:
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise BenchError("E-BROKEN-FILE", f"{path}: a damaged zip archive ({error})") from error
    parts = {name.rsplit("/", 1)[-1] for name in names}
    if "constants.pkl" in parts:
        raise BenchError("E-TORCHSCRIPT", f"{path}: a TorchScript program; {CONVERT}")
    if parts & {"archive_format", "serialized_exported_program.json"}:
        raise BenchError("E-EXPORTED-PROGRAM", f"{path}: a .pt2 program; {CONVERT}")
    if [name.rsplit("/", 1)[-1] for name in names].count("data.pkl") != 1:
        raise BenchError(
            "E-UNKNOWN-FORMAT", f"{path}: a zip archive, but not of torch.save; {CONVERT}"
        )


def _innermost(path: Path, loaded: object) -> dict[str, object]:
    """The state-dict, also where a checkpoint wraps it as `state_dict`, `model` or `net`."""
    for _ in range(2):
        if not isinstance(loaded, dict):
            break
        wrapped = [
            dict.get(loaded, key) for key in ("state_dict", "model_state_dict", "model", "net")
        ]
        inner = next((value for value in wrapped if isinstance(value, dict)), None)
        if inner is None:
            return loaded
        loaded = inner
    raise BenchError(
        "E-NOT-A-STATE-DICT",
        f"{path}: got a {type(loaded).__name__}, expected names with tensors; {CONVERT}",
    )


def _checked(path: Path, loaded: dict[str, object]) -> dict[str, Tensor]:
    """Fresh copies, looked at through unbound methods: a loaded object may shadow its own."""
    tensors = {}
    for name, value in dict.items(loaded):
        plain = type(value) in (Tensor, torch.nn.Parameter)
        if not (plain and isinstance(value, Tensor) and isinstance(name, str)):
            raise BenchError(
                "E-NOT-A-STATE-DICT",
                f"{path}: entry {str(name)[:80]!r} is a {type(value).__name__}, expected a "
                f"tensor; {CONVERT}",
            )
        tensors[name] = _fresh(path, name, value)
    if not tensors:
        raise BenchError("E-NOT-A-STATE-DICT", f"{path}: holds no tensor; {CONVERT}")
    return tensors


def _fresh(path: Path, name: str, value: Tensor) -> Tensor:
    place = f"{path}: tensor {name[:80]!r}"
    if object.__getattribute__(value, "__dict__"):
        raise BenchError("E-BAD-TENSOR", f"{place} carries attributes that could hide its content")
    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        raise BenchError("E-BAD-TENSOR", f"{place} is not a plain dense CPU tensor")
    if any(step == 0 and size > 1 for step, size in zip(value.stride(), value.shape, strict=True)):
        raise BenchError("E-BAD-TENSOR", f"{place} repeats one number over a whole axis")
    if not (value.is_floating_point() or value.dtype in (torch.int64, torch.int32, torch.bool)):
        raise BenchError("E-BAD-TENSOR", f"{place} is {value.dtype}, expected floating point")
    kind = torch.float32 if value.is_floating_point() else torch.int64
    fresh = torch.empty(tuple(value.shape), dtype=kind)
    fresh.copy_(value.detach())
    if not torch.isfinite(fresh).all():
        count = int((~torch.isfinite(fresh)).sum())
        raise BenchError("E-BAD-TENSOR", f"{place} has {count} values that are not finite")
    return fresh


def _refusal(path: Path, content: bytes) -> BenchError:
    """The reason why a file that is neither zip nor safetensors is refused."""
    if content[:1] == b"\x80" or content[257:262] == b"ustar":
        return BenchError(
            "E-LEGACY-FORMAT", f"{path}: written by an old torch.save, or a plain pickle; {CONVERT}"
        )
    return BenchError(
        "E-UNKNOWN-FORMAT",
        f"{path}: starts with {content[:8]!r}, expected a zip state-dict or safetensors; {CONVERT}",
    )
