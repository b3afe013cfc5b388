"""The table of image sets: their size, classes, splits, and where torchvision puts them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.data.celeba import find_celeba
from bench.data.cifar import CIFAR10, CIFAR100, find_cifar
from bench.data.folders import find_folder
from bench.data.formats import Opened
from bench.data.idx import find_idx
from bench.data.images import Shape
from bench.data.svhn import find_svhn


@dataclass(frozen=True, slots=True)
class SetSpec:
    """One image set that is read from files.

    Args:
        shape: Channels, height and width of the published images; of CelebA, whose pictures are
            large, of those that are looked at.
        classes: Number of labels.
        splits: Split → published number of images, or None where there is no such number. The
            first is the one that suites look at; the others stand in under their own name.
        official: (root, split) → the split in its authors' or torchvision's layout.
        layout: That layout, for messages; "" if there is none, and nothing to fetch.
        by_hand: How a user gets the files of the layout; "" where `bench data fetch` does.
    """

    shape: Shape
    classes: int
    splits: Mapping[str, int | None]
    official: Callable[[Path, str], Opened | None]
    layout: str
    by_hand: str = ""


def _no_layout(_: Path, __: str) -> None:
    return None


_MNIST_SPLITS = {"test": 10_000, "train": 60_000}
_CIFAR_SPLITS = {"test": 10_000, "train": 50_000}

SETS: Mapping[str, SetSpec] = {
    "mnist": SetSpec(
        (1, 28, 28), 10, _MNIST_SPLITS, partial(find_idx, folder="MNIST"), "MNIST/raw/*-ubyte[.gz]"
    ),
    "fashionmnist": SetSpec(
        (1, 28, 28),
        10,
        _MNIST_SPLITS,
        partial(find_idx, folder="FashionMNIST"),
        "FashionMNIST/raw/*-ubyte[.gz]",
    ),
    "kmnist": SetSpec(
        (1, 28, 28),
        10,
        _MNIST_SPLITS,
        partial(find_idx, folder="KMNIST"),
        "KMNIST/raw/*-ubyte[.gz]",
    ),
    "omniglot": SetSpec(
        (1, 105, 105),
        1623,
        {
            "evaluation": 13_180,
            "background": 19_280,
            "background-small1": 2_720,
            "background-small2": 3_120,
        },
        partial(find_folder, prefix="omniglot-py/images_"),
        "omniglot-py/images_SPLIT/ALPHABET/CHARACTER/*.png",
    ),
    "notmnist": SetSpec((1, 28, 28), 10, {"test": None}, _no_layout, ""),
    "cifar10": SetSpec(
        (3, 32, 32),
        10,
        _CIFAR_SPLITS,
        partial(find_cifar, layout=CIFAR10),
        "cifar-10-batches-py or cifar-10-batches-bin",
    ),
    "cifar100": SetSpec(
        (3, 32, 32),
        100,
        _CIFAR_SPLITS,
        partial(find_cifar, layout=CIFAR100),
        "cifar-100-python or cifar-100-binary",
    ),
    "svhn": SetSpec(
        (3, 32, 32), 10, {"test": 26_032, "train": 73_257}, find_svhn, "SPLIT_32x32.mat"
    ),
    "celeba": SetSpec(
        (3, 32, 32),
        1,
        {"test": 19_962, "valid": 19_867, "train": 162_770},
        find_celeba,
        "celeba/img_align_celeba/*.jpg with celeba/list_eval_partition.txt",
        "torchvision.datasets.CelebA(ROOT, download=True) or a browser gets img_align_celeba.zip "
        "and list_eval_partition.txt from the Google Drive of its authors, see "
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html; unpack it to "
        "ROOT/celeba/img_align_celeba, put the list beside that folder, and give ROOT as --data",
    ),
}


def split_name(name: str, split: str) -> str:
    """Name of a split in tables: the set's own for the split that suites mean, else `SET-SPLIT`.

    `svhn` is SVHN's test split and nothing else; its training digits are `svhn-train`.
    """
    return name if split == next(iter(SETS[name].splits)) else f"{name}-{split}"
