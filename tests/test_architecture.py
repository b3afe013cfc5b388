"""The house keeps its own rules: sizes, tables, one home for each dangerous thing."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.attacks import ATTACKS
from bench.detectors import DETECTORS
from bench.detectors.ood import WIDE
from bench.errors import ERRORS
from bench.protocol import METRICS, PROTOCOLS
from bench.sensitivity import VARIANTS
from bench.tasks import TASKS

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "leaderboard", "ci")
SOURCES = sorted(path for room in ROOMS for path in ROOT.glob(f"{room}/**/*.py"))
EVERY_FILE = sorted([*SOURCES, *ROOT.glob("tests/**/*.py")])
VAGUE = {"utils", "helpers", "common", "base", "manager", "misc"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", EVERY_FILE, ids=named)
def test_no_file_is_longer_than_three_hundred_lines(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_function_is_longer_than_forty_lines_of_code(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                length = body[-1].end_lineno - body[0].lineno + 1
                assert length <= 40, f"{node.name}: {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_module_has_a_vague_name(path):
    assert not VAGUE & set(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_exemption_from_the_linter(path):
    assert "noqa" not in path.read_text()


def test_every_torch_load_stands_in_the_intake_and_says_weights_only():
    for path in EVERY_FILE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                given = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert given.get("weights_only") == "True", path
                assert "intake" in path.parts, path


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_is_unpickled_and_no_html_is_injected(path):
    tree = ast.parse(path.read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not calls & {
        "pickle.load",
        "pickle.loads",
        "torch.jit.load",
        "torch.export.load",
        "joblib.load",
        "eval",
        "exec",
        "st.html",
        "components.html",
    }
    keywords = {
        (k.arg, ast.unparse(k.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for k in node.keywords
    }
    assert not keywords & {
        ("allow_pickle", "True"),
        ("unsafe_allow_html", "True"),
        ("shell", "True"),
    }


def test_every_task_attack_and_detector_of_a_protocol_is_in_its_table():
    for protocol in PROTOCOLS.values():
        assert set(protocol.tasks) <= set(TASKS)
        assert {attack for attack, _ in protocol.attacks} <= set(ATTACKS)
        for task, names in protocol.detectors:
            assert task in TASKS
            assert set(names) <= set(DETECTORS)
    every = {name for _, names in PROTOCOLS["detectors"].detectors for name in names}
    assert every == set(DETECTORS)


@pytest.mark.parametrize("folder", ["tasks", "detectors"])
def test_every_file_of_a_table_is_listed_in_it(folder):
    table = {"tasks": set(TASKS), "detectors": set(DETECTORS) - set(WIDE) - set(VARIANTS)}[folder]
    files = {path.stem.replace("_", "-") for path in (ROOT / "bench" / folder).glob("[a-z]*.py")}
    assert files - {"ood", "sensnorm", "known"} == table


def test_every_error_code_that_is_raised_is_explained_and_every_explained_one_is_raised():
    text = "\n".join(path.read_text() for path in SOURCES if path.name != "errors.py")
    assert set(re.findall(r'"(E-[A-Z0-9-]+)"', text)) == set(ERRORS)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("bench", "torch"),
        ("bench.cli", "torch"),
        ("bench.cli", "sqlalchemy"),
        ("bench.cli", "pandas"),
        ("bench.ranking", "torch"),
        ("bench.comparison", "torch"),
        ("bench.paired", "pandas"),
        ("bench.store", "torch"),
        ("bench.html_board", "torch"),
        ("leaderboard.source", "torch"),
        ("leaderboard.tabs.compare", "torch"),
    ],
)
def test_importing_a_light_module_leaves_heavy_packages_out(module, absent):
    program = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_metric_is_without_a_meaning():
    for name, metric in METRICS.items():
        assert metric.meaning, name
        assert metric.low < metric.high, name
