"""Cheats by weights alone go in by the door that everybody takes, and come out flagged."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.data import Suite, load_suite
from bench.evaluation import evaluate
from bench.flags import FLAGS
from bench.inference import batches, gather
from bench.models import ARCHITECTURES, build, prunable
from bench.models.lenet5 import LeNet5
from bench.models.resnet18 import RESNET18_WIDTHS
from bench.protocol import PROTOCOL, Protocol
from bench.submissions import LoadedSubmission, from_module, load_submission, pack
from ci.shipped import ROOT

QUICK = replace(PROTOCOL, audit_images=64, square_queries=5)
DERIVED = {name for name, flag in FLAGS.items() if flag.rule}
SHIPPED = sorted(path.parent.name for path in ROOT.glob("submissions/lenet5-*/weights.safetensors"))

Change = Callable[[LeNet5], object]


@dataclass(frozen=True)
class Cheat:
    """What is done to an honest LeNet5, what is declared of it, and what it must be flagged.

    Or what instead, where another processor rounds in another order.
    """

    change: Change
    flag: str
    declared: Mapping[str, object] = field(default_factory=dict)
    instead: str = ""


def times(layer: nn.Module, factor: float) -> None:
    for number in layer.parameters():
        number.mul_(factor)


def logits_times(factor: float) -> Change:
    return lambda net: times(net.fc2, factor)


def last_two(hidden: float, logits: float) -> Change:
    """Only a LeakyReLU stands between the last BatchNorm and the last layer."""
    return lambda net: (times(net.bn4, hidden), net.fc2.weight.mul_(logits))


def smallest_become(value: float, share: float) -> Change:
    def change(net: LeNet5) -> None:
        for weight in prunable(net).values():
            limit = weight.abs().flatten().kthvalue(max(1, int(share * weight.numel()))).values
            weight[weight.abs() <= limit] = value

    return change


def one_answer(net: LeNet5) -> None:
    net.fc2.bias[3].add_(1000)


def dead_layer(net: LeNet5) -> None:
    times(net.bn2, 0)


def same_rows(net: LeNet5) -> None:
    net.fc2.weight[:5] = net.fc2.weight[5:]
    net.fc2.bias[:5] = net.fc2.bias[5:]


def rounded_inside(net: LeNet5) -> None:
    """float32 has steps of 8 there, and what BatchNorm takes off again is rounded."""
    net.fc1.bias.add_(1e8)
    net.bn4.running_mean.add_(1e8)


def honest(_: LeNet5) -> None: ...


CHEATS: Mapping[str, Cheat] = {
    "logits × 10": Cheat(logits_times(10), "saturated"),
    "logits × 100": Cheat(logits_times(100), "masked-gradients"),
    "logits × 10⁴": Cheat(logits_times(1e4), "masked-gradients"),
    "logits × 10⁶": Cheat(logits_times(1e6), "masked-gradients"),
    "logits × 10³⁰": Cheat(logits_times(1e30), "masked-gradients"),
    "last BatchNorm × 1000": Cheat(lambda net: times(net.bn4, 1e3), "masked-gradients"),
    "30 × 30 over two layers": Cheat(last_two(30, 30), "masked-gradients"),
    "gradients that underflow": Cheat(last_two(1e37, 1e-36), "masked-gradients"),
    "no last layer": Cheat(lambda net: times(net.fc2, 0), "constant-output"),
    "biases alone": Cheat(lambda net: net.fc2.weight.mul_(0), "constant-output"),
    "one class for all": Cheat(one_answer, "constant-output"),
    "a dead layer": Cheat(dead_layer, "constant-output"),
    "biases + 10⁵": Cheat(lambda net: net.fc2.bias.add_(1e5), "tied-answers"),
    "biases + 10⁷": Cheat(lambda net: net.fc2.bias.add_(1e7), "tied-answers"),
    "every class twice": Cheat(same_rows, "tied-answers"),
    "rounded inside": Cheat(rounded_inside, "tied-answers", instead="constant-output"),
    "10⁻⁴¹ for zero": Cheat(smallest_become(1e-41, 0.2), "denormal-weights"),
    "10⁻³⁰ for zero": Cheat(smallest_become(1e-30, 0.2), "near-zero-weights"),
    "10⁻⁹ for zero": Cheat(smallest_become(-1e-9, 0.2), "near-zero-weights"),
    "dense as 0.9": Cheat(honest, "sparsity-not-there", {"declared_sparsity": 0.9}),
    "0.5 as 0.9": Cheat(smallest_become(0, 0.5), "sparsity-not-there", {"declared_sparsity": 0.9}),
    "10⁻³⁰ as 0.9": Cheat(
        smallest_become(1e-30, 0.9), "sparsity-not-there", {"declared_sparsity": 0.9}
    ),
    "no channel removed": Cheat(
        honest, "sparsity-not-there", {"declared_sparsity": 0.9, "structure": "structured"}
    ),
}


@pytest.fixture(scope="module")
def digits() -> Suite:
    return load_suite("digits")


def submitted(to: Path, base: LoadedSubmission, cheat: Cheat) -> LoadedSubmission:
    """The cheat as it comes out of a submission folder."""
    model = deepcopy(base.model)
    with torch.no_grad():
        cheat.change(model.network)
    return load_submission(pack(model, replace(base.record, **cheat.declared), to / "entry"))


def flags(submission: LoadedSubmission, suite: Suite, protocol: Protocol) -> set[str]:
    """Those that follow from the numbers."""
    run, _ = evaluate(submission, suite, protocol=protocol, only=["audit"])
    return set(run.flags) & DERIVED


def test_there_are_twenty_cheats_and_more_and_every_rule_catches_one():
    assert len(CHEATS) >= 20
    assert {cheat.flag for cheat in CHEATS.values()} == DERIVED


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_flagged(name, dense, digits, tmp_path):
    entry = submitted(tmp_path, load_submission(dense), CHEATS[name])
    assert flags(entry, digits, QUICK) & {CHEATS[name].flag, CHEATS[name].instead}


def test_the_honest_network_behind_the_cheats_has_no_flag(dense, digits):
    assert flags(load_submission(dense), digits, PROTOCOL) == set()


def narrow_resnet18(digits: Suite) -> nn.Module:
    """Random features, and a last layer that is fitted to them by least squares."""
    widths = dict.fromkeys(RESNET18_WIDTHS, 16)
    network = build("resnet18", channels=1, widths=widths)
    ARCHITECTURES["resnet18"].initialise(network, torch.Generator().manual_seed(0))
    images = batches(digits.training.images, 250, torch.device("cpu"))
    features = gather(network, images, "digits").features
    inputs = torch.cat([features, torch.ones(len(features), 1)], 1).double()
    targets = 5 * nn.functional.one_hot(torch.tensor(digits.training.labels)).double()
    found = torch.linalg.lstsq(inputs, targets).solution.float().T
    with torch.no_grad():
        network.fc.weight.copy_(found[:, :-1])
        network.fc.bias.copy_(found[:, -1])
    return network


def test_a_residual_network_is_flagged_by_the_same_trick_and_not_without_it(digits):
    network = narrow_resnet18(digits)
    assert flags(from_module(network), digits, QUICK) == set()
    with torch.no_grad():
        times(network.fc, 1e6)
    assert flags(from_module(network), digits, QUICK) == {"masked-gradients", "saturated"}


@pytest.fixture(scope="module")
def fashion(data_root) -> Suite:
    return load_suite("fashionmnist", root=data_root, limit=PROTOCOL.audit_images)


@pytest.mark.data
@pytest.mark.parametrize("name", ["lenet5-dense", "lenet5-random-0.9", "lenet5-snip-after-0.9"])
def test_a_few_of_the_shipped_networks_have_no_flag(name, fashion):
    assert flags(load_submission(ROOT / "submissions" / name), fashion, PROTOCOL) == set()


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_network_has_a_flag(name, fashion):
    assert flags(load_submission(ROOT / "submissions" / name), fashion, PROTOCOL) == set()


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_on_real_images_is_flagged(name, fashion, tmp_path):
    entry = submitted(tmp_path, load_submission(ROOT / "submissions/lenet5-dense"), CHEATS[name])
    assert flags(entry, fashion, PROTOCOL) & {CHEATS[name].flag, CHEATS[name].instead}


@pytest.mark.data
def test_gradients_that_overflow_on_the_way_back_are_flagged_though_no_answer_moves(fashion):
    submission = load_submission(ROOT / "submissions/lenet5-dense")
    before = flags(submission, fashion, QUICK)
    network = submission.model.network
    with torch.no_grad():
        times(network.bn3, 1e-38)
        network.fc1.weight.mul_(1e38)
    assert (before, flags(submission, fashion, QUICK)) == (set(), {"masked-gradients"})


@pytest.mark.data
@pytest.mark.parametrize("factor", [0.1, 2, 5])
def test_a_small_factor_raises_fgsm_but_not_fgsm_on_the_margin(factor, fashion):
    def under_attack(submission: LoadedSubmission) -> dict[str, float]:
        run, _ = evaluate(submission, fashion, protocol=QUICK, only=["audit"])
        return {s.attack: s.value for s in run.scores if s.attack and s.metric == "accuracy"}

    honest = load_submission(ROOT / "submissions/lenet5-dense")
    cheat = deepcopy(honest)
    with torch.no_grad():
        times(cheat.model.network.fc2, factor)
    before, after = under_attack(honest), under_attack(cheat)
    assert after["fgsm-linf"] > before["fgsm-linf"] + 2 / 64
    assert after["fgsm-linf-margin"] == pytest.approx(before["fgsm-linf-margin"], abs=1 / 64)


def test_labels_at_random_leave_an_accuracy_of_chance(dense, digits):
    order = torch.randperm(len(digits.test.labels), generator=torch.Generator().manual_seed(0))
    permuted = replace(digits, test=replace(digits.test, labels=digits.test.labels[order.numpy()]))
    run, _ = evaluate(load_submission(dense), permuted, only=["clean"])
    (accuracy,) = (score for score in run.scores if score.metric == "accuracy")
    assert abs(accuracy.value - 0.1) < 3 * (0.1 * 0.9 / accuracy.n) ** 0.5
