"""`GRID.toml`: what a sweep is to train, prune and score, read strictly."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from bench.errors import BenchError
from bench.records import Moment, Scope, Structure
from bench.submissions.card import Count, Section, wrong_field

Sparsity = Annotated[float, Field(ge=0, lt=1)]


class PrunerRow(Section):
    """One pruner of a grid, with what it does otherwise than by default.

    Args:
        name: Key of `PRUNERS`, or `module:function`.
        scope: As `bench prune --scope`.
        moment: As `bench prune --moment`.
        structure: As `bench prune --structure`.
        options: Option -> value, as `bench prune --option`.
        sparsities: In place of the grid's.
    """

    name: str
    scope: Scope | None = None
    moment: Moment | None = None
    structure: Structure | None = None
    options: dict[str, str | int | float | bool] = Field({})
    sparsities: list[Sparsity] | None = None

    @property
    def texts(self) -> dict[str, str]:
        """Every option as it would be typed."""
        own = {name: _typed(value) for name, value in self.options.items()}
        named = {"moment": self.moment, "structure": self.structure}
        return own | {name: value for name, value in named.items() if value}


def _typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(value: Any) -> Any:
    """A pruner is named by its name alone, or is a table."""
    return {"name": value} if isinstance(value, str) else value


class Grid(Section):
    """All combinations of what is listed, and one dense network a suite, architecture and seed.

    Args:
        suites: Keys of `SUITES`.
        architectures: As `bench train --arch`; none means each suite's reference network.
        pruners: Names, or tables; none means dense networks alone.
        sparsities: Share of the weights to remove, of the channels if structured.
        seeds: Of training and pruning.
        recipe: Key of `RECIPES`; None for the paper's.
        preset: Key of `PROTOCOLS`; None for the usual one of each kind.
        limit: First images of every set; None for all.
    """

    suites: list[str] = Field(["digits"], min_length=1)
    architectures: list[str] = Field([])
    pruners: list[Annotated[PrunerRow, BeforeValidator(_row)]] = Field([])
    sparsities: list[Sparsity] = Field([])
    seeds: list[Count] = Field([1234], min_length=1)
    recipe: str | None = None
    preset: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None


def read_grid(path: Path) -> Grid:
    """The grid of a file.

    Raises:
        BenchError: E-NO-SUCH-FILE, or E-GRID for what is no grid, or an empty one.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError("E-NO-SUCH-FILE", f"{path}: {error.strerror}") from error
    except ValueError as error:  # of UTF-8, or of TOML
        raise BenchError("E-GRID", f"{path}: not readable ({error})") from error
    if not content:
        raise BenchError("E-GRID", f'{path}: is empty; name what to do, e.g. pruners = ["snip"]')
    try:
        grid = Grid.model_validate(content)
    except ValidationError as error:
        wrong = wrong_field(error, content, Grid.model_fields)
        raise BenchError("E-GRID", f"{path}: {wrong}") from error
    if grid.sparsities and not grid.pruners:
        raise BenchError("E-GRID", f'{path}: sparsities without pruners, e.g. pruners = ["snip"]')
    for row in grid.pruners:
        if not (grid.sparsities if row.sparsities is None else row.sparsities):
            raise BenchError(
                "E-GRID", f"{path}: {row.name} has no sparsities, e.g. sparsities = [0.5, 0.9]"
            )
    return grid
