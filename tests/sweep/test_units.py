"""Units: what there is to do, in which order, and what each is known by."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import environment
from bench.errors import BenchError
from bench.recipes import RECIPES
from bench.sweep import units as module
from bench.sweep.grid import Grid
from bench.sweep.units import Unit, units_of

GRID: dict[str, Any] = {"pruners": ["snip", "magnitude"], "sparsities": [0.5, 0.9], "seeds": [1, 2]}


def planned(**changes: Any) -> list[Unit]:
    return units_of(Grid.model_validate(GRID | changes))


def keys(units: list[Unit]) -> set[str]:
    return {unit.key for unit in units}


@pytest.fixture
def forgetting() -> Any:
    """What was worked out of data and program is worked out anew."""
    cached = (module._training, module._training_data, module._data, environment.program)
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()


def test_dense_networks_come_before_what_is_pruned_from_them_seed_by_seed():
    assert [unit.name for unit in planned()] == [
        f"digits lenet5 {what} {seed}"
        for seed in (1, 2)
        for what in ("dense", "snip-0.5", "snip-0.9", "magnitude-0.5", "magnitude-0.9")
    ]


def test_one_dense_network_serves_every_pruner_of_its_seed():
    units = planned()
    parents = {unit.parent.key for unit in units if unit.parent}
    assert parents == {unit.key for unit in units if unit.cut is None}
    assert all(u.parent is None or u.parent.plan.seed == u.plan.seed for u in units)
    assert all(unit.wanted.after in (None, *parents) for unit in units)


def test_bayesian_networks_have_units_of_their_own():
    units = planned(architectures=["bayesian:lenet5-plain"], pruners=["snr", "snr-s"], seeds=[1])
    assert len(keys(units)) == len(units) == 5
    assert {unit.plan.recipe_name for unit in units} == {"bayesian-digits-20"}


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"pruners": ["snr"]}, "weights have no noise"),
        ({"architectures": ["bayesian:lenet5-plain"], "pruners": ["edge-popup"]}, "a bayesian one"),
        ({"architectures": ["bayesian:lenet5-plain"], "recipe": "digits-20"}, "got digits-20 for"),
        ({"recipe": "bayesian-digits-20"}, "got bayesian-digits-20 for lenet5"),
        ({"architectures": ["glow-tiny"], "pruners": ["cropit-s"]}, "cropit-s"),
        ({"architectures": ["glow-tiny"], "pruners": ["snr"]}, "weights have no noise"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_work(grid, said):
    with pytest.raises(BenchError, match=f"E-BAD-VALUE.*{said}"):
        planned(**grid)


def test_the_same_twice_is_one_unit():
    twice = planned(pruners=["snip", "snip", "magnitude"], seeds=[1, 1, 2])
    assert keys(twice) == keys(planned())
    assert len(twice) == len(planned())


@pytest.mark.parametrize(
    "change",
    [
        {"limit": 10},
        {"preset": "authors"},
        {"recipe": "short-10"},
        {"suites": ["mnist"]},
        {"seeds": [3, 4]},
        {"architectures": ["lenet5-plain"]},
    ],
)
@pytest.mark.usefixtures("own_cache")
def test_another_world_shares_no_unit(change, data_root, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(data_root))
    assert not keys(planned()) & keys(planned(**change))


@pytest.mark.parametrize(
    "row",
    [
        {"name": "snip", "scope": "local"},
        {"name": "snip", "moment": "early"},
        {"name": "snip", "options": {"score_batches": 3}},
        {"name": "snip", "options": {"loss": "neg-logit"}},
        {"name": "snip", "sparsities": [0.7]},
    ],
)
def test_another_cut_shares_the_dense_networks_only(row):
    dense = {unit.key for unit in planned() if unit.cut is None}
    assert keys(planned(pruners=["snip"])) & keys(planned(pruners=[row])) == dense


def test_an_option_that_is_named_at_its_default_changes_nothing():
    plain, named = (planned(pruners=[row]) for row in ("snip", {"name": "snip", "scope": "global"}))
    assert keys(plain) == keys(named)


@pytest.mark.usefixtures("forgetting")
def test_a_changed_recipe_changes_every_unit(monkeypatch):
    before = keys(planned())
    module._training.cache_clear()
    slower = replace(RECIPES["digits-20"], learning_rate=1e-3)
    monkeypatch.setitem(RECIPES, "digits-20", slower)  # type: ignore[arg-type]
    assert not before & keys(planned())


@pytest.mark.usefixtures("forgetting")
def test_changed_images_change_every_unit(monkeypatch):
    before = keys(planned())
    module._training.cache_clear()
    monkeypatch.setattr(module, "_training_data", lambda *_: "0" * 64)
    assert not before & keys(planned())


@pytest.mark.usefixtures("forgetting")
def test_a_changed_test_set_changes_every_unit(monkeypatch):
    before = keys(planned())
    monkeypatch.setattr(module, "_data", lambda *_: {"digits": "0" * 64})
    assert not before & keys(planned())


@pytest.mark.usefixtures("forgetting")
def test_a_changed_program_changes_every_unit_and_a_changed_page_none(monkeypatch, tmp_path):
    home = tmp_path / "bench"
    for name, text in (("masks.py", "a"), ("cli/made.py", "b"), ("store/runs.py", "c")):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    monkeypatch.setattr(environment, "__file__", str(home / "environment.py"))
    first = environment.program()
    (home / "cli/made.py").write_text("other")
    (home / "store/runs.py").write_text("other")
    environment.program.cache_clear()
    assert environment.program() == first
    (home / "masks.py").write_text("other")
    environment.program.cache_clear()
    assert environment.program() != first


def test_a_changed_function_of_the_user_is_another_unit(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    dense = {unit.key for unit in planned() if unit.cut is None}
    found = []
    for text in ("weights", "-weights"):
        own = f"grown_{len(found)}"
        source = f"def mine(scoring):\n    weights = 1\n    return {text}\n"
        Path(f"{own}.py").write_text(source)
        found.append(keys(planned(pruners=[f"{own}:mine"])) - dense)
    assert not found[0] & found[1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"suites": ["imagenet"]}, "E-UNKNOWN-SUITE"),
        ({"architectures": ["lenet6"]}, "E-UNKNOWN-ARCHITECTURE"),
        ({"pruners": ["snap"]}, "E-BAD-VALUE"),
        ({"recipe": "long"}, "E-BAD-VALUE"),
        ({"limit": 10**6}, "E-TOO-FEW-IMAGES"),
        ({"preset": "flows"}, "E-BAD-VALUE"),
        ({"preset": "best"}, "E-BAD-VALUE"),
        ({"pruners": [{"name": "snip", "options": {"loss": "no"}}]}, "E-BAD-VALUE"),
    ],
)
def test_what_there_is_not_is_refused_before_any_work(change, code):
    with pytest.raises(BenchError) as refused:
        planned(**change)
    assert refused.value.code == code


def test_folders_are_named_for_people_and_by_content():
    unit = planned()[1]
    assert unit.folder == f"digits-lenet5-snip-0.5-1-{unit.key[:8]}"
