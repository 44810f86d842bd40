"""Run a workflow as GitHub does: jobs in the order of their `needs`, each step in a new bash.

What GitHub would refuse (an unknown key, a context that isn't there, an output that is never set, a permission that the
caller doesn't have) is a `PlayError`; what merely fails makes the run red, as there.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.workflows.actions import ActionFailed, Hub, Machine, perform
from tests.workflows.expressions import PlayError, Strict, as_text, condition, evaluate, render

STEP_KEYS = {"name", "id", "if", "run", "env", "uses", "with", "working-directory", "continue-on-error"}
JOB_KEYS = {
    "runs-on", "timeout-minutes", "permissions", "concurrency", "env", "steps", "needs", "if", "outputs", "strategy",
    "environment", "uses", "with", "secrets",
}  # fmt: skip
WHERE_PACKAGES_ARE = (
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_REGISTRY",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "HTTPS_PROXY",
    "NO_PROXY",
)
LEVELS = ("none", "read", "write")
STEP_SECONDS = 500
NOTHING: Mapping[str, Any] = {}


@dataclass
class Step:
    """A finished step: its outcome and its outputs."""

    name: str
    outcome: str
    said: str = ""


@dataclass
class Job:
    """A finished job."""

    result: str
    outputs: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    summary: str = ""
    comes_from: str = ""

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)


@dataclass
class Run:
    """The start of a run: the event, its inputs, variables, secrets and approvals.

    `before` maps a job's name to a function that is called before the job, to simulate events from outside. `environment` is
    set for every step. The run is cancelled at the step named `cancel_at`.
    """

    hub: Hub
    event_name: str
    event: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    only: str | None = None
    cancel_at: str | None = None
    cancelled: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """`failure` if any job failed."""
        return "failure" if any(job.result == "failure" for job in self.jobs.values()) else "success"

    def play(self, name: str) -> Run:
        """Run a workflow of the repository from its trigger."""
        path = self.hub.origin / ".github" / "workflows" / name
        workflow = read_workflow(path)
        trigger = workflow["on"].get(self.event_name, KeyError)
        if trigger is KeyError:
            raise PlayError(f"{name} does not start on {self.event_name}")
        inputs = _inputs(workflow["on"], self.event_name, self.inputs)
        _Play(self, workflow, inputs, self.secrets, prefix="").jobs()
        return self

    def status(self, *, failed: bool, fine: bool) -> dict[str, Callable[[], bool]]:
        """The status functions of an `if:`."""
        stands = self.cancelled
        return {
            "success": lambda: fine and not stands, "failure": lambda: failed and not stands, "always": lambda: True,
            "cancelled": lambda: stands,
        }  # fmt: skip

    def github(self) -> dict[str, Any]:
        return {
            "event_name": self.event_name, "event": self.event, "repository": "acme/driftgate", "ref": "refs/heads/main",
            "ref_name": "main", "run_id": "4711", "actor": "ann", "token": "a-token", "workflow": "played",
        }  # fmt: skip


def read_workflow(path: Path) -> dict[str, Any]:
    """Read a workflow's YAML. YAML reads the key `on` as true. Only triggers that are mappings are kept."""
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text())
    workflow["on"] = {key: value if isinstance(value, dict) else {} for key, value in workflow.pop(True).items()}
    return workflow


def _inputs(on: Mapping[str, Any], event: str, given: Mapping[str, Any]) -> Strict:
    """The declared inputs of a workflow. They are null unless the workflow was called or started by hand."""
    declared: dict[str, Any] = {}
    for trigger in ("workflow_dispatch", "workflow_call"):
        declared |= on.get(trigger, NOTHING).get("inputs", {})
    known = on.get(event, NOTHING).get("inputs", {})
    if unknown := set(given) - set(known):
        raise PlayError(f"there is no input {', '.join(sorted(unknown))}")
    values = {key: given.get(key, told.get("default")) if key in known else None for key, told in declared.items()}
    return Strict("inputs", values)


