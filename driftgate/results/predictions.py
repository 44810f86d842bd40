"""Results about the prediction log."""

from __future__ import annotations

from pydantic import Field

from driftgate.results.base import Moment, Result


class PredictionsResult(Result):
    """Counts of the prediction log."""

    predictions: int = Field(description="Predictions.")
    labelled: int = Field(description="Predictions with a label.")
    by_version: dict[str, int] = Field(description="Predictions, by model and version.")
    by_label: dict[str, int] = Field({}, description="Predictions with a label, by label.")
    first: Moment | None = Field(description="Moment of the first prediction, in UTC.")
    last: Moment | None = Field(description="Moment of the last prediction, in UTC.")
    segments: int = Field(description="Files of the log.")
    bad_lines: int = Field(description="Lines of the log that can't be read and were left out.")
    unreadable_files: int = Field(description="Files of the log that can't be read and were left out.")


class PredictionsFileResult(Result):
    """A table of predictions that was written to a file."""

    rows: int = Field(description="Rows in the file.")
    file: str = Field(description="The file.")
    bad_lines: int = Field(description="Lines of the log that can't be read and were left out.")
    unreadable_files: int = Field(description="Files of the log that can't be read and were left out.")
