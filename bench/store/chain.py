"""The hash chain of the ledger: one canonical form of a row, for writing and for verifying it.

The hash of a row covers the hash before it and every other column; two of these are digests of
its scores and of its outcomes. So an edit anywhere breaks the chain at its row, and the last hash
stands for the whole store. No SQL here.
"""

import hashlib
from collections.abc import Iterable, Mapping

from bench.records import canonical_json

GENESIS = "0" * 64  # stands before the first row
Row = Mapping[str, object]


def rows_digest(rows: Iterable[Row]) -> str:
    """SHA-256 of the scores or outcomes of a run.

    Args:
        rows: Each column by name, without the run's position; in any order.

    Returns:
        64 hex digits, the same for the same rows.
    """
    return _sha256("\n".join(sorted(canonical_json(_exact(row)) for row in rows)))


def row_hash(row: Row) -> str:
    """SHA-256 of the previous hash followed by the canonical JSON of all columns.

    Args:
        row: Columns of a run by name; `hash` is left out where it is there.

    Returns:
        64 hex digits.
    """
    content = {name: value for name, value in row.items() if name not in ("previous", "hash")}
    return _sha256(f"{row['previous']}{canonical_json(_exact(content))}")


def _exact(value: object) -> object:
    """A value so that equal ones, and no others, have equal JSON.

    Numbers with a point are written in hexadecimal; a text begins with a quote, so that it can
    never be taken for one of them or for the digest that bytes are replaced by. -0 is 0, as
    SQLite keeps it.
    """
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return (value + 0.0).hex()
    if isinstance(value, str):
        return f"'{value}"
    if isinstance(value, bytes):
        return f"sha256 {hashlib.sha256(value).hexdigest()}"
    if isinstance(value, Mapping):
        return {name: _exact(part) for name, part in value.items()}
    return value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
