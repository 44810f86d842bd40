"""Proving what production serves, at any time; it moves nothing."""

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
from driftgate.errors import DriftgateError
from driftgate.gate import Verdict, production_checks
from driftgate.production.channel import release_in, write_channel
from driftgate.production.move import Production
from driftgate.workspace import Workspace
from pipelines.documents import production_document
from pipelines.service import demand_service, look

log = logging.getLogger("driftgate.deploy")


def prove_production(problem: Problem, *, service: str | None, workspace: Workspace) -> dict[str, Any]:
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
        demand_service(service, problem.name)
    channel = production.serving()
    if channel is None:
        raise DriftgateError(f"Nothing of {problem.name} is in production.", "`run.py deploy --to production` first.")
    release = release_in(channel, production.channel)
    bento = ensure_bento(release, workspace=workspace)
    log.info("serving %s %s as production is", problem.name, channel.version)
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        # Without a challenger, which would answer for its share; it is judged by its experiment.
        path = Path(folder) / "production.json"
        write_channel(path, channel.model_copy(update={"challenger": None, "release": str(release.folder)}))
        with serving(bento, workspace=workspace, environment={"DRIFTGATE_CHANNEL": str(path)}) as served:
            answers = golden_answers(served, release)
    differ = differing(answers, release)
    said = look(service, channel.version) if service else None
    verdict = Verdict(
        problem=problem.name, checks=tuple(production_checks(rows=len(answers), differ=differ, said=said))
    )
    document = production_document(problem, verdict, version=channel.version, service=said)
    return {**document, "seconds": round(time.monotonic() - started, 1)}
