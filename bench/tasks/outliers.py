"""Whether images of another world are noticed, by detector and batch size."""

from bench.detection import detection_scores, missing_scores
from bench.inference import Case, Findings, exhibit, look_at
from bench.records import Score


def outliers(case: Case) -> Findings:
    """Detection of every outlier set by every detector at every batch size.

    A set that is not on this machine gives rows with the reason `not_run`.
    """
    scores, outcomes = [], {}
    for done, (name, images) in enumerate(case.suite.outliers.items(), start=1):
        evidence = look_at(case.submission.model, images, case.protocol, case.device)
        shown = exhibit(evidence, images, case.protocol, case.device, case.progress)
        scores += detection_scores(case, Score.about("outliers", name), shown)
        outcomes[name] = evidence.outcome
        case.progress("outliers", done, len(case.suite.outliers))
    for name in case.suite.missing:
        scores += missing_scores(case, Score.about("outliers", name), "not_run")
    return Findings(scores, outcomes)
