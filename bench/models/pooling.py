"""Pooling with the answers and gradients of torch's own, in a fraction of its time on a CPU.

What is no plain tensor, like the values by which a network is traced, sees torch's functions.
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d

SIDE = 3  # rows and columns that `spread` gives
POOLED = SIDE**2  # values of one channel after it


def max_pool(maps: Tensor) -> Tensor:
    """`max_pool2d(maps, 2)`; torch's kernel also notes where each maximum is, for gradients.

    In inference mode alone nobody can want those.

    Args:
        maps: (N, C, H, W), H and W at least 2.

    Returns:
        (N, C, H // 2, W // 2): the largest of every 2×2 window.
    """
    plain = type(maps) is Tensor and maps.device.type == "cpu"
    if not (plain and torch.is_inference_mode_enabled()):
        return max_pool2d(maps, 2)
    height, width = (side // 2 * 2 for side in maps.shape[-2:])
    rows = torch.maximum(maps[..., 0:height:2, :], maps[..., 1:height:2, :])
    return torch.maximum(rows[..., 0:width:2], rows[..., 1:width:2])


def spread(maps: Tensor) -> Tensor:
    """`adaptive_avg_pool2d(maps, 3)`, of which a single pixel is copied to all nine.

    Args:
        maps: (N, C, H, W).

    Returns:
        (N, C, 3, 3).
    """
    if type(maps) is not Tensor or maps.shape[-2:] != (1, 1):
        return adaptive_avg_pool2d(maps, SIDE)
    return torch.cat(POOLED * [maps.flatten(2)], 2).unflatten(2, (SIDE, SIDE))
