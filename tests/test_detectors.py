"""Every detector of the table, by what all of them promise and by what each of them is."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_ood import detector as theirs
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax
from torch.utils.data import DataLoader, TensorDataset

from bench.data import ImageSet
from bench.data.images import fingerprint
from bench.detectors import DETECTORS, Known, drawn, ood
from bench.detectors.gradnorm import gradnorm
from bench.detectors.msp import msp
from bench.detectors.ood import WIDE
from bench.errors import BenchError
from bench.inference import Evidence, Exhibit, gather
from bench.models import Normalised
from bench.sensitivity import VARIANTS

SIZES = (1, 2, 5, 100)
CLASSES = 4
BY_FEATURES = ("gradnorm", "knn", "mahalanobis", "rmd", "vim")


def pixels(count, *, seed, bright=256):
    draws = torch.randint(
        0, bright, (count, 3, 4, 4), generator=torch.Generator().manual_seed(seed)
    )
    return draws.to(torch.uint8).numpy()


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A small network that has learned whether images are bright, and its training images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        images = np.concatenate(
            [pixels(60, seed=at, bright=64 * (at + 1)) for at in range(CLASSES)]
        )
        labels = np.repeat(np.arange(CLASSES), 60)
        training = ImageSet("training", images, labels, fingerprint(images, labels))
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(48, 12), nn.ReLU())
        network = nn.Sequential(encoder, nn.Linear(12, CLASSES))
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 3
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        model = Normalised(network, (0.5,) * 3, (0.25,) * 3)
        for _ in range(100):
            optimizer.zero_grad()
            answer = model(torch.from_numpy(images).float() / 255)
            cross_entropy(answer, torch.from_numpy(labels)).backward()
            optimizer.step()
        optimizer.zero_grad()
        yield Known(model.eval(), training, augment=False, batch_size=60, viewed=2)


def shown(model, images, most=None):
    """An exhibit of (N, C, H, W) float32 images."""
    evidence = gather(model, images.split(50), "images")
    return Exhibit(evidence, lambda size: iter(images.split(size)), most)


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(pixels(103, seed=9)).float() / 255


@pytest.fixture(scope="module")
def ready(known):
    return {name: prepare(known) for name, prepare in DETECTORS.items()}


@pytest.mark.parametrize("batch_size", SIZES)
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_gives_one_finite_score_a_group(name, batch_size, ready, known, images):
    scores = ready[name](shown(known.model, images), batch_size)
    assert scores.shape == (-(-len(images) // batch_size),)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_judges_the_first_groups_as_if_there_were_no_others(
    name, batch_size, ready, known, images
):
    scores, whole = (
        ready[name](shown(known.model, part), batch_size) for part in (images[:50], images)
    )
    torch.testing.assert_close(scores, whole[: len(scores)], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [5, 100])
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_judges_a_group_by_itself(name, batch_size, ready, known, images):
    """The order of the groups, and of the images within one, changes nothing else."""
    whole = images[:100]
    turned = torch.cat([group.flip(0) for group in reversed(whole.split(batch_size))])
    scores = ready[name](shown(known.model, whole), batch_size)
    again = ready[name](shown(known.model, turned), batch_size)
    torch.testing.assert_close(again, scores.flip(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_leaves_the_model_untouched(name, known, images):
    before = copy.deepcopy(known.model.state_dict())
    DETECTORS[name](known)(shown(known.model, images), 5)
    after = known.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in known.model.parameters())
    assert not known.model.training
    assert not any(module._forward_pre_hooks for module in known.model.modules())
    assert not any(module._forward_hooks for module in known.model.modules())


@pytest.mark.parametrize("name", [*VARIANTS, "odin"])
def test_detectors_by_gradients_look_at_the_first_groups_only(name, ready, known, images):
    few, all_ = (ready[name](shown(known.model, images, most), 5) for most in (3, None))
    assert len(few) == 3
    torch.testing.assert_close(few, all_[:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["sensnorm", "knn", "mahalanobis"])
def test_without_training_images_what_is_fitted_to_them_says_so(name, known):
    blind = Known(known.model, None, augment=False, batch_size=60, viewed=2)
    with pytest.raises(BenchError, match="E-NO-DATA"):
        DETECTORS[name](blind)


def test_a_sample_is_drawn_by_the_order_and_has_a_fingerprint_of_its_own(known):
    order = np.random.default_rng(3).permutation(240)
    sample, other = drawn(known.sample, order, 100), drawn(known.sample, order[100:], 100)
    chosen = np.sort(order[:100])
    assert np.array_equal(sample.images, known.sample.images[chosen])
    assert np.array_equal(sample.labels, known.sample.labels[chosen])
    assert sample.fingerprint == fingerprint(sample.images, sample.labels) != other.fingerprint


# MSP and GradNorm


def gradnorm_by_autograd(model, group):
    network = copy.deepcopy(model)
    loss = -log_softmax(network(group), 1).sum(1).mean()
    loss.backward()
    return float(network.network[-1].weight.grad.abs().sum())


@pytest.mark.parametrize("batch_size", SIZES)
def test_gradnorm_is_the_gradient_that_autograd_finds(known, images, batch_size):
    ours = gradnorm(gather(known.model, images.split(50), "images"), batch_size)
    expected = [-gradnorm_by_autograd(known.model, group) for group in images.split(batch_size)]
    torch.testing.assert_close(ours, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_msp_of_a_group_is_minus_the_mean_of_its_images():
    probabilities = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    evidence = Evidence(probabilities.log(), torch.zeros(3, 1))
    torch.testing.assert_close(msp(evidence, 1), torch.tensor([-0.9, -0.5, -0.8]))
    torch.testing.assert_close(msp(evidence, 2), torch.tensor([-0.7, -0.8]))


def test_gradnorm_of_a_uniform_answer_is_zero():
    evidence = Evidence(torch.full((4, 10), 0.1).log(), torch.ones(4, 3))
    torch.testing.assert_close(gradnorm(evidence, 1), torch.zeros(4), atol=1e-5, rtol=0)


# The wide field is pytorch-ood's own


class Features(nn.Module):
    """From images to features, for the package's classes."""

    def __init__(self, model):
        super().__init__()
        self.front, self.encoder = model, model.network[0]

    def forward(self, images):
        return self.encoder((images - self.front.shift) / self.front.scale)


