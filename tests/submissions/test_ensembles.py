"""Ensembles as folders: written, read back, scored; and what a stranger may put into one."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import BenchError
from bench.models import Normalised, build, prunable
from bench.models.ensemble import Ensemble
from bench.submissions import assemble, described, load_submission, pack

FULL = {"conv1": 6, "conv2": 16, "conv3": 120, "fc1": 84}
NARROW = {"conv1": 4, "conv2": 6, "conv3": 9, "fc1": 11}


def written(folder: Path, draw: int = 1, widths=FULL, classes: int = 10, std=(0.5,), **fields):
    """A LeNet5 as a submission folder."""
    generator = torch.Generator().manual_seed(draw)
    network = build("lenet5", widths=widths, classes=classes)
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) / 5
    model = Normalised(network, (0.5,), std)
    known = {"slug": "net", "seed": draw, "recipe": "digits-20", "pruner": "dense"}
    record = replace(described("net", "lenet5", model).record, **{**known, **fields})
    return pack(model, record, folder, {"training": {"suite": "digits"}})


def images() -> Tensor:
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """Two members `m1` and `m2`, and `both`, their ensemble."""
    place = tmp_path_factory.mktemp("ensembles")
    assemble([written(place / f"m{seed}", seed) for seed in (1, 2)], place / "both")
    return place


@pytest.fixture
def members(shared, tmp_path) -> list[Path]:
    return [Path(shutil.copytree(shared / name, tmp_path / name)) for name in ("m1", "m2")]


@pytest.fixture
def both(shared, members, tmp_path) -> Path:
    return Path(shutil.copytree(shared / "both", tmp_path / "both"))


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
def test_an_ensemble_comes_back_as_it_was_written(members, tmp_path, combine):
    folder = assemble(members, tmp_path / "both", combine=combine)
    loaded, apart = load_submission(folder), [load_submission(path) for path in members]
    own = Ensemble([member.model.network for member in apart], combine)
    with torch.inference_mode():
        assert torch.equal(loaded.model(images()), apart[0].model.around(own)(images()))
    who = loaded.record
    assert (who.kind, who.slug, who.architecture) == ("ensemble", "ensemble-of-2-net", "lenet5")
    assert (who.seed, who.recipe, who.pruner) == (1, "digits-20", "dense")
    assert sorted(path.name for path in folder.iterdir()) == ["net-1", "net-2", "submission.toml"]
    for member, name in zip(apart, ("net-1", "net-2"), strict=True):
        copied = load_submission(folder / name).record
        assert copied == member.record
    assert not list(tmp_path.glob(".both*"))


def test_the_card_says_what_all_members_agree_on(tmp_path):
    first = written(
        tmp_path / "a", 7, slug="a", declared_sparsity=0.5, pruner="snip", scope="local"
    )
    second = written(tmp_path / "b", 8, slug="b", declared_sparsity=0.5, pruner="crop")
    who = load_submission(assemble([first, second], tmp_path / "out")).record
    assert (who.slug, who.seed, who.declared_sparsity) == ("ensemble-of-2", 7, 0.5)
    assert (who.pruner, who.scope) == (None, None)
    assert (tmp_path / "out" / "b" / "submission.toml").is_file()


def test_members_without_seeds_and_of_awkward_slugs_have_folders_of_their_own(tmp_path):
    paths = [written(tmp_path / f"m{n}", n, seed=None, slug="submission.toml") for n in (1, 2)]
    folder = assemble(paths, tmp_path / "out")
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    assert names == {"submission.toml-1", "submission.toml-2"}
    single = assemble(paths[:1], tmp_path / "one", slug="one")
    assert load_submission(single).record.slug == "one"


def test_sparsity_is_measured_against_as_many_dense_networks(tmp_path):
    wide, narrow = written(tmp_path / "w", slug="w"), written(tmp_path / "n", 2, NARROW, slug="n")
    loaded = load_submission(assemble([wide, narrow], tmp_path / "out"))
    left = sum(
        int(weight.count_nonzero())
        for path in (wide, narrow)
        for weight in prunable(load_submission(path).model).values()
    )
    assert loaded.record.measured_sparsity == pytest.approx(1 - left / (2 * 142_110), abs=1e-12)
    assert loaded.record.widths["members.1.conv2"] == 6


def test_an_ensemble_is_no_parent_no_member_and_is_not_packed(members, both, tmp_path):
    loaded = load_submission(both)
    with pytest.raises(BenchError, match=r"E-BAD-VALUE.*bench assemble"):
        pack(loaded.model, loaded.record, tmp_path / "packed")
    with pytest.raises(BenchError, match=r"E-SUBMISSION-TOML.*got ensemble, expected a classifier"):
        assemble([members[0], both], tmp_path / "nested")
    words = ["prune", "--pruner", "magnitude", "--sparsity", "0.5", "--from", str(both)]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "pruned")])
    assert getattr(result.exception, "code", result.exception) == "E-BAD-VALUE"


def others(folder: Path, **fields) -> Path:
    return written(folder, 3, **fields)


@pytest.mark.parametrize("fields", [{"classes": 7}, {"std": (0.25,)}])
def test_members_that_do_not_fit_together_write_nothing(members, tmp_path, fields):
    odd = others(tmp_path / "odd", **fields)
    with pytest.raises(BenchError, match=r"E-SUBMISSION-TOML.*members differ"):
        assemble([*members, odd], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m1", "m2", "odd"]


def test_a_target_that_is_or_holds_a_member_is_refused(members, both, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for sources, out in (
        ([members[0]], members[0]),
        ([both / "net-1"], both),
        (members, tmp_path),
    ):
        with pytest.raises(BenchError, match=r"E-BAD-VALUE.*holds the member"):
            assemble(sources, out)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "text").write_text("mine")
    with pytest.raises(BenchError, match=r"E-BAD-VALUE.*not a submission folder"):
        assemble(members, tmp_path / "notes")
    shutil.rmtree(tmp_path / "notes")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_says_what_to_do_next(members, tmp_path):
    out = tmp_path / "both"
    words = ["assemble", *map(str, members), "--combine", "logits", "--out", str(out)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert f"Next: bench evaluate {out} --suite digits" in result.output
    assert load_submission(out).model.network.combine == "logits"


# folders of strangers


def escaping(folder: Path) -> None:
    replace_in(folder, '["net-1", "net-2"]', '["../m1", "net-2"]')


def absolute(folder: Path) -> None:
    replace_in(folder, '["net-1", "net-2"]', f'["{folder.parent}/m1", "net-2"]')


def repeated(folder: Path) -> None:
    replace_in(folder, '["net-1", "net-2"]', '["net-1", "net-1"]')


def none_at_all(folder: Path) -> None:
    replace_in(folder, '["net-1", "net-2"]', "[]")


def too_many(folder: Path) -> None:
    replace_in(folder, '["net-1", "net-2"]', str([f"m{n}" for n in range(33)]).replace("'", '"'))


def missing(folder: Path) -> None:
    shutil.rmtree(folder / "net-2")


def a_file(folder: Path) -> None:
    missing(folder)
    (folder / "net-2").write_text("no folder")


def linked(folder: Path) -> None:
    missing(folder)
    (folder / "net-2").symlink_to(folder.parent / "m2")


def linked_weights(folder: Path) -> None:
    (folder / "net-2" / "weights.safetensors").unlink()
    (folder / "net-2" / "weights.safetensors").symlink_to(folder.parent / "m2")


def nested(folder: Path) -> None:
    content = (folder / "submission.toml").read_text()
    missing(folder)
    shutil.copytree(folder, folder / "net-2")
    (folder / "net-2" / "submission.toml").write_text(content)


def itself(folder: Path) -> None:
    missing(folder)
    (folder / "net-2").symlink_to(folder)


def a_flow(folder: Path) -> None:
    replace_in(folder / "net-2", 'kind = "classifier"', 'kind = "flow"')


def changed_weights(folder: Path) -> None:
    own = (folder / "net-1" / "weights.safetensors").read_bytes()
    (folder / "net-2" / "weights.safetensors").write_bytes(own)


def changed_members(folder: Path) -> None:
    replace_in(folder, '["net-1", "net-2"]', '["net-2", "net-1"]')


def changed_combination(folder: Path) -> None:
    replace_in(folder, 'combine = "probabilities"', 'combine = "logits"')


def odd_combination(folder: Path) -> None:
    replace_in(folder, 'combine = "probabilities"', 'combine = "votes"')


def other_architecture(folder: Path) -> None:
    replace_in(folder, 'architecture = "lenet5"', 'architecture = "alexnet"')


def other_normalisation(folder: Path) -> None:
    replace_in(folder, "mean = [0.5]", "mean = [0.4]")


def a_classifier_with_members(folder: Path) -> None:
    replace_in(folder, 'kind = "ensemble"', 'kind = "classifier"')


def other_classes(folder: Path) -> None:
    missing(folder)
    others(folder / "net-2", classes=7)


def broken_weights(folder: Path) -> None:
    (folder / "net-2" / "weights.safetensors").write_bytes(b"\x80\x04K\x01.")


def replace_in(folder: Path, old: str, new: str) -> None:
    path = folder / "submission.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


TOML = "E-SUBMISSION-TOML"
HOSTILE = {
    **dict.fromkeys([escaping, absolute, repeated, none_at_all, too_many, nested, a_flow], TOML),
    **dict.fromkeys([changed_weights, changed_members, changed_combination], TOML),
    **dict.fromkeys([odd_combination, other_architecture, other_normalisation], TOML),
    **dict.fromkeys([a_classifier_with_members, other_classes], TOML),
    **dict.fromkeys([linked, linked_weights, itself], "E-NOT-A-FILE"),
    missing: "E-NO-SUCH-FILE",
    a_file: "E-NO-SUCH-FILE",
    broken_weights: "E-LEGACY-FORMAT",
}


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_folder_ends_in_one_code(both, spoil):
    spoil(both)
    with pytest.raises(BenchError) as caught:
        load_submission(both)
    assert caught.value.code == HOSTILE[spoil]


def test_members_of_other_widths_are_welcome(tmp_path):
    paths = [written(tmp_path / "w", 1), written(tmp_path / "n", 2, NARROW)]
    model = load_submission(assemble(paths, tmp_path / "out")).model
    assert model(images()).shape == (5, 10)
