"""Training and scoring against their bare passes, and what makes a LeNet5 cheap to train."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

from bench import saliency
from bench.baselines import Plan
from bench.data import training_set
from bench.models import Normalised, initialised, prunable
from bench.recipes import RECIPES
from bench.saliency import Scoring
from bench.setting import Setting, TrainingSet
from bench.training import Training, train_epoch
from tests.performance.timing import interleaved, said

PLAN = Plan("fashionmnist")
RECIPE = RECIPES["paper-30"]


def resnet18() -> Normalised:
    generator = torch.Generator().manual_seed(0)
    network = initialised("resnet18", classes=10, channels=3, generator=generator)
    return Normalised(network, (0.5,) * 3, (0.5,) * 3).eval()


def forward_backward(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    cross_entropy(model(images), labels).backward()
    model.zero_grad()


def double_backward(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    weights = list(prunable(model).values())
    slopes = torch.autograd.grad(cross_entropy(model(images), labels), weights, create_graph=True)
    product = torch.stack([(slope.detach() * slope).sum() for slope in slopes]).sum()
    torch.autograd.grad(product, weights)


@pytest.mark.parametrize(("count", "rounds"), [(512, 3)])
def test_snip_costs_one_forward_and_backward_pass(count: int, rounds: int) -> None:
    model, images, labels = resnet18(), torch.rand(count, 3, 32, 32), torch.arange(count) % 10
    taken = interleaved(
        rounds,
        bare=lambda: forward_backward(model, images, labels),
        snip=lambda: saliency.snip(Scoring(model, [(images, labels)])),
    )
    ratio = taken["snip"] / taken["bare"]
    said(f"SNIP of resnet18 on {count} images: {ratio:.3f} of one forward and backward pass")
    assert ratio <= 1.15


def test_grasp_and_crop_cost_no_more_than_a_double_backward_pass() -> None:
    """Of one batch; of more, no more than the gradient over all and a double backward a batch."""
    model, images, labels = resnet18(), torch.rand(64, 3, 32, 32), torch.arange(64) % 10
    one, two = Scoring(model, [(images, labels)]), Scoring(model, [(images, labels)] * 2)

    def bare_of_two() -> None:
        for _ in range(2):
            forward_backward(model, images, labels)
            double_backward(model, images, labels)

    taken = interleaved(
        3,
        bare=lambda: double_backward(model, images, labels),
        grasp=lambda: saliency.grasp(one),
        crop=lambda: saliency.crop(one),
        crop_nodes=lambda: saliency.crop_nodes(one),
        bare_of_two=bare_of_two,
        grasp_of_two=lambda: saliency.grasp(two),
    )
    ratios = {name: taken[name] / taken["bare"] for name in ("grasp", "crop", "crop_nodes")}
    ratios["grasp of two batches"] = taken["grasp_of_two"] / taken["bare_of_two"]
    said(f"of a bare double backward pass of resnet18: {pretty(ratios)}")
    assert max(ratios.values()) <= 1.05  # 1 but for the noise of the machine


def pretty(ratios: dict[str, float]) -> str:
    return ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())


class OneByOne(Dataset[tuple[Tensor, int]]):
    """As torchvision hands images out: a PIL image an item, made a tensor."""

    def __init__(self, data: TrainingSet) -> None:
        self.images, self.labels = data.images.numpy(), data.labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return to_tensor(Image.fromarray(self.images[index, 0])), self.labels[index]


def lenet5(data: TrainingSet) -> Training[Normalised]:
    generator = torch.Generator().manual_seed(0)
    network = initialised("lenet5", classes=10, channels=1, generator=generator)
    setting = Setting("lenet5", data, RECIPE, PLAN.stream)
    return Training(setting, Normalised(network, (0.5,), (0.5,)))


def step(training: Training[Normalised], images: Tensor, labels: Tensor) -> None:
    """Nothing but what an optimizer needs."""
    loss = cross_entropy(training.model(images), labels)
    training.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(training.model.parameters(), RECIPE.clip)
    training.optimizer.step()


def bare_epoch(training: Training[Normalised], images: Tensor, labels: Tensor) -> None:
    training.model.train()
    for start in range(0, len(training.setting.data.labels), RECIPE.batch_size):
        rest = len(training.setting.data.labels) - start
        step(training, images[:rest], labels[:rest])


def loader_epoch(training: Training[Normalised], loader: DataLoader[tuple[Tensor, int]]) -> None:
    training.model.train()
    for images, labels in loader:
        step(training, images, labels)


@pytest.fixture(scope="module")
def fashion(data_root: Path) -> TrainingSet:
    return TrainingSet.on(torch.device("cpu"), training_set("fashionmnist", root=data_root))


@pytest.mark.data
def test_an_epoch_costs_little_more_than_its_steps(fashion: TrainingSet) -> None:
    ours, bare, theirs = lenet5(fashion), lenet5(fashion), lenet5(fashion)
    images, labels = fashion.images[:512].float() / 255, fashion.labels[:512]
    loader = DataLoader(OneByOne(fashion), RECIPE.batch_size, shuffle=True)
    taken = interleaved(
        3,
        bare=lambda: bare_epoch(bare, images, labels),
        ours=lambda: train_epoch(ours),
        loader=lambda: loader_epoch(theirs, loader),
    )
    ratios = {name: time / taken["bare"] for name, time in taken.items() if name != "bare"}
    said(f"a LeNet5 epoch over its bare steps ({taken['bare']:.1f} s): {pretty(ratios)}")
    assert ratios["ours"] <= 1.1


@pytest.mark.data
def test_what_makes_a_lenet5_cheap(fashion: TrainingSet) -> None:
    """Each against float32, contiguous, all threads, one training at a time."""
    part = fashion.part(torch.arange(10_000), augment=False)
    plain, low, laid = lenet5(part), lenet5(part), lenet5(part)
    low.setting = replace(low.setting, recipe=replace(RECIPE, bfloat16=True))
    laid.model.to(memory_format=torch.channels_last)
    taken = interleaved(
        3,
        plain=lambda: train_epoch(plain),
        bfloat16=lambda: train_epoch(low),
        channels_last=lambda: train_epoch(laid),
    )
    ratios = {name: taken["plain"] / time for name, time in taken.items()}
    ratios["three seeds in one vmap"] = three_seeds_at_once(fashion)
    cores = torch.get_num_threads()
    alone = in_processes(1, threads=cores)
    ratios[f"{cores} processes of one thread"] = cores * alone / in_processes(cores, threads=1)
    ratios["one thread"] = alone / in_processes(1, threads=1)
    said(f"LeNet5 trainings a second, 1 is float32 on {cores} threads: {pretty(ratios)}")


def three_seeds_at_once(data: TrainingSet) -> float:
    """Gradients of three networks one by one, over the same in one batched computation.

    Dropout and running statistics are left out, which vmap cannot have.
    """
    networks = [lenet5(data).model.network.train() for _ in range(3)]
    for module in (module for network in networks for module in network.modules()):
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean = module.running_var = module.num_batches_tracked = None
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    images, labels = data.images[:512].float() / 255, data.labels[:512]
    stacked, _ = stack_module_state(networks)
    stacked = {name: values.detach() for name, values in stacked.items()}

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return cross_entropy(functional_call(networks[0], parameters, (images,)), labels)

    def one_by_one() -> None:
        for network in networks:
            value = cross_entropy(network(images), labels)
            torch.autograd.grad(value, list(network.parameters()))

    taken = interleaved(9, apart=one_by_one, together=lambda: vmap(grad(loss))(stacked))
    return taken["apart"] / taken["together"]


def in_processes(count: int, threads: int) -> float:
    """Seconds until all have trained two epochs, after they have loaded and warmed up."""
    program = (
        "import sys, time, torch\n"
        f"torch.set_num_threads({threads})\n"
        "from tests.performance.test_training import lenet5, PLAN, TrainingSet, training_set\n"
        "from bench.training import train_epoch\n"
        "data = TrainingSet.on(torch.device('cpu'), training_set('fashionmnist', limit=10_000))\n"
        "training = lenet5(data)\n"
        "train_epoch(training)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "train_epoch(training), train_epoch(training)\n"
    )
    command = [sys.executable, "-c", program]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    started = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate()
    return time.perf_counter() - started
