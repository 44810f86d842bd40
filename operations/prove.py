"""Proving what production serves, at any time; it moves nothing."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path

from bentos.build import ensure_bento
from bentos.proof import differing, golden_answers
from bentos.server import serving
from driftgate.config import Problem
from driftgate.data.table import read_rows, rows_of
from driftgate.errors import DriftgateError
from driftgate.gate import production_checks
from driftgate.production.channel import release_in, write_channel
from driftgate.production.move import Production
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
    """Prove what production serves: start its bento as a follower of production, and ask it the golden rows.

    Args:
        problem: Whose production.
        service: Address of the running service; it must say that it serves the version. It is asked no rows: its
            log is of what callers asked.
        workspace: Where everything is.

    Raises:
        DriftgateError: If nothing is in production, its release is altered, or its bento can't be served.
    """
    started, production = time.monotonic(), Production(problem.name, workspace=workspace)
    if service:
        require_service(service, problem.name)
    channel = production.serving()
    if channel is None:
        raise DriftgateError(f"Nothing of {problem.name} is in production.", "`run.py deploy --to production` first.")
    release = release_in(channel, production.channel)
    bento = ensure_bento(release, workspace=workspace)
    log.info("serving %s %s as production is", problem.name, channel.version)
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        # Without a challenger, which would answer for its share; it is judged by its experiment.
        path = Path(folder) / "production.json"
        alone = {"challenger": None, "record_head": None, "release": str(release.folder)}
        write_channel(path, channel.model_copy(update=alone))
        with serving(bento, workspace=workspace, environment={"DRIFTGATE_CHANNEL": str(path)}) as served:
            answers = golden_answers(served, release)
    differ = differing(answers, release)
    said = wait_for_version(service, channel.version) if service else None
    verdict = Verdict(
        problem=problem.name, checks=tuple(production_checks(rows=len(answers), differ=differ, said=said))
    )
    return ProofResult(
        problem=problem.name, verdict=verdict.outcome, checks=verdict.checks, finished_at=now(),
        version=channel.version, service=said, seconds=round(time.monotonic() - started, 1),
    )  # fmt: skip


def prove_service(trained: TrainingResult, problem: Problem, *, workspace: Workspace) -> ServedAnswers:
    """Serve the run's bento with the real `bentoml serve`, send it holdout rows, and compare with offline predictions.

    Args:
        trained: With a release and a bento.
        problem: Whose model.
        workspace: Where everything is.

    Returns:
        How many rows were sent, and how many answers were equal to the last bit, which is all of them.

    Raises:
        DriftgateError: If an answer differs.
    """
    if trained.release is None or trained.bento is None:
        raise DriftgateError("The run made no release that could be served.", "Its verdict says why.")
    release, bento = read_release(Path(trained.release)), Path(trained.bento)
    as_of = trained.data.as_of
    frame, version = read_rows(problem, md5=trained.data.md5, as_of=as_of.date() if as_of else None)
    _, holdout = split(frame, problem, as_of=version.as_of)
    rows = rows_of(holdout.head(PROOF_ROWS), problem.contract)
    scorer, singles = release.scorer(), rows[:SINGLE_ROWS]
    expected = [float(value) for value in scorer.probability_of_rows(rows)]
    # A row by itself may differ in its last bit from the same row among others: each is compared with its like.
    expected += [float(scorer.probability_of_rows([row])[0]) for row in singles]
    log.info("serving %s with bentoml serve", bento.name)
    with serving(bento, workspace=workspace) as served:
        answers = served.post("/predict/batch", {"instances": rows})["predictions"]
        answers += [served.post("/predict", row) for row in singles]
    return compare_answers(expected, [answer["probability"] for answer in answers])


def compare_answers(expected: list[float], served: list[float]) -> ServedAnswers:
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
    return ServedAnswers(rows=len(gaps), equal=equal)
