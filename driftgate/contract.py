"""The contract: what each column must be.

The pandera schema that checks a data set, the request model of the REST service and the inputs of the ONNX model are all
derived from it. It imports nothing heavy, because the service reads it too.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from driftgate.columns import (
    MAXIMUM_CATEGORY_LENGTH,
    MAXIMUM_INTEGER,
    MAXIMUM_NAME_LENGTH,
    MAXIMUM_NUMBER,
    MAXIMUM_TEXT_LENGTH,
    Column,
    ColumnType,
    DatePart,
    Input,
    is_column_name,
    normal_text,
)
from driftgate.moments import MAXIMUM_DATE_LENGTH, moment_of_text

__all__ = [
    "LABEL", "MAXIMUM_CATEGORY_LENGTH", "MAXIMUM_INTEGER", "MAXIMUM_NAME_LENGTH", "MAXIMUM_NUMBER", "MAXIMUM_TEXT_LENGTH",
    "PREDICTION", "Column", "ColumnType", "Contract", "DatePart", "Input", "is_column_name", "normal_text", "request_fields",
    "request_model",
]  # fmt: skip

PREDICTION, LABEL = "prediction", "label"  # columns of tables with predicted probabilities and true labels


class Contract(BaseModel):
    """The feature columns of a problem, in the order of the model's inputs.

    Texts are compared in Unicode's composed form (NFC). An empty text is a missing value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, Column] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _names(cls, value: dict[str, Column]) -> dict[str, Column]:
        columns: dict[str, Column] = {}
        for given, column in value.items():
            name = normal_text(given)
            if not is_column_name(name):
                raise ValueError(
                    f"column {name[:MAXIMUM_NAME_LENGTH]!r}: a column name has 1 to {MAXIMUM_NAME_LENGTH} printable "
                    "characters that are not all spaces"
                )
            if name in columns:
                raise ValueError(f"column {name!r} occurs twice")
            columns[name] = column
        return columns

    @model_validator(mode="after")
    def _inputs_are_unlike(self) -> Contract:
        found: dict[str, str] = {}
        for column, rules in self.columns.items():
            for name, _ in rules.inputs(column):
                if name in found:
                    raise ValueError(
                        f"columns {found[name]!r} and {column!r} would both give the model an input {name!r}: rename one"
                    )
                found[name] = column
        return self

    @property
    def inputs(self) -> dict[str, Input]:
        """The inputs of the model, by name, in order. They are computed from the columns of a row.

        A date gives an input for each of its parts, such as `signed up: month`, and a text one for each of its buckets, such
        as `review [0]`. Every other column is an input as it is. Each call makes a new mapping.
        """
        return {name: found for column, rules in self.columns.items() for name, found in rules.inputs(column)}

    @property
    def features(self) -> list[str]:
        """Names of the model's inputs."""
        return list(self.inputs)

    @property
    def numeric(self) -> list[str]:
        """Names of the inputs that the model takes as float32."""
        return [name for name, column in self.inputs.items() if not column.is_category]

    @property
    def categorical(self) -> list[str]:
        """Names of the inputs that the model takes as strings."""
        return [name for name, column in self.inputs.items() if column.is_category]


def request_model(contract: Contract, *, name: str = "Row", example: dict[str, Any] | None = None) -> type[BaseModel]:
    """Make the pydantic model of one row, with the contract's types, ranges and categories.

    Args:
        contract: The columns.
        name: The name the model has in the OpenAPI document.
        example: A row shown as the example in the OpenAPI document.

    Returns:
        A frozen model that refuses unknown fields, lax types (such as a number as text), NaN and infinity. Nullable columns
        may be left out. Validation and dumps use the names of the columns; the attributes are named by `request_fields`,
        so that any column name works.
    """
    names = request_fields(contract)
    fields: dict[str, Any] = {}
    for key, column in contract.columns.items():
        annotation, limits = _field_of(column)
        if column.type in ("category", "text"):
            annotation = Annotated[annotation, Field(**limits)] if limits else annotation
            annotation, limits = Annotated[annotation, BeforeValidator(_composed)], {}
        if column.nullable:
            annotation = annotation | None
        if column.nullable and column.type in ("category", "date", "text"):
            annotation = Annotated[annotation, BeforeValidator(_missing_if_empty)]
        default = None if column.nullable else ...
        text = column.description + (f" [{column.unit}]" if column.unit else "")
        fields[names[key]] = (annotation, Field(default, alias=key, title=key, description=text or None, **limits))
    extra: Any = {"example": example} if example else None
    config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, json_schema_extra=extra, protected_namespaces=(),
        serialize_by_alias=True,
    )  # fmt: skip
    model: type[BaseModel] = create_model(name, __config__=config, **fields)
    return model


def request_fields(contract: Contract) -> dict[str, str]:
    """The attribute of the request model for each column. It doesn't depend on the order of the columns."""
    place = {name: at for at, name in enumerate(sorted(contract.columns))}
    return {name: f"f{place[name]}" for name in contract.columns}


def _composed(value: Any) -> Any:
    return normal_text(value) if isinstance(value, str) else value


def _missing_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _field_of(column: Column) -> tuple[Any, dict[str, Any]]:
    if column.type == "category":
        if column.categories is not None:
            return Literal[column.categories], {}
        # The model's input represents a missing value by an empty string.
        limits: dict[str, Any] = {"min_length": 1, "max_length": MAXIMUM_CATEGORY_LENGTH}
        if column.pattern is not None:
            limits["pattern"] = f"^(?:{column.pattern})$"
        return str, limits
    if column.type == "boolean":
        return bool, {}
    if column.type == "text":
        return str, {"min_length": 1, "max_length": MAXIMUM_TEXT_LENGTH}
    if column.type == "date":
        return Annotated[str, Field(max_length=MAXIMUM_DATE_LENGTH), AfterValidator(_date_check(column))], {}
    # Bounds never exceed the numbers that the model and every JSON parser can represent.
    low, high = (-math.inf if column.low is None else column.low), column.high
    high = math.inf if high is None else high
    if column.type == "integer":
        return int, {"ge": math.ceil(max(low, -MAXIMUM_INTEGER)), "le": math.floor(min(high, MAXIMUM_INTEGER))}
    return float, {"ge": max(low, -MAXIMUM_NUMBER), "le": min(high, MAXIMUM_NUMBER)}


def _date_check(column: Column) -> Any:
    """A function that returns a date as it is written, or raises an error if the column doesn't allow it."""

    def check(text: str) -> str:
        moment = moment_of_text(text, time_zone=column.time_zone)
        if moment is None:
            raise PydanticCustomError("date", "Input should be a date in ISO 8601, such as 2024-01-31T18:05:00")
        if column.earliest and moment < column.earliest:
            raise PydanticCustomError("date_range", f"Input should be {column.minimum} or later")
        if column.latest and moment > column.latest:
            raise PydanticCustomError("date_range", f"Input should be {column.maximum} or earlier")
        return text

    return check
