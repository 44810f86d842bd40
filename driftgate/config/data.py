"""The data file, its format, and the column to predict."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from driftgate.config.base import Frozen
from driftgate.contract import normal_text


class Texts(Frozen):
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
    of the problem file. `group` is a column that names the entity of a row, such as a customer.
    """

    path: Path
    stage: str | None = None
    row_id: str
    timestamp: str | None = None
    group: str | None = None
    as_of: dt.date | None = None
    csv: Csv = Csv()

    @field_validator("row_id", "timestamp", "group")
    @classmethod
    def _composed(cls, value: str | None) -> str | None:
        return None if value is None else normal_text(value)

    def texts(self, *, csv: bool) -> Texts:
        """How dates and missing values are written in a CSV or Parquet file."""
        keys = ("date_format", "time_zone", "missing")
        return Texts(**{key: (getattr(self.csv, key) if csv else None) or getattr(self, key) for key in keys})


class Target(Frozen):
    """The column to predict.

    For two classes, `positive` is the value of the positive class; every other value is the negative class. For three
    classes or more, `classes` lists all values. `unlabelled` says what to do with rows without a label: `leave_out` of
    training and evaluation and count them, or `refuse` the data.
    """

    column: str
    positive: bool | int | str | None = None
    classes: tuple[bool | int | str, ...] | None = Field(None, min_length=3, max_length=50)
    negative_name: str = "negative"
    positive_name: str = "positive"
    unlabelled: Literal["leave_out", "refuse"] = "refuse"

    @field_validator("column", "positive")
    @classmethod
    def _composed(cls, value: Any) -> Any:
        return normal_text(value) if isinstance(value, str) else value

    @field_validator("classes")
    @classmethod
    def _of_one_type(cls, value: tuple[bool | int | str, ...] | None) -> tuple[bool | int | str, ...] | None:
        if value is None:
            return None
        classes = tuple(normal_text(item) if isinstance(item, str) else item for item in value)
        if len({type(item) for item in classes}) > 1:
            raise ValueError("classes must be all texts or all whole numbers; put texts in quotes")
        twice = [item for item in classes if classes.count(item) > 1]
        if twice:
            raise ValueError(f"the class {twice[0]!r} occurs twice")
        return classes

    @model_validator(mode="after")
    def _two_or_more(self) -> Target:
        if (self.positive is None) == (self.classes is None):
            raise ValueError("set either positive, for two classes, or classes, for three or more")
        if self.positive_name == self.negative_name:
            raise ValueError("positive_name and negative_name must differ")
        return self

    @property
    def binary(self) -> bool:
        """Whether there are two classes."""
        return self.classes is None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the model's probabilities; for two classes: negative, positive."""
        if self.classes is None:
            return self.negative_name, self.positive_name
        return tuple(str(item) for item in self.classes)

    @property
    def value(self) -> bool | int | str:
        """One value of the target, which shows its type."""
        found = self.positive if self.classes is None else self.classes[0]
        assert found is not None
        return found
