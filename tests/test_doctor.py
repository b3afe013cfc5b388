"""`bench doctor`: every check on a sound network, and on one that is ill in just that."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import dropout
from typer.testing import CliRunner

from bench.cli import app
from bench.data import first_test_images
from bench.doctor import CHECKS, IMAGES, Patient, candidates, diagnose
from bench.models import Normalised
from bench.submissions import LoadedSubmission, from_module, load_submission, pack
from ci.shipped import ROOT

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sound(dense) -> LoadedSubmission:
    return load_submission(dense)


@pytest.fixture(scope="module")
def test_images():
    return first_test_images("digits", IMAGES)


class Changed(nn.Module):
    """A network with something done to its images and answers."""

    def __init__(self, network, before=lambda images: images, after=lambda answers: answers):
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, images):
        return self.after(self.network(self.before(images)))


def found(submission, test_images):
    return {one.check: one for one in diagnose(Patient(submission, test_images, CPU))}


def changed(sound, mean=None, std=None, **how):
    """The submission with another network around its own."""
    model = sound.model
    network = Changed(model.network, **how)
    stats = (model.mean if mean is None else mean, model.std if std is None else std)
    return replace(sound, model=Normalised(network, *stats).eval())


def ill(diagnoses):
    return {check for check, one in diagnoses.items() if one.fix}


def test_a_sound_network_has_nothing_to_mend(sound, test_images):
    diagnoses = found(sound, test_images)
    assert len(diagnoses) == len(CHECKS) == 7
    assert ill(diagnoses) == set()
    assert diagnoses["answers"].found == "logits"


@pytest.mark.data
def test_no_shipped_network_is_called_ill_for_what_honest_training_does(data_root):
    test = first_test_images("fashionmnist", IMAGES, root=data_root)
    for name in ("dense", "snip-0.9", "imp-0.9", "cropit-s-0.9"):
        submission = load_submission(ROOT / f"submissions/lenet5-{name}")
        assert ill(found(submission, test)) == set(), name
    decayed = found(load_submission(ROOT / "submissions/lenet5-random-0.9"), test)
    assert ill(decayed) == {"sparsity"}  # weights on no path, which weight decay shrank to 1e-40
    assert "2,946 weights" in decayed["sparsity"].found


def test_probabilities_are_told_from_logits_and_their_logarithms(sound, test_images):
    soft = found(changed(sound, after=lambda logits: logits.softmax(1)), test_images)
    assert soft["answers"].found == "probabilities"
    assert "before its softmax" in soft["answers"].fix
    logs = found(changed(sound, after=lambda logits: logits.log_softmax(1)), test_images)
    assert logs["answers"].found == "log-probabilities"
    assert ill(logs) == set()


def test_answers_that_are_not_finite_are_told(sound, test_images):
    broken = changed(sound, after=lambda logits: logits * torch.nan)
    (only,) = diagnose(Patient(broken, test_images, CPU))
    assert only.found == "not all finite numbers"


def test_a_network_that_does_not_see_its_images_is_told(sound, test_images):
    blind = found(changed(sound, before=lambda images: images * 0), test_images)
    assert "do not depend on the image" in blind["gradients"].fix


@pytest.mark.parametrize(
    ("declared", "before", "expected"),
    [
        (((), ()), None, "--normalize digits"),
        (((0.5,), (0.5,)), lambda x: (x - 127.5) / 127.5, "--normalize 0:0.00392157"),
    ],
    ids=["forgotten", "pixels from 0 to 255"],
)
def test_the_right_normalisation_is_found(sound, test_images, declared, before, expected):
    how = {} if before is None else {"before": before}
    wrong = found(changed(sound, *declared, **how), test_images)["normalisation"]
    assert expected in wrong.fix
    assert "in submission.toml: [input] mean" in wrong.fix


def test_candidates_fit_the_channels_and_are_there_once():
    colour, grey = candidates(3, "cifar10"), candidates(1, "mnist")
    assert set(colour) >= {"none", "cifar10", "0.5:0.5"}
    assert all(len(mean) in (0, 3) for mean, _ in colour.values())
    assert set(grey) == {"none", "mnist", "0:0.00392157"}


def test_classes_in_another_order_are_found_and_the_order_is_right(sound, test_images):
    order = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    shuffled = found(changed(sound, after=lambda logits: logits[:, order]), test_images)["classes"]
    rows = json.loads(shuffled.fix.split("rows ")[1].split(" of")[0])
    mended = changed(sound, after=lambda logits: logits[:, order][:, rows])
    assert ill(found(mended, test_images)) == set()


def test_a_constant_answer_is_told(sound, test_images):
    constant = changed(sound, after=lambda logits: logits * 1e-6 + torch.eye(10)[4])
    assert "class 4 for 100%" in found(constant, test_images)["classes"].found


def test_a_network_of_other_images_is_told(sound, test_images):
    """It would classify; what it sees are none of the suite's images."""
    upside_down = found(changed(sound, before=lambda x: 1 - x.flip(2)), test_images)
    assert "near chance" in upside_down["classes"].fix


def test_answers_that_change_or_depend_on_the_batch_are_told(sound, test_images):
    drawn = found(changed(sound, before=lambda x: dropout(x, 0.5, training=True)), test_images)
    assert "pass to pass" in drawn["repeatable"].found
    assert "dropout" in drawn["repeatable"].fix
    mixed = found(changed(sound, before=lambda x: x - x.mean(0)), test_images)
    assert "others in its batch" in mixed["repeatable"].found


def test_masked_gradients_and_saturated_confidences_are_told_and_the_fix_mends_them(
    sound, test_images
):
    huge = found(changed(sound, after=lambda logits: logits * 1000), test_images)
    assert ill(huge) == {"gradients", "confidence"}
    divisor = int(huge["gradients"].fix.split("by ")[-1].split(";")[0])
    mended = changed(sound, after=lambda logits: logits * 1000 / divisor)
    assert ill(found(mended, test_images)) == set()


def test_weights_next_to_zero_and_a_wrong_declaration_are_told(sound, test_images, tmp_path):
    network = load_submission(pack(sound.model, sound.record, tmp_path / "copy")).model
    weight = network.network.conv3.weight
    with torch.no_grad():
        weight[:60] = 1e-12
    almost = replace(sound, model=network)
    assert (
        "24,000 weights are nonzero but below 1e-08" in found(almost, test_images)["sparsity"].found
    )
    declared = replace(sound, record=replace(sound.record, declared_sparsity=0.9))
    assert "declare what is measured" in found(declared, test_images)["sparsity"].fix


def test_a_bare_module_can_be_examined(test_images, sound):
    diagnoses = found(from_module(sound.model), test_images)
    assert ill(diagnoses) == set()
    assert diagnoses["sparsity"].found.startswith("measured 0")


def test_the_command_says_what_to_paste_and_writes_it_down(dense, tmp_path):
    report = tmp_path / "health.json"
    weights = dense / "weights.safetensors"
    result = CliRunner().invoke(app, ["doctor", str(weights), "--quiet", "--json", str(report)])
    assert result.exit_code == 0, result.output
    assert "--normalize digits" in result.output
    checks = json.loads(report.read_text())["checks"]
    assert checks[1]["check"] == "normalisation"
    assert checks[1]["fix"] in result.output
    result = CliRunner().invoke(app, ["doctor", str(dense), "--quiet"])
    assert "Nothing to mend" in result.output
