"""How networks are trained: the named recipes. The loop is in `training.py`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bench.errors import BenchError
from bench.records import BAYESIAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Adam on the cross-entropy, of a flow on the bits per dimension.

    The rate is constant unless it has a patience.

    Args:
        epochs: Passes over the training set.
        early: Dense epochs before a pruner of the moment `early` acts.
        batch_size: Images of one step; the last of an epoch may be smaller.
        learning_rate: Of Adam.
        weight_decay: Added to the gradient (L2), for all parameters.
        clip: Largest norm of the gradient.
        augment: Random crops from 4 pixels of zero padding, and horizontal flips, on suites
            where such images are of the same class.
        bfloat16: Forward passes compute in bfloat16 where torch holds it to be safe.
        images: Only the first so many training images; None for all.
        patience: Epochs without a better training loss before the next has a tenth of the rate.
        kl_weight: β of the objective of Bayesian networks, which only such recipes train.
        reverse_kl: KL(p ‖ q) instead of KL(q ‖ p).
    """

    epochs: int
    early: int
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 5e-5
    clip: float = 10.0
    augment: bool = True
    bfloat16: bool = False
    images: int | None = None
    patience: int | None = None
    kl_weight: float | None = None
    reverse_kl: bool = False

    def rate(self, losses: Sequence[float]) -> float:
        """Of the next epoch after those with these mean losses: ReduceLROnPlateau of PyTorch."""
        rate, best, waited = self.learning_rate, math.inf, 0
        for loss in losses:
            better = loss < best * (1 - PLATEAU)
            best, waited = (loss, 0) if better else (best, waited + 1)
            if self.patience is not None and waited > self.patience:
                rate, waited = rate * DROP, 0
        return rate


PLATEAU, DROP = 1e-4, 0.1  # share by which a better loss is lower, factor on the rate: PyTorch's
_glow = partial(Recipe, batch_size=64, learning_rate=1e-5, weight_decay=0.0, augment=False)
_bayesian = partial(
    Recipe,
    batch_size=256,
    learning_rate=1e-3,
    weight_decay=0.0,
    clip=math.inf,
    patience=6,
    kl_weight=0.1,
)

RECIPES: Mapping[str, Recipe] = {
    "paper-30": Recipe(epochs=30, early=6),
    "paper-50": Recipe(epochs=50, early=11),
    "short-10": Recipe(epochs=10, early=2),
    "short-10-of-10000": Recipe(epochs=10, early=2, batch_size=128, bfloat16=True, images=10_000),
    "tiny-4-of-10000": Recipe(epochs=4, early=1, batch_size=128, augment=False, images=10_000),
    "digits-20": Recipe(epochs=20, early=4, batch_size=64),
    "glow-paper": _glow(epochs=107, early=21),  # 100 000 steps on 60 000 images
    "glow-paper-39": _glow(epochs=39, early=8),  # the same on 162 770 images
    "glow-6-of-20000": _glow(epochs=6, early=2, learning_rate=2e-3, images=20_000),
    "glow-4-of-1000": _glow(epochs=4, early=2, learning_rate=2e-3, images=1_000),
    "bayesian-200": _bayesian(epochs=200, early=40),
    "bayesian-200-reverse-kl": _bayesian(epochs=200, early=40, reverse_kl=True),
    "bayesian-10": _bayesian(epochs=10, early=2),
    "bayesian-10-of-10000": _bayesian(
        epochs=10, early=2, batch_size=128, bfloat16=True, images=10_000
    ),
    "bayesian-digits-20": _bayesian(epochs=20, early=4, batch_size=64),
}
LONG = ("resnet18", "resnet18-relu", "alexnet", "conv6", "conv6-plain")  # paper: LeNet5 30
GLOW = {"digits": "glow-4-of-1000", "celeba": "glow-paper-39"}  # suite -> recipe of its own


def default_recipe(suite: str, architecture: str) -> str:
    """The paper's recipe for an architecture; on the small embedded suite a short one."""
    if architecture.startswith("glow"):
        return GLOW.get(suite, "glow-paper")
    if architecture.startswith(BAYESIAN):
        return "bayesian-digits-20" if suite == "digits" else "bayesian-200"
    if suite == "digits":
        return "digits-20"
    return "paper-50" if architecture in LONG else "paper-30"


def recipe_named(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        BenchError: E-BAD-VALUE if there is none.
    """
    if name not in RECIPES:
        raise BenchError("E-BAD-VALUE", f"recipe: got {name!r}, expected one of {list(RECIPES)}")
    return RECIPES[name]
