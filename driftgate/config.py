"""The problem: one prediction task, read from one YAML in `configs/`."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from driftgate.contract import LABEL, PREDICTION, Contract, normal_text
from driftgate.errors import DriftgateError
from driftgate.workspace import PROJECT

Metric = Literal[
    "accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss", "brier", "expected_calibration_error"
]
LOWER_IS_BETTER: frozenset[str] = frozenset({"log_loss", "brier", "expected_calibration_error"})

RESERVED = {
    "contract": frozenset({PREDICTION, LABEL, "probability", "probabilities"}),
    "target.column": frozenset({PREDICTION}),
    "data.timestamp": frozenset({PREDICTION, LABEL}),
}

Share = Annotated[float, Field(gt=0, lt=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Span(_Frozen):
    """A length of calendar time."""

    months: int = Field(0, ge=0)
    days: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _not_empty(self) -> Span:
        if not self.months and not self.days:
            raise ValueError("a span needs months or days above 0")
        return self


class Texts(_Frozen):
    """How dates and missing values are written as text.

    `date_format` is a format of `strptime`, such as `%d/%m/%Y %H:%M`; None means ISO 8601. `time_zone` is an IANA name,
    such as `Europe/Paris`. Timestamps with an offset are converted to the local time of that zone (None: to UTC).
    Timestamps without an offset are read as its local time. `missing` lists the words that mean a missing value; an empty
    field always does.
    """

    date_format: str | None = None
    time_zone: str | None = None
    missing: tuple[str, ...] = ()

    @field_validator("date_format")
    @classmethod
    def _names_a_day(cls, value: str | None) -> str | None:
        day = dt.datetime(2013, 11, 25, tzinfo=dt.UTC)
        if value is not None:
            if "%Z" in re.findall("%.", value):
                raise ValueError("names of time zones are ambiguous: set time_zone, or write offsets and use %z")
            try:
                found = dt.datetime.strptime(day.strftime(value), value)
            except ValueError as error:
                raise ValueError(f"not a date format: {error}") from error
            if found.date() != day.date():
                raise ValueError("a date format needs a year, a month and a day, such as '%d/%m/%Y %H:%M'")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        if value is not None:
            from zoneinfo import ZoneInfo

            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError) as error:
                raise ValueError("not a time zone name of the IANA database, such as 'Europe/Paris'") from error
        return value

    @field_validator("missing", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        words = value if isinstance(value, list | tuple) else [value]
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"{word!r} is not text, put it in quotes")
        return tuple(normal_text(word) for word in words)


class Csv(Texts):
    """The format of a CSV file. Keys for dates and missing values set here override the same keys of `data`."""

    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."

    @field_validator("delimiter")
    @classmethod
    def _is_one_sign(cls, value: str) -> str:
        value = {"tab": "\t", "\\t": "\t"}.get(value, value)
        if len(value) != 1 or value in '"\r\n\0' or value.isalnum():
            raise ValueError("a delimiter is one character, such as ',' or ';' or 'tab'")
        return value

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        import codecs

        try:
            if not codecs.lookup(value)._is_text_encoding:
                raise LookupError
        except LookupError as error:
            raise ValueError("not an encoding, such as 'utf-8' or 'cp1252'") from error
        return value

    @model_validator(mode="after")
    def _decimal_is_no_delimiter(self) -> Csv:
        if self.decimal == self.delimiter:
            raise ValueError("delimiter and decimal must differ")
        return self


class Data(Texts):
    """The data file and its format. `stage` is the DVC stage that builds the file.

    `path` is relative to the project. In a problem file, a path that begins with `./` or `../` is relative to the folder
    of the problem file.
    """

    path: Path
    stage: str | None = None
    row_id: str
    timestamp: str | None = None
    as_of: dt.date | None = None
    csv: Csv = Csv()

    @field_validator("row_id", "timestamp")
    @classmethod
    def _composed(cls, value: str | None) -> str | None:
        return None if value is None else normal_text(value)

    def texts(self, *, csv: bool) -> Texts:
        """How dates and missing values are written in a CSV or Parquet file."""
        keys = ("date_format", "time_zone", "missing")
        return Texts(**{key: (getattr(self.csv, key) if csv else None) or getattr(self, key) for key in keys})


class Target(_Frozen):
    """The column to predict, and its value that is the positive class."""

    column: str
    positive: bool | int | str
    negative_name: str = "negative"
    positive_name: str = "positive"

    @field_validator("column", "positive")
    @classmethod
    def _composed(cls, value: Any) -> Any:
        return normal_text(value) if isinstance(value, str) else value


class TimeSplit(_Frozen):
    """A split by time: the newest rows are the holdout, the rows before them the validation set, all earlier rows train.

    The folds of cross-validation are expanding blocks.
    """

    method: Literal["time"]
    holdout: Span
    validation: Span
    folds: int = Field(4, ge=1, le=20)
    tune_on: Literal["validation", "cross_validation"] = "validation"


class RandomSplit(_Frozen):
    """A stratified random holdout; candidates are compared by stratified cross-validation on the rest."""

    method: Literal["random"]
    holdout: Share
    folds: int = Field(5, ge=2, le=20)
    tune_on: Literal["cross_validation"] = "cross_validation"


class Range(_Frozen):
    """An interval that the tuner draws from. It draws whole numbers if both ends are whole numbers.

    `log` makes it draw on a log scale.
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("a log scale needs low above 0")
        return self