def published(name, model):
    """The package's class with the model itself, as its users make it."""
    encoder, head = Features(model), model.network[1]
    return {
        "energy": lambda: theirs.EnergyBased(model),
        "max-logit": lambda: theirs.MaxLogit(model),
        "entropy": lambda: theirs.Entropy(model),
        "gen": lambda: theirs.GEN(model),
        "kl-matching": lambda: theirs.KLMatching(model),
        "knn": lambda: theirs.KNN(encoder),
        "mahalanobis": lambda: theirs.Mahalanobis(encoder),
        "rmd": lambda: theirs.RMD(encoder),
        "vim": lambda: theirs.ViM(encoder, 6, head.weight, head.bias),
        "odin": lambda: theirs.ODIN(model),
    }[name]().to("cpu")


@pytest.mark.parametrize("name", WIDE)
def test_every_wide_detector_equals_the_packages_own(name, ready, known, images):
    reference = published(name, copy.deepcopy(known.model))
    if reference.requires_fit:
        training = torch.from_numpy(known.sample.images).float() / 255
        reference.fit(DataLoader(TensorDataset(training, known.labels), 60))
    expected = reference.predict(images).detach().float()
    exhibit = shown(known.model, images)
    torch.testing.assert_close(ready[name](exhibit, 1), expected, rtol=1e-4, atol=1e-5)
    means = torch.stack([part.mean() for part in expected.split(5)])
    torch.testing.assert_close(ready[name](exhibit, 5), means, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def bare(known):
    """A network that answers without a Linear layer."""
    network = nn.Sequential(nn.Conv2d(3, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return replace(known, model=Normalised(network, (0.5,) * 3, (0.25,) * 3).eval())


@pytest.mark.parametrize("name", BY_FEATURES)
def test_without_a_linear_layer_there_are_no_features_to_judge_by(name, bare, images):
    with pytest.raises(BenchError, match="E-NO-FEATURES"):
        DETECTORS[name](bare)(shown(bare.model, images), 1)


@pytest.mark.parametrize("name", sorted(DETECTORS.keys() - {*BY_FEATURES}))
def test_without_a_linear_layer_the_other_detectors_judge_all_the_same(name, bare, images):
    assert DETECTORS[name](bare)(shown(bare.model, images), 5).isfinite().all()


def test_the_wide_field_without_its_package_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(ood, "find_spec", lambda name: None)
    ood.check_installed(["msp", "sensnorm"])
    with pytest.raises(BenchError, match=r"E-MISSING-PACKAGE.*energy, odin.*sparse-bench"):
        ood.check_installed(["msp", "odin", "energy"])
