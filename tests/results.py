"""Results for tests, and the validation of printed results with their JSON schema."""

from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from driftgate.results.base import RunIds, now
from driftgate.results.catalog import RESULTS, schema_of
from driftgate.results.training import TrainedModel, TrainingData, TrainingResult
from driftgate.verdict import Check, Verdict

NAMES = {"train": "training", "rollback": "move", "prove": "proof", "reproduce": "reproduction"}


def trained(*checks: Check, **more: Any) -> TrainingResult:
    """Create the result of a training run with these checks and other values."""
    verdict = Verdict(problem="rules", checks=checks)
    known: dict[str, Any] = {
        "problem": "rules", "verdict": verdict.outcome, "checks": checks, "runs": RunIds(mlflow="abc", zenml=None),
        "finished_at": now(), "seconds": 1.0, "metrics": {}, "champion": None,
        "model": TrainedModel(name="rules", version="3", aliases=("candidate",), family="random_forest"),
        "data": TrainingData(md5="d41d", rows=1000, as_of=None), "release": None, "bento": None, "report": None,
    }  # fmt: skip
    return TrainingResult(**{**known, **more})


def result_name(arguments: tuple[str, ...], document: dict[str, Any]) -> str:
    """The name of the result that a command printed."""
    verb = arguments[0] if not arguments[0].startswith("-") else "train"
    if set(document) == {"error"}:
        return "error"
    if verb == "data":
        return f"data-{arguments[1]}"
    if verb == "deploy":
        return "deployment" if document["channel"] == "staging" else "move"
    if verb == "predictions" and "--out" in arguments:
        return "predictions-file"
    return NAMES.get(verb, verb)


def require_schema(arguments: tuple[str, ...], document: dict[str, Any]) -> None:
    """Check that a document is valid by the published schema, and that its model can read it."""
    name = result_name(arguments, document)
    Draft202012Validator(schema_of(name), format_checker=FormatChecker()).validate(document)
    assert RESULTS[name].model.model_validate(document).json_document() == document
