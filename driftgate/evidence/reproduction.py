"""Reproduce a model version: train it again from its recorded inputs, and compare the two models.

The inputs are the commit, its locked environment, the data by its md5, the recorded problem file and the as-of moment. The
training runs in its own temporary folder and workspace. Of the user's files, only DVC's cache is changed: it keeps data that
was fetched from a remote.
"""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftgate import git
from driftgate.config import Problem
from driftgate.data.pointer import Pointer
from driftgate.data.store import Store
from driftgate.errors import DriftgateError
from driftgate.evidence import registry
from driftgate.evidence.provenance import lock_hash, provenance
from driftgate.evidence.retraining import Place, TrainedAgain, set_up_environment, train_again
from driftgate.files import md5_of
from driftgate.production.proof import largest_gap
from driftgate.production.release import Lineage, Release
from driftgate.results.training import ReproductionResult
from driftgate.training.families.catalog import extras_of
from driftgate.verdict import Check, Verdict
from driftgate.workspace import PROJECT, Workspace

log = logging.getLogger("driftgate.step")

MORE_TIME = 10  # factor of the time limit: a slower machine must not end a search that its trials ended
SHOWN = 12


@dataclass(frozen=True)
class Recorded:
    """What is recorded of a version: its release, its problem file, and whether the time limit interrupted its search."""

    release: Release
    problem: dict[str, Any]
    cut: str

    @property
    def lineage(self) -> Lineage:
        return self.release.card.lineage


def reproduce(problem: Problem, model: str, *, remote: str | None, workspace: Workspace) -> ReproductionResult:
    """Train a version again, and compare the models.

    Args:
        problem: The problem of the model.
        model: Alias or version.
        remote: Name or address of a DVC remote; None: as configured.
        workspace: The workspace that has the version.

    Returns:
        The checks. The verdict is `block` if the models differ; checks that only warn name other differences.

    Raises:
        DriftgateError: If there is no such version, its commit, data or environment is not available, or training fails.
    """
    started = time.monotonic()
    version = registry.resolve_version(problem.name, model, workspace=workspace)
    recorded = read_recorded(problem.name, version, workspace=workspace)
    commit = recorded.lineage.commit
    _require_commit(commit, version)
    if recorded.lineage.dirty:
        log.warning("the version was trained with uncommitted changes: the model may differ")
    with _temporary() as folder:
        checks = _train_and_compare(recorded, problem, Place(folder), remote=remote, workspace=workspace)
    verdict = Verdict(problem=problem.name, checks=tuple(checks))
    return ReproductionResult(
        problem=problem.name,
        version=version,
        same=verdict.outcome != "block",
        verdict=verdict.outcome,
        checks=verdict.checks,
        commit=commit,
        data_md5=recorded.lineage.data_md5,
        as_of=recorded.lineage.as_of,
        seconds=round(time.monotonic() - started, 1),
    )


def _train_and_compare(
    recorded: Recorded, problem: Problem, place: Place, *, remote: str | None, workspace: Workspace
) -> list[Check]:
    was = recorded.lineage
    log.info("checkout     %s", str(was.commit)[:SHOWN])
    if trouble := git.clone(PROJECT, str(was.commit), place.project):
        raise DriftgateError(f"The commit {was.commit} can't be checked out: {trouble}.", "Check it with `git fsck`.")
    log.info("environment  as locked in that commit")
    families = [candidate["family"] for candidate in recorded.problem["tuning"]["candidates"]]
    python = set_up_environment(place, python=was.python, extras=extras_of(families))
    log.info("data         %s", was.data_md5)
    data = obtain_data(recorded, problem, place, remote=remote, workspace=workspace)
    log.info("train        %s %s", problem.name, recorded.release.card.version)
    trained = train_again(place, problem=as_recorded(recorded, data), as_of=was.as_of, threads=was.threads)
    return [*compare(recorded.release, trained), *surroundings(recorded, place, python=python)]


def read_recorded(name: str, version: str, *, workspace: Workspace) -> Recorded:
    """Read what MLflow and the release recorded of a version.

    Raises:
        DriftgateError: If either is missing.
    """
    from mlflow.exceptions import MlflowException

    release = registry.release_of(name, version, workspace=workspace)
    try:
        problem, tags = registry.recorded_problem(release.card.lineage.mlflow_run, workspace=workspace)
    except (MlflowException, OSError, ValueError) as error:
        raise DriftgateError(
            f"The MLflow run of {name} {version} no longer has its problem file (problem.json).",
            "Restore MLflow's artifacts from a backup; the version can't be trained again without them.",
        ) from error
    return Recorded(release=release, problem=problem, cut=tags.get("tuning_cut", "no"))


def as_recorded(recorded: Recorded, data: Path) -> dict[str, Any]:
    """The problem file of the training, with this machine's data path and without limits that depend on its speed."""
    problem = recorded.problem
    limit = problem["tuning"]["time_limit_seconds"]
    return {
        **problem,
        "data": {**problem["data"], "path": str(data), "stage": None},
        "tuning": {**problem["tuning"], "time_limit_seconds": limit * (MORE_TIME if recorded.cut == "no" else 1)},
        # The latency is not a property of the model.
        "gate": {**problem["gate"], "latency_ms": 1e6},
    }


