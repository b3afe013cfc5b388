"""The README's "Write your own pruner", followed to the letter."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.baselines import Cut, Plan, prune
from bench.cli import app
from bench.errors import BenchError
from bench.models import prunable
from bench.pruners.named import pruner_named
from bench.pruners.options import with_options
from bench.recipes import RECIPES
from bench.submissions import load_submission
from ci.readme import ROOT
from tests.test_readme import SECTIONS, blocks

SECTION = SECTIONS["Write your own pruner"]
FUNCTION, CALL, LINE = blocks("python", SECTION)
COMMANDS = [line for line in "".join(blocks("sh", SECTION)).splitlines() if line]


def run(words, folder):
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_it_is_ten_lines():
    assert len(FUNCTION.splitlines()) <= 10
    assert len(LINE.splitlines()) == 1


@pytest.mark.slow
def test_the_commands_and_the_call_work_as_they_stand(tmp_path, monkeypatch):
    """In one process, where the recipe of the digits may be a short one."""
    short = replace(RECIPES["digits-20"], epochs=2, early=1)
    monkeypatch.setitem(RECIPES, "digits-20", short)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    Path("my_pruner.py").write_text(FUNCTION)
    for command in COMMANDS:
        done = CliRunner().invoke(app, command.split()[1:])
        assert done.exit_code == 0, done.output
    monkeypatch.syspath_prepend(tmp_path)
    exec(compile(CALL, "call.py", "exec"), {})
    record = load_submission(tmp_path / "soft-0.9").record
    assert (record.pruner, record.moment) == ("my_pruner:soft_snip", "before")
    assert record.slug == "my-pruner-soft-snip-0.9"
    assert abs(record.measured_sparsity - 0.9) <= 1 / 142_110
    early = load_submission(tmp_path / "early-0.9").record
    assert (early.pruner, early.moment) == ("my_pruner:soft_snip power=2.0", "early")
    narrow = load_submission(tmp_path / "narrow-0.8").record
    assert sum(narrow.widths.values()) == 45 + 10
    assert load_submission(tmp_path / "soft-2345").record.seed == 2345


@pytest.mark.slow
def test_one_function_and_one_line_bring_every_test_of_the_table(tmp_path):
    for name in ("bench", "tests", "ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    saliency, table = tmp_path / "bench/saliency.py", tmp_path / "bench/pruners/__init__.py"
    function = FUNCTION[FUNCTION.index("def ") :]
    saliency.write_text(f"{saliency.read_text()}\n\n{function}")
    opening = "PRUNERS: Mapping[str, Pruner] = {\n"
    text = table.read_text()
    assert text.count(opening) == 1
    table.write_text(text.replace(opening, opening + LINE))
    done = run(["-m", "pytest", "tests/pruners/test_table.py", "-q", "-k", "soft-snip"], tmp_path)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 4 * 2 * 2 + 3


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module:score", "No module named 'no_such_module'"),
        (":score", "cannot be imported"),
        ("bench.saliency:gradients", "with a scoring alone"),
        ("bench.saliency:no_such_function", "expected a function"),
        ("bench.saliency:LOSSES", "expected a function"),
    ],
)
def test_a_reference_to_nothing_is_refused(reference, message):
    with pytest.raises(BenchError, match=message):
        pruner_named(reference)


def test_a_function_may_come_from_any_package(tmp_path):
    name, row = pruner_named("bench.saliency:magnitude")
    assert (name, row.moment) == ("bench.saliency:magnitude", "before")


def test_a_module_that_fails_when_imported_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failing.py").write_text("1 / 0")
    with pytest.raises(BenchError, match="ZeroDivisionError"):
        pruner_named("failing:score")


def test_objects_and_lambdas_prune_as_well(tmp_path):
    class Saliency:
        def __call__(self, scoring):
            return {name: w.detach() for name, w in prunable(scoring.network).items()}

    options = {"finetune_epochs": "0"}
    for function in (Saliency(), Saliency().__call__, lambda scoring: Saliency()(scoring)):
        out = prune(Plan("digits"), Cut(function, 0.5, options=options), tmp_path / "out")
        assert load_submission(out).record.measured_sparsity == 0.5


def test_options_of_any_plain_type_are_read():
    def own(
        scoring, *, on: bool = True, word: str = "a", low: float = -1.0, few: int | None = None
    ):
        return {}

    texts = {"on": "false", "word": "b", "low": "-2.5", "few": "3"}
    changed = with_options(pruner_named(own)[1], texts).changed
    assert changed == {"on": False, "word": "b", "low": -2.5, "few": 3}
    with pytest.raises(BenchError, match="expected one of true, false"):
        with_options(pruner_named(own)[1], {"on": "no"})


def test_a_function_that_forgets_a_weight_or_its_shape_is_told(tmp_path):
    def forgetful(scoring):
        return {
            name: weight.detach() for name, weight in list(prunable(scoring.network).items())[1:]
        }

    def flat(scoring):
        return {name: weight.detach()[0] for name, weight in prunable(scoring.network).items()}

    def surplus(scoring):
        return {name: value.detach() for name, value in scoring.network.named_parameters()}

    def undefined(scoring):
        return {name: weight.detach() / 0 * 0 for name, weight in prunable(scoring.network).items()}

    def foreign(scoring):
        return {name: weight.tolist() for name, weight in prunable(scoring.network).items()}

    for function, message in (
        (surplus, "got network.bn1.bias too, expected the weights of Conv and Linear"),
        (undefined, "saliency of network.conv1.weight: got NaN"),
        (foreign, "conv1.weight: got list, expected a tensor"),
        (forgetful, r"conv1.weight: got nothing, expected a tensor of shape \(6, 1, 5, 5\), one"),
        (lambda scoring: None, "got NoneType, expected"),
        (flat, r"got torch.Size\(\[1, 5, 5\]\), expected a tensor of shape \(6, 1, 5, 5\)"),
    ):
        with pytest.raises(BenchError, match=message):
            prune(Plan("digits"), Cut(function, 0.5), tmp_path / "out")
        assert not list(tmp_path.iterdir())
