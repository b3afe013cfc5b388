"""A flow's file says all of it, and a wrong one is refused before memory is taken for it."""

from dataclasses import replace

import pytest
import torch

from bench.errors import BenchError
from bench.models.glow import FLOWS, Form, Glow
from bench.submissions.flow_files import flow_name, form_of, glow_of
from tests.models.flows import ADDITIVE, AFFINE, generator, lively

COLOURED = Form(levels=3, steps=1, hidden=4, affine=True, bits=8, channels=3)


@pytest.mark.parametrize("form", [ADDITIVE, AFFINE, COLOURED])
def test_a_flow_comes_back_from_its_tensors_with_its_form_and_answers(form):
    flow = lively(form)
    again = glow_of(flow.state_dict())
    assert again.form == form
    assert not again.training
    images = torch.rand(3, form.channels, 32, 32, generator=generator())
    assert torch.equal(again(images), flow(images))


@pytest.mark.parametrize("name", FLOWS)
def test_every_form_of_the_table_is_read_off_its_tensors(name):
    with torch.device("meta"):
        tensors = Glow(FLOWS[name]).state_dict()
    tensors["bits"] = torch.tensor(FLOWS[name].bits)
    assert form_of(tensors) == FLOWS[name]


def test_a_flow_has_the_name_of_its_form():
    assert flow_name(lively(ADDITIVE)) == "glow-tiny"
    assert flow_name(lively(replace(ADDITIVE, hidden=8))) == "glow"


STEP = "levels.1.steps.1."
FIRST = "levels.0.steps.0.coupling."
HUGE = torch.zeros(1)
WRONG = {
    "nothing": (None, "got no levels"),
    "no bits": ({"bits": None}, "got no levels"),
    "many bits": ({"bits": torch.tensor(9)}, "and 9 bits"),
    "bits of another shape": ({"bits": torch.tensor([5])}, "no convolution"),
    "linear": ({f"{FIRST}conv1.weight": torch.zeros(16, 2)}, "no convolution"),
    "two channels": ({f"{FIRST}conv1.weight": torch.zeros(16, 4, 3, 3)}, "of 2 channels"),
    "a hole": ({f"{STEP}norm.bias": None}, r"missing \['levels.1.steps.1.norm.bias'\]"),
    "more": ({"levels.0.extra": torch.zeros(1)}, "unknown .'levels.0.extra'"),
    "far levels": ({"levels.9.steps.0.norm.bias": torch.zeros(4)}, "missing"),
    "many levels": (
        {f"levels.{i}.steps.0.norm.bias": torch.zeros(4) for i in range(6)},
        "6 levels",
    ),
    "another width": ({f"{STEP}coupling.conv2.weight": torch.zeros(8, 16, 1, 1)}, "got shape"),
    "wider than the file": (
        {f"{FIRST}conv1.weight": HUGE.expand(10**9, 2, 3, 3)},
        r"got shape \(16,\), expected \(1000000000,\)",
    ),
    "no permutation": ({f"{STEP}mixing.permutation": torch.zeros(8).long()}, "a permutation"),
    "no sign": ({f"{STEP}mixing.sign": torch.full((8,), 2.0)}, "signs of 1 and -1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_tensors_of_no_flow_are_refused(case):
    changes, message = WRONG[case]
    tensors = {} if changes is None else {**lively(ADDITIVE).state_dict(), **changes}
    with pytest.raises(BenchError, match=message) as caught:
        glow_of({name: tensor for name, tensor in tensors.items() if tensor is not None})
    assert caught.value.code == "E-WRONG-WEIGHTS"
