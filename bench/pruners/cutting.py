"""One step of pruning: score, choose, and mask weights or remove channels."""

from collections.abc import Mapping
from itertools import islice

from torch import Tensor

from bench import masks
from bench.errors import BenchError
from bench.models import Normalised, architecture, prunable
from bench.models.channels import channel_slices, narrowed, remove_channels
from bench.models.glow import flow_of
from bench.nodes import keep_nodes, node_scores
from bench.pruners import Pruner
from bench.pruners.flows import in_glow_scope
from bench.saliency import Saliency, Scoring
from bench.training import Training, make_trainable

SCORING_BATCH_SIZE = 512
FLOW_BATCH_SIZE = 64  # in such parts it is scored, as a flow's graph of 512 images is too large
PREFIX = "network."  # of the model's names, behind its normalisation


def cut(training: Training[Normalised], pruner: Pruner, sparsity: float) -> None:
    """Brings the network to a sparsity, in place of what it was.

    Args:
        training: Its model is in evaluation mode; mask, channels and optimizer follow.
        pruner: The row.
        sparsity: Share of the full network's weights to be gone, of its hidden channels where
            the row is structured.

    Raises:
        BenchError: E-BAD-VALUE for a sparsity out of range or a saliency that is no number.
    """
    scores = _scores(training, pruner, sparsity)
    if pruner.structure == "structured":
        name = training.setting.architecture
        full, slices = architecture(name).widths, channel_slices(name)
        worth = node_scores(_inner(scores), slices)
        _remove(training, keep_nodes(worth, sparsity, pruner.scope, full=full))
    else:
        chosen = {name: scores[name] for name in scores if in_glow_scope(name, pruner.glow_scope)}
        training.mask = masks.keep_top(chosen, sparsity, pruner.scope, within=training.mask)
        masks.apply(training.model, training.mask)
    training.cuts += 1
    training.sparsity = sparsity


def _scores(training: Training[Normalised], pruner: Pruner, sparsity: float) -> Saliency:
    setting, step = training.setting, training.cuts
    training.model.eval()
    drawn = setting.data.batches(SCORING_BATCH_SIZE, setting.stream(f"scoring {step}"))
    batches = list(islice(drawn, pruner.score_batches))
    if flow_of(training.model):
        batches = [part for batch in batches for part in _parts(*batch)]
    scoring = Scoring(
        training.model,
        batches,
        training.mask,
        setting.stream(f"pruning {step}"),
        sparsity=sparsity,
        scope=pruner.scope,
        step=step,
        setting=setting,
    )
    scores = pruner.saliency(scoring)
    _check(scores, prunable(training.model), pruner)
    return scores


def _parts(images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    parts = images.split(FLOW_BATCH_SIZE), labels.split(FLOW_BATCH_SIZE)
    return list(zip(*parts, strict=True))


def _check(scores: Saliency, weights: Mapping[str, Tensor], pruner: Pruner) -> None:
    """Refuses a saliency that is not one number a weight, or a channel, of every layer."""
    if not isinstance(scores, Mapping):
        raise BenchError(
            "E-BAD-VALUE", f"saliency: got {type(scores).__name__}, expected {{name: tensor}}"
        )
    if surplus := sorted(set(scores) - set(weights)):
        raise BenchError(
            "E-BAD-VALUE",
            f"saliency: got {surplus[0]} too, expected the weights of Conv and Linear layers "
            "only, as `bench.models.prunable` names them",
        )
    for name, weight in weights.items():
        score = scores.get(name)
        shapes = {weight.shape: "one number a weight"}
        if pruner.structure == "structured":
            shapes[weight.shape[:1]] = "or a channel"
        if not isinstance(score, Tensor) or score.shape not in shapes:
            shape = getattr(score, "shape", type(score).__name__)
            expected = ", ".join(f"{tuple(shape)}, {what}" for shape, what in shapes.items())
            raise BenchError(
                "E-BAD-VALUE",
                f"saliency of {name}: got {'nothing' if score is None else shape}, expected a "
                f"tensor of shape {expected}",
            )
        if score.isnan().any():
            raise BenchError("E-BAD-VALUE", f"saliency of {name}: got NaN, expected numbers")


def _remove(training: Training[Normalised], kept: Mapping[str, Tensor]) -> None:
    """Puts a network without the channels that go in the model's place, under a fresh optimizer."""
    name, model = training.setting.architecture, training.model
    training.model = model.around(narrowed(name, model.network, kept))
    remembered = remove_channels(_inner(training.kept), channel_slices(name), kept)
    training.kept = {PREFIX + tensor: value for tensor, value in remembered.items()}
    make_trainable(training)


def _inner(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By the names of the network's own state dict."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
