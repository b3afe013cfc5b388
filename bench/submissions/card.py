"""`submission.toml`: what an owner declares, read strictly and written plainly."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.intake.opened import file_content

FILE = "submission.toml"
WEIGHTS = "weights.safetensors"
LARGEST = 2**16  # bytes of the card
LARGEST_NUMBER = 2.0**63
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
Number = (int, float)

# section -> field -> the types it may have; every field but schema and slug may be left out
FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "": {"schema": (int,), "slug": (str,), "kind": (str,)},
    "model": {"architecture": (str,), "sha256": (str,)},
    "input": {"mean": (list,), "std": (list,)},
    "pruning": {
        "pruner": (str,),
        "moment": (str,),
        "scope": (str,),
        "structure": (str,),
        "sparsity": Number,
    },
    "training": {
        "suite": (str,),
        "recipe": (str,),
        "seed": (int,),
        "epochs": (int,),
        "parent": (str,),
    },
    "about": {"authors": (str,), "paper": (str,), "license": (str,), "notes": (str,)},
}

Card = dict[str, dict[str, Any]]


def read_card(folder: Path) -> Card:
    """The declared fields of a submission folder, by section; "" is the top.

    Raises:
        BenchError: E-SUBMISSION-TOML if the file is malformed, a field is unknown or of a wrong
            type, or the slug is not `[a-z0-9._-]{1,64}`; others as `file_content`.
    """
    path = folder / FILE
    try:
        content = tomllib.loads(file_content(path, LARGEST).decode())
    except (ValueError, RecursionError) as error:  # of UTF-8, of TOML, of a number of 5000 digits
        raise BenchError("E-SUBMISSION-TOML", f"{path}: not readable ({error})") from error
    card = {name: content.get(name, {}) if name else _top(content) for name in FIELDS}
    unknown = set(content) - set(FIELDS) - set(FIELDS[""])
    if unknown:
        raise _wrong(path, sorted(unknown)[0], "unknown", f"known are {_known()}")
    for section, fields in card.items():
        _check_section(path, section, fields)
    if card[""].get("schema") != 1:
        raise _wrong(path, "schema", card[""].get("schema"), "expected 1")
    if not SLUG.fullmatch(card[""].get("slug", "")):
        raise _wrong(path, "slug", card[""].get("slug"), "expected 1 to 64 of a-z 0-9 . _ -")
    return card


def card_toml(card: Card) -> str:
    """The text of a `submission.toml`; empty fields and sections are left out."""
    lines: list[str] = []
    for section, fields in card.items():
        given = {key: value for key, value in fields.items() if value not in (None, [], ())}
        if given:
            lines += [f"\n[{section}]"] if section else []
            lines += [f"{key} = {json.dumps(value)}" for key, value in given.items()]
    return "\n".join(lines) + "\n"


def _top(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: content[key] for key in FIELDS[""] if key in content}


def _check_section(path: Path, section: str, fields: object) -> None:
    if not isinstance(fields, dict):
        raise _wrong(path, section, fields, "expected a section")
    for key, value in fields.items():
        name = f"{section}.{key}".lstrip(".")
        allowed = FIELDS[section].get(key)
        if allowed is None:
            raise _wrong(path, name, "unknown", f"known are {_known()}")
        if not isinstance(value, allowed) or isinstance(value, bool):
            kinds = " or ".join(kind.__name__ for kind in allowed)
            raise _wrong(path, name, value, f"expected {kinds}")
        if expected := _misfit(value):
            raise _wrong(path, name, value, expected)
    if section == "input" and _is_no_normalisation(fields):
        raise _wrong(path, "input", fields, "expected mean and std, as many, each std above 0")


def _misfit(value: Any) -> str:
    """What was expected in place of a value of the right type; "" if it is good."""
    if isinstance(value, str):
        return "" if value.isprintable() else "expected text that can be printed"
    numbers = value if isinstance(value, list) else [value]
    if not all(type(item) in Number for item in numbers):
        return "expected numbers"
    small = all(abs(item) <= LARGEST_NUMBER for item in numbers)
    return "" if small else f"expected numbers of at most {LARGEST_NUMBER:g}"


def _is_no_normalisation(fields: Mapping[str, Any]) -> bool:
    mean, std = fields.get("mean", []), fields.get("std", [])
    return len(mean) != len(std) or any(not spread > 0 for spread in std)


def _known() -> list[str]:
    return [f"{section}.{key}".lstrip(".") for section in FIELDS for key in FIELDS[section]]


def _wrong(path: Path, field: str, got: object, expected: str) -> BenchError:
    return BenchError("E-SUBMISSION-TOML", f"{path}: {field}: got {got!r}, {expected}")
