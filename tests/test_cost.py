import math
import time
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.cost import latency_ratio, macs, peak_memory
from bench.models import ARCHITECTURES, build

FLOAT = 4  # bytes
SHAPES = {1: (1, 28, 28), 3: (3, 32, 32)}


def flops(network: nn.Module, shape: tuple[int, int, int]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape))
    return counter.get_total_flops()


# multiply-adds


def test_a_convolution_needs_its_weights_at_every_position() -> None:
    layer = nn.Conv2d(3, 8, 5, stride=2, padding=2)
    assert macs(layer, (3, 9, 7)) == (8 * 3 * 25 * 5 * 4,) * 2


def test_groups_share_the_channels() -> None:
    assert macs(nn.Conv2d(4, 8, 3, groups=4), (4, 5, 5)).dense == 8 * 9 * 9


def test_a_linear_layer_needs_its_weights_once_and_at_every_position() -> None:
    assert macs(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2)).dense == 60
    assert macs(nn.Linear(2, 5), (3, 4, 2)).dense == 10 * 12


@settings(max_examples=30, deadline=None)
@given(zeroed=st.integers(0, 216), seed=st.integers(0, 1000))
def test_zero_weights_save_their_positions(zeroed: int, seed: int) -> None:
    layer = nn.Conv2d(3, 8, 3, padding=1)
    nn.init.constant_(layer.weight, 1.0)
    order = torch.randperm(216, generator=torch.Generator().manual_seed(seed))
    layer.weight.data.view(-1)[order[:zeroed]] = 0
    assert macs(layer, (3, 6, 5)) == (216 * 30, (216 - zeroed) * 30)


def test_a_layer_used_twice_counts_twice() -> None:
    layer = nn.Conv2d(3, 3, 1)
    assert macs(nn.Sequential(layer, nn.ReLU(), layer), (3, 4, 4)).dense == 2 * 9 * 16


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_needs_half_the_flops_that_torch_counts(name: str) -> None:
    network, shape = build(name, classes=10).eval(), SHAPES[ARCHITECTURES[name].channels]
    dense, sparse = macs(network, shape)
    assert 2 * dense == flops(network, shape)
    assert 0.99 * dense < sparse <= dense


def test_the_usual_cifar_resnet18_needs_556_million_multiply_adds() -> None:
    network = build("resnet18-relu", classes=10).eval()
    assert macs(network, (3, 32, 32)).dense == 555_422_720


def test_counting_leaves_no_hook_behind() -> None:
    layer = nn.Conv2d(3, 3, 1)
    macs(layer, (3, 4, 4))
    with pytest.raises(RuntimeError):
        macs(layer, (2, 4, 4))
    assert not layer._forward_hooks


# time


class Sleep(nn.Module):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.calls: list[float] = []

    def forward(self, images: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.calls.append(time.perf_counter())
        time.sleep(self.seconds)
        return images


def test_the_ratio_of_known_times_is_found() -> None:
    model, dense = Sleep(0.03), Sleep(0.01)
    ratio, stderr = latency_ratio(model, dense, torch.zeros(1), rounds=7)
    assert ratio == pytest.approx(3, rel=0.15)
    assert 0 < stderr < 1


def test_rounds_are_interleaved_after_a_warm_up() -> None:
    model, dense = Sleep(0.0), Sleep(0.0)
    latency_ratio(model, dense, torch.zeros(1), rounds=6)
    assert len(model.calls) == len(dense.calls) == 8
    for mine, theirs in zip(
        zip(model.calls, model.calls[1:], strict=False),
        zip(dense.calls, dense.calls[1:], strict=False),
        strict=True,
    ):
        assert max(mine[0], theirs[0]) < min(mine[1], theirs[1])


def test_a_network_against_itself_takes_the_same_time() -> None:
    network = Sleep(0.005)
    assert latency_ratio(network, network, torch.zeros(1), rounds=5).value == 1


def test_one_round_has_no_standard_error() -> None:
    with pytest.raises(ValueError, match="got 1, expected at least 2"):
        latency_ratio(Sleep(0), Sleep(0), torch.zeros(1), rounds=1)


# memory


def test_a_chain_holds_the_input_and_two_neighbours() -> None:
    network = nn.Sequential(nn.Linear(100, 80), nn.Linear(80, 60), nn.Linear(60, 10)).eval()
    parameters = 100 * 80 + 80 + 80 * 60 + 60 + 60 * 10 + 10
    expected = FLOAT * (parameters + 5 * (100 + 80 + 60))
    assert peak_memory(network, torch.zeros(5, 100)) == expected


def test_views_and_overwriting_take_no_memory() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(inplace=True), nn.Flatten())
    expected = FLOAT * (12 + 2 * 25 * (3 + 4))
    assert peak_memory(network.eval(), torch.zeros(2, 3, 5, 5)) == expected


def test_buffers_and_shared_weights_count_once() -> None:
    layer = nn.Linear(6, 6, bias=False)
    network = nn.Sequential(layer, layer)
    network.register_buffer("table", torch.zeros(11, dtype=torch.uint8))
    assert peak_memory(network.eval(), torch.zeros(1, 6)) == FLOAT * (36 + 3 * 6) + 11


def test_a_shortcut_keeps_its_value_alive() -> None:
    class Shortcut(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            kept = images + 1
            value = kept + 1
            value = value + 1
            return value + kept

    # images, kept, value, and the new value
    assert peak_memory(Shortcut(), torch.zeros(7)) == FLOAT * 7 * 4


def test_a_slice_keeps_its_whole_storage_alive() -> None:
    class Slice(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            first = (images + 1)[:1]
            return torch.cat([first, first])

    assert peak_memory(Slice(), torch.zeros(50)) == FLOAT * (50 + 50 + 2)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_memory_repeats_and_grows_by_the_same_for_every_image(name: str) -> None:
    network, shape = build(name, classes=10).eval(), SHAPES[ARCHITECTURES[name].channels]
    parts = [*network.parameters(), *network.buffers()]
    weights = sum(part.numel() * part.element_size() for part in parts)
    one, two, again = (peak_memory(network, torch.zeros(n, *shape)) for n in (1, 2, 2))
    assert two == again
    assert one > weights + FLOAT * math.prod(shape)
    assert two - one == one - weights


def test_nothing_measured_stays_alive() -> None:
    class Watched(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            value = images + 1
            self.made = weakref.ref(value)
            return value * 2

    network = Watched()
    peak_memory(network, torch.zeros(3))
    assert network.made() is None
