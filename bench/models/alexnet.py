"""AlexNet for 32×32 images as in the paper's code."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import leaky_relu, max_pool2d

from bench.models.initialise import LEAK

ALEXNET_WIDTHS: Mapping[str, int] = {
    "conv1": 64,
    "conv2": 192,
    "conv3": 384,
    "conv4": 256,
    "conv5": 512,
    "fc1": 4096,
    "fc2": 4096,
}
POOLED = 2 * 2


class AlexNet(nn.Module):
    """28 246 720 prunable weights and 9 600 hidden nodes at full width on 3×32×32 images.

    Args:
        widths: Output channels of conv1 to conv5, fc1 and fc2.
        classes: Logits.
        channels: Of the images.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, channels: int) -> None:
        super().__init__()
        inputs = channels
        for index in range(1, 6):
            outputs, size = widths[f"conv{index}"], 5 if index < 3 else 3
            layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
            self.add_module(f"conv{index}", layer)
            self.add_module(f"bn{index}", nn.BatchNorm2d(outputs))
            inputs = outputs
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.dropout = nn.Dropout(0.3)
        self.fc1 = nn.Linear(inputs * POOLED, widths["fc1"])
        self.bn6 = nn.BatchNorm1d(widths["fc1"])
        self.fc2 = nn.Linear(widths["fc1"], widths["fc2"])
        self.bn7 = nn.BatchNorm1d(widths["fc2"])
        self.fc3 = nn.Linear(widths["fc2"], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) normalised images to (N, classes) logits."""
        x = images
        for index in range(1, 6):
            convolution, norm = self.get_submodule(f"conv{index}"), self.get_submodule(f"bn{index}")
            x = leaky_relu(norm(convolution(x)), LEAK)
            if index < 3:
                x = max_pool2d(x, 3, stride=2)
        x = self.pool(x).flatten(1)
        x = leaky_relu(self.bn6(self.fc1(self.dropout(x))), LEAK)
        x = leaky_relu(self.bn7(self.fc2(self.dropout(x))), LEAK)
        return self.fc3(self.dropout(x))
