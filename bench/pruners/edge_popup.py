"""Edge-popup: a subnetwork is found by training scores; the weights never change."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bench.checkpoints import resume, train
from bench.masks import keep_top
from bench.models import prunable
from bench.models.kinds import kind_of
from bench.pruners import objectives
from bench.saliency import Saliency, Scoring, check_single
from bench.training import Training

PATIENCE = 5  # epochs without a better one
PHASE = "edge-popup"


def edge_popup(
    scoring: Scoring,
    *,
    objective: objectives.Name = "standard",
    strength: float | None = None,
    init: Literal["kaiming", "scaled"] = "kaiming",
    rank: Literal["signed", "absolute"] = "signed",
    epochs: int | None = None,
) -> Saliency:
    """Scores trained so that the network of the highest-scored weights does well.

    Four fifths of the training images train them, with Adam and no weight decay; the others
    choose the best epoch, and five without a better one end the search. Weights are bitwise
    unchanged; the running statistics of BatchNorm become those of the best epoch.

    Args:
        scoring: With its setting, sparsity and scope.
        objective: What doing well means; see `objectives.py`.
        strength: Of the objective; None for the paper's.
        init: `kaiming`: normal with variance 2 / fan_in. `scaled`: proportional to the weights.
        rank: `signed` as in the paper, `absolute` by |score| as in the first implementation.
        epochs: At most; None for the recipe's.

    Returns:
        The scores of the best epoch.

    Raises:
        BenchError: E-BAD-VALUE for a Bayesian network, whose weights do not stay as they are.

    References:
        Ramanujan et al., What's hidden in a randomly weighted neural network?, 2020; Sehwag et
        al., HYDRA, 2020 (`scaled`); Ayle et al., 2022, sections 2 and 4, appendix B.
    """
    setting = scoring.setting
    if setting is None:
        raise ValueError("setting: got None, expected the one that the scores are trained in")
    check_single(kind_of(scoring.network))
    phase = f"{PHASE}-{scoring.step}" if scoring.step else PHASE
    data, validation = objectives.split(setting.data, setting.stream(f"{PHASE} split"))
    popup = Popup(scoring, init, absolute=rank == "absolute")
    goal = objectives.objective_named(objective, setting, strength)
    with _frozen(scoring.network):
        training = Training(
            replace(
                setting,
                data=data,
                recipe=replace(setting.recipe, weight_decay=0.0),
            ),
            popup,
            phase=phase,
            loss=goal.loss,
            total=epochs or setting.recipe.epochs,
            sparsity=scoring.sparsity,
        )
        resume(training)
        _search(training, lambda: goal.quality(popup, validation))
    return popup.saliency()


class Popup(nn.Module):
    """A network with all weights outside the best-scored ones taken away.

    Gradients pass to every score as if it were the mask itself: ∂L/∂s = ∂L/∂w ⊙ w.

    Args:
        scoring: Network, mask, sparsity, scope, and the generator of the first scores.
        init: As in `edge_popup`.
        absolute: Whether scores are ranked by their absolute value.
    """

    def __init__(self, scoring: Scoring, init: str, *, absolute: bool) -> None:
        super().__init__()
        self.network = scoring.network
        self.scoring, self.absolute = scoring, absolute
        self.scores = nn.ParameterList(
            INITS[init](weight.detach(), scoring.generator)
            for weight in prunable(scoring.network).values()
        )

    def saliency(self) -> Saliency:
        """What is ranked, by the name of the weight."""
        scores = [score.detach() for score in self.scores]
        ranked = [score.abs() if self.absolute else score for score in scores]
        return dict(zip(prunable(self.network), ranked, strict=True))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) images in [0, 1] to the logits of the network that is left."""
        scoring = self.scoring
        mask = keep_top(self.saliency(), scoring.sparsity, scoring.scope, within=scoring.mask)
        weights = {
            name: weight * _StraightThrough.apply(score, mask[name])
            for (name, weight), score in zip(
                prunable(self.network).items(), self.scores, strict=True
            )
        }
        return functional_call(self.network, weights, (images,))


class _StraightThrough(torch.autograd.Function):
    """The mask in the forward pass, the identity of the score in the backward one."""

    @staticmethod
    def forward(_: Any, score: Tensor, mask: Tensor) -> Tensor:
        return mask.to(score.dtype)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def _kaiming(weight: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(weight.shape, generator=generator) * math.sqrt(2 / weight[0].numel())
    return drawn.to(weight.device)


def _scaled(weight: Tensor, _: torch.Generator) -> Tensor:
    return math.sqrt(6 / weight[0].numel()) * weight / weight.abs().max()


INITS: Mapping[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "kaiming": _kaiming,
    "scaled": _scaled,
}


def _search(training: Training[Popup], quality: Callable[[], float]) -> None:
    """Trains until no better epoch comes, and returns to the best."""
    kept = training.kept
    for epoch in range(max(training.epoch, 1), training.total + 1):
        train(training, epoch)
        found = torch.tensor(quality())
        if "quality" not in kept or found > kept["quality"]:
            kept |= {"quality": found, "epoch": torch.tensor(epoch)}
            kept |= {name: tensor.clone() for name, tensor in _tensors(training.model).items()}
        elif epoch - int(kept["epoch"]) >= PATIENCE:
            break
    for name, tensor in _tensors(training.model).items():
        tensor.copy_(kept[name])


def _tensors(popup: nn.Module) -> dict[str, Tensor]:
    """What a search changes: scores and the statistics of BatchNorm."""
    trained = {n: p.detach() for n, p in popup.named_parameters() if p.requires_grad}
    return trained | dict(popup.named_buffers())


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
