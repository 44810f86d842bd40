"""The drift pipeline: compare new rows with a model's reference and decide."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from driftgate.config import Problem
from steps.drift import check_batch, compare_batch, decide_drift, load_batch
from steps.enforce import enforce


@pipeline(name="drift", enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def drift(
    problem: Problem, model: str, current: str | None, log: str | None, since: str | None, until: str | None
) -> None:
    """Compare a file, or a window of the problem's data or of the prediction log, with a model's training data."""
    rows, seen, batch = load_batch(problem, model, current, log, since, until)
    contract_verdict = check_batch(rows, batch, problem)
    analysis, _, _ = compare_batch(rows, seen, batch, contract_verdict, problem)
    verdict, _ = decide_drift(contract_verdict, analysis, batch, problem)
    enforce(verdict, id="enforce_verdict")
