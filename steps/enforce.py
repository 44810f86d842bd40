"""The step that ends a run where its verdict blocks. It imports no training library, since every pipeline has it."""

from typing import Annotated

from zenml import step

from driftgate.errors import GateBlocked
from driftgate.verdict import Verdict


@step(experiment_tracker=True)
def enforce(verdict: Verdict) -> Annotated[str, "outcome"]:
    """End the run red where the verdict blocks; nothing behind this step happens then.

    Raises:
        GateBlocked: If the verdict blocks.
    """
    if verdict.outcome == "block":
        failed = [check for check in verdict.failed if check.severity == "block"]
        raise GateBlocked("; ".join(f"{check.name}: {check.why}" for check in failed))
    return verdict.outcome
