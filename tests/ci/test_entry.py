"""What may lie in the folder of a pull request, and how it is copied out of git."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.errors import BenchError
from ci.entry import ALLOWED, LARGEST_CODE, check_entry
from ci.incoming import incoming
from tests.ci.conftest import write_entry


def refusal(act) -> BenchError:
    with pytest.raises(BenchError) as caught:
        act()
    return caught.value


def test_a_pruner_or_weights_with_their_card_are_let_in(tmp_path):
    check_entry(write_entry(tmp_path / "mine", "def prune(*a): ..."))
    weights = write_entry(tmp_path / "weights", "")
    (weights / "pruner.py").rename(weights / "weights.safetensors")
    for name in set(ALLOWED) - {"pruner.py"}:
        (weights / name).touch()
    check_entry(weights)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("conftest.py", "E-SUBMISSION-FILES"),
        ("sitecustomize.py", "E-SUBMISSION-FILES"),
        ("requirements.txt", "E-SUBMISSION-FILES"),
        (".github", "E-SUBMISSION-FILES"),
        ("weights.safetensors", "E-SUBMISSION-FILES"),  # beside a pruner
    ],
)
def test_a_file_that_none_may_have_is_refused(name, code, tmp_path):
    entry = write_entry(tmp_path / "mine", "")
    (entry / name).touch()
    assert refusal(lambda: check_entry(entry)).code == code


def test_links_pipes_folders_and_long_files_are_refused(tmp_path):
    for number, plant in enumerate(
        (lambda p: p.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir), start=1
    ):
        entry = write_entry(tmp_path / str(number), "")
        plant(entry / "README.md")
        assert refusal(lambda entry=entry: check_entry(entry)).code == "E-NOT-A-FILE"
    long = write_entry(tmp_path / "long", "#" * (LARGEST_CODE + 1))
    assert refusal(lambda: check_entry(long)).code == "E-TOO-LARGE"
    assert refusal(lambda: check_entry(tmp_path / "none")).code == "E-NO-SUCH-FILE"
    for name, missing in (("cardless", "submission.toml"), ("empty", "pruner.py")):
        entry = write_entry(tmp_path / name, "")
        (entry / missing).unlink()
        assert refusal(lambda entry=entry: check_entry(entry)).code == "E-SUBMISSION-FILES"


DENSE = 'schema = 1\nslug = "mine"\n[pruning]\npruner = "dense"\n'


class Repository:
    """A git repository with a base, and requests on top of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        (folder / "bench.py").write_text("harness")
        self.base = self.commit()

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(self.folder), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")
        return self.git("rev-parse", "HEAD")

    def entry(self, name: str = "mine") -> Path:
        return write_entry(self.folder / "submissions" / name, "def prune(*a): ...")

    def taken(self, out: Path) -> Path:
        return incoming(self.base, self.commit(), out, self.folder)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_a_request_of_one_submission_is_copied(repository, tmp_path):
    entry = repository.entry()
    folder = repository.taken(tmp_path / "out")
    assert folder == tmp_path / "out" / "mine"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in entry.iterdir()
    }
    assert list((tmp_path / "out").iterdir()) == [folder]


def test_changes_of_the_base_since_the_fork_are_not_the_requests(repository, tmp_path):
    repository.git("switch", "--quiet", "--create", "request")
    repository.entry()
    head = repository.commit()
    repository.git("switch", "--quiet", "main")
    (repository.folder / "bench.py").write_text("harness 2")
    assert incoming(repository.commit(), head, tmp_path / "out", repository.folder).is_dir()


@pytest.mark.parametrize(
    "plant",
    [
        lambda root: (root / "bench.py").write_text("mine"),
        lambda root: (root / "conftest.py").write_text("mine"),
        lambda root: (root / "submissions" / "loose.txt").write_text("mine"),
        lambda root: write_entry(root / "submissions" / "other", ""),
        lambda root: (root / "submissions" / "mine" / "conftest.py").write_text("mine"),
        lambda root: (root / "submissions" / "mine" / "README.md").symlink_to("/etc/passwd"),
        lambda root: (root / "submissions" / "mine" / "pruner.py").chmod(0o755),
        lambda root: write_entry(root / "submissions" / "mine" / "README.md", ""),
        lambda root: (root / "submissions" / "mine" / "submission.toml").unlink(),
        lambda root: (root / "submissions" / "mine").rename(root / "submissions" / "-x $(id)"),
        lambda root: (root / "submissions").rename(root / "submission"),
        lambda root: (root / "submissions" / "mine" / "run.json").write_text("{}"),
        lambda root: (root / "submissions" / "mine" / "submission.toml").write_text(DENSE),
    ],
)
def test_a_request_that_touches_anything_else_is_refused(plant, repository, tmp_path):
    repository.entry()
    plant(repository.folder)
    error = refusal(lambda: repository.taken(tmp_path / "out"))
    assert error.code == "E-SUBMISSION-FILES", error


def test_an_entry_that_is_there_is_not_changed_by_a_request(repository, tmp_path):
    repository.entry()
    repository.base = repository.commit()
    (repository.folder / "submissions" / "mine" / "README.md").write_text("better")
    error = refusal(lambda: repository.taken(tmp_path / "out"))
    assert "submissions/mine is there already; a correction is a new folder" in error.message


def test_commits_that_git_does_not_know_are_refused(repository, tmp_path):
    error = refusal(lambda: incoming(repository.base, "nothing", tmp_path, repository.folder))
    assert error.code == "E-SUBMISSION-FILES"


def test_a_request_without_changes_or_with_long_code_is_refused(repository, tmp_path):
    error = refusal(lambda: incoming(repository.base, repository.base, tmp_path, repository.folder))
    assert error.code == "E-SUBMISSION-FILES"
    (repository.entry() / "pruner.py").write_text("#" * (LARGEST_CODE + 1))
    assert refusal(lambda: repository.taken(tmp_path / "out")).code == "E-TOO-LARGE"
