"""Parquet as Hugging Face writes it: a column of encoded images and a column of labels.

The images are a struct column with a `bytes` field, or a plain binary column, of any name.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.data.formats import Opened, broken, checked_count, reading
from bench.data.images import Arrays, Shape
from bench.data.pictures import decode

LABELS = ("label", "labels", "fine_label")
ROWS = 500  # decoded at a time; decoding in threads was measured to be slower


def open_parquet(path: Path) -> Opened:
    """One parquet file."""
    return Opened((path,), partial(_count, path), partial(_read, path))


def _count(path: Path) -> int:
    with reading(path), pq.ParquetFile(path) as file:
        return checked_count(path, file.metadata.num_rows)


def _read(path: Path, n: int, shape: Shape, done: Callable[[int], None]) -> Arrays:
    images, labels = np.empty((n, *shape), np.uint8), np.empty(n, np.int64)
    row = 0
    with reading(path), pq.ParquetFile(path) as file:
        pictures, classes = _columns(path, file.schema_arrow)
        for batch in file.iter_batches(ROWS, columns=[pictures, classes]):
            taken = batch.slice(0, n - row)
            for at, encoded in enumerate(_encoded(taken.column(pictures)), start=row):
                images[at] = decode(encoded, shape)
            labels[row : row + len(taken)] = taken.column(classes).to_pylist()
            row += len(taken)
            done(row)
            if row == n:
                break
        if row < n:
            raise broken(path, f"{row} rows of {n}")
    return images, labels


def _encoded(column: pa.Array) -> list[bytes]:
    binary = column.field("bytes") if pa.types.is_struct(column.type) else column
    encoded: list[bytes] = binary.to_pylist()
    return encoded


def _columns(path: Path, schema: pa.Schema) -> tuple[str, str]:
    pictures = [field.name for field in schema if _holds_images(field.type)]
    classes = [name for name in LABELS if name in schema.names]
    if len(pictures) != 1 or not classes:
        raise broken(path, f"the columns {schema.names}, not one of images and one named {LABELS}")
    return pictures[0], classes[0]


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
