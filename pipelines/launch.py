"""Starting a pipeline as a person or CI does, and telling what came of it in one document."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from pathlib import Path
from typing import Any

from bentos.server import post, serving
from driftgate.config import Problem
from driftgate.errors import DriftgateError, GateBlocked
from driftgate.gate import Verdict
from driftgate.release import read_release
from driftgate.splitting import split
from driftgate.table import read_rows, rows_of
from driftgate.workspace import Workspace
from pipelines import runs

log = logging.getLogger("driftgate.run")

PROOF_ROWS = 1_000
SINGLE_ROWS = 20


def train(problem: Problem, *, as_of: dt.date | None, workspace: Workspace) -> dict[str, Any]:
    """Run the training pipeline.

    Args:
        problem: What to train.
        as_of: Looks back from this date; None: from the problem's own, or from now.

    Returns:
        The document of the run; `verdict` says what the gate decided. It is also kept in the workspace's `runs`.

    Raises:
        DriftgateError: If the run failed for another reason than the gate.
    """
    started = time.monotonic()
    moment = (as_of or problem.data.as_of) if problem.data.timestamp else None
    if as_of and not problem.data.timestamp:
        raise DriftgateError(f"{problem.name} has no timestamp to look back from.", "Leave --as-of out.")
    log.info("starting ZenML and its stack")
    runs.set_up(workspace)
    from pipelines.training import training

    name = f"training-{problem.name}-{dt.datetime.now():%Y%m%d-%H%M%S-%f}"
    with runs.alive(name, workspace=workspace):
        try:
            training.with_options(run_name=name)(problem=problem, as_of=moment.isoformat() if moment else None)
        except GateBlocked as blocked:
            log.info("blocked: %s", blocked)
    document = runs.document(name, problem, workspace=workspace)
    document["seconds"] = round(time.monotonic() - started, 1)
    keep(document, name, workspace=workspace)
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
    expected = [float(value) for value in release.scorer().probability_of_rows(rows)]
    log.info("serving %s with bentoml serve", Path(document["bento"]).name)
    with serving(Path(document["bento"]), workspace=workspace) as address:
        answers = post(f"{address}/predict/batch", {"instances": rows})["predictions"]
        answers += [post(f"{address}/predict", row) for row in rows[:SINGLE_ROWS]]
    return compare_answers(expected + expected[:SINGLE_ROWS], [answer["probability"] for answer in answers])


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


def keep(document: dict[str, Any], name: str, *, workspace: Workspace) -> None:
    """Write a run's document whole, or not at all."""
    path = workspace.runs / f"{name}.json"
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(document, indent=2))
    draft.replace(path)


def verdict_of(document: dict[str, Any]) -> Verdict:
    """The verdict within a document."""
    return Verdict(problem=document["problem"], checks=tuple(document["checks"]))
