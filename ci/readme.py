"""The generated parts of the README, made from the code and the stored runs.

`make docs` rewrites them in place; a test compares them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pandas as pd

from bench.data import SUITES
from bench.errors import ERRORS
from bench.flags import FLAGS
from bench.headline import HEADLINE
from bench.metric_meanings import as_markdown
from bench.models import ARCHITECTURES
from bench.models.glow import FLOWS
from bench.pruners import PRUNERS
from bench.pruners.moments import MOMENTS
from bench.pruners.options import own
from bench.ranking import rank, relative, summary
from bench.recipes import RECIPES
from bench.records import Run
from bench.submissions.card import fields
from bench.tables import markdown
from ci.baselines import grid
from ci.detectors import detectors
from ci.kinds import bayesian, ensembles, flows
from ci.shipped import ROOT, frame_of, shipped_runs, where

README = ROOT / "README.md"
SUBMITTING = ROOT / "submissions" / "README.md"
COMPARED = {"lenet5": "paper-30", "resnet18": "short-10-of-10000"}  # architecture -> recipe
COLUMNS = (
    "accuracy",
    "fgsm_linf",
    "fgsm_linf_worst",
    "shift",
    "ood_msp",
    "ood_gradnorm",
    "ood_sensnorm",
    "brier",
    "lip_upper_log10",
)


def results() -> str:
    """Shipped baselines relative to dense, and which protocol, machine and commit they are of."""
    runs = [run for run in shipped_runs() if _compared(run)]
    nearest = relative(summary(frame_of(map(_nearest, runs))))["ood_msp"]
    table = relative(summary(frame_of(runs))).assign(nearest=nearest)
    groups = table.groupby(["suite", "architecture", "recipe"], sort=False)
    return "\n\n".join(_group(rows, runs) for _, rows in reversed(list(groups)))


def _compared(run: Run) -> bool:
    return COMPARED.get(run.submission.architecture) == run.submission.recipe


def _nearest(run: Run) -> Run:
    """Without the outlier sets that are not the first of its suite."""
    first = _first_outliers(run)
    kept = (s for s in run.scores if s.task != "outliers" or s.set.startswith(first))
    return replace(run, scores=tuple(kept))


def _group(rows: pd.DataFrame, runs: list[Run]) -> str:
    first = rows.iloc[0]
    family = (first["suite"], first["architecture"], first["recipe"])
    measured = [
        run
        for run in runs
        if (run.suite, run.submission.architecture, run.submission.recipe) == family
        and run.protocol.sha256 == first["protocol"]
    ]
    return f"{where(measured)}\n\n{markdown(_shown(rows, measured))}"


def _shown(rows: pd.DataFrame, runs: list[Run]) -> pd.DataFrame:
    """The columns of a group as text, best under attack first."""
    ranked = rank(rows, "fgsm_linf")
    shown = ranked[["pruner", "moment", "sparsity"]].fillna("–")
    shown["sparsity"] = [f"{sparsity:.3f}" for sparsity in ranked["sparsity"]]
    nearest = next(name for name in runs[0].data if name.startswith(_first_outliers(runs[0])))
    titles = {column: HEADLINE[column].title for column in COLUMNS}
    for column, title in (titles | {"nearest": f"AUROC {nearest}, MSP"}).items():
        shown[title] = ["–" if pd.isna(ratio) else f"{ratio:.3f}" for ratio in ranked[column]]
    return shown


def _first_outliers(run: Run) -> str:
    return SUITES[run.suite].outliers[0]


def suites() -> str:
    """What each suite is made of."""
    rows = [
        (
            f"`{name}`",
            " × ".join(map(str, spec.shape)),
            f"`{spec.reference}`",
            ", ".join(spec.outliers),
            f"{spec.out_of_domain} × 255" if spec.out_of_domain else "–",
        )
        for name, spec in SUITES.items()
    ]
    names = ("suite", "images", "reference net", "outliers", "out of domain")
    return markdown(pd.DataFrame(rows, columns=names))


def recipes() -> str:
    """How baselines are trained."""
    rows = [
        (
            f"`{name}`",
            r.epochs,
            r.early,
            r.batch_size,
            r.images or "all",
            "yes" if r.augment else "no",
            "bfloat16" if r.bfloat16 else "float32",
        )
        for name, r in RECIPES.items()
    ]
    names = (
        "recipe",
        "epochs",
        "before `early`",
        "batch",
        "training images",
        "crops, flips of cifar10",
        "arithmetic",
    )
    return markdown(pd.DataFrame(rows, columns=names))


def architectures() -> str:
    """The names of `--arch`."""
    names = ", ".join(f"`{name}`" for name in (*ARCHITECTURES, *FLOWS))
    return f"{names}, `bayesian:NAME` of the plain ones, `timm:NAME`, `robustbench:NAME`"


def pruners() -> str:
    """The rows of the table of pruners, with the options of their saliencies."""
    rows = [
        (f"`{name}`", row.moment, row.structure, row.schedule, _choices(row.saliency) or "–")
        for name, row in PRUNERS.items()
    ]
    names = ("pruner", "moment", "structure", "schedule", "options")
    return markdown(pd.DataFrame(rows, columns=names))


def moments() -> str:
    """When a pruner may act, with the options of each moment."""
    rows = [
        (f"`{name}`", str(act.__doc__).partition("\n")[0], _choices(act) or "–")
        for name, act in MOMENTS.items()
    ]
    names = ("moment", "what happens", "options")
    return markdown(pd.DataFrame(rows, columns=names))


def _choices(function: Callable[..., object]) -> str:
    return ", ".join(
        f"`{name}` ({', '.join(get_args(kind)) if get_origin(kind) is Literal else _type(kind)})"
        for name, kind in own(function).items()
    )


def _type(kind: Any) -> str:
    return (get_args(kind) or (kind,))[0].__name__


def errors() -> str:
    """The stable codes, their causes and what to do."""
    rows = [(f"`{code}`", *explained) for code, explained in ERRORS.items()]
    names = ("code", "cause", "cure")
    return markdown(pd.DataFrame(rows, columns=names))


def card_fields() -> str:
    """Every field of a `submission.toml`."""
    rows = [(f"`{name}`", meaning) for name, meaning in fields()]
    return markdown(pd.DataFrame(rows, columns=("field", "meaning")))


def flags() -> str:
    """The words on a row, and what they follow from."""
    rows = [(f"`{name}`", flag.meaning, flag.follows_from) for name, flag in FLAGS.items()]
    names = ("flag", "meaning", "follows from")
    return markdown(pd.DataFrame(rows, columns=names))


PARTS: Mapping[str, Callable[[], str]] = {
    "grid": grid,
    "results": results,
    "detectors": detectors,
    "ensembles": ensembles,
    "bayesian": bayesian,
    "flows": flows,
    "metrics": as_markdown,
    "flags": flags,
    "suites": suites,
    "architectures": architectures,
    "recipes": recipes,
    "pruners": pruners,
    "moments": moments,
    "errors": errors,
}
PAGES: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    README: PARTS,
    SUBMITTING: {"fields": card_fields},
}


def generated(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """The text with everything between `<!-- NAME -->` and `<!-- /NAME -->` made anew."""
    for name, make in parts.items():
        marks = rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)"
        content = make()
        text, count = re.subn(
            marks, lambda found, new=content: found[1] + new + found[2], text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"got {count} parts named {name}, expected one")
    return text


if __name__ == "__main__":
    for page, parts in PAGES.items():
        page.write_text(generated(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