def obtain_data(
    recorded: Recorded, problem: Problem, place: Place, *, remote: str | None, workspace: Workspace
) -> Path:
    """Get the data that the version was trained on: from its path, the cache or the remote, or by its stage.

    Raises:
        DriftgateError: If it can't be found.
    """
    md5, path = recorded.lineage.data_md5, PROJECT / recorded.lineage.data_path
    target = place.folder / f"data{path.suffix}"
    for known in (path, problem.data_path):
        if known.is_file() and md5_of(known) == md5:
            target.write_bytes(known.read_bytes())
            return target
    store = Store(Pointer.of(problem).root or PROJECT, workspace=workspace, remote=remote)
    trouble = store.bring(md5) or "DVC's cache has only damaged bytes of it"
    if store.copy(md5, target):
        return target
    if stage := recorded.problem["data"].get("stage"):
        log.info("             building it with stage %s", stage)
        Store(place.project, workspace=Workspace(place.home)).reproduce(stage, python=str(place.python))
        made = place.project / recorded.lineage.data_path
        if made.is_file() and md5_of(made) == md5:
            return made
        trouble += f", and stage {stage!r} builds another version"
    raise DriftgateError(
        f"The data version {md5}, which the model was trained on, can't be found: {trouble}.",
        "Restore the file, or push it with `run.py data push` from a machine that has it.",
    )


def compare(release: Release, trained: TrainedAgain) -> list[Check]:
    """Compare the new model with the recorded one: the bits of the golden predictions, and the bytes of the model.

    Args:
        release: The release of the version.
        trained: The result of the new training.
    """
    if trained.release is None:
        failed = [check.name for check in trained.checks if not check.passed and check.severity == "block"]
        why = f"the gate passed it at training, and now these checks block: {', '.join(failed)}"
        return [Check(name="gate", severity="block", observed="block", limit="pass", passed=False, why=why)]
    folder = Path(trained.release)
    golden, model = json.loads((folder / "golden.json").read_text()), (folder / "model.onnx").read_bytes()
    sums = [hashlib.sha256(content).hexdigest()[:SHOWN] for content in (release.model, model)]
    count = len(release.golden.rows)
    if golden["rows"] != release.golden.rows:
        differ, why = count, "the golden rows themselves differ"
    else:
        pairs = zip(release.golden.probability, golden["probability"], strict=True)
        gaps = {row: largest_gap(was, now) for row, (was, now) in enumerate(pairs) if was != now}
        differ, why = len(gaps), f"of {count} golden predictions differ in any bit"
        if gaps:
            worst = max(gaps, key=lambda row: gaps[row])
            shown = ", ".join(str(row) for row in list(gaps)[:10]) + (" …" if len(gaps) > 10 else "")
            why = f"of {count} golden predictions differ: rows {shown}; by up to {gaps[worst]:.1e}, in row {worst}"
    return [
        Check(name="predictions", severity="block", observed=differ, limit=0, passed=not differ, why=why),
        Check(
            name="model", severity="block", observed=sums[1], limit=sums[0], passed=sums[0] == sums[1],
            why=f"sha256 of model.onnx, {len(release.model):,} bytes then, {len(model):,} now",
        ),
    ]  # fmt: skip


def surroundings(recorded: Recorded, place: Place, *, python: str) -> list[Check]:
    """Checks of what may explain a different model. They never block, because the models themselves are compared."""
    was = recorded.lineage

    def check(name: str, then: str | None, now: str | None, why: str) -> Check:
        text = why if then else f"{why}; not recorded at that training"
        return Check(name=name, severity="warn", observed=now, limit=then, passed=then in (None, now), why=text)

    lock = lock_hash(place.project)
    return [
        check("commit", "clean", "dirty" if was.dirty else "clean", "whether it was trained with uncommitted changes"),
        check("data", was.data_md5[:SHOWN], was.data_md5[:SHOWN], "md5 of the data, verified"),
        check("lock", _short(was.lock_sha256), _short(lock), "sha256 of uv.lock"),
        check("python", was.python, python, "Python's version"),
        check("platform", was.platform, provenance().platform, "system and processor"),
        check(
            "search",
            "no",
            recorded.cut,
            "families whose search the time limit interrupted: such a search can't be repeated exactly",
        ),
    ]


def _short(text: str | None) -> str | None:
    return text[:SHOWN] if text else None


def _require_commit(commit: str | None, version: str) -> None:
    if commit is None:
        raise DriftgateError(
            f"Version {version} was trained outside of a git repository, so its code is unknown.",
            "Train it again from a commit.",
        )
    if git.commit_of(PROJECT, commit) is None:
        raise DriftgateError(
            f"The commit {commit}, which version {version} was trained from, is not in this repository.",
            "Run `git fetch`. If its branch was deleted or rewritten, fetch the commit from a clone that still has it.",
        )


@contextmanager
def _temporary() -> Iterator[Path]:
    """A temporary folder that is removed even if the command is stopped by SIGTERM."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if main else None
    try:
        with tempfile.TemporaryDirectory(prefix="driftgate-reproduce-", ignore_cleanup_errors=True) as folder:
            yield Path(folder).resolve()
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
