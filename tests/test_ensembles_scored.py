"""A scored ensemble: which numbers it has, what they add up to, and that nobody doubts them."""

from pathlib import Path

import pytest

from bench.cost import macs
from bench.data import load_suite
from bench.evaluation import Evaluation, evaluate
from bench.inspection import image_shape, inspect
from bench.models import prunable
from bench.plausible import impossible
from bench.ranking import relative, summary
from bench.records import to_json
from bench.rescore import rescored
from bench.store import open_store, run_frame, save_run
from bench.submissions import LoadedSubmission, assemble, load_submission

pytestmark = pytest.mark.slow
SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def loaded(dense: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadedSubmission:
    """Twice the same network, which is enough to be an ensemble."""
    return load_submission(assemble([dense, dense], tmp_path_factory.mktemp("both") / "both"))


@pytest.fixture(scope="module")
def run(loaded: LoadedSubmission) -> Evaluation:
    return evaluate(loaded, load_suite("digits", limit=60))


def test_every_number_is_there_but_those_of_a_single_network(run):
    missing = [score for score in run.run.scores if score.value is None]
    assert {(s.reason, s.n) for s in missing} == {("not_applicable", 0)}
    for score in missing:  # grey images have no saturation
        one_head = score.detector in ("gradnorm", "sensnorm") or score.task == "lipschitz"
        assert one_head or score.corruption == "saturate", score
    assert {s.detector for s in missing} == {"gradnorm", "sensnorm", "msp", None}
    assert {s.metric for s in missing if s.task == "lipschitz"} == {
        "lip_product_log10",
        "lip_upper_log10",
        "lip_lower",
    }


def test_costs_are_the_sums_of_the_members(run, loaded, dense):
    member = load_submission(dense).model.network
    found = {s.metric: s for s in run.run.scores if s.task == "cost"}
    weights = sum(weight.numel() for weight in prunable(member).values())
    left = sum(int(weight.count_nonzero()) for weight in prunable(member).values())
    assert found["parameters"].value == 2 * sum(p.numel() for p in member.parameters())
    assert found["nonzero"].value == 2 * left
    assert (found["macs_dense"].value, found["macs_sparse"].value) == tuple(
        2 * count for count in macs(member, SHAPE)
    )
    assert found["sparsity"].n == 2 * weights
    assert found["sparsity"].value == pytest.approx(1 - left / weights, abs=1e-12)


def test_nobody_finds_anything_wrong(run):
    assert impossible(to_json(run.run)) == []
    assert rescored(run.run, run.outcomes) == []


def test_twice_the_same_network_scores_as_it_does_alone(run, scored):
    def clean(evaluation: Evaluation) -> dict[str, float | None]:
        return {s.metric: s.value for s in evaluation.run.scores if s.task == "clean"}

    for name, value in clean(scored).items():
        assert clean(run)[name] == pytest.approx(value, abs=1e-5), name


def test_an_ensemble_is_relative_to_the_one_dense_network_and_no_reference_itself(
    run, scored, tmp_path
):
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        for evaluation in (run, scored):
            save_run(store, *evaluation)
        table = relative(summary(run_frame(store)))
    ratios = table.set_index("kind")["size_bytes"]
    assert ratios["classifier"] == 1
    assert ratios["ensemble"] == pytest.approx(2, rel=0.05)


def test_an_inspection_is_that_of_every_member(loaded, dense):
    member, both = load_submission(dense), loaded.model.network
    alone = inspect(member.model.network, member.dense, SHAPE)
    found = inspect(both, loaded.dense, image_shape(both))
    assert [row.name for row in found.layers[:5]] == [f"members.0.{r.name}" for r in alone.layers]
    for total in ("dense", "nonzero", "effective", "dead", "channels"):
        assert getattr(found.total, total) == 2 * getattr(alone.total, total), total
    assert found.unknown == ""
