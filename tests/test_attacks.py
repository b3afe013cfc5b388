import foolbox
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.attacks import ATTACKS
from bench.attacks.fgsm import input_gradients, l2_step, linf_step, standardised_cross_entropy
from bench.errors import BenchError

EPSILON = 8 / 255


@pytest.fixture
def convolutional() -> nn.Module:
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.LeakyReLU(0.05),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 10),
        ).eval()


def some_images(count: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, 8, 8, generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)


def attack(name: str, network: nn.Module, images, labels, epsilon):  # type: ignore[no-untyped-def]
    (gradient,) = input_gradients(network, images, labels, [ATTACKS[name].loss])
    return ATTACKS[name].step(images, gradient, epsilon)


def test_on_a_linear_model_the_step_is_the_sign_of_the_weighted_residual():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 10)).eval()
    images, labels = some_images()
    residual = linear(images).softmax(1).detach()
    residual[range(16), labels] -= 1
    gradient = (residual @ linear[1].weight.detach()).view_as(images)
    expected = (images + EPSILON * gradient.sign()).clamp(0, 1)
    torch.testing.assert_close(attack("fgsm-linf", linear, images, labels, EPSILON), expected)


def test_l2_step_has_length_epsilon_where_nothing_is_clipped():
    images = torch.full((4, 3, 8, 8), 0.5)
    gradient = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    moved = (l2_step(images, gradient, 0.5) - images).flatten(1).norm(dim=1)
    torch.testing.assert_close(moved, torch.full((4,), 0.5), atol=1e-6, rtol=0)


def test_a_zero_gradient_moves_nothing():
    images = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for step in (linf_step, l2_step):
        assert torch.equal(step(images, torch.zeros_like(images), EPSILON), images)


@pytest.mark.parametrize(
    ("name", "oracle", "epsilon"),
    [
        ("fgsm-linf", foolbox.attacks.LinfFastGradientAttack, EPSILON),
        ("fgsm-l2", foolbox.attacks.L2FastGradientAttack, EPSILON),
        ("fgsm-l2", foolbox.attacks.L2FastGradientAttack, 0.5),
    ],
)
def test_fgsm_equals_foolbox(name, oracle, epsilon, convolutional):
    images, labels = some_images()
    model = foolbox.PyTorchModel(convolutional, bounds=(0, 1), device="cpu")
    _, expected, _ = oracle(random_start=False)(model, images, labels, epsilons=epsilon)
    ours = attack(name, convolutional, images, labels, epsilon)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=0)


def test_one_forward_pass_gives_the_gradient_of_every_loss(convolutional):
    images, labels = some_images()
    losses = [ATTACKS["fgsm-linf"].loss, standardised_cross_entropy]
    together = input_gradients(convolutional, images, labels, losses)
    for loss, gradient in zip(losses, together, strict=True):
        (alone,) = input_gradients(convolutional, images, labels, [loss])
        assert torch.equal(gradient, alone)


def test_a_gradient_does_not_depend_on_the_other_images(convolutional):
    images, labels = some_images()
    losses = [ATTACKS["fgsm-linf"].loss]
    (together,) = input_gradients(convolutional, images, labels, losses)
    (alone,) = input_gradients(convolutional, images[:1], labels[:1], losses)
    torch.testing.assert_close(together[:1], alone, atol=1e-7, rtol=1e-4)


def test_the_standardised_loss_sees_through_scaled_logits(convolutional):
    """Logits × 10⁴ blind the plain cross-entropy; the audit row attacks as before."""
    images, labels = some_images()
    with torch.no_grad():
        labels = convolutional(images).argmax(1)
    before = attack("fgsm-linf-standardised", convolutional, images, labels, EPSILON)
    with torch.no_grad():
        convolutional[-1].weight.mul_(1e4)
        convolutional[-1].bias.mul_(1e4)
    plain, audit = input_gradients(
        convolutional, images, labels, [ATTACKS["fgsm-linf"].loss, standardised_cross_entropy]
    )
    assert (plain.flatten(1) == 0).all(1).float().mean() > 0.5
    assert (audit.flatten(1) != 0).any(1).all()
    after = ATTACKS["fgsm-linf-standardised"].step(images, audit, EPSILON)
    assert (after == before).float().mean() > 0.99


@pytest.mark.parametrize("name", sorted(ATTACKS))
@settings(max_examples=30, deadline=None)
@given(epsilon=st.floats(1e-3, 1.0), seed=st.integers(0, 1000))
def test_every_attack_stays_in_its_ball_and_in_range(name, epsilon, seed):
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 10)).eval()
    images, labels = some_images(4, seed)
    kept = labels.clone()
    attacked = attack(name, linear, images, labels, epsilon)
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    norm = 2 if "l2" in name else float("inf")
    distance = (attacked - images).flatten(1).norm(norm, dim=1)
    assert distance.max() <= epsilon + 1e-6
    assert torch.equal(labels, kept)


@pytest.mark.parametrize("epsilon", [0, -0.1, 8, float("nan")])
def test_an_epsilon_in_the_wrong_unit_is_refused(epsilon):
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(BenchError, match=r"8/255 is 0\.0314"):
        linf_step(images, images, epsilon)
