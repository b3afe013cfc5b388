"""`submission.toml`: what an owner declares, read strictly and written as a template."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import BenchError
from bench.intake.opened import file_content
from bench.records import Combine, Kind

FILE = "submission.toml"
WEIGHTS = "weights.safetensors"
LARGEST = 2**14  # bytes of the card
LARGEST_NUMBER = 2.0**63
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected text that can be printed")
    return text


def _slug(text: str) -> str:
    if not SLUG.fullmatch(text):
        raise ValueError("expected 1 to 64 of a-z 0-9 . _ -")
    return text


Slug = Annotated[str, AfterValidator(_slug)]
Text = Annotated[str, AfterValidator(_printable)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]


def _field(meaning: str, default: Any = None) -> Any:
    return Field(default, description=meaning)


class Section(BaseModel):
    """A table of a TOML file that is read strictly."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Model(Section):
    """What the weights are of."""

    architecture: Text | None = _field("of the table, or `timm:NAME`, `robustbench:NAME`")
    members: list[Slug] = _field("of an ensemble: folders beside this file, each a submission", [])
    combine: Combine = _field(
        "what an ensemble averages: `probabilities` or `logits`", "probabilities"
    )
    sha256: Sha256 | None = _field("of the canonical weights; refused if they were changed")
    packed_from: Sha256 | None = _field("SHA-256 of the file that `bench pack` read them from")


class Input(Section):
    """The normalisation between images in [0, 1] and the network."""

    mean: list[Number] = _field("one number a channel, or one in all; empty for none", [])
    std: list[Number] = _field("the same", [])

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if len(self.mean) != len(self.std) or any(not spread > 0 for spread in self.std):
            raise ValueError("expected mean and std, as many, each std above 0")
        return self


class Pruning(Section):
    """How it was made sparse."""

    pruner: Text | None = _field("the method, in your words; `dense` for none")
    moment: Text | None = _field("`before`, `early`, `iterative` or `after` training")
    scope: Text | None = _field("ranked over all layers, `global`, or within each, `local`")
    structure: Text | None = _field("`unstructured`, or `structured` if channels are removed")
    sparsity: Annotated[float, Field(ge=0, le=1)] | None = _field(
        "share of weights (of channels) that is removed; measured beside it"
    )


class Training(Section):
    """How it was trained."""

    suite: Text | None = _field("data it was trained on: a suite's name")
    recipe: Text | None = _field("name of the training recipe; your own has a name of its own")
    seed: Count | None = _field("of training and pruning; pairs the run with its dense one")
    epochs: Count | None = _field("through the training set, in all")
    parent: Text | None = _field("SHA-256 of the dense weights that it came from")


class About(Section):
    """Whose it is."""

    authors: Text | None = _field("names, separated by commas")
    paper: Text | None = _field("title or link of the paper")
    license: Text | None = _field("of the weights")
    notes: Text | None = _field("what else a reader has to know")


class Card(Section):
    """A `submission.toml`; everything but `schema` and `slug` may be left out."""

    schema_: Annotated[int, Field(ge=1, le=1)] = Field(alias="schema", description="1")
    slug: Slug = Field(description="short name, `[a-z0-9._-]`")
    kind: Kind = _field("`classifier`, `ensemble`, `bayesian` or `flow`", "classifier")
    model: Model = Model()
    input: Input = Input()
    pruning: Pruning = Pruning()
    training: Training = Training()
    about: About = About()


def read_card(folder: Path) -> Card:
    """The declared fields of a submission folder.

    Raises:
        BenchError: E-SUBMISSION-TOML if the file is malformed or a field is unknown, of a wrong
            type or value; others as `file_content`.
    """
    path = folder / FILE
    try:
        content = tomllib.loads(file_content(path, LARGEST).decode())
    except (ValueError, RecursionError) as error:  # of UTF-8, of TOML, of a number of 5000 digits
        raise BenchError("E-SUBMISSION-TOML", f"{path}: not readable ({error})") from error
    return card_of(content, str(path))


def card_of(content: Mapping[str, Any], place: str = FILE) -> Card:
    """The card of plain dicts.

    Args:
        content: As TOML gives it.
        place: What to call it in errors.

    Raises:
        BenchError: E-SUBMISSION-TOML with the first wrong field, what it is and what it may be.
    """
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        wrong = wrong_field(error, content, (name for name, _ in fields()))
    raise BenchError("E-SUBMISSION-TOML", f"{place}: {wrong}")


def wrong_field(error: ValidationError, content: Mapping[str, Any], known: Iterable[str]) -> str:
    """The first wrong field of what a TOML file holds: what it is, and what it may be."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{name}: unknown; known are {', '.join(known)}"
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    got = "" if first["type"] == "missing" else f"got {_at(content, first['loc'])!r}, "
    return f"{name}: {got}{said}"


def _at(content: Any, place: tuple[int | str, ...]) -> Any:
    for key in place:
        content = content[key]
    return content


def card_toml(card: Card) -> str:
    """The text of a `submission.toml`; what is not given is there as a comment."""
    given = card.model_dump(by_alias=True)
    lines: list[str] = []
    section = ""
    for name, field in fields():
        *outer, key = name.split(".")
        if outer and outer[0] != section:
            section = outer[0]
            lines.append(f"\n[{section}]")
        value = (given[section] if outer else given)[key]
        if value in (None, []):
            lines.append(f"# {key} =  # {field}")
        else:
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def fields() -> Iterator[tuple[str, str]]:
    """Every field, as `section.name`, and what it means."""
    for name, field in Card.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {})
        if not inner:
            yield field.alias or name, str(field.description)
        for key, told in inner.items():
            yield f"{name}.{key}", str(told.description)
