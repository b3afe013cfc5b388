"""The Markdown of an evaluation, and the comment that is made of its numbers as data."""

import gzip
import json
import re
from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest

from bench.errors import BenchError
from bench.flags import FLAGS
from bench.headline import headline
from bench.records import canonical_json, file_bytes, from_json, to_json
from ci.comparison import NEW, comparison, plain
from ci.report import LARGEST, read_run, report
from ci.shipped import comparable_runs, shipped_runs
from tests.factories import some_run

RUN = replace(
    some_run(pruner="axe", sparsity=0.8, accuracy=0.81), trust="ci", sandbox="strong", limit=30
)
DENSE = replace(some_run(accuracy=0.9), trust="ci", limit=30)
SHIPPED = {
    run.submission.slug: replace(run, trust="ci")
    for run in shipped_runs()
    if (run.submission.architecture, run.submission.recipe) == ("lenet5", "paper-30")
}
WHOLE, WHOLE_DENSE = replace(SHIPPED["snip-0.9"], sandbox="strong"), SHIPPED["dense"]
PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "[click](https://example.org)",
    "![](https://example.org/x.png)",
    "@everyone #1",
    "a | b |\n| --- | --- |",
    "`code` **bold** \\` \\| ``` ~~~",
    "\u202egnp\x1b[2J\x00",
    "=cmd()",
    "www.example.org https://example.org",
)


