"""The training pipeline: from raw data to a packaged model, or to a verdict with the reasons against it."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from driftgate.config import Problem
from steps.data import check_contract, load_data, split_rows
from steps.drift import check_newest, profile_reference
from steps.enforce import enforce
from steps.gate import decide, evaluate_model, look_for_leaks
from steps.model import calibrate, export_model, tune
from steps.ship import package, register


# FAIL_FAST raises a step's exception unchanged, so its type shows whether the gate blocked or something failed.
@pipeline(name="training", enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def training(problem: Problem, as_of: str | None) -> None:
    """Train on the data that was known at `as_of`, evaluate the model, and package it if it passes the gate."""
    rows, version = load_data(problem, as_of)
    contract_verdict = check_contract(rows, version, problem)
    contract_kept = enforce(contract_verdict, id="enforce_contract")

    development, holdout = split_rows(rows, version, problem, after=[contract_kept])
    leaks = look_for_leaks(development, problem)
    tuned = tune(development, version, problem)
    model, trained, out_of_fold = calibrate(development, version, tuned, problem)
    evaluation, plots, importance = evaluate_model(model, trained, holdout, version, problem)
    onnx, parity, latency, _, model_uri = export_model(model, trained, holdout, problem)

    profile = profile_reference(development, out_of_fold, importance, trained, problem)
    analysis, _, _ = check_newest(holdout, profile, onnx, trained, problem)

    verdict, _ = decide(contract_verdict, leaks, evaluation, plots, parity, latency, analysis, version, problem)
    passed = enforce(verdict, id="enforce_verdict")

    model_version = register(model_uri, verdict, version, problem, after=[passed])
    package(onnx, trained, evaluation, verdict, profile, holdout, development, version, model_version, problem)
