"""Bayesian networks as submissions: they load as they were saved, and strangers' are checked."""

from dataclasses import replace

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from bench.cli import app
from bench.data import load_suite
from bench.errors import BenchError
from bench.evaluation import evaluate
from bench.models import build, prunable
from bench.models.mean_field import MeanField
from bench.submissions import canonical_bytes, load_submission, pack
from bench.submissions.card import read_card


def images(count=4):
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def drawn() -> MeanField:
    """A network of the table's names with weights of some size."""
    network = build("bayesian:lenet5-plain")
    assert isinstance(network, MeanField)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            mean = 0.0 if name.startswith("mean.") else -3.0
            parameter.normal_(mean, 0.1, generator=generator)
    return network


def saved(tensors, path):
    safetensors.torch.save_file({n: t.clone() for n, t in tensors.items()}, path)
    return path


def test_a_folder_loads_to_the_same_answers_bit_for_bit(tmp_path):
    loaded = load_submission(drawn())
    record = replace(loaded.record, slug="mine")
    again = load_submission(pack(loaded.model, record, tmp_path / "mine"))
    assert again.record == record
    assert (record.kind, record.architecture) == ("bayesian", "lenet5-plain")
    assert torch.equal(again.model(images()), loaded.model(images()))
    card = read_card(tmp_path / "mine")
    assert (card.kind, card.model.architecture) == ("bayesian", "lenet5-plain")


def test_a_card_that_combines_what_is_no_ensemble_is_refused(tmp_path):
    loaded = load_submission(drawn())
    folder = pack(loaded.model, replace(loaded.record, slug="mine"), tmp_path / "mine")
    card = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(card.replace('"probabilities"', '"logits"'))
    with pytest.raises(BenchError, match=r"E-SUBMISSION-TOML.*they are of an ensemble"):
        load_submission(folder)


@pytest.mark.parametrize("architecture", [None, "lenet5-plain", "bayesian:lenet5-plain"])
def test_a_bare_file_of_pairs_is_a_bayesian_network(architecture, tmp_path):
    network = drawn()
    path = saved(network.state_dict(), tmp_path / "bare.safetensors")
    loaded = load_submission(path, architecture=architecture)
    assert (loaded.record.kind, loaded.record.architecture) == ("bayesian", "lenet5-plain")
    assert torch.equal(loaded.model(images()), network(images()))


def test_facts_are_of_the_means_against_one_deterministic_network():
    network = drawn()
    with torch.no_grad():
        network.mean.fc1.weight[:42] = 0
    loaded = load_submission(network)
    assert loaded.record.widths["mean.fc1"] == 84
    assert loaded.record.measured_sparsity == pytest.approx(45_360 / 142_110)
    assert [name.removeprefix("mean.") for name in prunable(network)] == list(
        prunable(loaded.dense)
    )
    assert len(canonical_bytes(network.state_dict())) > 4 * 2 * 142_346


def without(name):
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def changed(name, value):
    return lambda tensors: {**tensors, name: value}


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (without("rho.fc2.bias"), "E-WRONG-WEIGHTS", r"fc2\.bias.*no pair"),
        (without("mean.fc2.bias"), "E-WRONG-WEIGHTS", r"fc2\.bias.*no pair"),
        (changed("other", torch.ones(3)), "E-WRONG-WEIGHTS", "no pair"),
        (changed("rho.fc2.bias", torch.ones(9)), "E-WRONG-WEIGHTS", r"rho\.fc2\.bias: got sha"),
        (changed("rho.fc2.bias", torch.full((10,), torch.nan)), "E-BAD-TENSOR", ""),
        (changed("mean.fc2.bias", torch.full((10,), torch.inf)), "E-BAD-TENSOR", ""),
        (lambda tensors: {n: t for n, t in tensors.items() if n < "n"}, "E-UNKNOWN-ARCH", ""),
        (lambda tensors: {n: t for n, t in tensors.items() if n > "n"}, "E-WRONG-WEIGHTS", ""),
    ],
)
def test_a_stranger_s_pairs_are_complete_of_one_shape_and_finite(spoil, code, message, tmp_path):
    path = saved(spoil(drawn().state_dict()), tmp_path / "odd.safetensors")
    with pytest.raises(BenchError, match=f"{code}.*{message}"):
        load_submission(path)


def test_pairs_of_a_network_with_batchnorm_or_of_pairs_are_refused(tmp_path):
    tensors = build("lenet5").state_dict()
    tensors = {n: t for n, t in tensors.items() if not n.endswith("num_batches_tracked")}
    pairs = {f"{part}.{name}": t for part in ("mean", "rho") for name, t in tensors.items()}
    with pytest.raises(BenchError, match=r"E-UNKNOWN-ARCHITECTURE.*without BatchNorm"):
        load_submission(saved(pairs, tmp_path / "norm.safetensors"))
    own = drawn().state_dict()
    nested = {f"{part}.{name}": t for part in ("mean", "rho") for name, t in own.items()}
    with pytest.raises(BenchError, match=r"E-UNKNOWN-ARCHITECTURE"):
        load_submission(saved(nested, tmp_path / "nested.safetensors"))


def test_plain_weights_are_no_bayesian_network(tmp_path):
    path = saved(build("lenet5-plain").state_dict(), tmp_path / "plain.safetensors")
    with pytest.raises(BenchError, match=r"E-WRONG-WEIGHTS.*no pair"):
        load_submission(path, architecture="bayesian:lenet5-plain")


def test_a_card_that_calls_it_a_classifier_is_refused(tmp_path):
    loaded = load_submission(drawn())
    folder = pack(loaded.model, replace(loaded.record, slug="mine"), tmp_path / "mine")
    text = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(
        text.replace('kind = "bayesian"', 'kind = "classifier"')
    )
    with pytest.raises(BenchError, match=r"E-SUBMISSION-TOML.*weights are of a bayesian"):
        load_submission(folder)


def test_pack_makes_a_submission_of_a_file_of_pairs(tmp_path):
    path = saved(drawn().state_dict(), tmp_path / "bare.safetensors")
    command = ["pack", str(path), "--slug", "mine", "--out", str(tmp_path / "mine")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert load_submission(tmp_path / "mine").record.kind == "bayesian"


@pytest.mark.slow
def test_every_task_but_those_of_a_single_network_has_values(bayesian):
    run, _ = evaluate(load_submission(bayesian), load_suite("digits", limit=20))
    again, _ = evaluate(load_submission(bayesian), load_suite("digits", limit=20), only=["clean"])
    reasons = {
        (score.task, score.detector, score.reason) for score in run.scores if score.value is None
    }
    tasks = ("adversarial", "shift", "outliers", "out-of-domain")
    expected = {(task, "gradnorm") for task in tasks} | {("lipschitz", None)}
    expected |= {("outliers", "sensnorm"), ("out-of-domain", "sensnorm")}
    expected |= {("shift", None), ("shift", "msp")}  # grey images cannot be saturated
    assert reasons == {(*where, "not_applicable") for where in expected}
    at_shift = {
        s.corruption
        for s in run.scores
        if s.detector != "gradnorm" and s.task == "shift" and s.value is None
    }
    assert at_shift == {"saturate"}
    values = {s.metric: s.value for s in run.scores if s.task == "cost"}
    assert values["macs_dense"] == 5 * 497_160
    assert values["parameters"] == 2 * 142_346
    clean = [score for score in run.scores if score.task == "clean"]
    assert [score.value for score in clean] == [score.value for score in again.scores]
    assert clean[0].value > 0.8