Setting = bool | int | float | str | None


class Candidate(_Frozen):
    """One family of models: fixed settings, and a search space over the others."""

    family: Literal["logistic_regression", "random_forest", "hist_gradient_boosting"]
    trials: int = Field(ge=1, le=1000)
    fixed: dict[str, Setting] = {}
    search: dict[str, Range | list[Setting]] = {}


class Tuning(_Frozen):
    metric: Metric = "roc_auc"
    time_limit_seconds: float = Field(600, gt=0)
    candidates: tuple[Candidate, ...] = Field(min_length=1)


class Calibration(_Frozen):
    """How probabilities are calibrated. `auto` keeps the sigmoid only if it lowers the validation log loss.

    `ensemble` averages one model per fold instead of using a single model. Such a model is slower to predict, and its
    probabilities depend less on single training rows.
    """

    method: Literal["auto", "sigmoid", "none"] = "auto"
    folds: int = Field(3, ge=2, le=10)
    ensemble: bool = False


class ChampionLimit(_Frozen):
    metric: Metric = "roc_auc"
    margin: float = Field(ge=0)


class SliceLimit(_Frozen):
    """`max_gap`: how much worse the metric of the worst slice may be than that of all rows."""

    columns: tuple[str, ...] = ()
    metric: Metric = "roc_auc"
    max_gap: float = Field(0.1, ge=0)
    min_rows: int = Field(200, ge=1)

    @field_validator("columns")
    @classmethod
    def _composed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normal_text(name) for name in value)


class CalibrationLimit(_Frozen):
    expected_calibration_error: float = Field(0.05, gt=0, le=1)
    brier: float = Field(0.25, gt=0, le=1)


class LeakageLimit(_Frozen):
    """`single_column_auc`: the ROC AUC of one column alone. `missing_purity`: the share of one class among the rows where
    a column is missing.
    """

    single_column_auc: float = Field(0.98, gt=0.5, le=1)
    missing_purity: float = Field(0.98, gt=0.5, le=1)


class DriftRule(_Frozen):
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


class Gate(_Frozen):
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


