"""From tensors of a file to the flow that they are of: its form is in their names and shapes."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.models.flow_steps import Mixing
from bench.models.glow import FLOWS, MOST_BITS, Form, Glow
from bench.submissions.names import check_shapes

FIRST = "levels.0.steps.0.coupling."
MOST_LEVELS = 5  # halvings of 32 pixels


def is_flow(tensors: Mapping[str, Tensor]) -> bool:
    """Whether they have a name that only tensors of a flow have."""
    return f"{FIRST}conv1.weight" in tensors


def flow_name(flow: Glow) -> str:
    """Key of `FLOWS` whose form it has, else `glow`."""
    return next((name for name, form in FLOWS.items() if form == flow.form), "glow")


def form_of(tensors: Mapping[str, Tensor]) -> Form:
    """The form that names and shapes of tensors tell; whether they all fit is not looked at.

    Raises:
        BenchError: E-WRONG-WEIGHTS if they tell none.
    """
    places = {
        (int(found[1]), int(found[2]))
        for name in tensors
        if (found := re.fullmatch(r"levels\.(\d{1,4})\.steps\.(\d{1,4})\.norm\.bias", name))
    }
    ends = [tensors.get(f"{FIRST}{name}.weight") for name in ("conv1", "conv3")]
    bits = tensors.get("bits")
    first, last = ends
    if first is None or last is None or bits is None or not places:
        raise BenchError("E-WRONG-WEIGHTS", f"got no {FIRST}conv1, conv3 and bits, as a flow has")
    if first.dim() != 4 or last.dim() != 4 or bits.dim() or not first.numel():
        raise BenchError("E-WRONG-WEIGHTS", f"{FIRST}: got weights of no convolution")
    form = Form(
        levels=len({level for level, _ in places}),
        steps=len({step for _, step in places}),
        hidden=first.shape[0],
        affine=last.shape[0] == 2 * first.shape[1],
        bits=int(bits),
        channels=first.shape[1] // 2,
    )
    if form.channels not in (1, 3) or form.levels > MOST_LEVELS or not 1 <= form.bits <= MOST_BITS:
        raise BenchError(
            "E-WRONG-WEIGHTS",
            f"got a flow of {form.channels} channels, {form.levels} levels and {form.bits} bits, "
            f"expected 1 or 3 channels, at most {MOST_LEVELS} levels and {MOST_BITS} bits",
        )
    return form


def glow_of(tensors: Mapping[str, Tensor]) -> Glow:
    """The flow that tensors are the state dict of; no more memory is taken than they have.

    Raises:
        BenchError: E-WRONG-WEIGHTS if names, shapes or constants are not those of a flow.
    """
    form = form_of(tensors)
    with torch.device("meta"):
        expected = Glow(form).state_dict()
    check_shapes(f"a flow of {form}", expected, tensors)
    flow = Glow(form)
    flow.load_state_dict(dict(tensors))
    for name, module in flow.named_modules():
        if isinstance(module, Mixing) and not module.is_invertible():
            raise BenchError(
                "E-WRONG-WEIGHTS",
                f"{name}: expected a permutation of the channels and signs of 1 and -1, without "
                "which the density does not integrate to one",
            )
    return flow.eval()
