"""What all results have in common."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from driftgate.verdict import Check, Verdict

Decision = Literal["pass", "warn", "block", "none"]

# Written as Python writes it: with `+00:00` in UTC, and without a zone where the data has none.
Moment = Annotated[dt.datetime, PlainSerializer(dt.datetime.isoformat, return_type=str, when_used="json")]


class Frozen(BaseModel):
    """A part of a result: it can't be changed, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        from_attributes=True,
        populate_by_name=True,
        protected_namespaces=(),
        json_schema_serialization_defaults_required=True,  # every key is always printed
    )


class ErrorDetails(Frozen):
    """An error, in two sentences."""

    cause: str = Field(description="What happened.")
    remedy: str = Field(description="What to do.")


class Result(Frozen):
    """What a command prints: `--json` prints the document of this object, and the terminal shows the same object."""

    def json_document(self) -> dict[str, Any]:
        """The JSON document."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def blocks(self) -> bool:
        """Whether the command ends with the exit code of a blocking verdict."""
        return False


class ProblemResult(Result):
    """A result about one problem."""

    problem: str = Field(description="Name of the problem.")


class CheckedResult(ProblemResult):
    """A result with a verdict."""

    verdict: Decision = Field(
        description="`block`, `warn` or `pass`, from the checks; `none` where nothing was checked."
    )
    checks: tuple[Check, ...] = Field(description="Every check: one measured value and its limit.")

    @property
    def blocks(self) -> bool:
        """Whether the verdict blocks."""
        return self.verdict == "block"

    def as_verdict(self) -> Verdict:
        """The checks as a verdict."""
        return Verdict(problem=self.problem, checks=self.checks)


class RunIds(Frozen):
    """Where the run of a pipeline can be found."""

    mlflow: str | None = Field(description="Id of the run in MLflow.")
    zenml: str | None = Field(description="Id of the run in ZenML.")


class PipelineResult(CheckedResult):
    """The result of a pipeline's run."""

    runs: RunIds = Field(description="Ids of the run.")
    finished_at: Moment = Field(description="When the run ended, in UTC.")
    seconds: float = Field(description="How long the command took.")


class ModelVersion(Frozen):
    """A version of a model."""

    name: str = Field(description="Name of the model: that of its problem.")
    version: str = Field(description="Version in the MLflow registry.")


def now() -> dt.datetime:
    """The present moment in UTC, to the second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)
