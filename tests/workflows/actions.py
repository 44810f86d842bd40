"""Replacements for GitHub's actions, for `gh`, and for the runner of a job."""

from __future__ import annotations

import glob
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflows.expressions import PlayError


class ActionFailed(Exception):
    """A failed action. Its step fails too."""


UV = Path(sys.prefix) / "bin" / "uv"
# The environment that runs the tests stands in for the one that `uv sync` makes; whether it is that one is checked.
SYNC = """#!/usr/bin/env bash
if [ "$1" = sync ]; then shift; exec {uv} sync --check --inexact "$@"; fi
exec {uv} "$@"
"""
GH = """#!{python}
import json, os, sys
from pathlib import Path
arguments = sys.argv[1:]
home, may = Path({home!r}), json.loads(os.environ["PLAYED_PERMISSIONS"])
def demand(scope, level):
    if not os.environ.get("GH_TOKEN"):
        sys.exit("gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.")
    if may.get(scope) not in (level, "write"):
        sys.exit(f"gh: HTTP 403: Resource not accessible by integration ({{scope}}: {{level}})")
if arguments[:1] == ["api"] and arguments[1].endswith("/approvals"):
    demand("actions", "read")
    print((home / "approvals.json").read_text())
elif arguments[:2] == ["pr", "comment"]:
    demand("pull-requests", "write")
    body = Path(arguments[arguments.index("--body-file") + 1]).read_text()
    with (home / "gh.jsonl").open("a") as calls:
        calls.write(json.dumps({{"arguments": arguments, "body": body}}) + "\\n")
else:
    sys.exit(f"gh: no stand-in for {{arguments}}")
"""


@dataclass
class Machine:
    """A runner: its working folder, its commands, and the permissions of the job."""

    work: Path
    tools: Path
    permissions: Mapping[str, str]
    path: list[str] = field(default_factory=list)


@dataclass
class Hub:
    """What the jobs of a run share: the repository, the artifacts, and the calls of `gh`."""

    origin: Path
    folder: Path
    approvals: list[dict[str, Any]]

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def comments(self) -> list[dict[str, Any]]:
        """The calls of `gh pr comment`, each with its body."""
        calls = self.folder / "gh.jsonl"
        return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []

    def machine(self, name: str, permissions: Mapping[str, str]) -> Machine:
        """Create a runner with `gh` and `git`, without `uv`."""
        folder = self.folder / "machines" / name.replace("/", "-").replace(" ", "")
        machine = Machine(folder / "work", folder / "bin", permissions)
        machine.work.mkdir(parents=True)
        machine.tools.mkdir()
        (self.folder / "approvals.json").write_text(json.dumps(self.approvals))
        write_command(machine.tools / "gh", GH.format(python=sys.executable, home=str(self.folder)))
        return machine


def write_command(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def checkout(given: dict[str, str], hub: Hub, machine: Machine) -> None:
    """actions/checkout: fetch only the run's commit, or `ref`, or all with `fetch-depth: 0`, to the working folder or to `path`."""
    if machine.permissions.get("contents") not in ("read", "write"):
        raise PlayError("the checkout needs the permission contents: read")
    target = machine.work / given.get("path", "")
    # The work folder may hold files by now; the real one removes them, too.
    shutil.rmtree(target, ignore_errors=True)
    depth = [] if given.get("fetch-depth") == "0" else ["--depth", "1"]
    _git("clone", "--quiet", *depth, f"file://{hub.origin}", str(target), at=machine.tools)
    if given.get("ref"):
        _git("config", "uploadpack.allowAnySHA1InWant", "true", at=hub.origin)  # as GitHub does
        _git("fetch", "--quiet", *depth, "origin", given["ref"], at=target)
        _git("checkout", "--quiet", "--detach", given["ref"], at=target)


def setup_uv(_: dict[str, str], __: Hub, machine: Machine) -> None:
    """astral-sh/setup-uv: install `uv`."""
    write_command(machine.tools / "uv", SYNC.format(uv=UV))


def upload(given: dict[str, str], hub: Hub, machine: Machine) -> None:
    """actions/upload-artifact: store the files in `path` as `name`."""
    target = hub.artifacts / given["name"]
    if target.exists() and given.get("overwrite") != "true":
        raise ActionFailed(f"there is an artifact {given['name']} already")
    found = glob.glob(str(machine.work / given["path"]))
    if not found and given.get("if-no-files-found") == "error":
        raise ActionFailed(f"no files were found with {given['path']}")
    shutil.rmtree(target, ignore_errors=True)
    for path in found:
        shutil.copytree(path, target, dirs_exist_ok=True)


def download(given: dict[str, str], hub: Hub, machine: Machine) -> None:
    """actions/download-artifact."""
    if not (hub.artifacts / given["name"]).exists():
        raise ActionFailed(f"there is no artifact {given['name']}")
    shutil.copytree(hub.artifacts / given["name"], machine.work / given["path"], dirs_exist_ok=True)


ACTIONS: dict[str, tuple[Callable[[dict[str, str], Hub, Machine], None], set[str]]] = {
    "actions/checkout": (checkout, {"persist-credentials", "fetch-depth", "path", "ref"}),
    "astral-sh/setup-uv": (setup_uv, {"enable-cache", "cache-dependency-glob"}),
    "actions/upload-artifact": (upload, {"name", "path", "if-no-files-found", "overwrite"}),
    "actions/download-artifact": (download, {"name", "path"}),
}


def perform(uses: str, given: dict[str, str], hub: Hub, machine: Machine) -> None:
    """Run the replacement of an action.

    Raises:
        PlayError: If there is no replacement for the action or for one of its inputs.
        ActionFailed: If it fails.
    """
    name = uses.split("@")[0]
    if name not in ACTIONS:
        raise PlayError(f"nothing stands in for {name}")
    action, known = ACTIONS[name]
    if unknown := set(given) - known:
        raise PlayError(f"{name}: nothing stands in for {', '.join(sorted(unknown))}")
    action(given, hub, machine)


def _git(*arguments: str, at: Path) -> None:
    done = subprocess.run(["git", *arguments], cwd=at, capture_output=True, text=True)
    if done.returncode:
        raise ActionFailed(f"git {arguments[0]}: {done.stderr.strip()}")
