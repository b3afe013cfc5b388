"""What every reader of a file format gives back, and the one error that damaged files end in.

The formats themselves are in `idx`, `parquet`, `arrays`, `folders`, `cifar`, `svhn` and `celeba`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.data.images import Arrays, Shape
from bench.errors import BenchError

MAX_IMAGES = 2_000_000  # no set of the table comes near; a header that claims more is hostile


@dataclass(frozen=True, slots=True)
class Opened:
    """Files found in a known layout; nothing is decoded yet.

    Args:
        files: All files that the images and labels come from.
        count: Images that the files say they hold; may cost a look into them.
        read: First n images, n ≤ count, in a shape, and a callback for the number decoded so far.
    """

    files: tuple[Path, ...]
    count: Callable[[], int]
    read: Callable[[int, Shape, Callable[[int], None]], Arrays]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file makes a decoder raise into one error that names the file.

    Raises:
        BenchError: E-BROKEN-DATA.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # decoders raise anything: zlib.error, SyntaxError, IndexError …
        raise broken(path, f"{type(error).__name__}: {error}") from error


def broken(path: Path, found: str) -> BenchError:
    """The error for a file whose content is not what its place and name promise."""
    return BenchError(
        "E-BROKEN-DATA",
        f"{path}: got {found}; expected an undamaged file in the layout that its name says. "
        "Get it anew",
    )


def checked_count(path: Path, count: int) -> int:
    """The count, if it can be one.

    Raises:
        BenchError: E-BROKEN-DATA.
    """
    if not 0 < count <= MAX_IMAGES:
        raise broken(path, f"{count} images (1 to {MAX_IMAGES} can be read)")
    return count
