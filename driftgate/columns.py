"""The columns of a contract: what the values of each must be, and which inputs of the model it becomes."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import SchemaError

from driftgate.moments import bound_of, first_moment, last_moment

MAXIMUM_CATEGORY_LENGTH = 200
MAXIMUM_TEXT_LENGTH = 10_000
MAXIMUM_NAME_LENGTH = 200
MAXIMUM_NUMBER = 3.4028234663852886e38  # the largest float32: models take numbers as float32

MAXIMUM_INTEGER = 2**53  # above it, a float64 can't hold every whole number

ColumnType = Literal["number", "integer", "boolean", "category", "date", "text"]
DatePart = Literal["year", "quarter", "month", "day", "weekday", "day_of_year", "hour", "minute", "days"]
USUAL_PARTS: tuple[DatePart, ...] = ("month", "day", "weekday")
USUAL_BUCKETS = 64


def normal_text(text: str) -> str:
    """A text in Unicode's composed form (NFC): two ways to write the same characters become one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_column_name(name: str) -> bool:
    """Whether a column may have this name: it is visible, on one line and not too long."""
    unseen = any(not sign.isprintable() and unicodedata.category(sign) != "Zs" for sign in name)
    return bool(name.strip()) and not unseen and len(name) <= MAXIMUM_NAME_LENGTH


def words_for_missing(value: Any) -> tuple[str, ...]:
    """The words that mean a missing value, as a problem file lists them.

    Raises:
        ValueError: If one is not text.
    """
    words = value if isinstance(value, list | tuple) else [value]
    for word in words:
        if not isinstance(word, str):
            raise ValueError(f"{word!r} is not text, put it in quotes")
    return tuple(normal_text(word) for word in words)


def date_format(value: str) -> str:
    """A format of dates, as of `strptime`.

    Raises:
        ValueError: If it isn't one, or names no day.
    """
    day = dt.datetime(2013, 11, 25, tzinfo=dt.UTC)
    if "%Z" in re.findall("%.", value):
        raise ValueError("names of time zones are ambiguous: set time_zone, or write offsets and use %z")
    try:
        found = dt.datetime.strptime(day.strftime(value), value)
    except ValueError as error:
        raise ValueError(f"not a date format: {error}") from error
    if found.date() != day.date():
        raise ValueError("a date format needs a year, a month and a day, such as '%d/%m/%Y %H:%M'")
    return value


def known_zone(value: str) -> str:
    """The name of a time zone of the IANA database.

    Raises:
        ValueError: If there is none of that name.
    """
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("not a time zone name of the IANA database, such as 'Europe/Paris'") from error
    return value


