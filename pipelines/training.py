"""From raw data to a packaged model, or to a verdict that says why not."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from driftgate.config import Problem
from steps.data import check_contract, load_data, split_rows
from steps.drift import check_newest, profile_reference
from steps.enforce import enforce
from steps.gate import decide, evaluate_model, look_for_leaks
from steps.model import calibrate, export_model, tune
from steps.ship import package, register


# FAIL_FAST raises what a step raised, as it was: the gate's block is told from other failures by its type.
@pipeline(name="training", enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def training(problem: Problem, as_of: str | None) -> None:
    """Train on what was known at `as_of`, judge, and ship what passes the gate."""
    rows, version = load_data(problem, as_of)
    contract_verdict = check_contract(rows, version, problem)
    kept = enforce(contract_verdict, id="enforce_contract")

    development, holdout = split_rows(rows, version, problem, after=[kept])
    leaks = look_for_leaks(development, problem)
    tuned = tune(development, problem)
    model, trained, out_of_fold = calibrate(development, tuned, problem)
    evaluation, plots, importance = evaluate_model(model, trained, holdout, version, problem)
    onnx, parity, latency, model_uri = export_model(model, trained, holdout, problem)

    profile = profile_reference(development, out_of_fold, importance, trained, problem)
    analysis, _, _ = check_newest(holdout, profile, onnx, trained, problem)

    verdict, _ = decide(contract_verdict, leaks, evaluation, plots, parity, latency, analysis, version, problem)
    passed = enforce(verdict, id="enforce_verdict")

    made = register(model_uri, verdict, version, problem, after=[passed])
    package(onnx, trained, evaluation, verdict, profile, holdout, development, version, made, problem)
