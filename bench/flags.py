"""What a reader of a run has to know, as stable words: their meaning, and the rules behind them.

A rule reads nothing but the stored numbers of a run, so that anybody can check its flags. Where a
run has not the numbers of a rule, the rule is silent.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.protocol import PROTOCOL
from bench.records import Run

Rule = Callable[[Run, "Audit"], bool]

NEAR, FAR = PROTOCOL.audit_epsilons

# Each threshold between the honest LeNet5 of `submissions` and the cheats of tests/test_cheats.py
MASKED = 0.01  # share of images without a gradient; honest 0, logits × 10 half of them
SCALED = 0.05  # of accuracy, lost to FGSM on standardised logits alone; honest at most 0.012
MARGIN = 0.1  # the same on the margin; honest at most 0.059, logits × 2 0.156
BEATEN = 0.02  # of accuracy, that a weaker attack takes more; honest at most 0, 5 images of 256
WITHSTOOD = 0.2  # accuracy where any image can become any other's grey; honest 0, chance 0.1
CONSTANT = 0.995  # share of one answer; a network that pruning destroyed has 0.992
SATURATED = 0.7  # share of confidences of 1; honest 0.26, logits × 3 three quarters
TIED = 0.01  # share of margins that are not their image's own; honest 0
UNREAL = 0.1  # share of weights next to zero; honest 0.021, which weight decay shrank
ROUNDED = 0.005  # of weights, declared and not zero
FEW = 20  # images, below which most of one class say nothing
CHANCE = 3  # images, more than which a difference must be
CHANNELS = 0.25  # weights gone for a declared share of channels; honest a third of it or more


@dataclass(frozen=True, slots=True)
class Flag:
    """A word on a row.

    Args:
        meaning: One line for readers.
        rule: Whether a run's numbers have it; None for what does not follow from them.
        follows_from: What it is known by.
    """

    meaning: str
    rule: Rule | None = None
    follows_from: str = "its numbers"


@dataclass(frozen=True, slots=True)
class Audit:
    """The numbers of the task audit.

    Args:
        values: (metric, attack, epsilon) -> value.
        images: Behind the accuracies.
    """

    values: Mapping[tuple[str, str | None, float | None], float]
    images: int

    def at(self, metric: str, attack: str | None = None, epsilon: float | None = None) -> float:
        """The value, or NaN, of which no rule holds."""
        return self.values.get((metric, attack, epsilon), math.nan)

    def beyond(self, threshold: float) -> float:
        """A difference of accuracies that is no chance; of fewer images it must be larger."""
        images = max(self.images, 1)
        wider = math.sqrt(PROTOCOL.audit_images / images)  # as the standard error is
        return max(threshold * wider, CHANCE / images) + 1e-9


def _constant(_: Run, audit: Audit) -> bool:
    return audit.images >= FEW and audit.at("top_class_share") > CONSTANT


def _varied(rule: Rule) -> Rule:
    """Constant answers have no gradient and tie; of them the one flag says enough."""
    return lambda run, audit: rule(run, audit) and not _constant(run, audit)


def _masked(_: Run, audit: Audit) -> bool:
    fgsm, standardised, margin, noise, pgd, square = (
        audit.at("accuracy", attack, NEAR)
        for attack in (
            "fgsm-linf",
            "fgsm-linf-standardised",
            "fgsm-linf-margin",
            "noise-linf",
            "pgd-linf",
            "square-linf",
        )
    )
    return (
        audit.at("zero_gradient_share", "fgsm-linf", NEAR) > MASKED
        or fgsm - standardised > audit.beyond(SCALED)
        or fgsm - margin > audit.beyond(MARGIN)
        or fgsm - noise > audit.beyond(BEATEN)
        or pgd - fgsm > audit.beyond(BEATEN)
        or pgd - square > audit.beyond(BEATEN)
        or audit.at("accuracy", "pgd-linf", FAR) > audit.beyond(WITHSTOOD)
    )


def _above(metric: str, threshold: float) -> Rule:
    return lambda _, audit: audit.at(metric) > threshold


def _not_there(run: Run, _: Audit) -> bool:
    declared, measured = run.submission.declared_sparsity, run.submission.measured_sparsity
    if declared is None or measured is None:
        return False
    if run.submission.structure == "structured":
        return measured < CHANNELS * declared
    return declared - measured > ROUNDED


FLAGS: Mapping[str, Flag] = {
    "masked-gradients": Flag(
        "attacks by gradients are blinded: there is none, or an attack that sees less does better; "
        "its accuracy under attack means nothing",
        _varied(_masked),
    ),
    "constant-output": Flag(
        "more than 99.5 % of the images get the same answer, which looks robust and is worth "
        "nothing",
        _constant,
    ),
    "saturated": Flag(
        "most confidences are exactly 1, so that FGSM and detectors by confidence see little",
        _above("saturated_share", SATURATED),
    ),
    "tied-answers": Flag(
        "more than 1 % of the images have exactly the margin of another, or none: rounded answers",
        _varied(_above("tied_share", TIED)),
    ),
    "denormal-weights": Flag(
        "more than a tenth of the weights are denormal numbers, which are slow and act as zeros",
        _above("denormal_share", UNREAL),
    ),
    "near-zero-weights": Flag(
        "more than a tenth of the weights are below 1e-8 but not zero: they count as kept",
        _above("tiny_share", UNREAL),
    ),
    "sparsity-not-there": Flag(
        "fewer weights are zero or removed than declared; of declared channels, not even a quarter "
        "of their share",
        _not_there,
    ),
    "duplicate-weights": Flag(
        "another entry of this ranking has exactly these weights", follows_from="the other rows"
    ),
    "layer-collapse": Flag("a layer is all zeros", follows_from="the weights"),
    "non-deterministic": Flag(
        "the submitted pruner gave other weights from the same seed",
        follows_from="how it was pruned",
    ),
    "not-reproducible-from-file": Flag(
        "scored as a module in Python; there is no file of it", follows_from="how it was scored"
    ),
    "partial": Flag("scored on some tasks of the protocol alone", follows_from="how it was scored"),
}


def flags_of(run: Run) -> tuple[str, ...]:
    """The flags that follow from the numbers of a run, in the order of the table."""
    rows = [score for score in run.scores if score.task == "audit"]
    audit = Audit(
        {(s.metric, s.attack, s.epsilon): s.value for s in rows if s.value is not None},
        max((score.n for score in rows if score.metric == "accuracy"), default=0),
    )
    return tuple(name for name, flag in FLAGS.items() if flag.rule and flag.rule(run, audit))


def meanings(flags: Iterable[str]) -> dict[str, str]:
    """What words say, each once; of one that another version gave, that it is not known."""
    unknown = Flag("not a flag of this version")
    return {flag: FLAGS.get(flag, unknown).meaning for flag in flags}
