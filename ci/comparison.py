"""A run beside the baselines, as Markdown that shows text of strangers and obeys none of it."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from bench.flags import meanings
from bench.headline import HEADLINE
from bench.legend import head
from bench.ranking import over_seeds, rank, relative, summary, usual
from bench.records import Run
from bench.tables import markdown
from ci.shipped import comparable_runs, frame_of, group, shipped_runs

COLUMNS = (
    "accuracy",
    "fgsm_linf",
    "fgsm_linf_worst",
    "shift",
    "ood_msp",
    "ood_sensnorm",
    "likelihood_auroc",
    "brier",
    "lip_upper_log10",
    "latency_ratio",
)
LEVELS: Mapping[str | None, str] = {
    "strong": "strong: bubblewrap, a filter of system calls, limits",
    "weak": "WEAK: limits alone, the code could do what its user may",
    None: "none was needed: weights were submitted, no code ran",
}
QUOTE = "'"  # in place of a backtick
NEW = "▶ "  # before the name of the run that is asked about


def comparison(run: Run, dense: Run | None = None) -> str:
    """The run's report: who it is, flags, headline numbers beside the baselines'.

    Args:
        run: The run.
        dense: A dense run of the same suite, limit and protocol, for where none is shipped.

    Returns:
        Markdown without HTML, links, images or mentions from the run's own text.
    """
    others = comparable_runs(run) + ([dense] if dense else [])
    frame = summary(frame_of([_marked(run), *others]))
    means, by = over_seeds(frame, list(HEADLINE)), usual(frame)
    parts = [
        _title(run),
        _facts(run),
        "### Scores",
        *_beside(others),
        _table(rank(means, by)),
        _arrows(means),
    ]
    ratios = relative(frame)
    if ratios["pruner"].str.startswith(NEW).any():
        said = "Divided by the dense run of the same seed; of the logarithm, the difference to it."
        parts += ["### Relative to dense", said, _table(rank(ratios, by))]
    else:
        parts.append("No dense run of the same seed and recipe is here to divide by.")
    parts += _left_out(run)
    return "\n\n".join(parts) + "\n"


def plain(text: object) -> str:
    """Text as code: in it, neither Markdown nor HTML, links or mentions are seen by anybody.

    Args:
        text: Of anybody; None for none.

    Returns:
        One line of at most 100 characters between backticks; a dash for nothing.
    """
    line = "".join(c if c.isprintable() else "\ufffd" for c in str(text)[:100]).strip()
    return "–" if text is None or not line else f"`{line.replace('`', QUOTE)}`"


def _marked(run: Run) -> Run:
    """The run under a name that no baseline has, so that no mean mixes them."""
    who = run.submission
    return replace(run, submission=replace(who, pruner=f"{NEW}{who.slug}"))


def _title(run: Run) -> str:
    images = "all test images" if run.limit is None else f"the first {run.limit} images of each set"
    who = run.submission
    return (
        f"## {plain(who.slug)}: {plain(who.architecture)} on {plain(run.suite)}\n\n"
        f"Protocol {run.protocol.version} {plain(run.protocol.preset)} "
        f"{plain(run.protocol.sha256[:12])}, {images}, run {plain(run.run_id)}."
    )


def _facts(run: Run) -> str:
    who = run.submission
    measured = "not measured" if who.measured_sparsity is None else f"{who.measured_sparsity:.4f}"
    declared = "none" if who.declared_sparsity is None else f"{who.declared_sparsity:g}"
    told = [f"{plain(flag)} ({meaning})" for flag, meaning in meanings(run.flags).items()]
    lines = [
        f"trust: {plain(run.trust)}",
        f"sandbox: {LEVELS[run.sandbox]}",
        f"pruner: {plain(who.pruner)}, moment {plain(who.moment)}, seed {plain(who.seed)}, "
        f"recipe {plain(who.recipe)}",
        f"sparsity: {measured} measured, {declared} declared",
        f"flags: {'; '.join(told) or 'none'}",
        f"weights: {plain(who.weights_sha256[:16])}",
    ]
    return "\n".join(f"* {line}" for line in lines)


def _table(ranked: pd.DataFrame) -> str:
    shown = ranked[["rank", "pruner", "moment", "sparsity", "seeds"]].astype(object)
    shown["pruner"] = [plain(name) for name in ranked["pruner"].astype(object).fillna("")]
    shown["moment"] = [plain(moment) for moment in ranked["moment"].astype(object).fillna("")]
    shown["sparsity"] = [_number(share) for share in ranked["sparsity"]]
    for column in _measured(ranked):
        shown[HEADLINE[column].title] = [_number(value) for value in ranked[column]]
    return markdown(shown)


def _beside(others: list[Run]) -> list[str]:
    recipes = sorted({str(other.submission.recipe or "not declared") for other in others})
    said = f"Beside it stand baselines of the recipe {' and '.join(map(plain, recipes))}"
    how = "each at the sparsity nearest to its own, as means over seeds."
    return [f"{said}, {how}"] if others else []


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3f}"


def _measured(table: pd.DataFrame) -> list[str]:
    """The columns that have a number: those of a flow are others than a classifier's."""
    return [column for column in COLUMNS if table[column].notna().any()]


def _arrows(table: pd.DataFrame) -> str:
    better = ", ".join(map(head, _measured(table)))
    return f"{NEW.strip()} is this submission. Better is: {better}."


def _left_out(run: Run) -> list[str]:
    """What is shipped of suite and architecture and cannot stand beside the run, and why."""
    mine = group(run)
    same = ("suite", "architecture")
    left = [
        other
        for other in map(group, shipped_runs())
        if other != mine and all(other[name] == mine[name] for name in same)
    ]
    why = [what for what in mine if any(other[what] != mine[what] for other in left)]
    said = f"{len(left)} shipped runs of {plain(run.suite)} are left out: they differ in "
    return [f"{said}{', '.join(why)}."] if left else []
