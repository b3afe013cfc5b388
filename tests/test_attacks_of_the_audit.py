"""PGD, Square and noise: within their ball, repeatable, as strong as they should be."""

import pytest
import torch
from pyautoattack import AutoAttack
from pyautoattack.square import SquareAttack
from torch import nn

from bench.attacks.auto import square
from bench.attacks.fgsm import gives_no_direction, input_gradients, linf_step
from bench.attacks.noise import sign_noise
from bench.attacks.pgd import margins, pgd
from bench.data import load_suite
from bench.errors import BenchError
from bench.metrics import accuracy
from bench.submissions import load_submission

EPSILON = 8 / 255
ATTACKS = {
    "pgd": lambda model, x, y, epsilon: pgd(model, x, y, epsilon, 10),
    "square": lambda model, x, y, epsilon: square(model, x, y, epsilon, 20),
    "noise": lambda _, x, __, epsilon: sign_noise(x, epsilon),
}


@pytest.fixture(scope="module")
def model(dense) -> nn.Module:
    return load_submission(dense).model


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.tensor(load_suite("digits").test.images[:64]).float() / 255


@pytest.fixture(scope="module")
def labels() -> torch.Tensor:
    return torch.tensor(load_suite("digits").test.labels[:64])


@torch.inference_mode()
def right(model, images, labels) -> float:
    return accuracy(model(images), labels)


@pytest.mark.parametrize("epsilon", [EPSILON, 0.5])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_stays_in_its_ball_and_leaves_images_and_weights_alone(
    name, epsilon, model, images, labels
):
    before = images.clone(), [weight.clone() for weight in model.parameters()]
    moved = ATTACKS[name](model, images, labels, epsilon)
    assert moved.shape == images.shape
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 1
    assert float((moved - images).abs().max()) <= epsilon + 1e-6
    assert not torch.equal(moved, images)
    assert torch.equal(images, before[0])
    assert all(map(torch.equal, model.parameters(), before[1]))
    assert not images.requires_grad


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_repeats_whatever_was_drawn_before_and_draws_nothing_from_others(
    name, model, images, labels
):
    first = ATTACKS[name](model, images, labels, EPSILON)
    torch.rand(3)
    state = torch.get_rng_state()
    assert torch.equal(ATTACKS[name](model, images, labels, EPSILON), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_margin_is_positive_just_where_the_answer_is_right():
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [2.0, 2.0, 0.0]])
    assert margins(logits, torch.tensor([0, 1, 0])).tolist() == [1.0, -2.0, 0.0]


def test_on_a_linear_model_pgd_ends_in_the_corner_that_fgsm_jumps_to():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()
    with torch.no_grad():
        linear[1].weight.copy_(torch.randn(2, 12, generator=torch.Generator().manual_seed(1)))
        linear[1].bias.copy_(torch.tensor([100.0, 0.0]))  # too far off for any image to get there
    images, labels = torch.full((5, 1, 3, 4), 0.5), torch.zeros(5, dtype=torch.int64)
    corner = 0.5 - EPSILON * (linear[1].weight[0] - linear[1].weight[1]).sign().view(1, 3, 4)
    torch.testing.assert_close(
        pgd(linear, images, labels, EPSILON, 10), corner.expand(5, 1, 3, 4), atol=1e-6, rtol=0
    )


def test_pgd_is_stronger_than_fgsm_and_fgsm_than_noise(model, images, labels):
    (gradient,) = input_gradients(model, images, labels, [nn.functional.cross_entropy])
    iterated = right(model, pgd(model, images, labels, EPSILON, 10), labels)
    single = right(model, linf_step(images, gradient, EPSILON), labels)
    blind = right(model, sign_noise(images, EPSILON), labels)
    assert iterated < single < blind
    assert right(model, pgd(model, images, labels, 0.5, 10), labels) == 0


def test_no_factor_of_the_logits_changes_what_pgd_finds(model, images, labels):
    class Scaled(nn.Module):
        def forward(self, inputs):
            return model(inputs) * 2**20

    found = pgd(model, images, labels, EPSILON, 10)
    assert torch.equal(pgd(Scaled(), images, labels, EPSILON, 10), found)


def test_images_that_are_misclassified_at_once_are_not_moved_on(model, images, labels):
    wrong = (labels + 1) % 10
    start = pgd(model, images, wrong, 1e-4, 1)
    assert right(model, images, wrong) == 0
    assert torch.equal(pgd(model, images, wrong, 1e-4, 10), start)


def test_pgd_refuses_an_epsilon_in_other_units(model, images, labels):
    with pytest.raises(BenchError, match=r"8/255 is 0\.0314"):
        pgd(model, images, labels, 8, 1)


def test_noise_moves_every_value_by_epsilon_up_and_down_as_often():
    grey = torch.full((16, 1, 28, 28), 0.5)
    moved = sign_noise(grey, EPSILON) - grey
    torch.testing.assert_close(moved.abs(), torch.full_like(grey, EPSILON))
    assert abs(float((moved > 0).double().mean()) - 0.5) < 3 * 0.5 / grey.numel() ** 0.5


def test_square_is_that_of_pyautoattack(model, images, labels):
    with torch.random.fork_rng(), torch.no_grad():
        theirs = SquareAttack(model, n_queries=30, eps=EPSILON, seed=0).perturb(images, labels)
    assert torch.equal(square(model, images, labels, EPSILON, 30), theirs)


@pytest.mark.slow
def test_square_breaks_as_much_as_the_square_inside_autoattack(model, images, labels):
    with torch.random.fork_rng():
        whole = AutoAttack(
            model,
            norm="Linf",
            eps=EPSILON,
            seed=0,
            device="cpu",
            version="custom",
            attacks=["square"],
        )
        whole.square.n_queries, whole.square.rescale_schedule = 100, True  # as for a short one
        found, *_ = whole.run_standard_evaluation(images, labels, batch_size=64)
    ours = right(model, square(model, images, labels, EPSILON, 100), labels)
    assert ours == right(model, found, labels)


def test_square_bears_a_model_whose_answers_all_tie(images, labels):
    tied = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()
    with torch.no_grad():
        for number in tied.parameters():
            number.zero_()
    assert torch.equal(square(tied, images, torch.zeros_like(labels), EPSILON, 5), images)


def test_a_gradient_without_direction_is_zero_or_no_number():
    gradient = torch.zeros(3, 1, 2, 2)
    gradient[1] = torch.nan
    gradient[2, 0, 1, 1] = -1e-45
    assert gives_no_direction(gradient).tolist() == [True, True, False]
