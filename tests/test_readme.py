"""The README says what the program does: its tables, commands and snippets are checked."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from typer.main import get_command

from bench.cli import app
from bench.protocol import PROTOCOL
from bench.submissions.card import read_card
from ci.readme import PAGES, README, generated
from ci.shipped import ROOT, shipped_runs
from leaderboard.shipped import read, shipped_records

TEXT = README.read_text(encoding="utf-8")
WHOLE = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, flags=re.DOTALL | re.MULTILINE))


def blocks(language, text):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


COMMANDS = [
    line.partition("#")[0].strip()
    for line in (*"".join(blocks("sh", WHOLE)).splitlines(), *re.findall(r"`(bench [^`]+)`", WHOLE))
    if line.startswith("bench ")
]


def resolved(words):
    """The command that words name, and the arguments left for it."""
    command = get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def leaves(command, path=()):
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from leaves(child, (*path, name))
        else:
            yield " ".join((*path, name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_generated_parts_are_those_of_the_code_and_the_stored_runs(page):
    text = page.read_text(encoding="utf-8")
    assert generated(text, PAGES[page]) == text, "run `make docs`"


@pytest.mark.parametrize("line", [c for c in COMMANDS if not c.startswith("bench --")])
def test_every_command_of_the_readme_is_one_the_program_takes(line):
    command, words = resolved(shlex.split(line)[1:])
    if words or " --" in line:  # a bare name in running text is no call
        command.make_context(command.name, words, resilient_parsing=False)


@pytest.mark.parametrize("name", sorted(leaves(get_command(app))))
def test_every_command_of_the_program_stands_in_the_readme(name):
    assert re.search(rf"\bbench {name}\b", TEXT)


def test_every_target_of_make_that_it_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", TEXT)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_file_it_links_to_is_there(page):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).is_file(), link


@pytest.mark.slow
def test_the_python_of_the_readme_runs_as_it_stands(dense, tmp_path):
    shutil.copytree(dense, tmp_path / "demo" / "snip-0.9")
    (snippet,) = blocks("python", SECTIONS["Score your own network"])
    command = [sys.executable, "-c", snippet]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0.9 < float(re.search(r"'accuracy': ([0-9.]+)", done.stdout)[1]) <= 1


def test_every_shipped_run_stands_beside_the_card_of_its_submission():
    assert shipped_runs()
    for path in shipped_records():
        run, card = read(path), read_card(path.parent)
        assert run.submission.slug == card.slug
        assert "partial" not in run.flags
        if path.name == "run.json" or run.submission.seed == card.training.seed:
            assert run.submission.weights_sha256 == card.model.sha256  # one of a grid's seeds


def test_shipped_lenet5_are_of_the_protocol_of_today_and_none_is_flagged():
    wanted = ("lenet5", "paper-30")
    runs = [
        run
        for run in shipped_runs()
        if (run.submission.architecture, run.submission.recipe) == wanted
    ]
    assert len(runs) == 17
    assert {run.protocol for run in runs} == {PROTOCOL.id}
    assert {run.submission.slug: run.flags for run in runs if run.flags} == {}