class _Play:
    """One workflow of a run: the started workflow, or one that a job calls."""

    def __init__(
        self, run: Run, workflow: Mapping[str, Any], inputs: Strict, secrets: Mapping[str, str], *, prefix: str,
        granted: Mapping[str, str] | None = None, ahead: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """`ahead` are the results of the jobs that the calling job needs, directly or not."""
        self.run, self.workflow, self.prefix, self.granted = run, workflow, prefix, granted
        self.shared = {"github": Strict("github", run.github()), "inputs": inputs, "vars": run.variables}
        self.secrets, self.ahead = secrets, ahead
        self.done: dict[str, Job] = {}

    def jobs(self) -> None:
        for name in self._order():
            for matrix in _matrices(self.workflow["jobs"][name]):
                label = f"{self.prefix}{name}" + "".join(f" {value}" for value in matrix.values())
                if self.run.only and self.run.only != label:
                    continue
                self._play_job(name, label, matrix)

    def _order(self) -> Iterator[str]:
        left = dict(self.workflow["jobs"])
        for name, job in left.items():
            if unknown := set(_needs(job)) - set(left):
                raise PlayError(f"{name} needs {', '.join(sorted(unknown))}, which is not there")
        while left:
            ready = [name for name, job in left.items() if not set(_needs(job)) & set(left)]
            if not ready:
                raise PlayError(f"jobs that wait for each other: {', '.join(left)}")
            for name in ready:
                yield name
                left.pop(name)

    def _play_job(self, name: str, label: str, matrix: dict[str, Any]) -> None:
        told = self.workflow["jobs"][name]
        if unknown := set(told) - JOB_KEYS:
            raise PlayError(f"{label}: unknown to the player: {', '.join(sorted(unknown))}")
        contexts = {**self.shared, "needs": self._needed(told)}
        results = self._ahead_of(name)
        status = self.run.status(failed="failure" in results, fine=all(result == "success" for result in results))
        render(json.dumps(self.workflow.get("concurrency", "")), self.shared, {})
        render(json.dumps(told.get("environment", "")), contexts, {})
        if not condition(told.get("if", True), contexts, status):
            self.done[name] = self.run.jobs[label] = Job("skipped")
            return
        contexts["matrix"] = Strict("matrix", matrix)
        for key in ("concurrency", "runs-on"):
            render(json.dumps(told.get(key, "")), contexts, {})
        permissions = told.get("permissions", self.workflow.get("permissions", {}))
        self._require_granted(label, permissions)
        self.run.before.get(label, lambda: None)()
        if "uses" in told:
            self.done[name] = self._call(told, label, contexts, permissions, ahead=tuple(results))
        else:
            contexts["secrets"] = self.secrets
            self.done[name] = _JobPlay(self.run, self.workflow, told, label, contexts, permissions).play()
        self.run.jobs[label] = self.done[name]

    def _ahead_of(self, name: str) -> list[str]:
        """The results for `success()`: of all jobs that this job needs, directly or not, also in the calling workflow."""
        if self.run.only:
            return []
        found, left = [*self.ahead], _needs(self.workflow["jobs"][name])
        while left:
            found.append(self.done[left[0]].result)
            left = [*left[1:], *_needs(self.workflow["jobs"][left[0]])]
        return found

    def _needed(self, told: Mapping[str, Any]) -> Strict:
        found = {
            need: Strict(f"needs.{need}", {"result": job.result, "outputs": _outputs(need, job)})
            for need, job in ((need, self.done[need]) for need in _needs(told) if need in self.done)
        }
        return Strict("needs", found)

    def _require_granted(self, label: str, permissions: Mapping[str, str]) -> None:
        for scope, level in permissions.items():
            if self.granted is not None and LEVELS.index(level) > LEVELS.index(self.granted.get(scope, "none")):
                raise PlayError(f"{label} asks for {scope}: {level}, which its caller does not grant")

    def _call(
        self, told: Mapping[str, Any], label: str, contexts: Mapping[str, Any], permissions: Mapping[str, str], *,
        ahead: tuple[str, ...],
    ) -> Job:  # fmt: skip
        """Run a workflow of this repository as a job."""
        path = self.run.hub.origin / told["uses"].removeprefix("./")
        called = read_workflow(path)
        given = {key: render(str(value), contexts, {}) for key, value in told.get("with", {}).items()}
        declared = called["on"]["workflow_call"].get("secrets", {})
        passed = {
            key: render(value, {**contexts, "secrets": self.secrets}, {})
            for key, value in told.get("secrets", {}).items()
        }
        if unknown := set(passed) - set(declared):
            raise PlayError(f"{path.name} takes no secret {', '.join(sorted(unknown))}")
        secrets = Strict("secrets", {key: passed.get(key, "") for key in declared})
        inputs = _inputs(called["on"], "workflow_call", given)
        inner = _Play(self.run, called, inputs, secrets, prefix=f"{label} / ", granted=permissions, ahead=ahead)
        inner.jobs()
        return Job("failure" if any(job.result == "failure" for job in inner.done.values()) else "success")


class _JobPlay:
    """One job with steps."""

    def __init__(
        self, run: Run, workflow: Mapping[str, Any], told: Mapping[str, Any], label: str, contexts: dict[str, Any],
        permissions: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.run, self.told, self.contexts = run, told, contexts
        self.shell = workflow.get("defaults", NOTHING).get("run", NOTHING).get("shell")
        self.machine: Machine = run.hub.machine(label, permissions)
        self.files = self.machine.tools.parent
        self.job = Job("success")
        self.added: dict[str, str] = {}
        self.steps: dict[str, Any] = {}

    def play(self) -> Job:
        own = {key: self._render(value) for key, value in self.told.get("env", {}).items()}
        seconds = min(STEP_SECONDS, 60 * self.told["timeout-minutes"])
        for told in self.told["steps"]:
            if unknown := set(told) - STEP_KEYS:
                raise PlayError(f"a step: unknown to the player: {', '.join(sorted(unknown))}")
            self.contexts |= {"steps": Strict("steps", self.steps), "env": {**own, **self.added}}
            self._play_step(told, {**own, **self.added}, seconds)
        self.job.outputs = {key: self._value(text) for key, text in self.told.get("outputs", {}).items()}
        return self.job

    def _play_step(self, told: Mapping[str, Any], environment: dict[str, str], seconds: int) -> None:
        name = told.get("name") or told.get("run") or told["uses"].split("@")[0]
        failed = self.job.result == "failure"
        functions = {**self.run.status(failed=failed, fine=not failed), "hashFiles": self._hash}
        asked = {key: value for key, value in self.contexts.items() if key != "secrets"}  # an if: doesn't see them
        if not condition(told.get("if", True), asked, functions):
            step, outputs = Step(name, "skipped"), dict[str, str]()
        elif name == self.run.cancel_at:
            self.run.cancelled = True
            step, outputs = Step(name, "cancelled"), {}
        elif "uses" in told:
            given = {key: self._render(as_text(value)) for key, value in told.get("with", {}).items()}
            step, outputs = self._act(name, told["uses"], given), {}
        else:
            environment |= {key: self._render(as_text(value)) for key, value in told.get("env", {}).items()}
            step, outputs = self._bash(name, told, environment, seconds)
        self.job.steps.append(step)
        if step.outcome == "failure" and not told.get("continue-on-error"):
            self.job.result = "failure"
        if "id" in told:
            known = Strict(f"steps.{told['id']}.outputs", outputs) if step.outcome == "success" else outputs
            self.steps[told["id"]] = Strict(f"steps.{told['id']}", {"outcome": step.outcome, "outputs": known})

    def _act(self, name: str, uses: str, given: dict[str, str]) -> Step:
        try:
            perform(uses, given, self.run.hub, self.machine)
        except ActionFailed as error:
            return Step(name, "failure", str(error))
        return Step(name, "success")

    def _hash(self, pattern: str) -> str:
        """The part of hashFiles() that the workflows use: whether such files exist."""
        return "found" if any(self.machine.work.glob(pattern)) else ""

    def _bash(
        self, name: str, told: Mapping[str, Any], environment: Mapping[str, str], seconds: int
    ) -> tuple[Step, dict[str, str]]:
        """Run a script as GitHub's runner does, and read its output files."""
        script = self.files / f"step-{len(self.job.steps)}.sh"
        script.write_text(self._render(told["run"]) + "\n")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if self.shell == "bash" else ["bash", "-e"]
        files = {key: self.files / f"{script.stem}-{key}" for key in ("OUTPUT", "ENV", "STEP_SUMMARY", "PATH")}
        for file in files.values():
            file.touch()
        done = subprocess.run(
            [*command, str(script)], cwd=self.machine.work / told.get("working-directory", ""), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
            env={**self._surroundings(), **{f"GITHUB_{key}": str(file) for key, file in files.items()}, **environment},
        )  # fmt: skip
        self.job.summary += files["STEP_SUMMARY"].read_text()
        self.added |= _key_values(files["ENV"].read_text())
        self.machine.path[:0] = files["PATH"].read_text().split()
        return Step(name, "failure" if done.returncode else "success", done.stdout), _key_values(
            files["OUTPUT"].read_text()
        )

    def _surroundings(self) -> dict[str, str]:
        """The environment of the runner. From the tests' environment, it has only the place of the packages."""
        github = self.run.github()
        event = self.files / "event.json"
        event.write_text(json.dumps(self.run.event))
        home = self.files / "home"
        home.mkdir(exist_ok=True)
        packages = {key: os.environ[key] for key in WHERE_PACKAGES_ARE if key in os.environ}
        cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
        return {
            **packages, "UV_CACHE_DIR": cache,
            "PATH": os.pathsep.join([*self.machine.path, str(self.machine.tools), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(home), "LANG": "C.UTF-8", "CI": "true", "UV_PROJECT_ENVIRONMENT": sys.prefix,
            "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": github["actor"], "GITHUB_EVENT_NAME": self.run.event_name,
            "GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": github["repository"], "GITHUB_REF": github["ref"],
            "GITHUB_RUN_ID": github["run_id"], "GITHUB_WORKSPACE": str(self.machine.work),
            "PLAYED_PERMISSIONS": json.dumps(dict(self.machine.permissions)), **self.run.environment,
        }  # fmt: skip

    def _render(self, text: object) -> str:
        return render(str(text), self.contexts, {})

    def _value(self, text: str) -> Any:
        return evaluate(
            text.strip().removeprefix("${{").removesuffix("}}"),
            {**self.contexts, "steps": Strict("steps", self.steps)},
            {},
        )


def _needs(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else list(needs)


def _outputs(name: str, job: Job) -> dict[str, Any]:
    """Outputs that the job declares. Only a failed job may lack them."""
    return Strict(f"needs.{name}.outputs", job.outputs) if job.result == "success" else dict(job.outputs)


def _matrices(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The combinations of a matrix. Only the installed Python version can run."""
    axes = job.get("strategy", NOTHING).get("matrix", {})
    found = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    here = ".".join(platform.python_version_tuple()[:2])
    return [matrix for matrix in found if matrix.get("python", here) == here]


def _key_values(text: str) -> dict[str, str]:
    """The lines of GITHUB_OUTPUT or GITHUB_ENV."""
    pairs = [line.partition("=") for line in text.splitlines()]
    if bad := [line for line in pairs if not line[1] or "<<" in line[0]]:
        raise PlayError(f"no line of key=value: {bad[0][0]}")
    return {key: value for key, _, value in pairs}
