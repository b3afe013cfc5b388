"""CelebA's aligned faces, as torchvision puts them.

`celeba/img_align_celeba/NNNNNN.jpg`, and `celeba/list_eval_partition.txt` with a line `NNNNNN.jpg
SPLIT` for each picture, which is the canonical order. The middle square of a picture is what is
looked at; there are no labels.

References:
    Liu et al., Deep learning face attributes in the wild, 2015. torchvision's Resize(32) and
    CenterCrop(32), of the flows of Ayle et al., 2022, cut the same square up to rounding.
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.formats import Opened, broken, checked_count, reading
from bench.data.images import BLOCK, Arrays, Shape, fit
from bench.data.pictures import pixels_of, read_picture

SPLITS = {"train": "0", "valid": "1", "test": "2"}
HEIGHT, WIDTH = 218, 178
LINE = re.compile(r"([0-9]{6}\.jpg) ([0-2])")
LONGEST = 2**24  # characters of the list; the official one has 2.8 million


def find_celeba(root: Path, split: str) -> Opened | None:
    """The pictures of a split, if their list is there.

    The folder stands for its pictures, of which there are too many to look at one by one.
    """
    folder, partition = root / "celeba/img_align_celeba", root / "celeba/list_eval_partition.txt"
    if not partition.is_file():
        return None
    return Opened(
        (partition, folder) if folder.is_dir() else (partition,),
        lambda: checked_count(partition, len(_pictures(partition, folder, split))),
        partial(_read, partition, folder, split),
    )


def _read(
    partition: Path,
    folder: Path,
    split: str,
    n: int,
    shape: Shape,
    done: Callable[[int], None],
) -> Arrays:
    images = np.empty((n, *shape), np.uint8)
    for at, path in enumerate(_pictures(partition, folder, split)[:n]):
        images[at] = fit(_middle(path)[None], shape)[0]
        if at % BLOCK == BLOCK - 1:
            done(at + 1)
    return images, np.zeros(n, np.int64)


def _middle(path: Path) -> np.ndarray:
    """(3, 178, 178) uint8, or of one channel: the picture without its upper and lower rims."""
    with reading(path):
        pixels = pixels_of(read_picture(path))
    if pixels.shape[1:] != (HEIGHT, WIDTH):
        raise broken(path, f"{pixels.shape[2]}×{pixels.shape[1]} pixels, not {WIDTH}×{HEIGHT}")
    rim = (HEIGHT - WIDTH) // 2
    return pixels[:, rim : rim + WIDTH]


def _pictures(partition: Path, folder: Path, split: str) -> list[Path]:
    """The files of a split in the order of the list.

    Raises:
        BenchError: E-BROKEN-DATA if the list is damaged or one of them is not there.
    """
    names = [name for name, number in _listed(partition).items() if number == SPLITS[split]]
    with reading(folder), os.scandir(folder) as entries:
        here = {entry.name for entry in entries if entry.is_file()}
    missing = [name for name in names if name not in here]
    if missing:
        raise broken(
            folder,
            f"{len(missing)} of the {len(names)} pictures of {split} missing, the first "
            f"{missing[0]}",
        )
    return [folder / name for name in names]


def _listed(partition: Path) -> dict[str, str]:
    """File name → number of its split, in the order of the list."""
    with reading(partition), partition.open(encoding="ascii") as file:
        lines = file.read(LONGEST).splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    if None in found:
        odd = lines[found.index(None)]
        raise broken(partition, f"the line {odd[:40]!r}, not NNNNNN.jpg and 0, 1 or 2")
    listed = {match[1]: match[2] for match in found if match}
    if len(listed) < len(lines):
        raise broken(partition, f"{len(lines) - len(listed)} pictures listed again")
    return listed
