"""The limits of the gate."""

from __future__ import annotations

import datetime as dt

from pydantic import AliasChoices, Field, field_validator

from driftgate.config.base import Frozen, Share
from driftgate.config.training import Metric
from driftgate.contract import normal_text


class ChampionLimit(Frozen):
    metric: Metric = "roc_auc"
    margin: float = Field(ge=0)


class SliceLimit(Frozen):
    """`max_gap`: how much worse the metric of the worst slice may be than that of all rows."""

    columns: tuple[str, ...] = ()
    metric: Metric = "roc_auc"
    max_gap: float = Field(0.1, ge=0)
    min_rows: int = Field(200, ge=1)

    @field_validator("columns")
    @classmethod
    def _composed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normal_text(name) for name in value)


class CalibrationLimit(Frozen):
    expected_calibration_error: float = Field(0.05, gt=0, le=1)
    brier: float = Field(0.25, gt=0, le=1)


class LeakageLimit(Frozen):
    """`single_column_auc`: the ROC AUC of one column alone. `missing_purity`: the share of one class among the rows where
    a column is missing.
    """

    single_column_auc: float = Field(0.98, gt=0.5, le=1)
    missing_purity: float = Field(0.98, gt=0.5, le=1)


class DriftRule(Frozen):
    """The constants of the drift checks, chosen by `benchmarks/drift.py`; docs/explanation/gate.md explains how.

    `window_days` is the length of a batch and of the windows that it is compared with. The limit is `margin` times the
    largest odds among ordinary windows; `severe` times the limit counts as severe drift. The floors are the smallest
    limits of a distance, of a change of the missing share, of the share of unseen categories, and of the share of the most
    common value. `recent` is how many of the newest windows count as recent. With fewer than `least_windows` windows, no
    limit is derived from the past: only the floor and the sampling term count. `z` is the number of standard errors in the
    sampling term. Batches of fewer than `least_rows` rows never block. A column matters if shuffling it changes the
    model's probability by at least `matters` on average. Windows that begin on `accept_from` or later are accepted as
    normal, however large their drift: set it when you know that the data has changed for good.
    """

    window_days: int = Field(7, ge=1)
    margin: float = Field(5.0, ge=1)
    severe: float = Field(2.0, gt=1, validation_alias=AliasChoices("severe", "gross"))
    floor: float = Field(0.04, gt=0, lt=1)
    missing_floor: float = Field(0.04, gt=0, lt=1)
    unseen_floor: float = Field(0.01, gt=0, lt=1)
    commonest_floor: float = Field(0.9, gt=0, lt=1)
    recent: int = Field(8, ge=1)
    least_windows: int = Field(6, ge=3)
    least_rows: int = Field(100, ge=1)
    z: float = Field(3.5, gt=0)
    matters: float = Field(0.002, ge=0)
    accept_from: dt.date | None = None


class Gate(Frozen):
    """Limits of every decision.

    `caller_share` is the largest share of an experiment's labels that may come from one network address. Set it to 1, no
    limit, if one trusted program sends all requests to the service.
    """

    performance: dict[Metric, float] = Field(min_length=1)
    champion: ChampionLimit
    slices: SliceLimit = SliceLimit()
    calibration: CalibrationLimit = CalibrationLimit()
    leakage: LeakageLimit = LeakageLimit()
    drift: DriftRule = DriftRule()
    parity: float = Field(1e-5, gt=0)
    latency_ms: float = Field(10.0, gt=0)
    service_latency_ms: float = Field(100.0, gt=0)
    proof_days: float = Field(7.0, gt=0)
    caller_share: float = Field(0.2, gt=0, le=1)
    confidence: Share = 0.95
    bootstrap: int = Field(1000, ge=100)
