"""LeNet5 of the paper's code: three convolutions, BatchNorm, LeakyReLU(0.05), dropout 0.3."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from bench.models.initialise import LEAK
from bench.models.pooling import POOLED, max_pool, spread

LENET5_WIDTHS: Mapping[str, int] = {"conv1": 6, "conv2": 16, "conv3": 120, "fc1": 84}


class LeNet5(nn.Module):
    """142 110 prunable weights at full width on 1×28×28 images.

    The adaptive pooling spreads the 1×1 map of a 28×28 image over 3×3 and takes other sizes too.

    Args:
        widths: Output channels of conv1, conv2, conv3 and fc1.
        classes: Logits.
        channels: Of the images.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths["conv1"], 5, padding=2)
        self.bn1 = nn.BatchNorm2d(widths["conv1"])
        self.conv2 = nn.Conv2d(widths["conv1"], widths["conv2"], 5)
        self.bn2 = nn.BatchNorm2d(widths["conv2"])
        self.conv3 = nn.Conv2d(widths["conv2"], widths["conv3"], 5)
        self.bn3 = nn.BatchNorm2d(widths["conv3"])
        self.dropout = nn.Dropout(0.3)
        self.fc1 = nn.Linear(widths["conv3"] * POOLED, widths["fc1"])
        self.bn4 = nn.BatchNorm1d(widths["fc1"])
        self.fc2 = nn.Linear(widths["fc1"], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) normalised images, H and W at least 28, to (N, classes) logits."""
        x = max_pool(leaky_relu(self.bn1(self.conv1(images)), LEAK))
        x = max_pool(leaky_relu(self.bn2(self.conv2(x)), LEAK))
        x = spread(leaky_relu(self.bn3(self.conv3(x)), LEAK)).flatten(1)
        x = leaky_relu(self.bn4(self.fc1(self.dropout(x))), LEAK)
        return self.fc2(self.dropout(x))
