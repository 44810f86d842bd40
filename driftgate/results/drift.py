"""The result of a drift check."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from driftgate.results.base import Frozen, ModelVersion, Moment, PipelineResult
from driftgate.results.training import LeftOut, MetricEstimate


class DriftMeasure(Frozen):
    """One way to measure a column's drift, with its limits."""

    value: float = Field(description="The measured value.")
    limit: float = Field(description="Above it the column has drifted.")
    severe_limit: float = Field(description="Above it the column has drifted severely.")
    gross_limit: float = Field(description="The same as `severe_limit`, under its former name.")
    question: str = Field(description="What is compared with what.")


class DriftColumn(Frozen):
    """One column of the current rows, compared with the reference."""

    name: str = Field(description="Name of the column.")
    distance: float = Field(description="Distance between the two distributions.")
    limit: float = Field(description="Limit of the distance.")
    missing: float = Field(description="Share of the values that are missing.")
    state: Literal["stable", "drifted", "severe"] = Field(description="How far the column has drifted.")
    blocks: bool = Field(description="Whether this drift blocks.")
    excuse: str | None = Field(description="Why severe drift of this column doesn't block; null where it blocks.")
    measures: dict[str, DriftMeasure] = Field(description="Every measure of the column, by name.")


class EstimatedMetric(Frozen):
    """A metric without labels, and with them where they are known."""

    estimate: MetricEstimate = Field(description="Estimate, with the interval in which the realised value is expected.")
    promised: MetricEstimate | None = Field(description="Estimate for the labelled rows alone.")
    realised: MetricEstimate | None = Field(description="Value from the labels; null where there are none.")
    labelled: int = Field(description="Rows with a label.")


class CurrentData(Frozen):
    """The rows that were checked."""

    source: str = Field(description="Where the rows come from.")
    md5: str | None = Field(description="Version of the data file; null for a prediction log.")
    rows: int = Field(description="Rows that were checked.")
    since: Moment | None = Field(description="Moment of the first row.")
    until: Moment | None = Field(description="Moment of the last row.")
    ignored: tuple[str, ...] = Field(description="Columns that the contract doesn't know.")
    left_out: LeftOut = Field(
        LeftOut(), description="Rows without a timestamp; and those without a label, which are compared."
    )
    bad_lines: int = Field(0, description="Lines of the prediction log that can't be read and were left out.")


class ComparedWindows(Frozen):
    """The past windows that the limits come from."""

    days: int = Field(description="Length of a window in days.")
    compared: int = Field(description="Windows in all.")
    joined: int = Field(description="Windows that arrived after the training.")


class DriftResult(PipelineResult):
    """A drift check: the current rows compared with what a model was trained on."""

    columns: tuple[DriftColumn, ...] = Field(description="Every column, with its drift.")
    estimate: dict[str, EstimatedMetric] = Field(description="Estimated performance, by metric.")
    model: ModelVersion = Field(description="The model whose training data is the reference.")
    data: CurrentData = Field(description="The current rows.")
    windows: ComparedWindows = Field(description="The past windows that the current rows are compared with.")
    report: str = Field(description="File of the drift report.")
