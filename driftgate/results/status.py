"""What `run.py status` prints, and what every command prints when it fails."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from driftgate.results.base import ErrorDetails, Frozen, Result
from driftgate.results.production import ProblemState


class RunRecord(BaseModel):
    """One run, as it was written when it ended: its result, and its kind.

    Records of earlier and later versions may have other keys: what is missing is null, and unknown keys are kept.
    """

    model_config = ConfigDict(frozen=True, extra="allow", json_schema_serialization_defaults_required=True)

    kind: str = Field(description="`training`, `drift` or `deployment`.")
    problem: str = Field(description="Name of the problem.")
    verdict: str | None = Field(None, description="The verdict.")
    finished_at: str | None = Field(None, description="When the run ended, in UTC.")
    model: dict[str, Any] | None = Field(None, description="The model.")
    data: dict[str, Any] | None = Field(None, description="The data.")
    release: str | None = Field(None, description="Folder of the release.")
    report: str | None = Field(None, description="File of the drift report.")

    @property
    def model_version(self) -> str | None:
        """Version of the model; None where the run has none."""
        return (self.model or {}).get("version")

    @property
    def data_until(self) -> str | None:
        """The date up to which the run read data; None where that is not known."""
        data = self.data or {}
        return data.get("as_of") or data.get("until")


class UnreadableRun(Frozen):
    """A file among the records of runs that can't be read."""

    file: str = Field(description="The file.")
    error: str = Field(description="Why it can't be read.")


class StatusResult(Result):
    """What serves where, and the newest runs."""

    workspace: str = Field(description="Folder of everything that Driftgate writes.")
    channels: dict[str, ProblemState] = Field(description="What serves, by problem.")
    runs: tuple[RunRecord, ...] = Field(description="The newest runs, the newest first.")
    unreadable_runs: tuple[UnreadableRun, ...] = Field(description="Records that can't be read.")
    runs_left_out: int = Field(description="Number of older runs that are not listed; `status --all` lists them.")


class ErrorResult(Result):
    """An error: what any command prints when it fails."""

    error: ErrorDetails = Field(description="The error.")
