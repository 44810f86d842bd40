"""Whole workflows, played on the small problem: train, comment, deploy, prove, go back, drift, retrain. All but GitHub is real."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bentos.server import serving
from driftgate.datasets import rules
from driftgate.workspace import Workspace
from tests.conftest import run_cli
from tests.repository import commit, git
from tests.workflows.actions import Hub
from tests.workflows.conftest import Repository, hub_of
from tests.workflows.player import Run

RULES = "configs/rules.yaml"
PULL_REQUEST = {"number": 7, "head": {"repo": {"full_name": "acme/driftgate"}}}
pytestmark = pytest.mark.slow


@dataclass
class House:
    """A place that outlives the jobs, and the runs that begin there."""

    home: Path
    hub: Callable[..., Hub]

    def start(self, event: str, hub: Hub | None = None, known: Mapping[str, str] | None = None, **more: Any) -> Run:
        """A run that knows the house, and more variables of the repository."""
        variables = {"DRIFTGATE_HOME": str(self.home), "DRIFTGATE_CONFIG": RULES, **(known or {})}
        return Run(hub or self.hub(), event, variables=variables, **more)

    def record(self) -> list[dict[str, Any]]:
        """Every deployment, the oldest first."""
        text = (self.home / "channels" / "rules" / "record.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def serves(self, channel: str) -> str:
        version: str = json.loads((self.home / "channels" / "rules" / f"{channel}.json").read_text())["version"]
        return version


@pytest.fixture(scope="module")
def house(present: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(
        tmp_path_factory.mktemp("home"), lambda *edits: hub_of(present, tmp_path_factory.mktemp("run") / "hub", *edits)
    )


@pytest.fixture(scope="module")
def deployed(house: House) -> Run:
    """The first run of `train` by hand, as far as production."""
    return house.start("workflow_dispatch", inputs={"config": RULES}).play("train.yml")


def said(run: Run) -> str:
    return "\n".join(f"{name} {step.name} {step.said}" for name, job in run.jobs.items() for step in job.steps)


def shift_data(folder: Path) -> str:
    """Let the data set arrive in other units, and tell DVC, as its author would; gives the commit."""
    source = folder / "driftgate" / "datasets" / "rules.py"
    text = source.read_text()
    shifted = re.sub(r"(\n    return )(.*)", r"\1(\2).assign(f1=lambda found: found.f1 * 3 + 2)", text, count=1)
    assert shifted != text
    source.write_text(shifted)
    data = folder / "data" / "rules.parquet"
    subprocess.run([sys.executable, "-m", "driftgate.datasets", "rules", str(data)], cwd=folder, check=True)
    lock = (folder / "dvc.lock").read_text()
    before, rules = lock.split("  rules:\n")
    for file in (source, data):
        md5, size = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest(), file.stat().st_size
        name = str(file.relative_to(folder))
        rules = re.sub(rf"({name}\n +hash: md5\n +md5: )\w+(\n +size: )\d+", rf"\g<1>{md5}\g<2>{size}", rules)
    (folder / "dvc.lock").write_text(f"{before}  rules:\n{rules}")
    data.unlink()
    return commit(folder, "edited")


def test_the_gate_blocks_a_pull_request(repository: Repository) -> None:
    """Red, with the cause in the summary and in a comment; nothing of what lasts is touched, nothing is deployed."""
    hub = repository({RULES: ("accuracy: 0.97,", "accuracy: 1.0,")})
    home = hub.folder / "kept"
    variables = {"DRIFTGATE_CONFIG": RULES, "DRIFTGATE_HOME": str(home)}
    run = Run(hub, "pull_request", {"pull_request": PULL_REQUEST}, variables=variables).play("train.yml")
    assert run.result == "failure"
    train = run.jobs["train"]
    assert [step.outcome for step in train.steps if step.name == "Train and run the gate"] == ["failure"]
    assert "Self-contained" in train.summary
    assert re.search(
        r"### rules: blocked by the gate\n\n- \*\*block\*\* `performance.accuracy` 0\.9\d+, limit ≥ 1", train.summary
    )
    comment = hub.comments()[0]
    assert comment["arguments"][:3] == ["pr", "comment", "7"]
    assert "blocked by the gate" in comment["body"]
    assert run.jobs["deploy"].result == "skipped"
    assert not home.exists()
    assert (hub.artifacts / "evidence-train" / "report.html").stat().st_size > 100_000


def test_from_training_to_production(deployed: Run, house: House) -> None:
    assert deployed.result == "success", said(deployed)
    assert list(deployed.jobs) == ["train", "comment", "deploy / staging", "deploy / production", "deploy"]
    assert deployed.jobs["comment"].result == "skipped"
    assert [(entry["event"], entry["who"]) for entry in house.record()[:2]] == [
        ("staged", "ann"),
        ("production", "bea"),
    ]
    assert house.record()[1]["reason"] == "verdict read"
    summary = deployed.jobs["deploy / production"].summary
    assert "production serves version 1" in summary
    assert "production.golden" in summary
    for name in (
        "evidence-train/release",
        "evidence-train/bento",
        "evidence-staging/document.json",
        "evidence-production/2-proof",
    ):
        assert (deployed.hub.artifacts / name).exists()


def test_a_proof_in_production_that_fails_goes_back(deployed: Run, house: House) -> None:
    """The service of the second version is damaged between its approval and its proof."""
    assert deployed.result == "success"
    before = house.serves("production")

    def damage() -> None:
        bento = house.home / "bentoml" / "bentos" / "rules" / house.serves("staging")
        (bento / "src" / "bentos" / "service.py").write_text("raise SystemExit('damaged')\n")

    hub = house.hub()
    run = house.start("push", hub, before={"deploy / production": damage}).play("train.yml")
    assert run.result == "failure"
    job = run.jobs["deploy / production"]
    assert [job.step(name).outcome for name in ("Deploy to production", "Verify production", "Roll back")] == [
        "success", "failure", "success",
    ], said(run)  # fmt: skip
    assert [entry["event"] for entry in house.record()[-2:]] == ["production", "rollback"]
    assert house.serves("production") == before != house.serves("staging")
    assert "no proof in production: run 4711" in house.record()[-1]["reason"]
    assert "Driftgate: error" in job.summary
    assert f"production serves version {before}" in job.summary


def test_a_run_that_is_cancelled_before_its_proof_goes_back(deployed: Run, house: House) -> None:
    """Production had moved by then, to a version that nobody proved there."""
    assert deployed.result == "success"
    before = house.serves("production")
    train = run_cli("train", "--config", RULES, "--json", home=house.home)
    assert train.code == 0, train.err
    run = house.start("workflow_dispatch", cancel_at="Verify production").play("deploy.yml")
    job = run.jobs["production"]
    assert [job.step(name).outcome for name in ("Deploy to production", "Verify production", "Roll back", "Summary")] == [
        "success", "cancelled", "success", "success",
    ], said(run)  # fmt: skip
    assert [entry["event"] for entry in house.record()[-2:]] == ["production", "rollback"]
    assert house.serves("production") == before
    assert f"production serves version {before}" in job.summary


def test_without_an_approval_production_stays(deployed: Run, house: House) -> None:
    """GitHub lets a job of an unprotected environment run: the job itself must not."""
    assert deployed.result == "success"
    before = house.record()
    hub = house.hub()
    hub.approvals = []
    run = house.start("workflow_dispatch", hub, inputs={"version": "1"}).play("deploy.yml")
    assert run.jobs["staging"].result == "success", said(run)
    job = run.jobs["production"]
    assert "Nobody approved" in job.step("Read the approval").said
    assert job.step("Deploy to production").outcome == "skipped"
    assert [entry["event"] for entry in house.record()] == [*(entry["event"] for entry in before), "staged"]


def test_no_grave_drift_retrains_nothing(deployed: Run, house: House) -> None:
    assert deployed.result == "success"
    run = house.start("schedule").play("drift.yml")
    assert [job.result for job in run.jobs.values()] == ["success", "skipped"], said(run)


def test_a_running_service_is_waited_for_and_its_log_is_watched(deployed: Run, house: House) -> None:
    """The service follows production; then its callers send another unit."""
    assert deployed.result == "success"
    old = house.serves("production")
    bento = house.home / "bentoml" / "bentos" / "rules" / old
    channel, log = house.home / "channels" / "rules" / "production.json", house.home / "predictions"
    settings = {"DRIFTGATE_CHANNEL": str(channel), "DRIFTGATE_LOG": str(log)}
    with serving(bento, workspace=Workspace(house.home), environment=settings) as served:
        known = {"DRIFTGATE_SERVICE": served.address, "DRIFTGATE_LOG": str(log)}
        run = house.start("workflow_dispatch", known=known, inputs={"config": RULES}).play("train.yml")
        assert run.result == "success", said(run)
        assert served.get("/readyz")["release"]["version"] == house.serves("production") != old
        asked = rules.build().drop(columns=["row_id", "target"]).assign(f1=lambda rows: rows.f1 * 3 + 2)
        served.post("/predict/batch", {"instances": asked.to_dict("records")})
    check = house.start("schedule", known=known, only="check").play("drift.yml").jobs["check"]
    assert (check.result, check.outputs["verdict"]) == ("failure", "block"), check.summary
    assert "`drift.f1`" in check.summary


def test_grave_drift_retrains_through_the_same_gate(deployed: Run, house: House) -> None:
    """The last one in the house: from here on production serves what was trained on the other units."""
    assert deployed.result == "success"
    hub = house.hub()
    shift_data(hub.origin)
    run = house.start("schedule", hub).play("drift.yml")
    check = run.jobs["check"]
    assert (check.result, check.outputs["verdict"]) == ("failure", "block"), said(run)
    assert "`drift.f1`" in check.summary
    assert run.jobs["retrain / train"].result == "success", said(run)
    assert run.jobs["retrain / deploy / production"].result == "success", said(run)


def test_changed_data_is_held_against_what_was_before(repository: Repository) -> None:
    hub = repository()
    before = git(hub.origin, "rev-parse", "HEAD")
    shift_data(hub.origin)
    event = {"pull_request": {**PULL_REQUEST, "base": {"sha": before}}}
    run = Run(hub, "pull_request", event, variables={"DRIFTGATE_CONFIG": RULES}).play("data.yml")
    assert run.jobs["contract"].result == "success", said(run)
    job = run.jobs["drift"]
    assert job.step("Train on the previous commit").outcome == "success", said(run)
    assert job.result == "failure"
    assert "`drift.f1`" in job.summary


@pytest.mark.parametrize("before", ["0" * 40, "gated"])
def test_without_a_model_of_before_drift_is_not_looked_at(before: str, repository: Repository) -> None:
    """A branch's first push has no commit before it; what was there before may pass no gate."""
    hub = repository({RULES: ("accuracy: 0.97,", "accuracy: 1.0,")} if before == "gated" else {})
    if before == "gated":
        before = git(hub.origin, "rev-parse", "HEAD")
        shift_data(hub.origin)
    run = Run(hub, "push", {"before": before}, variables={"DRIFTGATE_CONFIG": RULES}).play("data.yml")
    assert run.result == "success", said(run)
    assert "Drift was not checked" in "".join(job.summary for job in run.jobs.values())


def test_ci_is_what_ci_run_does(repository: Repository) -> None:
    """Its tests are only collected here (`--collect-only`, by PYTEST_ADDOPTS): they would play themselves."""
    environment = {"PYTEST_ADDOPTS": "--collect-only"}
    variables = {"DRIFTGATE_CONFIG": RULES}
    run = Run(repository(), "push", variables=variables, environment=environment).play("ci.yml")
    assert run.result == "success", said(run)
    assert "test_life.py" in said(run)
    assert run.jobs["reproduce"].result == "success"
