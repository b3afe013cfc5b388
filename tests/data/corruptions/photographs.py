"""Natural image patches: squares cut from scikit-learn's two sample photographs."""

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor


def patches(count: int, side: int = 32) -> Tensor:
    """(count, 3, side, side) uint8 patches at random places, the same ones every time."""
    photographs = load_sample_images().images
    generator = np.random.default_rng(0)
    cut = []
    for number in range(count):
        photograph = photographs[number % 2]
        row, column = (generator.integers(0, edge - side) for edge in photograph.shape[:2])
        cut.append(photograph[row : row + side, column : column + side])
    return torch.from_numpy(np.stack(cut).transpose(0, 3, 1, 2).copy())


def grey_patches(count: int, side: int = 28) -> Tensor:
    """(count, 1, side, side) uint8: the green channel of `patches`."""
    return patches(count, side)[:, 1:2].clone()
