"""Flags follow from the numbers of a run alone; every rule on both sides of its threshold."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.flags import FAR, FLAGS, NEAR, flags_of, meanings
from bench.ranking import DUPLICATE, ranks, relative
from bench.records import Run, Score, from_json, to_json
from bench.store import load_run, open_store, save_run
from ci.shipped import ROOT
from leaderboard.views.board import board
from tests.factories import on_other_data, some_run, some_scores, summary_of

HONEST = {
    ("accuracy", None, None): 0.9,
    ("accuracy", "fgsm-linf", NEAR): 0.5,
    ("accuracy", "fgsm-linf-standardised", NEAR): 0.5,
    ("accuracy", "fgsm-linf-margin", NEAR): 0.45,
    ("accuracy", "noise-linf", NEAR): 0.9,
    ("accuracy", "pgd-linf", NEAR): 0.4,
    ("accuracy", "square-linf", NEAR): 0.7,
    ("accuracy", "pgd-linf", FAR): 0.0,
    ("zero_gradient_share", "fgsm-linf", NEAR): 0.0,
    ("top_class_share", None, None): 0.15,
    ("saturated_share", None, None): 0.26,
    ("tied_share", None, None): 0.0,
    ("denormal_share", None, None): 0.013,
    ("tiny_share", None, None): 0.021,
}


def audited(changes=None) -> Run:
    """A run with the numbers of an honest network, but for those that change."""
    numbers = {**HONEST, **(changes or {})}
    rows = [
        Score(task="audit", set="digits", metric=m, value=v, n=256, attack=attack, epsilon=epsilon)
        for (m, attack, epsilon), v in numbers.items()
    ]
    return some_run(scores=[*some_scores(), *rows])


def of_images(run: Run, n: int) -> Run:
    """The same values of fewer images; by hand, so that not all are whole numbers of them."""
    return replace(run, scores=tuple(replace(score, n=n) for score in run.scores))


def test_honest_numbers_have_no_flag():
    assert flags_of(audited()) == ()


@pytest.mark.parametrize(
    ("number", "harmless", "telling", "flag"),
    [
        (("zero_gradient_share", "fgsm-linf", NEAR), 0.01, 0.0101, "masked-gradients"),
        (("accuracy", "fgsm-linf-standardised", NEAR), 0.451, 0.449, "masked-gradients"),
        (("accuracy", "fgsm-linf-margin", NEAR), 0.401, 0.399, "masked-gradients"),
        (("accuracy", "noise-linf", NEAR), 0.481, 0.479, "masked-gradients"),
        (("accuracy", "pgd-linf", NEAR), 0.519, 0.521, "masked-gradients"),
        (("accuracy", "square-linf", NEAR), 0.381, 0.379, "masked-gradients"),
        (("accuracy", "pgd-linf", FAR), 0.2, 0.201, "masked-gradients"),
        (("top_class_share", None, None), 0.995, 0.996, "constant-output"),
        (("saturated_share", None, None), 0.7, 0.701, "saturated"),
        (("tied_share", None, None), 0.01, 0.0101, "tied-answers"),
        (("denormal_share", None, None), 0.1, 0.101, "denormal-weights"),
        (("tiny_share", None, None), 0.1, 0.101, "near-zero-weights"),
    ],
)
def test_each_number_is_flagged_beyond_its_threshold_and_not_at_it(number, harmless, telling, flag):
    assert flags_of(audited({number: harmless})) == ()
    assert flags_of(audited({number: telling})) == (flag,)


@pytest.mark.parametrize("n", [1, 7, 20, 59])
def test_three_images_of_a_few_are_no_sign(n):
    away = {("accuracy", "noise-linf", NEAR): 0.5 - 3 / n}
    assert flags_of(of_images(audited(away), n)) == ()
    away = {("accuracy", "noise-linf", NEAR): 0.5 - 4 / n}
    assert flags_of(of_images(audited(away), n)) == ("masked-gradients",)


@pytest.mark.parametrize(("n", "harmless"), [(30, 8), (64, 12), (256, 25)])
def test_of_fewer_images_a_difference_must_be_larger(n, harmless):
    away = {("accuracy", "fgsm-linf-margin", NEAR): 0.5 - harmless / n}
    assert flags_of(of_images(audited(away), n)) == ()
    away = {("accuracy", "fgsm-linf-margin", NEAR): 0.5 - (harmless + 1) / n}
    assert flags_of(of_images(audited(away), n)) == ("masked-gradients",)


def test_one_answer_to_a_few_images_is_no_sign():
    constant = audited({("top_class_share", None, None): 1.0})
    assert flags_of(of_images(constant, 19)) == ()
    assert flags_of(of_images(constant, 20)) == ("constant-output",)


@pytest.mark.parametrize(
    ("structure", "declared", "measured", "there"),
    [
        ("unstructured", 0.9, 0.8951, True),
        ("unstructured", 0.9, 0.8949, False),
        ("unstructured", 0.5, 0.9, True),
        (None, 0.9, 0.0, False),
        ("unstructured", None, 0.0, True),
        ("unstructured", 0.9, None, True),
        ("structured", 0.9, 0.226, True),
        ("structured", 0.9, 0.224, False),
    ],
)
def test_sparsity_is_flagged_where_less_is_there_than_was_declared(
    structure, declared, measured, there
):
    run = some_run()
    who = replace(
        run.submission, structure=structure, declared_sparsity=declared, measured_sparsity=measured
    )
    assert flags_of(replace(run, submission=who)) == (() if there else ("sparsity-not-there",))


def test_several_flags_come_in_the_order_of_the_table():
    run = audited({("tied_share", None, None): 1.0, ("saturated_share", None, None): 1.0})
    assert flags_of(run) == ("saturated", "tied-answers")


def test_constant_answers_are_called_that_and_not_masked_or_tied():
    gone = {("zero_gradient_share", "fgsm-linf", NEAR): 1.0, ("tied_share", None, None): 1.0}
    assert flags_of(audited(gone)) == ("masked-gradients", "tied-answers")
    assert flags_of(audited({**gone, ("top_class_share", None, None): 1.0})) == ("constant-output",)


def test_without_an_audit_every_rule_is_silent():
    assert flags_of(some_run()) == ()
    failed = Score(
        task="audit", set="digits", metric="tied_share", value=None, n=0, reason="failed"
    )
    assert flags_of(some_run(scores=[failed])) == ()


def test_a_run_that_was_written_down_and_read_again_has_the_same_flags():
    run = audited({("accuracy", "pgd-linf", FAR): 0.5, ("saturated_share", None, None): 0.9})
    assert flags_of(from_json(to_json(run))) == flags_of(run) == ("masked-gradients", "saturated")


def test_a_stored_run_has_the_same_flags(tmp_path):
    run = audited({("accuracy", "square-linf", NEAR): 0.1})
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, run)
        assert flags_of(load_run(store, run.run_id)) == flags_of(run) == ("masked-gradients",)


def test_every_word_that_a_run_is_given_elsewhere_is_in_the_table():
    given = {name for name, flag in FLAGS.items() if flag.rule is None}
    files = (path for room in ("bench", "ci") for path in (ROOT / room).rglob("*.py"))
    text = "".join(path.read_text() for path in files if path.name != "flags.py")
    assert {name for name in given if f'"{name}"' in text} == given
    assert DUPLICATE in given


def test_every_flag_says_what_it_means_and_an_unknown_one_that_it_is_not_known():
    assert len({flag.meaning for flag in FLAGS.values()}) == len(FLAGS)
    assert meanings(["layer-collapse", "not-there", "layer-collapse"]) == {
        "layer-collapse": "a layer is all zeros",
        "not-there": "not a flag of this version",
    }


def named(run: Run, slug: str, **fields) -> Run:
    return replace(run, submission=replace(run.submission, slug=slug, **fields))


def test_weights_of_another_entry_are_flagged_on_both_rows_beside_their_own_flags(tmp_path):
    run = replace(some_run(), flags=("saturated",))
    copy, other = named(some_run(), "mine"), some_run(pruner="snip", sparsity=0.9)
    table = summary_of(tmp_path, run, copy, other).set_index("slug")
    assert table.loc["dense", "flags"] == f"saturated {DUPLICATE}"
    assert table.loc["mine", "flags"] == DUPLICATE
    assert table.loc["snip-0.9", "flags"] == ""


def test_an_entry_that_was_scored_twice_or_in_another_group_is_no_duplicate(tmp_path):
    run = some_run()
    again = named(run, run.submission.slug, recipe="another-card")
    elsewhere = named(on_other_data(run), "mine")
    assert set(summary_of(tmp_path, run, again, elsewhere)["flags"]) == {""}


def test_ratios_keep_the_flags_of_any_of_their_runs(tmp_path):
    pruned = [some_run(pruner="snip", sparsity=0.9, seed=seed) for seed in (1, 2)]
    pruned[1] = replace(pruned[1], flags=("saturated", "tied-answers"))
    table = relative(summary_of(tmp_path, some_run(seed=1), some_run(seed=2), *pruned))
    assert table.set_index("pruner")["flags"].to_dict() == {
        "dense": "",
        "snip": "saturated tied-answers",
    }


def test_the_commands_say_what_the_flags_of_their_runs_mean(tmp_path):
    store = f"sqlite:///{tmp_path / 'bench.db'}"
    run, copy = replace(some_run(), flags=("saturated",)), named(some_run(), "mine")
    summary_of(tmp_path, run, copy)
    shown = CliRunner().invoke(app, ["show", run.run_id, "--store", store]).output
    assert f"flag saturated: {FLAGS['saturated'].meaning}\n" in shown
    listed = CliRunner().invoke(app, ["runs", "--store", store]).output
    assert f"saturated {DUPLICATE}" in listed
    assert listed.count(f"flag {DUPLICATE}: {FLAGS[DUPLICATE].meaning}\n") == 1
    assert listed.count("flag saturated:") == 1


def test_the_table_of_the_page_keeps_flags_also_beside_ratios(tmp_path):
    table = summary_of(tmp_path, replace(some_run(), flags=("saturated", "not-known")))
    for rows in (table, relative(table)):
        shown = board(rows, ranks(rows), ["accuracy"])
        assert shown["flags"].tolist() == ["saturated not-known"]
