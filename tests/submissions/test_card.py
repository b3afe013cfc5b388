"""`submission.toml`: what it says, how it is refused, and the template that packing writes."""

import tomllib
from dataclasses import replace

import pytest
import torch

from bench import load_submission, pack
from bench.errors import BenchError
from bench.models import Normalised, initialised
from bench.records import Submission
from bench.submissions.card import card_of, card_toml, fields


@pytest.fixture(scope="module")
def lenet5() -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    return initialised("lenet5", classes=10, channels=1, generator=generator).eval()


def images() -> torch.Tensor:
    return torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_a_folder_says_all_that_was_declared(lenet5, tmp_path):
    record = Submission(
        slug="snip-90",
        kind="classifier",
        architecture="lenet5",
        widths={},
        weights_sha256="",
        measured_sparsity=None,
        declared_sparsity=0.9,
        pruner="snip",
        moment="before",
        scope="global",
        structure="unstructured",
        seed=1234,
        recipe="digits-20",
    )
    folder = pack(
        Normalised(lenet5, (0.5,), (0.25,)),
        record,
        tmp_path / "snip",
        {"training": {"suite": "digits"}},
    )
    found = load_submission(folder)
    assert torch.equal(found.model(images()), lenet5((images() - 0.5) / 0.25))
    assert found.record.mean == (0.5,)
    for field in ("slug", "declared_sparsity", "pruner", "moment", "scope", "seed", "recipe"):
        assert getattr(found.record, field) == getattr(record, field)
    assert found.record.measured_sparsity == 0
    assert pack(found.model, found.record, folder) == folder
    assert load_submission(folder).record == found.record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("schema = 1", "schema = 2"), "schema: got 2, expected less than or equal to 1"),
        (("schema = 1", "schema = true"), "schema: got True, expected a valid integer"),
        (("schema = 1", 'schema = 1\n"a\\nb" = 1'), "a b: unknown"),
        (('slug = "a"', 'slug = "../a"'), "slug: got"),
        (('slug = "a"', "slug = 7"), "slug: got 7, expected a valid string"),
        (("[model]", "[modell]"), "modell: unknown; known are schema"),
        (("[model]", "[model]\nweights = 'x'"), "model.weights: unknown"),
        (
            ('kind = "classifier"', 'kind = "flow"'),
            "kind: got flow, the weights are",
        ),
        (('sha256 = "', 'sha256 = "00'), "model.sha256: got"),
        (("[model]", "[model"), "not readable"),
    ],
)
def test_a_wrong_submission_toml_names_the_field(lenet5, tmp_path, change, message):
    loaded = load_submission(lenet5)
    folder = pack(loaded.model, replace(loaded.record, slug="a"), tmp_path / "a")
    card = folder / "submission.toml"
    card.write_text(card.read_text().replace(*change))
    with pytest.raises(BenchError, match="E-SUBMISSION-TOML") as caught:
        load_submission(folder)
    assert message in str(caught.value)


def test_weights_that_were_changed_after_packing_are_refused(lenet5, tmp_path):
    loaded = load_submission(lenet5)
    folder = pack(loaded.model, loaded.record, tmp_path / "a")
    card = folder / "submission.toml"
    card.write_text(card.read_text().replace(loaded.record.weights_sha256, "0" * 64))
    with pytest.raises(BenchError, match=r"E-SUBMISSION-TOML.*changed after it was packed"):
        load_submission(folder)


def test_pack_does_not_overwrite_a_strange_folder(lenet5, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    record = load_submission(lenet5).record
    with pytest.raises(BenchError, match="not empty"):
        pack(Normalised(lenet5), record, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    "line",
    [
        'pruner = "\\u001b[2J"',
        f"sparsity = {10**400}",
        "sparsity = nan",
        f"sparsity = {'9' * 5000}",
    ],
)
def test_a_card_of_unprintable_or_endless_values_is_refused(line, tmp_path):
    (tmp_path / "submission.toml").write_text(f'schema = 1\nslug = "a"\n[pruning]\n{line}\n')
    with pytest.raises(BenchError, match="E-SUBMISSION-TOML") as caught:
        load_submission(tmp_path)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("std", ["[0.0]", "[1.0, 1.0]", "[]"])
def test_a_card_of_no_normalisation_is_refused(std, tmp_path):
    card = f'schema = 1\nslug = "a"\n[input]\nmean = [0.5]\nstd = {std}\n'
    (tmp_path / "submission.toml").write_text(card)
    with pytest.raises(BenchError, match="as many, each std above 0"):
        load_submission(tmp_path)


def test_the_card_is_a_template_of_every_field(lenet5, tmp_path):
    loaded = load_submission(lenet5)
    declared = {"about": {"authors": "Ada Ü. 😀", "notes": 'said "so"'}}
    text = (
        pack(loaded.model, loaded.record, tmp_path / "a", declared) / "submission.toml"
    ).read_text()
    assert all(f"{name.rpartition('.')[2]} = " in text for name, _ in fields())
    assert card_of(tomllib.loads(text)).about.authors == "Ada Ü. 😀"
    assert card_toml(card_of(tomllib.loads(text))) == text


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        ("pruning", "sparsity", 1.5, "pruning.sparsity: got 1.5, expected less than or equal to 1"),
        ("training", "seed", -1, "training.seed: got -1, expected greater than or equal to 0"),
        ("suite", "name", "digits", "suite: unknown; known are schema, slug"),
        ("about", "mood", "good", "about.mood: unknown; known are schema, slug"),
        ("about", "notes", "\x1b[2J", "about.notes: got"),
    ],
)
def test_a_field_that_no_card_has_is_refused_before_anything_is_written(
    lenet5, tmp_path, section, field, value, message
):
    loaded = load_submission(lenet5)
    with pytest.raises(BenchError, match="E-SUBMISSION-TOML") as caught:
        pack(loaded.model, loaded.record, tmp_path / "a", {section: {field: value}})
    assert message in str(caught.value)
    assert not (tmp_path / "a").exists()