class Problem(_Frozen):
    """One prediction task: its data, target, contract, split, candidates and gate limits."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    seed: int = Field(42, ge=0)
    data: Data
    target: Target
    contract: Contract
    split: Annotated[TimeSplit | RandomSplit, Field(discriminator="method")]
    tuning: Tuning
    calibration: Calibration = Calibration()
    threshold: Literal["max_f1"] | Share = 0.5
    gate: Gate

    @field_validator("contract", mode="before")
    @classmethod
    def _columns_alone(cls, value: Any) -> Any:
        """Accept columns that the YAML lists directly under `contract`."""
        return value if isinstance(value, Contract) or "columns" in (value or {}) else {"columns": value}

    @model_validator(mode="after")
    def _hangs_together(self) -> Problem:
        taken = {"target.column": self.target.column, "data.row_id": self.data.row_id}
        if self.data.timestamp:
            taken["data.timestamp"] = self.data.timestamp
        ours = {"contract": self.contract.features, "target.column": [self.target.column]}
        ours["data.timestamp"] = [self.data.timestamp] if self.data.timestamp else []
        for key, columns in ours.items():
            for column in RESERVED[key].intersection(columns):
                raise ValueError(f"{key}: {column!r} is reserved for the output of the model, rename the column")
        for key, column in taken.items():
            if column in self.contract.columns:
                raise ValueError(f"contract: {column!r} is the {key}, so it can't also be a feature")
        if isinstance(self.split, TimeSplit) and not self.data.timestamp:
            raise ValueError("split.method: 'time' needs data.timestamp")
        if self.data.as_of and not self.data.timestamp:
            raise ValueError("data.as_of: needs data.timestamp")
        words = {*self.data.missing, *self.data.csv.missing}
        for name, rules in self.contract.columns.items():
            for word in sorted(words.intersection(rules.categories or ())):
                raise ValueError(f"contract: {word!r} is both a category of {name!r} and a word for a missing value")
        if str(self.target.positive) in words:
            raise ValueError(f"target.positive: {self.target.positive!r} is also a word for a missing value")
        for column in self.gate.slices.columns:
            if column not in self.contract.columns:
                raise ValueError(f"gate.slices.columns: {column!r} is not in the contract")
        return self

    @property
    def data_path(self) -> Path:
        """The data file, absolute."""
        return self.data.path if self.data.path.is_absolute() else PROJECT / self.data.path


def load_problem(path: Path) -> Problem:
    """Read and check a problem file.

    Args:
        path: A YAML file. If its `data.path` begins with `./` or `../`, it is relative to the folder of this file,
            otherwise to the project.

    Raises:
        DriftgateError: If the file is missing, is not YAML, or breaks a rule. The error names the file, each key and what
            was expected.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(f"configs/{file.name}" for file in (PROJECT / "configs").glob("*.yaml")))
        raise DriftgateError(
            f"There is no problem file {path}.", f"Name one with --config. The project has: {known}."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DriftgateError(f"{path} can't be read: {error}.", "Name a readable YAML file with --config.") from error
    except yaml.YAMLError as error:
        raise DriftgateError(f"{path} is not YAML: {' '.join(str(error).split())}.", "Fix that line.") from error
    if not isinstance(content, dict):
        raise DriftgateError(f"{path} has no keys.", "configs/flights.yaml shows what a problem file looks like.")
    try:
        return Problem.model_validate(_beside(content, path.parent))
    except ValidationError as error:
        raise DriftgateError(
            f"{path}: {'; '.join(_fault(fault) for fault in error.errors())}.",
            "configs/flights.yaml shows every key with its meaning.",
        ) from error


def _beside(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The content of a problem file, with a `data.path` of `./` or `../` made absolute."""
    data = content.get("data")
    if isinstance(data, dict) and isinstance(data.get("path"), str) and data["path"].startswith(("./", "../")):
        return {**content, "data": {**data, "path": os.path.normpath(folder.absolute() / data["path"])}}
    return content


def _fault(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"] if part not in ("time", "random"))
    expected = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        expected = "this key is unknown"
    got = fault.get("input")
    shown = (
        f" (got {got!r})" if isinstance(got, str | int | float | bool) and fault["type"] != "extra_forbidden" else ""
    )
    return f"{where}: {expected}{shown}" if where else f"{expected}{shown}"
