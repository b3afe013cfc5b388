"""What the network needs: weights, multiply-adds, bytes, memory and time."""

from torch import Tensor

from bench import cost as measure
from bench.inference import Case, Findings, batches
from bench.models.sparsity import measured_sparsity
from bench.records import Score
from bench.submissions import canonical_bytes


def cost(case: Case) -> Findings:
    """Sparsity in all and per layer, parameters, MACs, size, memory, and time against dense.

    The dense network has weights without meaning: time does not depend on their values. A module
    outside the table of architectures has none, hence no ratio.
    """
    model = case.submission.model
    network = model.network
    count = min(case.protocol.batch_size, len(case.suite.test.images))
    (images,) = batches(case.suite.test.images[:count], count, case.device)
    sparsity = measured_sparsity(network, case.submission.dense)
    weights = sum(sparsity.counts.values())
    macs = measure.macs(network, case.suite.spec.shape)
    values = {
        "sparsity": (sparsity.total, weights),
        "nonzero": (sparsity.nonzero, weights),
        "parameters": (sum(weight.numel() for weight in network.parameters()), 1),
        "macs_dense": (macs.dense, 1),
        "macs_sparse": (macs.sparse, 1),
        "size_bytes": (len(canonical_bytes(network.state_dict())), 1),
        "peak_memory_bytes": (measure.peak_memory(model, images), count),
    }
    name = case.suite.test.name
    scores = [
        Score(task="cost", set=name, metric=metric, value=value, n=n)
        for metric, (value, n) in values.items()
    ]
    scores += [
        Score(
            task="cost",
            set=layer,
            metric="layer_sparsity",
            value=share,
            n=sparsity.counts[layer],
        )
        for layer, share in sparsity.layers.items()
    ]
    case.progress("cost", 1, 1)
    return Findings([*scores, _latency_ratio(case, images)])


def _latency_ratio(case: Case, images: Tensor) -> Score:
    dense, rounds = case.submission.dense, case.protocol.latency_rounds
    name = case.suite.test.name
    if dense is None:
        return Score(
            task="cost", set=name, metric="latency_ratio", value=None, n=0, reason="not_applicable"
        )
    dense.to(case.device)
    timed = measure.latency_ratio(case.submission.model.network, dense, images, rounds)
    return Score(
        task="cost",
        set=name,
        metric="latency_ratio",
        value=timed.value,
        n=rounds,
        stderr=timed.stderr,
    )
