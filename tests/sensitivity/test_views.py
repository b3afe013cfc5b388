import math

import pytest
import torch

from bench.errors import BenchError
from bench.sensitivity import LEARNED, VIEWS, WIDER, Views, eleven_views, with_views
from bench.sensitivity import views as home


@pytest.fixture
def images(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(4, 3, 6, 6, generator=generator)


def test_the_six_fixed_views_are_the_pixels_themselves(images):
    found = eleven_views(images, Views()).unflatten(0, (4, VIEWS))
    assert found.shape == (4, 11, 3, 6, 6)
    assert torch.equal(found[:, 0], images)
    assert torch.equal(found[:, 6], images.flip(3))
    assert torch.equal(found[:, 7], images.flip(2))
    for turns in (1, 2, 3):
        assert torch.equal(found[:, 7 + turns], torch.rot90(images, turns, (2, 3)))


def test_a_quarter_turn_is_counterclockwise():
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert eleven_views(image, Views())[8].tolist() == [[[2.0, 4.0], [1.0, 3.0]]]


def test_affine_maps_of_no_width_are_the_identity(images):
    found = eleven_views(images, Views(mean=(0.5, 0.4, 0.3), widths=(0.0,) * 6))
    expected = images[:, None].expand(-1, 5, -1, -1, -1)
    torch.testing.assert_close(found.unflatten(0, (4, 11))[:, 1:6], expected)


def test_affine_maps_are_those_of_the_normalised_image(images):
    """Moving (x − mean)/std over zeros and undoing the normalisation; drawn as documented."""
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    views = Views(mean=(0.5, 0.4, 0.3), widths=WIDER, seed=3)
    found = eleven_views(images[:1], views, first=8)[1:6]
    r = (home._draws(3, 8) - 0.5) * torch.tensor(WIDER)
    for ours, (x, y, turn, scale, stretch, shear) in zip(found, r.tolist(), strict=True):
        exponent = torch.tensor(
            [
                [scale + stretch, shear - turn, 0.1 * x],
                [shear + turn, scale - stretch, 0.1 * y],
                [0.0, 0.0, 0.0],
            ]
        )
        grid = torch.nn.functional.affine_grid(
            torch.matrix_exp(exponent)[None, :2], [1, 3, 6, 6], align_corners=True
        )
        moved = torch.nn.functional.grid_sample((images[:1] - mean) / std, grid, align_corners=True)
        torch.testing.assert_close(ours, (moved * std + mean)[0], rtol=1e-4, atol=1e-5)


def test_what_lies_outside_a_moved_image_is_the_mean():
    white = torch.ones(1, 1, 9, 9)
    far = Views(mean=(0.25,), widths=(100.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    moved = eleven_views(white, far)[1:6]
    assert moved.min() == pytest.approx(0.25)
    assert ((moved - 0.25).abs() < 1e-6).any(dim=(1, 2, 3)).sum() >= 4


def test_coefficients_fill_their_intervals_and_no_more():
    draws = torch.cat([home._draws(0, number) for number in range(400)])
    assert draws.shape == (2000, 6)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert (draws.mean(0) - 0.5).abs().max() < 4 * (1 / 12 / 2000) ** 0.5
    assert draws.std(0).sub((1 / 12) ** 0.5).abs().max() < 0.02


def test_the_learned_widths_are_next_to_the_identity_and_the_wide_ones_are_not(images):
    def shift(widths):
        found = eleven_views(images, Views(widths=widths)).unflatten(0, (4, 11))
        return float((found[:, 1:6] - images[:, None]).abs().mean())

    assert 0 < shift(LEARNED) < 0.01
    assert shift(WIDER) > 0.05
    assert WIDER[2] == math.pi / 6


def test_views_of_an_image_depend_on_its_number_and_the_seed_only(images):
    whole = eleven_views(images, Views(widths=WIDER), first=10)
    single = [eleven_views(images[i : i + 1], Views(widths=WIDER), first=10 + i) for i in range(4)]
    assert torch.equal(torch.cat(single), whole)
    turned = eleven_views(images[3:], Views(widths=WIDER), first=13)
    assert torch.equal(turned, whole[33:])
    for other in (
        eleven_views(images, Views(widths=WIDER), first=11),
        eleven_views(images, Views(widths=WIDER, seed=1), first=10),
    ):
        changed = (other != whole).flatten(1).any(1).unflatten(0, (4, 11))
        assert changed[:, 1:6].all()
        assert not changed[:, [0, 6, 7, 8, 9, 10]].any()


def test_batches_are_numbered_as_they_come(images):
    found = list(with_views(images.split(3), Views(widths=WIDER)))
    assert [len(part) for part in found] == [33, 11]
    assert torch.equal(torch.cat(found), eleven_views(images, Views(widths=WIDER)))


def test_images_that_are_not_square_are_refused():
    with pytest.raises(BenchError, match="E-BAD-VALUE: images: got 4×5, expected square"):
        eleven_views(torch.zeros(1, 1, 4, 5), Views())
