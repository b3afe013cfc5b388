"""The units of a grid: each one network to make and to score, known by all that it depends on."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from bench.baselines import Cut, facts_of, settled
from bench.data import load_suite, outlier_training_set, prepare_shifts, training_set
from bench.environment import choose_device, program
from bench.errors import BenchError
from bench.evaluation import check_kind
from bench.plans import Plan, check_trainable, fresh_model
from bench.protocol import Protocol, protocol_named, usual
from bench.pruners.fitting import check_fits
from bench.pruners.named import source_of
from bench.recipes import recipe_named
from bench.records import canonical_json
from bench.store.claims import Wanted
from bench.sweep.grid import Grid


@dataclass(frozen=True, slots=True)
class Unit:
    """One network, dense or pruned, under one protocol.

    Args:
        key: SHA-256 of all that the result depends on, the key of the dense parent included.
        name: What people call it, and the first part of its folder's name.
        plan: How it is trained.
        cut: What is pruned; None for a dense network.
        parent: The unit of its dense parent; None for a dense network.
        protocol: What it is scored by.
        limit: First images of every set; None for all.
    """

    key: str
    name: str
    plan: Plan
    cut: Cut | None
    parent: "Unit | None"
    protocol: Protocol
    limit: int | None

    @property
    def folder(self) -> str:
        """Name of its submission folder: another for another content."""
        return re.sub("[^a-zA-Z0-9_.-]+", "-", f"{self.name} {self.key[:8]}")

    @property
    def wanted(self) -> Wanted:
        """The unit as the claims see it."""
        return Wanted(self.key, self.name, self.parent.key if self.parent else None)


def units_of(grid: Grid, *, device: str = "auto", root: Path | None = None) -> list[Unit]:
    """Every unit once, seed by seed, each dense network before what is pruned from it.

    Args:
        grid: What is wanted.
        device: As for `evaluate`.
        root: Data root.

    Raises:
        BenchError: If the grid names something unknown, what does not go together, or data that
            is missing.
    """
    found: dict[str, Unit] = {}
    pruned = [(cut, settled(cut), _cut_facts(cut)) for cut in cuts(grid)]
    networks: list[str | None] = [*grid.architectures] or [None]
    for seed, suite, network in product(grid.seeds, grid.suites, networks):
        plan = Plan(suite, network, seed, grid.recipe, device, root)
        protocol = protocol_named(grid.preset) if grid.preset else usual(plan.kind)
        check_kind(plan.kind, protocol, suite)
        _check_network(suite, network)
        check_trainable(plan)
        start = {
            **_training(plan),
            "data": _data(suite, root, grid.limit, protocol.native_outlier_size),
            "protocol": protocol.id.sha256,
            "limit": grid.limit,
            "program": program(),
        }
        named = f"{suite} {plan.network}"
        dense = Unit(_key(start), f"{named} dense {seed}", plan, None, None, protocol, grid.limit)
        found[dense.key] = dense
        for cut, how, facts in pruned:
            name, (pruner, _, changed) = how
            check_fits(plan.network, plan.kind, name, pruner, changed)
            key = _cut_key(dense, facts)
            unit = replace(
                dense, key=key, name=f"{named} {facts['slug']} {seed}", cut=cut, parent=dense
            )
            found[key] = unit
    return list(found.values())


def cuts(grid: Grid) -> Iterator[Cut]:
    """What is pruned from each dense network."""
    for row in grid.pruners:
        for sparsity in grid.sparsities if row.sparsities is None else row.sparsities:
            yield Cut(row.name, sparsity, row.scope, row.texts)


def check_unchanged(unit: Unit) -> None:
    """Refuses a unit whose pruner is another than when the sweep was planned: E-BAD-VALUE."""
    if unit.cut and unit.parent and unit.key != _cut_key(unit.parent, _cut_facts(unit.cut)):
        raise BenchError(
            "E-BAD-VALUE",
            f"{unit.name}: the file of its pruner has changed since the sweep began; begin it anew",
        )


def _cut_key(dense: Unit, facts: Mapping[str, Any]) -> str:
    return _key({"parent": dense.key, **facts})


def _cut_facts(cut: Cut) -> Mapping[str, Any]:
    source = hashlib.sha256(source_of(cut.pruner).encode()).hexdigest()
    return {**facts_of(cut), "source": source}


def _key(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()


@cache
def _training(plan: Plan) -> Mapping[str, Any]:
    """What the training of a plan depends on."""
    recipe = recipe_named(plan.recipe_name)
    return {
        "suite": plan.suite,
        "architecture": plan.network,
        "seed": plan.seed,
        "recipe": [plan.recipe_name, repr(recipe)],
        "training": _training_data(plan.suite, plan.root, recipe.images),
        "device": choose_device(plan.device).type,
    }


@cache
def _check_network(suite: str, architecture: str | None) -> None:
    """Builds it once, so that one that there is not is refused before any work."""
    fresh_model(Plan(suite, architecture, device="cpu"))


@cache
def _training_data(suite: str, root: Path | None, limit: int | None) -> str:
    return training_set(suite, root=root, limit=limit).fingerprint


@cache
def _data(suite: str, root: Path | None, limit: int | None, native: bool) -> Mapping[str, str]:
    """Fingerprints of all sets but the training set, which a recipe may take a part of only."""
    loaded = load_suite(suite, root=root, limit=limit, native_size=native)
    found = loaded.fingerprints() | {"shift": loaded.shift_name}
    if loaded.training:
        found[loaded.training.name] = loaded.training.fingerprint
    if loaded.official_shifts:
        found[loaded.shift_name] = prepare_shifts(loaded)
    with suppress(BenchError):  # missing: what trains on them will say so
        outliers = outlier_training_set(suite, root=root)
        found[f"training on {outliers.name}"] = outliers.fingerprint
    return found
