"""The problem: one prediction task, read from one YAML in `configs/`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from driftgate.config.base import Frozen, Share
from driftgate.config.data import Data, Target
from driftgate.config.limits import Gate
from driftgate.config.training import MULTICLASS_METRICS, Calibration, Costs, GroupSplit, RandomSplit, TimeSplit, Tuning
from driftgate.contract import LABEL, PREDICTION, Contract
from driftgate.errors import DriftgateError
from driftgate.probability import OF_CLASS
from driftgate.workspace import PROJECT

RESERVED = {
    "contract": frozenset({PREDICTION, LABEL, "probability", "probabilities"}),
    "target.column": frozenset({PREDICTION}),
    "data.timestamp": frozenset({PREDICTION, LABEL}),
}


def is_reserved(column: str, key: str) -> bool:
    """Whether a column of this name can't be used under a key of `RESERVED`: the output of the model has the name."""
    return column in RESERVED[key] or OF_CLASS.fullmatch(column) is not None


class Problem(Frozen):
    """One prediction task: its data, target, contract, split, candidates and gate limits."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="The name of the problem: a lower-case letter, then lower-case letters, digits and `_`.",
    )
    description: str = Field("", description="What is predicted, in one sentence.")
    seed: int = Field(42, ge=0, description="The random seed.")
    data: Data = Field(description="The data file and its format.")
    target: Target = Field(description="The column to predict.")
    contract: Contract = Field(description="The feature columns, by name.")
    split: Annotated[TimeSplit | RandomSplit | GroupSplit, Field(discriminator="method")] = Field(
        description="How rows are split into training rows and the holdout."
    )
    tuning: Tuning = Field(description="The search for the best candidate.")
    calibration: Calibration = Field(Calibration(), description="How probabilities are calibrated.")
    threshold: Literal["max_f1", "min_cost"] | Share = Field(
        0.5,
        description="For two classes: the probability from which the prediction is the positive class. `max_f1` and "
        "`min_cost` choose it on the validation rows; `min_cost` needs `costs`.",
    )
    costs: Costs | None = Field(None, description="What a prediction of each kind costs.")
    gate: Gate = Field(description="The limits of the gate.")

    @field_validator("contract", mode="before")
    @classmethod
    def _columns_alone(cls, value: Any) -> Any:
        """Accept columns that the YAML lists directly under `contract`."""
        return value if isinstance(value, Contract) or "columns" in (value or {}) else {"columns": value}

    @model_validator(mode="after")
    def _dates_have_a_zone(self) -> Problem:
        """Give columns of dates the time zone of the data, because the service knows only the contract."""
        zone = self.data.texts(csv=self.data.path.suffix.lower() != ".parquet").time_zone
        of_dates = {
            name: column.model_copy(update={"time_zone": zone})
            for name, column in self.contract.columns.items()
            if column.type == "date" and column.time_zone is None and zone
        }
        if of_dates:
            contract = self.contract.model_copy(update={"columns": {**self.contract.columns, **of_dates}})
            object.__setattr__(self, "contract", contract)  # the model is frozen
        return self

    @model_validator(mode="after")
    def _hangs_together(self) -> Problem:
        taken: dict[str, str | None] = {"target.column": self.target.column, "data.row_id": self.data.row_id}
        taken["data.timestamp"] = self.data.timestamp
        ours = {"contract": list(self.contract.columns), "target.column": [self.target.column]}
        ours["data.timestamp"] = [self.data.timestamp] if self.data.timestamp else []
        for key, columns in ours.items():
            for column in columns:
                if not is_reserved(column, key):
                    continue
                raise ValueError(f"{key}: {column!r} is reserved for the output of the model, rename the column")
        inputs = self.contract.inputs
        for key, name in taken.items():
            if name is not None and (name in self.contract.columns or name in inputs):
                raise ValueError(f"contract: {name!r} is the {key}, so it can't also be a feature")
        if isinstance(self.split, GroupSplit) and not self.data.group:
            raise ValueError("split.method: 'group' needs data.group")
        if isinstance(self.split, TimeSplit) and not self.data.timestamp:
            raise ValueError("split.method: 'time' needs data.timestamp")
        if self.data.as_of and not self.data.timestamp:
            raise ValueError("data.as_of: needs data.timestamp")
        words = {*self.data.missing, *self.data.csv.missing}
        for name, rules in self.contract.columns.items():
            own = words if rules.missing is None else set(rules.missing)
            for word in sorted(own.intersection(rules.categories or ())):
                raise ValueError(
                    f"contract: {word!r} is both a category of {name!r} and a word for a missing value; set the words of "
                    "this column with its key missing"
                )
        for label in self.target.classes or (self.target.positive,):
            if str(label) in words:
                key = "positive" if self.target.binary else "classes"
                raise ValueError(f"target.{key}: {label!r} is also a word for a missing value")
        for column in self.gate.slices.columns:
            if column not in self.contract.columns:
                raise ValueError(f"gate.slices.columns: {column!r} is not in the contract")
        self._decision_fits()
        return self

    def _decision_fits(self) -> None:
        """Raise an error if threshold, costs or metrics don't fit the number of classes."""
        if (self.threshold == "min_cost") != (self.costs is not None):
            raise ValueError("threshold: 'min_cost' needs costs, and costs need threshold: min_cost")
        named = {"tuning.metric": [self.tuning.metric], "gate.performance": list(self.gate.performance)}
        named |= {"gate.champion.metric": [self.gate.champion.metric], "gate.slices.metric": [self.gate.slices.metric]}
        if self.target.binary:
            for key, metrics in named.items():
                for metric in MULTICLASS_METRICS.intersection(metrics):
                    raise ValueError(f"{key}: {metric!r} needs three classes or more")
            return
        if self.threshold != 0.5:
            raise ValueError("threshold: is for two classes; with more, the most probable class is predicted")
        for key, metrics in named.items():
            for metric in metrics:
                top = re.fullmatch("top_([0-9]+)_accuracy", metric)
                if top and int(top[1]) >= len(self.target.class_names):
                    raise ValueError(f"{key}: {metric!r} is always 1 with {len(self.target.class_names)} classes")

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
    where = ".".join(str(part) for part in fault["loc"] if part not in ("time", "random", "group"))
    expected = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        expected = "this key is unknown"
    got = fault.get("input")
    shown = (
        f" (got {got!r})" if isinstance(got, str | int | float | bool) and fault["type"] != "extra_forbidden" else ""
    )
    return f"{where}: {expected}{shown}" if where else f"{expected}{shown}"
