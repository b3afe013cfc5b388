"""The workflows give strangers no rights: no secrets, no tokens that write beside their code."""

import re
import subprocess

import pytest
import yaml

from ci.shipped import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
EVENTS = {name: flow[True] for name, flow in WORKFLOWS.items()}  # YAML 1.1 reads `on` as true
STEPS = [
    (name, step)
    for name, flow in WORKFLOWS.items()
    for job in flow["jobs"].values()
    for step in job["steps"]
]


def test_the_workflows_are_those_that_are_known():
    assert set(WORKFLOWS) == {"test", "evaluate", "comment"}


def test_what_starts_them():
    assert set(EVENTS["evaluate"]) == {"pull_request"}
    assert set(EVENTS["test"]) == {"push", "pull_request"}
    assert EVENTS["comment"] == {
        "workflow_run": {"workflows": ["evaluate"], "types": ["completed"]}
    }


def test_rights_are_given_job_by_job_and_only_the_comment_writes():
    for name, flow in WORKFLOWS.items():
        assert flow["permissions"] == {}, name
        for job in flow["jobs"].values():
            writing = {right for right, may in job["permissions"].items() if may != "read"}
            assert writing == ({"pull-requests"} if name == "comment" else set())
            assert 0 < job["timeout-minutes"] <= 90
            assert job["runs-on"].startswith("ubuntu-")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_secret_and_no_request_with_rights(path):
    text = path.read_text()
    assert "pull_request_target" not in text
    assert "secrets." not in text
    assert "self-hosted" not in text


@pytest.mark.parametrize(("name", "step"), [s for s in STEPS if "uses" in s[1]])
def test_actions_are_pinned_with_their_version_beside(name, step):
    assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    assert re.search(rf"{step['uses']} # v\d+\.\d+\.\d+$", text, flags=re.MULTILINE)
    if step["uses"].startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("step", [step for _, step in STEPS if "run" in step])
def test_no_expression_is_pasted_into_a_shell(step):
    assert "${{" not in step["run"]


def test_the_harness_is_that_of_the_base():
    checkout = next(s for n, s in STEPS if n == "evaluate" and "checkout" in s.get("uses", ""))
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    runs = [s["run"] for n, s in STEPS if n == "evaluate" and "run" in s]
    assert [run for run in runs if "ci.evaluate" in run] == [
        "python -m ci.evaluate incoming/* --fetch --out evaluation"
    ]
    assert not any("--allow-weak" in run or "checkout" in run for run in runs)
    comment = [s for n, s in STEPS if n == "comment" and "checkout" in s.get("uses", "")]
    assert all("ref" not in s["with"] for s in comment)


def test_ci_installs_the_sandbox_before_it_tests():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.index("ci/install-sandbox") < script.index("make test")
    for name in (".ci/run", "ci/install-sandbox"):
        assert subprocess.run(["bash", "-n", ROOT / name], check=False).returncode == 0