def record(folder, run=WHOLE, name="run.json", **changes):
    """Writes a run record with its id; `submission__slug=…` changes a field inside a field."""
    content = to_json(run)
    for key, value in changes.items():
        *outer, last = key.split("__")
        place = content
        for part in outer:
            place = place[part]
        place[last] = value
    with suppress(ValueError):
        content["run_id"] = from_json(content).run_id
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def rows(text):
    """First column of text → the cells of the row, of every table."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [(cells[1].strip("`"), cells) for cells in lines]


def test_a_run_stands_beside_dense_absolute_and_relative():
    text = comparison(RUN, DENSE)
    absolute, relative = text.split("### Relative to dense")
    ranked = dict(rows(absolute))
    assert ranked["dense"][0] == "1"
    assert ranked[f"{NEW}axe-0.8"][:5] == ["2", f"`{NEW}axe-0.8`", "`before`", "0.800", "1"]
    assert ranked[f"{NEW}axe-0.8"][5] == "0.810"
    assert dict(rows(relative))[f"{NEW}axe-0.8"][5] == "0.900"
    for line in ("* trust: `ci`", "* sandbox: strong", "0.8000 measured, 0.8 declared"):
        assert line in text


def test_flags_and_levels_have_their_meaning():
    text = comparison(replace(RUN, sandbox="weak", flags=("non-deterministic",)))
    assert f"`non-deterministic` ({FLAGS['non-deterministic'].meaning})" in text
    assert "* sandbox: WEAK" in text
    assert "No dense run of the same seed and recipe" in text
    assert "no code ran" in comparison(replace(RUN, sandbox=None))


def shipped_snip(recipe):
    wanted = ("snip-0.9", recipe)
    return next(
        run for run in shipped_runs() if (run.submission.slug, run.submission.recipe) == wanted
    )


@pytest.mark.parametrize(("recipe", "count"), [("paper-30", 17), ("short-10", 14)])
def test_shipped_baselines_of_the_same_protocol_and_recipe_stand_beside_it(recipe, count):
    shipped = shipped_snip(recipe)
    mine = replace(shipped, submission=replace(shipped.submission, slug="mine", pruner="snip"))
    names = [name for name, _ in rows(comparison(mine))]
    families = {
        (r.submission.pruner, r.submission.declared_sparsity) for r in comparable_runs(mine)
    }
    assert len(families) == count
    assert names.count(f"{NEW}mine") == 2
    assert names.count("snip") == 2
    limited = comparison(replace(mine, limit=20))
    assert f"{lenets()} shipped runs of `fashionmnist` are left out" in limited
    assert "left out: they differ in limit" in limited


def test_a_flow_is_ranked_by_what_flows_are():
    flow = next(run for run in shipped_runs() if run.submission.kind == "flow")
    text = comparison(replace(flow, submission=replace(flow.submission, slug="mine")))
    heads = next(cells for name, cells in rows(text) if name == "pruner")
    assert "AUROC outliers, likelihood" in heads
    assert "accuracy" not in heads
    (cells, *_) = (cells for name, cells in rows(text) if name == f"{NEW}mine")
    assert cells[0].isdigit()


def test_only_networks_that_pruning_destroyed_have_a_flag():
    """As the README says of the shipped LeNet5."""
    runs = [run for run in shipped_runs() if run.submission.architecture == "lenet5"]
    flagged = [run for run in runs if run.flags]
    assert {run.submission.recipe for run in flagged} == {"short-10"}
    assert max(headline(run.scores)["accuracy"] for run in flagged) < 0.5


def lenets():
    """How many are shipped."""
    found = [(run.suite, run.submission.architecture) for run in shipped_runs()]
    return found.count(("fashionmnist", "lenet5"))


def test_of_a_grid_the_nearest_sparsity_stands_beside_it_as_a_mean_over_seeds(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("leaderboard.shipped.SUBMISSIONS", tmp_path)
    for seed, sparsity in product((1, 2), (0.5, 0.75, 0.98)):
        for pruner, share in (("dense", 0.0), ("snip", sparsity)):
            run = some_run(
                pruner=pruner, sparsity=share, seed=seed, accuracy=0.9 - share / 10 * seed
            )
            folder = tmp_path / f"grid-{run.submission.slug}"
            folder.mkdir(exist_ok=True)
            (folder / f"run-{seed}.json.gz").write_bytes(gzip.compress(file_bytes(run)))
    text = comparison(replace(RUN, limit=None))
    assert "baselines of the recipe `digits-20`, each at the sparsity nearest to its own" in text
    found = dict(rows(text.partition("### Relative")[0]))
    assert set(found) == {"dense", "snip", f"{NEW}axe-0.8"} | {"pruner", "---"}
    assert found["snip"][3:6] == ["0.750", "2", f"{0.9 - 0.075 * 1.5:.3f}"]


def test_an_ensemble_does_not_take_the_place_of_its_dense_network():
    one = next(run for run in shipped_runs() if run.submission.slug == "ensemble-of-5-dense")
    kinds = {(run.submission.kind, run.submission.pruner) for run in comparable_runs(one)}
    assert {("ensemble", "dense"), ("classifier", "dense")} <= kinds


def test_baselines_on_other_images_are_left_out():
    shipped = shipped_snip("paper-30")
    other = replace(shipped, data=shipped.data | {"mnist": "0" * 64})
    assert comparable_runs(other) == []
    left_out = "shipped runs of `fashionmnist` are left out: they differ in limit, data."
    assert left_out in comparison(other)


@pytest.mark.parametrize("first", range(0, len(PAYLOADS), 3))
def test_text_of_strangers_is_shown_and_never_obeyed(first):
    pruner, moment, recipe = PAYLOADS[first : first + 3]
    who = replace(RUN.submission, pruner=pruner, moment=moment, recipe=recipe)
    text = comparison(replace(RUN, submission=who), DENSE)
    outside = re.sub(r"`[^`\n]+`", "·", text)
    assert not re.search(r"[<\x00\x1b\u202e`]|://|www\.|@|\]\(|#1", outside)
    assert [name for name, _ in rows(outside)].count("·") == 2  # dense, and ours
    assert "* pruner: ·, moment ·, seed ·, recipe ·" in outside


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_text_is_one_span_of_code(payload):
    assert re.fullmatch(r"`[^`\n]+`", plain(payload))
    assert plain(payload)[1:-1].isprintable()


def test_nothing_is_a_dash_and_long_texts_end():
    assert [plain(None), plain(""), plain("  ")] == ["–", "–", "–"]
    assert plain("x" * 500) == f"`{'x' * 100}`"


def test_the_comment_is_made_of_the_numbers_alone(tmp_path):
    record(tmp_path)
    (tmp_path / "comparison.md").write_text("<script>alert(1)</script>")
    assert read_run(tmp_path / "run.json") == WHOLE
    assert report(tmp_path) == comparison(WHOLE)
    record(tmp_path, WHOLE_DENSE, "dense.json")
    assert report(tmp_path) == comparison(WHOLE, WHOLE_DENSE)


SCORE, *SCORES = to_json(WHOLE)["scores"]


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"suite": "imagenet"},
        {"suite": 3},
        {"sandbox": "very strong"},
        {"trust": "blind"},
        {"trust": "self-reported"},
        {"trust": "official"},
        {"seconds": -1.0},
        {"limit": "30"},
        {"flags": ["x" * 200]},
        {"flags": ["\x1b[2J"]},
        {"flags": "partial"},
        {"submission__slug": "../../x"},
        {"submission__slug": "Title\n# h"},
        {"submission__architecture": "module:evil"},
        {"submission__measured_sparsity": 1.5},
        {"submission__pruner": ["x"]},
        {"protocol__sha256": "0" * 64},
        {"scores": [SCORE | {"value": 1.2}, *SCORES]},
        {"scores": [SCORE | {"value": "1.0"}, *SCORES]},
        {"scores": [SCORE | {"metric": "beauty"}, *SCORES]},
        {"scores": [SCORE | {"value": float("nan")}, *SCORES]},
        {"scores": [SCORE | {"value": float("inf")}, *SCORES]},
        {"scores": [SCORE | {"value": None}, *SCORES]},
        {"scores": [SCORE | {"n": -1}, *SCORES]},
        {"scores": [SCORE | {"stderr": 1e300}, *SCORES]},
        {"scores": [SCORE, SCORE, *SCORES]},
        {"scores": [score for score in SCORES if score["task"] != "clean"][1:]},
        {"scores": {}},
        {"flags": ["partial"] * 50_000},
        {"flags": ["constant-output"]},
        {"environment": None},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_record_that_cannot_be_ours_is_refused(changes, tmp_path):
    path = record(tmp_path, **changes)
    with pytest.raises(BenchError) as caught:
        read_run(path)
    assert caught.value.code == "E-BAD-RECORD"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"x"', b"NaN"])
def test_a_file_that_is_no_record_is_refused(content, tmp_path):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(BenchError) as caught:
        report(tmp_path)
    assert caught.value.code == "E-BAD-RECORD"


def test_links_giants_and_dense_runs_of_another_kind_are_refused(tmp_path):
    path = record(tmp_path)
    other_limit = replace(SHIPPED["dense"], limit=10_000)
    for other in (WHOLE, other_limit):
        record(tmp_path, other, "dense.json")
        with pytest.raises(BenchError, match="not a dense run") as caught:
            report(tmp_path)
        assert caught.value.code == "E-BAD-RECORD"
    path.write_bytes(canonical_json(to_json(WHOLE)).encode() + b" " * LARGEST)
    with pytest.raises(BenchError) as caught:
        report(tmp_path)
    assert caught.value.code == "E-TOO-LARGE"
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(BenchError) as caught:
        report(tmp_path)
    assert caught.value.code == "E-NOT-A-FILE"
