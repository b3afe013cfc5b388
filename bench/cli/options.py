"""Options that several commands share, and the names that the shell completes."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

SUITE_NAMES = ("digits", "fashionmnist", "mnist", "cifar10", "celeba")


def completing(words: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """Completes to the words that begin like the text typed so far."""
    return lambda incomplete: [word for word in words() if word.startswith(incomplete)]


def _architectures() -> list[str]:
    from bench.models import ARCHITECTURES
    from bench.models.glow import FLOWS

    return [*ARCHITECTURES, *FLOWS, "bayesian:"]


def _recipes() -> list[str]:
    from bench.recipes import RECIPES

    return list(RECIPES)


def _pruners() -> list[str]:
    from bench.pruners import PRUNERS

    return list(PRUNERS)


def _tasks() -> list[str]:
    from bench.protocol import PROTOCOL

    return list(PROTOCOL.tasks)


WORLDS = f"Data world: {', '.join(SUITE_NAMES)}."
_suites = completing(lambda: list(SUITE_NAMES))
Suite = Annotated[str, typer.Option("--suite", help=WORLDS, autocompletion=_suites)]
ModelsSuite = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help=f"{WORLDS} Default: that of the training, as the card has it, else digits.",
        autocompletion=_suites,
    ),
]
BUILT = (
    "Architecture: a name of the table (lenet5, resnet18, resnet18-relu, alexnet, conv6, "
    "conv6-plain, lenet5-plain), of the plain ones also bayesian:NAME for Bayesian weights; or a "
    "flow (glow, glow-affine, glow-small, glow-tiny)"
)
Architecture = Annotated[
    str | None,
    typer.Option(
        "--arch",
        help=f"{BUILT}; or timm:NAME, robustbench:NAME. Default: found by the tensors' names.",
        autocompletion=completing(lambda: [*_architectures(), "timm:", "robustbench:"]),
    ),
]
Trained = Annotated[
    str | None,
    typer.Option(
        "--arch",
        help=f"{BUILT}. Default: the suite's; of prune --from the parent's.",
        autocompletion=completing(_architectures),
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="Training recipe. Default: the paper's for the architecture, digits-20 for digits; of "
        "prune --from the parent's.",
        autocompletion=completing(_recipes),
    ),
]
Pruner = Annotated[
    str,
    typer.Option(
        "--pruner",
        help="Method of the table, or MODULE:FUNCTION of your own.",
        autocompletion=completing(_pruners),
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of training and pruning.")]
Only = Annotated[
    str,
    typer.Option(
        "--only",
        help="Run these tasks alone, separated by commas. Partial runs are not stored.",
        autocompletion=completing(_tasks),
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="BENCH_DATA", help="Data root. Default: the user's cache folder."
    ),
]
Store = Annotated[
    str,
    typer.Option("--store", envvar="BENCH_STORE", help="Where runs are kept, as a SQLAlchemy URL."),
]
STORE = "sqlite:///bench.db"
Normalize = Annotated[
    str,
    typer.Option(
        "--normalize",
        help="Input normalisation of a bare weights file: none, a suite's name, or MEAN:STD, "
        "e.g. 0.5:0.5 or 0.49,0.48,0.45:0.25,0.24,0.26.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="The first N images of every set. Default: all."),
]


def suite_of(model: str, suite: str | None) -> str:
    """The suite that was asked for, else that on which a submission was trained, else digits."""
    from bench.parents import told_by

    return suite or str(told_by(Path(model)).get("suite", "digits"))


def check_writable(target: Path | None) -> None:
    """Refuses a file before the work whose result could not be written there after it.

    Raises:
        BenchError: E-BAD-VALUE if it is a folder, or the folder around it cannot be written.
    """
    from bench.errors import BenchError

    if target is None:
        return
    if target.is_dir():
        raise BenchError("E-BAD-VALUE", f"{target}: got a folder, expected the name of a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise BenchError("E-BAD-VALUE", f"{target}: cannot be written: {error.strerror}") from error


def normalisation(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of a --normalize option; empty for none.

    Raises:
        BenchError: E-BAD-VALUE if the text is none of the three forms.
    """
    from bench.data import SUITES
    from bench.errors import BenchError

    if text == "none":
        return (), ()
    if text in SUITES:
        return SUITES[text].mean, SUITES[text].std
    try:
        mean, std = (tuple(map(float, part.split(","))) for part in text.split(":"))
    except ValueError:
        mean, std = (), ()
    if not mean or len(mean) != len(std) or min(std) <= 0:
        raise BenchError(
            "E-BAD-VALUE",
            f"--normalize: got {text!r}, expected none, one of {list(SUITES)}, or MEAN:STD "
            "with one number a channel and positive deviations, e.g. 0.5:0.5",
        )
    return mean, std


def pairs(texts: list[str]) -> dict[str, str]:
    """Key -> value of repeated KEY=VALUE options.

    Raises:
        BenchError: E-BAD-VALUE if one has no `=`, or a key is there twice.
    """
    from bench.errors import BenchError

    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key in found:
            raise BenchError(
                "E-BAD-VALUE", f"--option: got {text!r}, expected KEY=VALUE once a key"
            )
        found[key] = value
    return found
