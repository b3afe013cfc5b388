"""The table of corruptions: what it holds, which images it takes and which bytes come out."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from bench import protocol
from bench.data.corruptions import CORRUPTIONS, applicable, corrupt
from bench.data.corruptions.counters import Counter
from bench.errors import BenchError
from tests.data.corruptions.photographs import grey_patches, patches

RANDOM = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "glass_blur",
    "motion_blur",
    "snow",
    "frost",
    "fog",
    "elastic_transform",
    "speckle_noise",
    "spatter",
)
FIXED = tuple(name for name in CORRUPTIONS if name not in RANDOM)
GREY = tuple(name for name in CORRUPTIONS if name != "saturate")


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_the_table_has_the_corruptions_of_the_protocol_in_its_order() -> None:
    assert tuple(CORRUPTIONS) == protocol.CORRUPTIONS
    assert all(len(row.severities) == 5 for row in CORRUPTIONS.values())


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_a_corruption_changes_pixels_but_neither_shape_nor_type(name: str, severity: int) -> None:
    images = patches(6)
    kept = images.clone()
    changed = corrupt(images, name, severity, seed=0)
    assert (changed.shape, changed.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, kept)
    assert (changed != images).flatten(1).any(1).sum() >= 4  # there is even sky


@pytest.mark.parametrize("name", GREY)
def test_a_grey_image_is_the_mean_of_its_three_corrupted_channels(name: str) -> None:
    grey = grey_patches(3)
    for severity in range(1, 6):
        counter = Counter.of(2, f"{name} {severity}", 0, 3)
        colour, row = (grey / 255).repeat(1, 3, 1, 1), CORRUPTIONS[name]
        corrupted = row.function(colour, row.severities[severity - 1], counter).clamp(0, 1)
        mean = corrupted.double().mean(1, keepdim=True) * 255
        changed = corrupt(grey, name, severity, seed=2)
        assert (changed.shape, changed.dtype) == (grey.shape, torch.uint8)
        assert (changed - mean).abs().max() <= 0.5 + 1e-4
        assert (changed != grey).any()


def test_saturate_needs_colour_and_the_others_do_not() -> None:
    assert [name for name in CORRUPTIONS if not applicable(name, 1)] == ["saturate"]
    assert all(applicable(name, 3) for name in CORRUPTIONS)


@pytest.mark.parametrize(
    ("images", "name", "severity", "message"),
    [
        (patches(1), "rain", 1, "got 'rain', expected one of"),
        (patches(1), "fog", 0, "got 0, expected 1 to 5"),
        (patches(1), "fog", 6, "got 6, expected 1 to 5"),
        (patches(1).float(), "fog", 1, "float32"),
        (patches(1)[0], "fog", 1, "expected uint8"),
        (patches(1)[:, :2], "fog", 1, "expected uint8"),
        (patches(1)[:0], "fog", 1, "expected uint8"),
        (patches(1)[..., :30], "fog", 1, "even S from 4 to 32"),
        (patches(1, 31), "fog", 1, "even S from 4 to 32"),
        (patches(1, 34), "fog", 1, "even S from 4 to 32"),
        (patches(1, 2), "fog", 1, "even S from 4 to 32"),
        (grey_patches(1), "saturate", 1, "expected colour"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(
    images: Tensor, name: str, severity: int, message: str
) -> None:
    with pytest.raises(BenchError, match=message) as caught:
        corrupt(images, name, severity, seed=0)
    assert caught.value.code == "E-BAD-VALUE"


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", [4, 8, 28, 30, 32])
def test_every_even_side_up_to_32_can_be_corrupted(name: str, side: int) -> None:
    images = patches(2, side)
    for severity in range(1, 6):
        assert corrupt(images, name, severity, seed=0).shape == images.shape


def in_batches(images: Tensor, size: int, name: str, severity: int) -> Tensor:
    starts = range(0, len(images), size)
    return torch.cat(
        [corrupt(images[at : at + size], name, severity, seed=9, first=at) for at in starts]
    )


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_neither_batch_size_nor_threads_nor_order_change_a_byte(name: str, threads: int) -> None:
    images = patches(250)
    for severity in range(1, 6):
        whole = corrupt(images, name, severity, seed=9)
        for size in (7, 64):
            assert torch.equal(in_batches(images, size, name, severity), whole)
        for number in (249, 101, 100, 99, 38, 0):
            alone = corrupt(images[number : number + 1], name, severity, seed=9, first=number)
            assert torch.equal(alone, whole[number : number + 1])
    torch.set_num_threads(3 - threads)
    assert torch.equal(corrupt(images, name, 5, seed=9), whole)


@pytest.mark.parametrize("name", GREY)
def test_three_grey_images_of_28_pixels_are_the_same_alone_and_together(
    name: str, threads: int
) -> None:
    images = grey_patches(3)
    for severity in range(1, 6):
        together = corrupt(images, name, severity, seed=9)
        assert torch.equal(in_batches(images, 1, name, severity), together)


@pytest.mark.parametrize("name", RANDOM)
def test_another_image_number_or_seed_or_severity_has_other_random_numbers(name: str) -> None:
    twins = patches(1).expand(3, -1, -1, -1)
    for severity in range(1, 6):
        first = corrupt(twins, name, severity, seed=0)
        assert torch.equal(first, corrupt(twins, name, severity, seed=0))
        assert len(first.flatten(1).unique(dim=0)) == 3
        assert not torch.equal(first, corrupt(twins, name, severity, seed=1))


@pytest.mark.parametrize("name", FIXED)
def test_the_rest_depends_on_the_pixels_alone(name: str) -> None:
    twins = patches(1).expand(3, -1, -1, -1)
    for severity in range(1, 6):
        first = corrupt(twins, name, severity, seed=0)
        assert len(first.flatten(1).unique(dim=0)) == 1
        assert torch.equal(first, corrupt(twins, name, severity, seed=1, first=70))
