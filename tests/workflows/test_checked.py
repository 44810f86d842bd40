"""The workflows as texts: GitHub's schema, known weaknesses, shell scripts, pins, permissions, and what the docs promise."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driftgate.workspace import PROJECT
from tests.workflows.player import read_workflow

GITHUB = PROJECT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
NAMES = [path.stem for path in WORKFLOWS]
BIN = Path(sys.prefix) / "bin"
SCHEMA = (str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows")
ZIZMOR = (str(BIN / "zizmor"), "--offline", "--no-progress", "--quiet")
SHELLCHECK = (str(BIN / "shellcheck"), "--shell", "bash")


def passes(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from read_workflow(path)["jobs"].items()


def scripts(path: Path) -> Iterator[str]:
    for _, job in jobs(path):
        yield from (step["run"] for step in job.get("steps", []) if "run" in step)


def test_there_are_those_that_the_docs_name() -> None:
    text = (PROJECT / "docs" / "reference" / "workflows.md").read_text()
    assert [name for name in NAMES if f"| `{name}` |" not in text] == []
    assert set(NAMES) == {"ci", "data", "train", "deploy", "drift"}


def test_schema_and_known_weaknesses(tmp_path: Path) -> None:
    assert passes(*SCHEMA, *map(str, WORKFLOWS))
    assert passes(*ZIZMOR, str(GITHUB))
    text = (GITHUB / "workflows" / "data.yml").read_text()
    for check, old, new in (
        (SCHEMA, "runs-on:", "run-on:"),
        (ZIZMOR, "@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5"),
        (ZIZMOR, 'contract --config "$CONFIG"', 'contract --config "${{ github.event.pull_request.title }}"'),
    ):
        worse = tmp_path / "worse.yml"
        worse.write_text(text.replace(old, new))
        assert old in text
        assert not passes(*check, str(worse))


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_scripts_are_sound(path: Path, tmp_path: Path) -> None:
    """No expression within a script: what it holds could be read as commands. Values come by the environment."""
    assert read_workflow(path)["defaults"]["run"]["shell"] == "bash"
    for at, script in enumerate(scripts(path)):
        assert "${{" not in script
        file = tmp_path / f"{at}.sh"
        file.write_text(script)
        done = subprocess.run([*SHELLCHECK, str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_ci_run_is_sound() -> None:
    assert passes(*SHELLCHECK, str(PROJECT / ".ci" / "run"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_actions_are_pinned_and_rights_are_few(path: Path) -> None:
    for line in path.read_text().splitlines():
        if found := re.search(r"uses: (?!\./)(.*)", line):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", found[1]), line
    workflow = read_workflow(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert "uses" in job or job["timeout-minutes"] <= 90, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_a_caller_grants_what_the_called_asks_for(path: Path) -> None:
    """GitHub refuses such a run at its start."""
    levels = ["none", "read", "write"]
    for name, job in jobs(path):
        for inner, called in jobs(PROJECT / job["uses"]) if "uses" in job else ():
            for scope, level in called["permissions"].items():
                assert levels.index(job["permissions"].get(scope, "none")) >= levels.index(level), (name, inner, scope)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_what_starts_it_is_there(path: Path) -> None:
    """A path that nothing matches would never start anything; data files of an adopter's own may not be here."""
    for trigger in read_workflow(path)["on"].values():
        for pattern in trigger.get("paths", []):
            assert pattern == "**.dvc" or any(PROJECT.glob(pattern)), pattern


def test_every_variable_and_secret_is_documented() -> None:
    text = (PROJECT / "docs" / "how-to" / "set-up-ci.md").read_text()
    used = {name for path in WORKFLOWS for name in re.findall(r"\b(?:vars|secrets)\.(\w+)", path.read_text())}
    assert used
    assert sorted(name for name in used if f"`{name}`" not in text) == []


def approval(*told: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "approvals.json").write_text(json.dumps(told))
    command = [sys.executable, str(GITHUB / "approval.py"), str(folder / "approvals.json")]
    return subprocess.run(command, capture_output=True, text=True)


def told(state: str = "approved", comment: str | None = "read it", environment: str = "production") -> dict[str, Any]:
    return {"state": state, "comment": comment, "environments": [{"name": environment}], "user": {"login": "bea"}}


def test_who_approved_and_why_become_two_lines(tmp_path: Path) -> None:
    """A comment is anybody's text: it can't write a line of its own into GITHUB_OUTPUT."""
    done = approval(told(comment="fine\nwho=mallory"), told("rejected"), folder=tmp_path)
    assert done.stdout == "who=bea\nreason=fine who=mallory\n"
    assert "without a comment" in approval(told(comment=None), folder=tmp_path).stdout


@pytest.mark.parametrize("by", [(), (told("rejected"),), (told(environment="staging"),), (told("rejected"), told())])
def test_without_an_approval_nothing_moves(by: tuple[dict[str, Any], ...], tmp_path: Path) -> None:
    done = approval(*by, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "required reviewers" in done.stderr


def test_the_tools_are_those_of_the_lock() -> None:
    """They come with `uv sync`, from the package registry alone."""
    assert all(shutil.which(name, path=str(BIN)) for name in ("check-jsonschema", "zizmor", "shellcheck"))
