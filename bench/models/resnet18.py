"""ResNet18 for 32×32 images: the paper's, and the usual one with ReLU and no dropout."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

STAGES = ("layer1", "layer2", "layer3", "layer4")
DENSE = (64, 128, 256, 512)


def _stream(stage: str) -> str:
    """Layer whose output channels are those of a stage's residual stream."""
    return "conv1" if stage == "layer1" else f"{stage}.0.conv2"


RESNET18_WIDTHS: Mapping[str, int] = {
    name: width
    for stage, width in zip(STAGES, DENSE, strict=True)
    for name in (_stream(stage), f"{stage}.0.conv1", f"{stage}.1.conv1")
}


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut.

    Args:
        inputs: Channels of the stream before.
        inner: Channels between the convolutions.
        outputs: Channels of the stream after.
        stride: Of the first convolution and the shortcut.
        slope: Of the LeakyReLU; 0 is ReLU.
    """

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int, slope: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.activation = nn.LeakyReLU(slope)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        branch = self.bn2(self.conv2(self.activation(self.bn1(self.conv1(x)))))
        return self.activation(branch + self.downsample(x))


class ResNet18(nn.Module):
    """11 164 352 prunable weights at full width on 3×32×32 images; no max-pooling stem.

    Args:
        widths: Output channels of the stem (and first stream), of the first convolution of every
            block, and of each further stream (`layerS.0.conv2`).
        classes: Logits.
        channels: Of the images.
        slope: Of the LeakyReLU; 0 is ReLU.
        dropout: Before the classifier.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        classes: int,
        channels: int,
        *,
        slope: float = 0.01,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        inputs = widths["conv1"]
        self.conv1 = nn.Conv2d(channels, inputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.activation = nn.LeakyReLU(slope)
        for stage in STAGES:
            outputs = widths[_stream(stage)]
            first, second = (widths[f"{stage}.{block}.conv1"] for block in (0, 1))
            blocks = nn.Sequential(
                BasicBlock(inputs, first, outputs, 1 if stage == "layer1" else 2, slope),
                BasicBlock(outputs, second, outputs, 1, slope),
            )
            self.add_module(stage, blocks)
            inputs = outputs
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) normalised images to (N, classes) logits."""
        x = self.activation(self.bn1(self.conv1(images)))
        for stage in STAGES:
            x = self.get_submodule(stage)(x)
        return self.fc(self.dropout(self.pool(x).flatten(1)))


resnet18_relu = partial(ResNet18, slope=0.0, dropout=0.0)
