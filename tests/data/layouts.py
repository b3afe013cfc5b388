"""Writes images in the layouts that users have, byte by byte where the format is simple."""

import gzip
import io
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat

from bench.data.sets import SETS
from bench.data.sources import find

Arrays = tuple[np.ndarray, np.ndarray]


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = b"".join(struct.pack(">i", side) for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(raw: Path, stem: str, images: np.ndarray, labels: np.ndarray, *, gz: bool) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3-ubyte", images[:, 0]), ("labels-idx1-ubyte", labels)):
        content = idx_bytes(array)
        path = raw / f"{stem}-{name}{'.gz' if gz else ''}"
        path.write_bytes(gzip.compress(content) if gz else content)


def encoded(image: np.ndarray, form: str = "PNG") -> bytes:
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    buffer = io.BytesIO()
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, form, **options)
    return buffer.getvalue()


def write_parquet(
    path: Path,
    pictures: list[bytes],
    labels: np.ndarray,
    column: str = "image",
    label: str = "label",
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"bytes": content, "path": f"{at}.img"} for at, content in enumerate(pictures)]
    pq.write_table(pa.table({column: rows, label: labels}), path, row_group_size=5)


def write_folder(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for at, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / f"class{label}" / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image))


def write_cifar_binary(path: Path, images: np.ndarray, labels: np.ndarray, before: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.full((len(labels), before - 1), 7, np.uint8)
    rows = np.hstack([coarse, labels[:, None].astype(np.uint8), images.reshape(len(images), -1)])
    path.write_bytes(rows.tobytes())


def cifar_pickle(images: np.ndarray, labels: np.ndarray, key: str = "labels") -> bytes:
    """The opcodes that Python 2's cPickle wrote for a CIFAR batch, protocol 2."""
    rows = len(images)
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    names = b"".join(text(f"image_{at}.png") for at in range(rows))
    return b"".join(
        [
            b"\x80\x02}q\x01(",
            text("data")
            + b"q\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04",
            b"K\x00\x85U\x01b\x87Rq\x05(K\x01",
            b"M" + struct.pack("<H", rows) + b"M\x00\x0c\x86",
            b"cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<i", images.size) + images.tobytes() + b"tb",
            text(key) + b"q\x08]q\x09(" + numbers + b"e",
            text("batch_label") + b"q\x0a" + text("testing batch 1 of 1") + b"q\x0b",
            text("filenames") + b"q\x0c](" + names + b"e",
            b"u.",
        ]
    )


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def write_svhn(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(
        path,
        {
            "X": images.transpose(2, 3, 1, 0),
            "y": np.where(labels == 0, 10, labels).astype(np.uint8)[:, None],
        },
        do_compression=True,
    )


def write_celeba(root: Path, splits: Mapping[int, int]) -> None:
    """CelebA's layout: number of a picture → number of its split, in the order of the list."""
    folder = root / "celeba/img_align_celeba"
    folder.mkdir(parents=True)
    for number in splits:
        small = np.random.default_rng(number).integers(0, 256, (7, 6, 3), np.uint8)
        picture = Image.fromarray(small).resize((178, 218), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:06}.jpg", quality=30)
    lines = [f"{number:06}.jpg {split}\n" for number, split in splits.items()]
    (root / "celeba/list_eval_partition.txt").write_text("".join(lines))


def read(root: Path, name: str, split: str = "test", n: int | None = None) -> Arrays:
    """Images and labels of a split, in the size that the set is published with."""
    source = find(name, split, root)
    assert source is not None
    opened = source.opened
    return opened.read(n or opened.count(), SETS[name].shape, lambda done: None)
