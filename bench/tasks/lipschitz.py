"""How much the network can stretch a distance: two bounds from above, one from below."""

from bench.inference import Case, Findings, batches
from bench.lipschitz import constants
from bench.records import Score


def lipschitz(case: Case) -> Findings:
    """The paper's product, a valid upper bound and the Jacobian lower bound, in pixel space.

    A product with a layer that is zero has no logarithm (`not_applicable`), and neither has the
    upper bound of a network whose graph cannot be followed.
    """
    count = min(case.protocol.lipschitz_images, len(case.suite.test.images))
    (images,) = batches(case.suite.test.images[:count], count, case.device)
    found = constants(case.submission.model, images)
    case.progress("lipschitz", 1, 1)
    values = {
        "lip_product_log10": (found.product_log10, 1),
        "lip_upper_log10": (found.upper_log10, 1),
        "lip_lower": (found.lower, count),
    }
    return Findings(
        [
            Score(
                task="lipschitz",
                set=case.suite.test.name,
                metric=metric,
                value=value,
                n=0 if value is None else n,
                reason="not_applicable" if value is None else None,
            )
            for metric, (value, n) in values.items()
        ]
    )
