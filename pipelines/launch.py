"""Starting a pipeline as a person or CI does, and telling what came of it in one document."""

from __future__ import annotations

import datetime as dt
import logging
import time
from pathlib import Path
from typing import Any

from bentos.server import serving
from driftgate.config import Problem
from driftgate.data.contract_check import find_violations
from driftgate.data.present import ensure_data
from driftgate.data.table import read_rows, rows_of
from driftgate.drift import arrivals
from driftgate.drift.profile import profile_of
from driftgate.errors import DriftgateError, GateBlocked
from driftgate.evidence import registry
from driftgate.gate import contract_verdict
from driftgate.production.predictions import demand_log
from driftgate.production.release import read_release
from driftgate.training.splitting import split
from driftgate.workspace import Workspace
from pipelines import documents, runs

log = logging.getLogger("driftgate.run")

PROOF_ROWS = 1_000
SINGLE_ROWS = 20


def train(problem: Problem, *, as_of: dt.date | None, workspace: Workspace) -> dict[str, Any]:
    """Run the training pipeline.

    Args:
        problem: What to train.
        as_of: Looks back from this date; None: from the problem's own, or from now.
        workspace: Where everything goes.

    Returns:
        The document of the run; `verdict` says what the gate decided. It is also kept in the workspace's `runs`.

    Raises:
        DriftgateError: If the run failed for another reason than the gate.
    """
    started = time.monotonic()
    moment = (as_of or problem.data.as_of) if problem.data.timestamp else None
    if as_of and not problem.data.timestamp:
        raise DriftgateError(f"{problem.name} has no timestamp to look back from.", "Leave --as-of out.")
    set_up(workspace)
    from pipelines.training import training

    name = run_name(runs.TRAINING, problem)
    run(training, name, workspace=workspace, problem=problem, as_of=moment.isoformat() if moment else None)
    found, ids = runs.outcome(name)
    document = documents.training_document(problem, name, found, ids, workspace=workspace)
    return kept(document, name, started, workspace=workspace)


def check_contract(problem: Problem, *, workspace: Workspace) -> dict[str, Any]:
    """Hold every row of the problem's data against the contract; no pipeline runs, and nothing is recorded.

    Returns:
        The document of the check.
    """
    started = time.monotonic()
    frame, version = read_rows(problem, md5=ensure_data(problem, workspace=workspace), as_of=None)
    violations = find_violations(frame, problem, version=version)
    verdict = contract_verdict(violations, problem, rows=len(frame))
    document = documents.contract_document(problem, verdict, version)
    return {**document, "seconds": round(time.monotonic() - started, 1)}


def check_drift(
    problem: Problem,
    *,
    model: str | None,
    current: Path | None,
    log_folder: Path | None,
    since: dt.date | None,
    until: dt.date | None,
    workspace: Workspace,
) -> dict[str, Any]:
    """Run the drift-check pipeline.

    Args:
        problem: Whose model and data.
        model: Alias or version; None: the champion, else the candidate.
        current: A file of rows; None: a window, or all the problem's data where it has no timestamp.
        log_folder: The prediction log that the window is of; None: of the problem's data.
        since: First day of the window; None: a window's length before `until`.
        until: The day after its last one; None: the problem's as-of, or today.
        workspace: Where everything is.

    Returns:
        The document of the check; also kept in the workspace's `runs`.

    Raises:
        DriftgateError: If there is no model, nothing to check, or the run failed for another reason than the gate.
    """
    started = time.monotonic()
    version = registry.resolve_version(problem.name, model, workspace=workspace)
    release = registry.release_of(problem.name, version, workspace=workspace)
    problem = arrivals.as_released(problem, release)
    if problem.data.timestamp is None and not (current or log_folder or since or until):
        ensure_data(problem, workspace=workspace)
        current = problem.data_path  # no date to choose a window by: the data set as it is now
    # What is wrong with the words is told at once, not when ZenML has started.
    if current:
        arrivals.find_columns(current, problem)
    elif log_folder:
        arrivals.log_window(problem, since=since, until=until)
        demand_log(log_folder)
    else:
        profile = profile_of(release)
        arrivals.find_window(problem, model=version, profile=profile, since=since, until=until)
    set_up(workspace)
    from pipelines.drift import drift

    name = run_name(runs.DRIFT, problem)
    run(
        drift, name, workspace=workspace, problem=problem, model=version,
        current=str(current.absolute()) if current else None,
        log=str(log_folder.absolute()) if log_folder else None,
        since=since.isoformat() if since else None, until=until.isoformat() if until else None,
    )  # fmt: skip
    found, ids = runs.outcome(name)
    document = documents.drift_document(problem, name, found, ids, workspace=workspace)
    return kept(document, name, started, workspace=workspace)


