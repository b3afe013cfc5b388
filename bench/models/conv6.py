"""Deterministic Conv6 of the paper's code: six convolutions, three linear layers."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from bench.models.initialise import LEAK
from bench.models.pooling import POOLED, max_pool, spread

CONV6_WIDTHS: Mapping[str, int] = {
    "conv1": 64,
    "conv2": 64,
    "conv3": 128,
    "conv4": 128,
    "conv5": 256,
    "conv6": 256,
    "fc1": 256,
    "fc2": 256,
}


class Conv6(nn.Module):
    """1 802 432 prunable weights at full width on 3×32×32 images.

    Args:
        widths: Output channels of conv1 to conv6, fc1 and fc2.
        classes: Logits.
        channels: Of the images.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, channels: int) -> None:
        super().__init__()
        inputs = channels
        for index in range(1, 7):
            outputs = widths[f"conv{index}"]
            self.add_module(f"conv{index}", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.add_module(f"bn{index}", nn.BatchNorm2d(outputs))
            inputs = outputs
        self.dropout = nn.Dropout(0.3)
        self.fc1 = nn.Linear(inputs * POOLED, widths["fc1"])
        self.bn7 = nn.BatchNorm1d(widths["fc1"])
        self.fc2 = nn.Linear(widths["fc1"], widths["fc2"])
        self.bn8 = nn.BatchNorm1d(widths["fc2"])
        self.fc3 = nn.Linear(widths["fc2"], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) normalised images to (N, classes) logits."""
        x = images
        for index in range(1, 7):
            convolution, norm = self.get_submodule(f"conv{index}"), self.get_submodule(f"bn{index}")
            x = leaky_relu(norm(convolution(x)), LEAK)
            if index in (2, 4):
                x = max_pool(x)
        x = spread(x).flatten(1)
        x = leaky_relu(self.bn7(self.fc1(self.dropout(x))), LEAK)
        x = leaky_relu(self.bn8(self.fc2(self.dropout(x))), LEAK)
        return self.fc3(self.dropout(x))
