"""Whether an outlier set in the wrong range, [0, 255], is noticed."""

from collections.abc import Iterator

from torch import Tensor

from bench.detection import detection_scores, missing_scores
from bench.inference import Case, Exhibit, Findings, batches, gather
from bench.records import Score


def out_of_domain(case: Case) -> Findings:
    """Detection of the suite's out-of-domain set × 255.

    The images go to the bare network, past its normalisation, as in the paper: a pipeline that
    forgot to scale its input.
    """
    images = case.suite.out_of_domain
    if images is None:
        about = Score.about("out-of-domain", case.suite.spec.out_of_domain)
        return Findings(missing_scores(case, about, "not_run"))
    model, name = case.submission.model, f"{images.name}×255"

    def unscaled(size: int) -> Iterator[Tensor]:
        return (batch.mul_(255) for batch in batches(images.images, size, case.device))

    evidence = gather(model.network, unscaled(case.protocol.batch_size), name)
    shown = Exhibit(
        evidence,
        lambda size: (model.unnormalised(batch) for batch in unscaled(size)),
        case.protocol.gradient_groups,
        case.progress,
    )
    scores = detection_scores(case, Score.about("out-of-domain", name), shown)
    case.progress("out-of-domain", 1, 1)
    return Findings(scores, {name: evidence.outcome})