def set_up(workspace: Workspace) -> None:
    """Start ZenML on its stack."""
    log.info("starting ZenML and its stack")
    runs.set_up(workspace)


def run_name(pipeline: str, problem: Problem) -> str:
    """A name of its own for a run of a pipeline."""
    return f"{pipeline}-{problem.name}-{dt.datetime.now():%Y%m%d-%H%M%S-%f}"


def run(pipeline: Any, name: str, *, workspace: Workspace, **parameters: Any) -> None:
    """Run a pipeline; that the gate blocks is an outcome, no error."""
    with runs.alive(name, workspace=workspace):
        try:
            pipeline.with_options(run_name=name)(**parameters)
        except GateBlocked as blocked:
            log.info("blocked: %s", blocked)


def kept(document: dict[str, Any], name: str, started: float, *, workspace: Workspace) -> dict[str, Any]:
    """Put a run's document into the workspace."""
    document["seconds"] = round(time.monotonic() - started, 1)
    documents.keep(document, name, workspace=workspace)
    return document


def prove_service(document: dict[str, Any], problem: Problem, *, workspace: Workspace) -> dict[str, int]:
    """Serve the run's bento with the real `bentoml serve`, send it holdout rows, and compare with offline predictions.

    Returns:
        `rows`: sent; `equal`: how many answers were equal to the last bit, which is all of them.

    Raises:
        DriftgateError: If an answer differs.
    """
    release = read_release(Path(document["release"]))
    as_of = document["data"]["as_of"]
    frame, version = read_rows(
        problem, md5=document["data"]["md5"], as_of=dt.datetime.fromisoformat(as_of).date() if as_of else None
    )
    _, holdout = split(frame, problem, as_of=version.as_of)
    rows = rows_of(holdout.head(PROOF_ROWS), problem.contract)
    scorer, singles = release.scorer(), rows[:SINGLE_ROWS]
    expected = [float(value) for value in scorer.probability_of_rows(rows)]
    # A row by itself may differ in its last bit from the same row among others: each is compared with its like.
    expected += [float(scorer.probability_of_rows([row])[0]) for row in singles]
    log.info("serving %s with bentoml serve", Path(document["bento"]).name)
    with serving(Path(document["bento"]), workspace=workspace) as served:
        answers = served.post("/predict/batch", {"instances": rows})["predictions"]
        answers += [served.post("/predict", row) for row in singles]
    return compare_answers(expected, [answer["probability"] for answer in answers])


def compare_answers(expected: list[float], served: list[float]) -> dict[str, int]:
    """Count the served probabilities that equal the offline ones to the last bit.

    Raises:
        DriftgateError: If one differs; tells how many, and the largest gap.
    """
    gaps = [abs(was - now) for was, now in zip(expected, served, strict=True)]
    equal = sum(gap == 0 for gap in gaps)
    if equal < len(gaps):
        raise DriftgateError(
            f"{len(gaps) - equal:,} of {len(gaps):,} served answers differ from the offline predictions, by up to "
            f"{max(gaps):.1e}.",
            "Compare the versions of onnxruntime and numpy in the bento with those of this environment.",
        )
    return {"rows": len(gaps), "equal": equal}
