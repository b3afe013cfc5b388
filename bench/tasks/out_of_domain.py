"""Whether an outlier set in the wrong range, [0, 255], is noticed."""

from bench.detection import detection_scores, missing_scores
from bench.inference import Case, Findings, batches, gather


def out_of_domain(case: Case) -> Findings:
    """Detection of the suite's out-of-domain set × 255.

    The images go to the bare network, past its normalisation, as in the paper: a pipeline that
    forgot to scale its input.
    """
    images = case.suite.out_of_domain
    if images is None:
        missing = case.suite.spec.out_of_domain
        return Findings(missing_scores(case, "out-of-domain", missing, "not_run"))
    name = f"{images.name}×255"
    stream = (
        batch.mul_(255) for batch in batches(images.images, case.protocol.batch_size, case.device)
    )
    evidence = gather(case.submission.model.network, stream, name)
    case.progress("out-of-domain", 1, 1)
    return Findings(
        detection_scores(case, "out-of-domain", name, evidence), {name: evidence.outcome}
    )
