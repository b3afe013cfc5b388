"""`bench detect`: its threshold, its verdicts and its files."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from bench.alarm import Watch, calibrated, threshold_of
from bench.cli import app
from bench.data import first_test_images, load_suite, suite_spec, training_set
from bench.detectors import DETECTORS
from bench.errors import BenchError
from bench.submissions import load_submission

SPEC = suite_spec("digits")


@pytest.fixture(scope="module")
def trained(dense):
    return load_submission(dense).model, training_set("digits")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Ten pictures: five digits of the test set, then five patches of photographs."""
    folder, suite = tmp_path_factory.mktemp("mixed"), load_suite("digits")
    both = [suite.test.images[:5], suite.outliers["patches"].images[:5]]
    for at, pixels in enumerate(np.concatenate(both)):
        Image.fromarray(pixels[0]).save(folder / f"{at:02}.png")
    return folder


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 10), (0.1, 9), (0.25, 8), (0.9, 1)])
def test_at_most_the_chosen_share_is_above_the_threshold(rate, expected):
    scores = torch.tensor([3.0, 1, 2, 5, 4, 7, 6, 9, 8, 10])
    threshold = threshold_of(scores, rate)
    assert threshold == expected
    assert float((scores > threshold).float().mean()) <= rate + 1e-6


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_every_detector_tells_photographs_from_digits(detector, batch_size, trained):
    alarm = calibrated(*trained, SPEC, Watch(detector, batch_size, 0.1))
    assert alarm.raised_on(alarm.held_out) <= 0.1
    suite = load_suite("digits")
    ordinary = alarm.score(suite.test.images[:100])
    strange = alarm.score(suite.outliers["patches"].images[:100])
    assert len(ordinary) == len(strange) == 100 // batch_size
    assert strange.median() > ordinary.median()
    again = alarm.score(suite.test.images[:100])
    assert torch.equal(ordinary, again)


def test_what_cannot_be_told_is_refused(trained):
    for detector, batch_size, rate, message in (
        ("energetic", 1, 0.1, "expected one of"),
        ("msp", 1, 5, "0.05 is one in twenty"),
        ("msp", 100, 0.05, "240 held-out training images make 2 groups"),
    ):
        with pytest.raises(BenchError, match=message) as caught:
            calibrated(*trained, SPEC, Watch(detector, batch_size, rate))
        assert caught.value.code == "E-BAD-VALUE"


@pytest.mark.parametrize("detector", ["msp", "sensnorm"])
def test_the_command_writes_a_verdict_for_every_group(detector, dense, mixed, tmp_path):
    files = [tmp_path / name for name in ("v.csv", "v.json", "v.png")]
    words = ["detect", str(dense), "--images", str(mixed), "--detector", detector]
    outs = [
        str(word) for pair in zip(("--csv", "--json", "--png"), files, strict=True) for word in pair
    ]
    result = CliRunner().invoke(app, [*words, "--batch-size", "5", "--quiet", *outs])
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert [row["images"].split("; ")[0] for row in rows] == ["00.png", "05.png"]
    record = json.loads(files[1].read_text())
    assert [group["score"] for group in record["groups"]] == pytest.approx(
        [float(row["score"]) for row in rows]
    )
    for group in record["groups"]:
        assert group["anomaly"] == (group["score"] > record["threshold"])
    assert record["groups"][1]["score"] > record["groups"][0]["score"]
    raised = sum(group["anomaly"] for group in record["groups"])
    assert f"{raised} of 2 groups raise the alarm" in result.output
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_images_of_an_array_are_called_by_their_numbers(dense, tmp_path):
    """Two images, and two files: the images and their labels."""
    np.save(tmp_path / "two.npy", np.zeros((2, 28, 28), np.uint8))
    np.save(tmp_path / "two-labels.npy", np.zeros(2, np.uint8))
    out = tmp_path / "v.csv"
    words = ["detect", str(dense), "--images", str(tmp_path / "two.npy"), "--csv", str(out), "-q"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert [row["images"] for row in csv.DictReader(out.read_text().splitlines())] == ["0; 1"]


def test_a_folder_without_pictures_is_told(dense, tmp_path):
    result = CliRunner().invoke(app, ["detect", str(dense), "--images", str(tmp_path / "none")])
    assert isinstance(result.exception, BenchError)
    assert result.exception.code == "E-NO-SUCH-FILE"


@pytest.mark.data
def test_a_test_split_of_which_only_the_beginning_is_here_is_enough(data_root):
    images = first_test_images("cifar10", 1500, root=data_root)
    assert len(images.labels) == len(images.images) == 1000
    assert len(first_test_images("cifar10", 30, root=data_root).labels) == 30
    assert len(first_test_images("digits", 10_000).labels) == 597


def test_the_help_names_every_detector():
    text = CliRunner().invoke(app, ["detect", "--help"], env={"COLUMNS": "300"}).output
    assert all(f" {name}" in text for name in DETECTORS)
