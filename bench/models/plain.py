"""Networks of ReLU, without BatchNorm and dropout, whose weights may be Bayesian."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import relu

from bench.models.pooling import POOLED, max_pool, spread


class PlainConv6(nn.Module):
    """1 802 432 prunable weights at full width; the second convolution is not padded.

    Args:
        widths: Output channels of conv1 to conv6, fc1 and fc2, as of `Conv6`.
        classes: Logits.
        channels: Of the images.

    References:
        Ayle et al., 2022, authors' code of the Bayesian Conv6.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, channels: int) -> None:
        super().__init__()
        inputs = channels
        for index in range(1, 7):
            outputs, padding = widths[f"conv{index}"], 0 if index == 2 else 1
            self.add_module(f"conv{index}", nn.Conv2d(inputs, outputs, 3, padding=padding))
            inputs = outputs
        self.fc1 = nn.Linear(inputs * POOLED, widths["fc1"])
        self.fc2 = nn.Linear(widths["fc1"], widths["fc2"])
        self.fc3 = nn.Linear(widths["fc2"], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) normalised images to (N, classes) logits."""
        x = images
        for index in range(1, 7):
            x = relu(self.get_submodule(f"conv{index}")(x))
            if index in (2, 4):
                x = max_pool(x)
        x = spread(x).flatten(1)
        return self.fc3(relu(self.fc2(relu(self.fc1(x)))))


class PlainLeNet5(nn.Module):
    """142 110 prunable weights at full width: `LeNet5` for small images of one channel.

    Args:
        widths: Output channels of conv1, conv2, conv3 and fc1.
        classes: Logits.
        channels: Of the images.
    """

    def __init__(self, widths: Mapping[str, int], classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths["conv1"], 5, padding=2)
        self.conv2 = nn.Conv2d(widths["conv1"], widths["conv2"], 5)
        self.conv3 = nn.Conv2d(widths["conv2"], widths["conv3"], 5)
        self.fc1 = nn.Linear(widths["conv3"] * POOLED, widths["fc1"])
        self.fc2 = nn.Linear(widths["fc1"], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) normalised images, H and W at least 28, to (N, classes) logits."""
        x = max_pool(relu(self.conv1(images)))
        x = max_pool(relu(self.conv2(x)))
        x = spread(relu(self.conv3(x))).flatten(1)
        return self.fc2(relu(self.fc1(x)))
