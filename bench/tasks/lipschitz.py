"""How much the network can stretch a distance: two bounds from above, one from below."""

from dataclasses import replace

from bench.inference import Case, Findings, batches
from bench.lipschitz import constants
from bench.models.kinds import kind_of
from bench.records import Score

METRICS = ("lip_product_log10", "lip_upper_log10", "lip_lower")


def lipschitz(case: Case) -> Findings:
    """The paper's product, a valid upper bound and the Jacobian lower bound, in pixel space.

    A product with a layer that is zero has no logarithm (`not_applicable`), and neither has the
    upper bound of a network whose graph cannot be followed. Where several networks answer
    together, nothing is measured: log-probabilities stretch other distances than logits.
    """
    if kind_of(case.submission.model) != "classifier":
        return Findings([_score(case, metric, None, 0) for metric in METRICS])
    count = min(case.protocol.lipschitz_images, len(case.suite.test.images))
    (images,) = batches(case.suite.test.images[:count], count, case.device)
    found = constants(case.submission.model, images)
    case.progress("lipschitz", 1, 1)
    values = {
        "lip_product_log10": (found.product_log10, 1),
        "lip_upper_log10": (found.upper_log10, 1),
        "lip_lower": (found.lower, count),
    }
    return Findings([_score(case, metric, *values[metric]) for metric in METRICS])


def _score(case: Case, metric: str, value: float | None, n: int) -> Score:
    about = Score.about("lipschitz", case.suite.test.name)
    if value is None:
        return replace(about, metric=metric, reason="not_applicable")
    return about.measured(metric, value, n)
