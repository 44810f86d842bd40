"""All results by name, and their JSON schemas."""

from __future__ import annotations

from typing import Any, NamedTuple

from driftgate.results import data, drift, experiment, init, predictions, production, status, training
from driftgate.results.base import Result

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Entry(NamedTuple):
    """A result, and the commands that print it."""

    model: type[Result]
    commands: tuple[str, ...]


RESULTS: dict[str, Entry] = {
    "init": Entry(init.InitResult, ("run.py init",)),
    "training": Entry(training.TrainingResult, ("run.py", "run.py train")),
    "contract": Entry(training.ContractResult, ("run.py contract",)),
    "drift": Entry(drift.DriftResult, ("run.py drift",)),
    "deployment": Entry(production.DeploymentResult, ("run.py deploy --to staging",)),
    "move": Entry(production.MoveResult, ("run.py deploy --to production", "run.py rollback")),
    "proof": Entry(production.ProofResult, ("run.py prove",)),
    "releases": Entry(production.ReleasesResult, ("run.py releases",)),
    "experiment": Entry(experiment.ExperimentResult, ("run.py experiment",)),
    "predictions": Entry(predictions.PredictionsResult, ("run.py predictions",)),
    "predictions-file": Entry(predictions.PredictionsFileResult, ("run.py predictions --out FILE",)),
    "reproduction": Entry(training.ReproductionResult, ("run.py reproduce",)),
    "data-status": Entry(data.DataStatusResult, ("run.py data status",)),
    "data-versions": Entry(data.DataVersionsResult, ("run.py data versions",)),
    "data-use": Entry(data.DataUseResult, ("run.py data use",)),
    "data-add": Entry(data.DataAddResult, ("run.py data add",)),
    "data-push": Entry(data.DataPushResult, ("run.py data push",)),
    "data-pull": Entry(data.DataPullResult, ("run.py data pull",)),
    "status": Entry(status.StatusResult, ("run.py status",)),
    "error": Entry(status.ErrorResult, ("any command that ends with exit code 1",)),
}


def schema_of(name: str) -> dict[str, Any]:
    """The JSON schema of a result, of what `--json` prints.

    Raises:
        KeyError: If there is no result of that name.
    """
    schema = RESULTS[name].model.model_json_schema(mode="serialization", by_alias=True)
    return {"$schema": DIALECT, **schema}
