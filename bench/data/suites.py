"""The table of suites: what is tested on, against which outliers, by which network.

Adding a suite is one entry. Its images are read in `loading`, shifted ones are made in `shifts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.data.images import Shape
from bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class SuiteSpec:
    """One data world.

    Args:
        classes: Number of labels; 1 for images without classes, which only flows are of.
        shape: Channels, height and width of every image.
        mean: Usual input normalisation of the training set, in image units, a channel each; empty
            for none.
        std: The same.
        reference: Name of the architecture that is trained on it.
        outliers: Names of the outlier sets.
        out_of_domain: The one of them that is also shown in the wrong range; "" for none.
        augment: Whether a training image shifted and mirrored is of the same class.
    """

    classes: int
    shape: Shape
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reference: str
    outliers: tuple[str, ...]
    out_of_domain: str
    augment: bool = False

    @property
    def flows_only(self) -> bool:
        """Whether there are no classes: nothing but densities to measure, and no shifts."""
        return self.classes == 1


SUITES: Mapping[str, SuiteSpec] = {
    "digits": SuiteSpec(10, (1, 28, 28), (0.5,), (0.5,), "lenet5", ("patches",), "patches"),
    "fashionmnist": SuiteSpec(
        10,
        (1, 28, 28),
        (0.5,),
        (0.5,),
        "lenet5",
        ("mnist", "omniglot", "notmnist", "kmnist"),
        "mnist",
    ),
    "mnist": SuiteSpec(
        10, (1, 28, 28), (0.5,), (0.5,), "lenet5", ("fashionmnist", "omniglot"), "fashionmnist"
    ),
    "cifar10": SuiteSpec(
        10,
        (3, 32, 32),
        (0.4914, 0.4822, 0.4465),
        (0.2471, 0.2435, 0.2616),
        "resnet18",
        ("svhn", "cifar100"),
        "svhn",
        augment=True,
    ),
    "celeba": SuiteSpec(1, (3, 32, 32), (), (), "glow", ("svhn",), ""),
}


def suite_spec(name: str) -> SuiteSpec:
    """The entry of a suite.

    Raises:
        BenchError: E-UNKNOWN-SUITE.
    """
    if name not in SUITES:
        raise BenchError("E-UNKNOWN-SUITE", f"suite: got {name!r}, expected one of {list(SUITES)}")
    return SUITES[name]


def check_classes(name: str, kind: str) -> None:
    """Whether a suite has what a kind of network is about.

    Args:
        name: Key of `SUITES`.
        kind: `flow`, or any other word for a network that tells classes apart.

    Raises:
        BenchError: E-UNKNOWN-SUITE; E-BAD-VALUE for a suite without classes and no flow.
    """
    if suite_spec(name).flows_only and kind != "flow":
        others = [other for other, spec in SUITES.items() if not spec.flows_only]
        raise BenchError(
            "E-BAD-VALUE",
            f"suite: got {name} for a {kind}; its images have no classes, it is for flows alone "
            f"(--arch {SUITES[name].reference}); expected one of {others}",
        )
