"""Prove what production serves, without changing it."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

from bentos.build import ensure_bento
from bentos.proof import differing, golden_answers
from bentos.server import serving
from driftgate.config import Problem
from driftgate.data.table import read_rows, rows_of
from driftgate.errors import DriftgateError
from driftgate.gate import production_checks
from driftgate.production.channel import release_in, write_channel
from driftgate.production.move import Production
from driftgate.production.proof import answered_probability, largest_gap
from driftgate.production.release import read_release
from driftgate.results.base import now
from driftgate.results.production import ProofResult
from driftgate.results.training import ServedAnswers, TrainingResult
from driftgate.training.splitting import split
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace
from operations.running_service import require_service, wait_for_version

log = logging.getLogger("driftgate.deploy")

PROOF_ROWS = 1_000
SINGLE_ROWS = 20


def prove_production(problem: Problem, *, service: str | None, workspace: Workspace) -> ProofResult:
    """Prove what production serves: start its bento with production's channel, and send it the golden rows.

    Args:
        problem: The problem of the model.
        service: Address of the running service, which must report that it serves the version. It receives no rows, so
            its log has only the callers' requests.
        workspace: The workspace.

    Raises:
        DriftgateError: If production is empty, its release was changed, or its bento can't be served.
    """
    started, production = time.monotonic(), Production(problem.name, workspace=workspace)
    if service:
        require_service(service, problem.name)
    channel = production.serving()
    if channel is None:
        raise DriftgateError(
            f"Production has no release of {problem.name}.", "Deploy one first: `run.py deploy --to production`."
        )
    release = release_in(channel, production.channel)
    bento = ensure_bento(release, workspace=workspace)
    log.info("serving %s %s, the version in production", problem.name, channel.version)
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        # Without a challenger, which would answer a share of the rows; its experiment evaluates it.
        path = Path(folder) / "production.json"
        without_challenger = {"challenger": None, "record_head": None, "release": str(release.folder)}
        write_channel(path, channel.model_copy(update=without_challenger))
        with serving(bento, workspace=workspace, environment={"DRIFTGATE_CHANNEL": str(path)}) as served:
            answers = golden_answers(served, release)
    differ = differing(answers, release)
    state = wait_for_version(service, channel.version) if service else None
    verdict = Verdict(
        problem=problem.name, checks=tuple(production_checks(rows=len(answers), differ=differ, said=state))
    )
    return ProofResult(
        problem=problem.name, verdict=verdict.outcome, checks=verdict.checks, finished_at=now(),
        version=channel.version, service=state, seconds=round(time.monotonic() - started, 1),
    )  # fmt: skip


def prove_service(trained: TrainingResult, problem: Problem, *, workspace: Workspace) -> ServedAnswers:
    """Serve the run's bento with the real `bentoml serve`, send it holdout rows, and compare with offline predictions.

    Args:
        trained: The result of a training run with a release and a bento.
        problem: The problem of the model.
        workspace: The workspace.

    Returns:
        The number of rows sent, and the number of answers equal to the last bit, which is all of them.

    Raises:
        DriftgateError: If an answer differs.
    """
    if trained.release is None or trained.bento is None:
        raise DriftgateError("The run made no release to serve.", "Read the run's verdict for the reason.")
    release, bento = read_release(Path(trained.release)), Path(trained.bento)
    as_of = trained.data.as_of
    frame, version = read_rows(problem, md5=trained.data.md5, as_of=as_of.date() if as_of else None)
    _, holdout = split(frame, problem, as_of=version.as_of)
    rows = rows_of(holdout.head(PROOF_ROWS), problem.contract)
    scorer, singles = release.scorer(), rows[:SINGLE_ROWS]
    expected = scorer.probability_of_rows(rows).tolist()
    # A prediction may differ in its last bit between a single row and a batch, so each is compared with its own kind.
    expected += [scorer.probability_of_rows([row]).tolist()[0] for row in singles]
    log.info("serving %s with bentoml serve", bento.name)
    with serving(bento, workspace=workspace) as served:
        answers = served.post("/predict/batch", {"instances": rows})["predictions"]
        answers += [served.post("/predict", row) for row in singles]
    return compare_answers(expected, [answered_probability(answer, release.card.classes) for answer in answers])


def compare_answers(expected: list[Any], served: list[Any]) -> ServedAnswers:
    """Count the served probabilities that equal the offline ones to the last bit; of a row, a number or one for each class.

    Raises:
        DriftgateError: If an answer differs. The message has the number of such answers and the largest difference.
    """
    gaps = [largest_gap(offline, online) for offline, online in zip(expected, served, strict=True)]
    equal = sum(gap == 0 for gap in gaps)
    if equal < len(gaps):
        raise DriftgateError(
            f"{len(gaps) - equal:,} of {len(gaps):,} served answers differ from the offline predictions, by up to "
            f"{max(gaps):.1e}.",
            "Compare the versions of onnxruntime and numpy in the bento with those of this environment.",
        )
    return ServedAnswers(rows=len(gaps), equal=equal)
