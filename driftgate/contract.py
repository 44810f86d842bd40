"""The contract: what each column must be.

The pandera schema that checks a data set, the request model of the REST service and the inputs of the ONNX model are all
derived from it. It imports nothing heavy, because the service reads it too.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import SchemaError

PREDICTION, LABEL = "prediction", "label"  # columns of tables with predicted probabilities and true labels
MAXIMUM_CATEGORY_LENGTH = 200
MAXIMUM_NAME_LENGTH = 200
MAXIMUM_NUMBER = 3.4028234663852886e38  # the largest float32: models take numbers as float32

MAXIMUM_INTEGER = 2**53  # above it, a float64 can't hold every whole number

ColumnType = Literal["number", "integer", "boolean", "category"]


def normal_text(text: str) -> str:
    """A text in Unicode's composed form (NFC): two ways to write the same characters become one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


class Column(BaseModel):
    """The rules of one feature column.

    `minimum` and `maximum` are inclusive. A `category` without `categories` accepts any string that matches `pattern`; the
    drift checks then detect new values, and the contract doesn't refuse them. Strings are compared in Unicode's composed
    form (NFC). An empty string is a missing value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ColumnType
    nullable: bool = False
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    categories: tuple[str, ...] | None = None
    pattern: str | None = None
    unit: str | None = None
    description: str = ""

    @field_validator("categories", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if value is None or not isinstance(value, list | tuple):
            return value
        for item in value:
            # YAML reads NO as false and 2024-01-01 as a date, so the original text is lost.
            if isinstance(item, bool) or not isinstance(item, str | int):
                raise ValueError(f"the category {item!r} is not text, put it in quotes")
        texts = tuple(normal_text(str(item)) for item in value)
        if "" in texts:
            raise ValueError("an empty text is a missing value, not a category: set nullable: true instead")
        twice = {text for text in texts if texts.count(text) > 1}
        if twice:
            raise ValueError(f"the category {min(twice)!r} occurs twice")
        return texts

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
            try:
                TypeAdapter(Annotated[str, StringConstraints(pattern=value)])
            except SchemaError as error:
                # The service checks requests with another regex engine, which has no look-around.
                raise ValueError(f"not a pattern that the service can check: {error}") from error
        return value

    @model_validator(mode="after")
    def _rules_fit_type(self) -> Column:
        of_numbers = self.minimum is not None or self.maximum is not None
        of_texts = self.categories is not None or self.pattern is not None
        if of_numbers and self.type not in ("number", "integer"):
            raise ValueError(f"minimum and maximum are for numbers, not for a {self.type}")
        if of_texts and self.type != "category":
            raise ValueError(f"categories and pattern are for a category, not for a {self.type}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        return self

    @property
    def is_category(self) -> bool:
        return self.type == "category"


class Contract(BaseModel):
    """The feature columns of a problem, in the order of the model's inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, Column] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _names(cls, value: dict[str, Column]) -> dict[str, Column]:
        columns: dict[str, Column] = {}
        for given, column in value.items():
            name = normal_text(given)
            if not name or name != name.strip() or not name.isprintable() or len(name) > MAXIMUM_NAME_LENGTH:
                raise ValueError(
                    f"column {name[:MAXIMUM_NAME_LENGTH]!r}: a column name has 1 to {MAXIMUM_NAME_LENGTH} printable "
                    "characters, and no space at its beginning or end"
                )
            if name in columns:
                raise ValueError(f"column {name!r} occurs twice")
            columns[name] = column
        return columns

    @property
    def inputs(self) -> dict[str, Column]:
        """The inputs of the model, by name. They are computed from the columns of a row; most columns are an input as they are."""
        return self.columns

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
        if column.is_category:
            annotation = Annotated[annotation, Field(**limits)] if limits else annotation
            annotation, limits = Annotated[annotation, BeforeValidator(_composed)], {}
        if column.nullable:
            annotation = annotation | None
        if column.nullable and column.is_category:
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
    # Bounds never exceed the numbers that the model and every JSON parser can represent.
    low, high = (-math.inf if column.minimum is None else column.minimum), column.maximum
    high = math.inf if high is None else high
    if column.type == "integer":
        return int, {"ge": math.ceil(max(low, -MAXIMUM_INTEGER)), "le": math.floor(min(high, MAXIMUM_INTEGER))}
    return float, {"ge": max(low, -MAXIMUM_NUMBER), "le": min(high, MAXIMUM_NUMBER)}
