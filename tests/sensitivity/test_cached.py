import json

import pytest
import safetensors.torch
import torch
from torch import nn

from bench.models import Normalised
from bench.sensitivity import AUTHORS, STANDARD, Options, cached_statistics
from bench.submissions import weights_sha256

ASKED = {"fingerprint": "ab" * 32, "batch_size": 3, "recipe": "plain seed 0"}


class Draws:
    """Batches that count how often they are asked for."""

    def __init__(self, batches):
        self.batches, self.times = batches, 0

    def __call__(self):
        self.times += 1
        return iter(self.batches)


@pytest.fixture
def draws(batches) -> Draws:
    return Draws(batches)


def entries(cache):
    return sorted((cache / "sensitivity").iterdir())


def same(one, other):
    return one.batches == other.batches and all(
        torch.equal(ours[name], theirs[name])
        for ours, theirs in ((one.mean, other.mean), (one.std, other.std))
        for name in ours
    )


def test_what_was_measured_once_is_read_to_the_same_bytes(network, draws, cache):
    made = cached_statistics(network, draws, STANDARD, **ASKED)
    (path,) = entries(cache)
    content = path.read_bytes()
    read = cached_statistics(network, draws, STANDARD, **ASKED)
    assert draws.times == 1
    assert same(made, read)
    assert list(read.mean) == list(made.mean)
    assert entries(cache) == [path]
    assert path.read_bytes() == content


def test_the_way_of_summing_up_needs_no_new_statistics(network, draws, cache):
    cached_statistics(network, draws, STANDARD, **ASKED)
    other = Options(aggregate="layer-mean", power=2)
    assert cached_statistics(network, draws, other, **ASKED).options == other
    assert draws.times == 1


def spoiled(path, key=None, **changes):
    """The same file with other tensors or another key, but a checksum that fits."""
    with safetensors.safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    tensors = safetensors.torch.load_file(path) | changes
    about |= {"key": key or about["key"], "sha256": weights_sha256(tensors)}
    path.write_bytes(safetensors.torch.save(tensors, {"about": json.dumps(about)}))


def without_about(path):
    path.write_bytes(safetensors.torch.save(safetensors.torch.load_file(path)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x41"),
        without_about,
        lambda path: spoiled(path, key="cd" * 32),
        lambda path: spoiled(path, **{"mean.0.weight": torch.zeros(3)}),
        lambda path: spoiled(path, **{"mean.other.weight": torch.zeros(3)}),
        lambda path: spoiled(path, **{"std.0.weight": torch.full((3, 1, 3, 3), -1.0)}),
        lambda path: spoiled(path, **{"mean.0.weight": torch.full((3, 1, 3, 3), torch.nan)}),
    ],
    ids=["short", "empty", "a byte", "no key", "key", "shape", "name", "negative std", "nan"],
)
def test_a_damaged_entry_is_made_anew(network, draws, cache, damage):
    made = cached_statistics(network, draws, STANDARD, **ASKED)
    (path,) = entries(cache)
    content = path.read_bytes()
    damage(path)
    assert same(cached_statistics(network, draws, STANDARD, **ASKED), made)
    assert draws.times == 2
    assert path.read_bytes() == content


def test_everything_that_matters_has_an_entry_of_its_own(network, draws, cache):
    cached_statistics(network, draws, STANDARD, **ASKED)
    cached_statistics(network, draws, AUTHORS, **ASKED)
    for change in ({"fingerprint": "cd" * 32}, {"batch_size": 4}, {"recipe": "plain seed 1"}):
        cached_statistics(network, draws, STANDARD, **(ASKED | change))
    normalised = Normalised(network, (0.5,), (0.5,)), Normalised(network, (0.4,), (0.5,))
    for model in normalised:
        cached_statistics(model, draws, STANDARD, **ASKED)
    network[2] = nn.LeakyReLU(0.1)
    cached_statistics(network, draws, STANDARD, **ASKED)
    network[0].weight.data[0, 0, 0, 0] += 1
    cached_statistics(network, draws, STANDARD, **ASKED)
    network[1].running_mean[0] += 1
    cached_statistics(network, draws, STANDARD, **ASKED)
    assert draws.times == len(entries(cache)) == 10


def test_a_model_without_normalisation_has_an_entry_too(network, draws, cache):
    for _ in range(2):
        cached_statistics(Normalised(network), draws, STANDARD, **ASKED)
    assert draws.times == 1
    assert len(entries(cache)) == 1
