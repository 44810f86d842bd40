"""The step that fails a run if its verdict blocks. It imports no training library, because every pipeline uses it."""

from typing import Annotated

from zenml import step

from driftgate.errors import GateBlocked
from driftgate.verdict import Verdict


@step(experiment_tracker=True)
def enforce(verdict: Verdict) -> Annotated[str, "outcome"]:
    """Fail the run if the verdict blocks, so that no later step runs.

    Raises:
        GateBlocked: If the verdict blocks.
    """
    if verdict.outcome == "block":
        failed = [check for check in verdict.failed if check.severity == "block"]
        raise GateBlocked("; ".join(f"{check.name}: {check.why}" for check in failed))
    return verdict.outcome
