"""The record of a flow."""

from bench.models import Normalised, prunable
from bench.models.sparsity import measured_sparsity
from bench.records import Submission
from bench.submissions.canonical import weights_sha256


def flow_record(slug: str, architecture: str, model: Normalised) -> Submission:
    """What can be measured of a flow without data: widths, hash, sparsity.

    Args:
        slug: Short name.
        architecture: Key of `FLOWS`, or `glow`.
        model: The flow, without a normalisation.
    """
    network = model.network
    layers = prunable(network)
    return Submission(
        slug=slug,
        kind="flow",
        architecture=architecture,
        widths={name.removesuffix(".weight"): len(weight) for name, weight in layers.items()},
        weights_sha256=weights_sha256(network.state_dict()),
        measured_sparsity=measured_sparsity(network).total,
    )
