"""The limits of the gate."""

from __future__ import annotations

import datetime as dt

from pydantic import AliasChoices, Field, field_validator

from driftgate.config.base import Frozen, Share
from driftgate.config.training import Metric
from driftgate.contract import normal_text


class ChampionLimit(Frozen):
    """The comparison with the champion on the same rows."""

    metric: Metric = Field("roc_auc", description="The metric that is compared.")
    margin: float = Field(ge=0, description="How much worse than the champion a model may be.")


class SliceLimit(Frozen):
    """The comparison of slices, the rows with one value of a column, with all rows."""

    columns: tuple[str, ...] = Field((), description="The columns whose values make slices.")
    metric: Metric = Field("roc_auc", description="The metric that is compared.")
    max_gap: float = Field(0.1, ge=0, description="How much worse the worst slice may be than all rows.")
    min_rows: int = Field(200, ge=1, description="Slices with fewer rows are ignored.")

    @field_validator("columns")
    @classmethod
    def _composed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normal_text(name) for name in value)


class CalibrationLimit(Frozen):
    """How far probabilities may be from the observed shares."""

    expected_calibration_error: float = Field(
        0.05, gt=0, le=1, description="The largest allowed expected calibration error."
    )
    brier: float = Field(0.25, gt=0, le=1, description="The largest allowed Brier score.")


class LeakageLimit(Frozen):
    """From when a column counts as a leak of the target."""

    single_column_auc: float = Field(0.98, gt=0.5, le=1, description="The highest allowed ROC AUC of one column alone.")
    missing_purity: float = Field(
        0.98,
        gt=0.5,
        le=1,
        description="The highest allowed share of one class among the rows in which a column is missing.",
    )


class DriftRule(Frozen):
    """The constants of the drift checks, chosen by `benchmarks/drift.py`."""

    window_days: int = Field(7, ge=1, description="The length of a batch, and of the windows that it is compared with.")
    margin: float = Field(
        5.0, ge=1, description="The limit is this many times the largest odds among ordinary windows."
    )
    severe: float = Field(
        2.0,
        gt=1,
        validation_alias=AliasChoices("severe", "gross"),
        description="Drift is severe from this many times the limit. The older name `gross` is still accepted.",
    )
    floor: float = Field(0.04, gt=0, lt=1, description="The smallest limit of a distance.")
    missing_floor: float = Field(0.04, gt=0, lt=1, description="The smallest limit of a change of the missing share.")
    unseen_floor: float = Field(0.01, gt=0, lt=1, description="The smallest limit of the share of unseen categories.")
    commonest_floor: float = Field(
        0.9, gt=0, lt=1, description="The smallest limit of the share of the most common value."
    )
    recent: int = Field(8, ge=1, description="How many of the newest windows count as recent.")
    least_windows: int = Field(
        6,
        ge=3,
        description="With fewer windows, no limit is derived from the past: only the floor and the sampling error count.",
    )
    least_rows: int = Field(100, ge=1, description="A batch with fewer rows never blocks.")
    z: float = Field(3.5, gt=0, description="The number of standard errors in the sampling error.")
    matters: float = Field(
        0.002,
        ge=0,
        description="A column matters if shuffling it changes the predicted probability by at least this much on average.",
    )
    accept_from: dt.date | None = Field(
        None,
        description="Windows that begin on this date or later are accepted as normal, however large their drift. Set it when "
        "you know that the data has changed for good.",
    )


class Gate(Frozen):
    """Limits of every decision."""

    performance: dict[Metric, float] = Field(
        min_length=1,
        description="A limit for each metric, such as `{roc_auc: 0.70}`: a floor for the lower end of its confidence "
        "interval; for log loss, Brier score and calibration error, a ceiling for the upper end.",
    )
    champion: ChampionLimit = Field(description="The comparison with the champion.")
    slices: SliceLimit = Field(SliceLimit(), description="The comparison of slices with all rows.")
    calibration: CalibrationLimit = Field(CalibrationLimit(), description="The limits of calibration.")
    leakage: LeakageLimit = Field(LeakageLimit(), description="The limits of leakage.")
    drift: DriftRule = Field(DriftRule(), description="The constants of the drift checks.")
    parity: float = Field(
        1e-5,
        gt=0,
        description="The largest allowed difference in probability between the ONNX model and the trained model.",
    )
    latency_ms: float = Field(
        10.0, gt=0, description="The largest allowed 99th percentile of the CPU time for one row in the exported model."
    )
    service_latency_ms: float = Field(
        100.0,
        gt=0,
        description="The largest allowed 99th percentile of the time for one row over HTTP on staging. It is also the limit "
        "of the guard of an experiment.",
    )
    proof_days: float = Field(7.0, gt=0, description="How long a proof on staging is valid.")
    caller_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="The largest share of an experiment's labels that may come from one network address. Set it to 1, no "
        "limit, if one trusted program sends all requests to the service.",
    )
    confidence: Share = Field(0.95, description="The confidence level of intervals.")
    bootstrap: int = Field(1000, ge=100, description="The number of bootstrap samples of an interval.")