class Column(BaseModel):
    """The rules of one feature column, and how it becomes inputs of the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ColumnType = Field(
        description="What the values are. `number` and `integer` are numbers, `boolean` is true or false, `category` is a "
        "text that stands for a kind, `date` is a date or a time, and `text` is free text. A date becomes the inputs in "
        "`parts`, a text becomes `buckets` numbers; the other types are one input each."
    )
    nullable: bool = Field(False, description="Whether values may be missing. An empty text is a missing value.")
    minimum: float | dt.datetime | dt.date | None = Field(
        None,
        description="The smallest value of a number, an integer or a date, inclusive. Without it, an integer is at least "
        "-2^53, and a number fits into float32.",
    )
    maximum: float | dt.datetime | dt.date | None = Field(
        None,
        description="The largest value of a number, an integer or a date, inclusive. A date without a time includes the "
        "whole day. Without it, an integer is at most 2^53, and a number fits into float32.",
    )
    categories: tuple[str, ...] | None = Field(
        None,
        description="The allowed values of a category, as text: put `yes`, `no` and dates in quotes. Without it, any text "
        "of up to 200 characters that matches `pattern` is allowed, and drift checks report new values.",
    )
    pattern: str | None = Field(
        None,
        description="A regular expression that the whole value of a category must match. The service checks it too, so it "
        "can't use look-around.",
    )
    parts: tuple[DatePart, ...] | None = Field(
        None,
        min_length=1,
        description="The parts of a date that the model gets, each as one number: `weekday` is 0 on Monday, `days` is the "
        "number of days since 1970-01-01. The default is `[month, day, weekday]`, and also `hour` if `format` has an hour.",
    )
    format: str | None = Field(
        None,
        description="The format of the dates in texts of the data file, as in Python's `strptime`, such as `%d/%m/%Y`. "
        "The default is ISO 8601. Requests to the service always use ISO 8601.",
    )
    time_zone: str | None = Field(
        None,
        description="The IANA time zone that times with an offset are converted to. The default is `data.time_zone`.",
    )
    buckets: int | None = Field(
        None,
        ge=2,
        le=1024,
        description="The number of inputs that a text becomes: each word or piece of it is counted in one of them, chosen "
        "by a hash. The default is 64.",
    )
    ngrams: Literal["words", "characters"] | None = Field(
        None,
        description="What is counted in a text: `words` and pairs of words, or pieces of 3 and 4 `characters`, which "
        "suit short texts, codes and texts with spelling mistakes. The default is `words`.",
    )
    missing: tuple[str, ...] | None = Field(
        None,
        description="The words that mean a missing value in this column, instead of those of `data.missing`; `[]` for no "
        "word.",
    )
    unit: str | None = Field(None, description="The unit, shown in the OpenAPI document.")
    description: str = Field("", description="What the column is, shown in the OpenAPI document.")

    @field_validator("minimum", "maximum", mode="before")
    @classmethod
    def _bounds(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or info.data.get("type") == "date":
            return None if value is None else bound_of(value)
        if isinstance(value, dt.date) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError("must be a finite number")
        return TypeAdapter(float).validate_python(value)

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

    @field_validator("missing", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return None if value is None else words_for_missing(value)

    @field_validator("format")
    @classmethod
    def _reads_days(cls, value: str | None) -> str | None:
        return value if value is None else date_format(value)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        return value if value is None else known_zone(value)

    @field_validator("parts")
    @classmethod
    def _once(cls, value: tuple[DatePart, ...] | None) -> tuple[DatePart, ...] | None:
        if value and len(set(value)) < len(value):
            raise ValueError("a part occurs twice")
        return value

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
        kind = f"an {self.type}" if self.type[0] in "aeiou" else f"a {self.type}"
        for keys, types, of in _KEYS_OF_TYPES:
            if self.type not in types and any(getattr(self, key) is not None for key in keys):
                raise ValueError(f"{' and '.join(keys)} {'is' if len(keys) == 1 else 'are'} for {of}, not for {kind}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("minimum is above maximum")
        if self.earliest and self.latest and self.earliest > self.latest:
            raise ValueError("minimum is after maximum")
        return self

    @property
    def is_category(self) -> bool:
        return self.type == "category"

    @property
    def is_number(self) -> bool:
        return self.type in ("number", "integer")

    @property
    def low(self) -> float | None:
        """The minimum of a number; None if there is none."""
        return self.minimum if isinstance(self.minimum, float) else None

    @property
    def high(self) -> float | None:
        """The maximum of a number; None if there is none."""
        return self.maximum if isinstance(self.maximum, float) else None

    @property
    def earliest(self) -> dt.datetime | None:
        """The first moment that a date may be; None if there is no minimum."""
        return first_moment(self.minimum) if isinstance(self.minimum, dt.date) else None

    @property
    def latest(self) -> dt.datetime | None:
        """The last moment that a date may be; None if there is no maximum."""
        return last_moment(self.maximum) if isinstance(self.maximum, dt.date) else None

    @property
    def date_parts(self) -> tuple[DatePart, ...]:
        """The parts of a date that are inputs of the model."""
        timed = {"%H", "%I"}.intersection(re.findall("%.", self.format or ""))
        return self.parts or (*USUAL_PARTS, *(("hour",) if timed else ()))

    @property
    def text_buckets(self) -> int:
        """The number of inputs that a text becomes."""
        return self.buckets or USUAL_BUCKETS

    def inputs(self, name: str) -> Iterator[tuple[str, Input]]:
        """The inputs of the model that are computed from this column, with their names.

        Args:
            name: The name of the column.
        """
        if self.type == "date":
            for part in self.date_parts:
                yield f"{name}: {part}", Input(column=name, type="number", part=part)
        elif self.type == "text":
            for bucket in range(self.text_buckets):
                yield f"{name} [{bucket}]", Input(column=name, type="number", bucket=bucket)
        else:
            yield name, Input(column=name, type=self.type)


_KEYS_OF_TYPES = (  # keys, the types that may have them, and how a message names these types
    (("minimum", "maximum"), ("number", "integer", "date"), "numbers and dates"),
    (("categories", "pattern"), ("category",), "a category"),
    (("parts",), ("date",), "a date"),
    (("format",), ("date",), "a date"),
    (("time_zone",), ("date",), "a date"),
    (("buckets", "ngrams"), ("text",), "a text"),
)


@dataclass(frozen=True)
class Input:
    """One input of the model: a column as it is, a part of a date, or a bucket of a text.

    `column` is the column of a row that it is computed from. An input with a `part` or a `bucket` is a number.
    """

    column: str
    type: ColumnType
    part: DatePart | None = None
    bucket: int | None = None

    @property
    def is_category(self) -> bool:
        return self.type == "category"

    @property
    def derived(self) -> bool:
        """Whether it is computed from a date or a text, and not a column as it is."""
        return self.part is not None or self.bucket is not None
