"""The data file, its format, and the column to predict."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from driftgate.columns import date_format, known_zone, normal_text, words_for_missing
from driftgate.config.base import Frozen

MAXIMUM_CLASSES = 50  # of the target


class Texts(Frozen):
    """How dates and missing values are written as text."""

    date_format: str | None = Field(
        None,
        description="The format of the timestamp, as in Python's `strptime`, with a year, a month and a day, such as "
        "`%d/%m/%Y %H:%M`. The default is ISO 8601. Feature columns of dates have a `format` of their own.",
    )
    time_zone: str | None = Field(
        None,
        description="The time zone of times without an offset, as an IANA name such as `Europe/Paris`. Times with an offset "
        "are converted to its local time; without this key, to UTC.",
    )
    missing: tuple[str, ...] = Field(
        (),
        description="Words that mean a missing value, in any column that has no `missing` of its own. An empty field always "
        "means one.",
    )

    @field_validator("date_format")
    @classmethod
    def _names_a_day(cls, value: str | None) -> str | None:
        return value if value is None else date_format(value)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        return value if value is None else known_zone(value)

    @field_validator("missing", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return words_for_missing(value)


class Csv(Texts):
    """The format of a CSV file. `date_format`, `time_zone` and `missing` override the same keys of `data`."""

    delimiter: str = Field(",", description="The character between two fields; `tab` for a tab.")
    encoding: str = Field("utf-8", description="The encoding of the file, such as `cp1252`.")
    decimal: Literal[".", ","] = Field(".", description="The decimal separator of numbers.")

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
    """The data file and its format."""

    path: Path = Field(
        description="The `.parquet` or `.csv` file, relative to the project. A path that begins with `./` or `../` is "
        "relative to the folder of the problem file."
    )
    stage: str | None = Field(
        None, description="The DVC stage that builds the file. Leave it out for a file of your own."
    )
    row_id: str | None = Field(
        None,
        description="The column that identifies each row. Its values must be unique. Without it, rows have no id, and "
        "`run.py data add` can't notice rows that are already in the data.",
    )
    timestamp: str | None = Field(None, description="The column with the time of each row.")
    group: str | None = Field(
        None,
        description="The column that names the entity of a row, such as a customer. It must not be missing. It may also be a "
        "feature.",
    )
    as_of: dt.date | None = Field(
        None,
        description="The date from which a run looks back: it reads only earlier rows. It needs `timestamp`. `--as-of` "
        "overrides it. The default is now.",
    )
    csv: Csv = Field(Csv(), description="How a CSV file is written.")

    @field_validator("row_id", "timestamp", "group")
    @classmethod
    def _composed(cls, value: str | None) -> str | None:
        return None if value is None else normal_text(value)

    def texts(self, *, csv: bool) -> Texts:
        """How dates and missing values are written in a CSV or Parquet file."""
        keys = ("date_format", "time_zone", "missing")
        return Texts(**{key: (getattr(self.csv, key) if csv else None) or getattr(self, key) for key in keys})


class Target(Frozen):
    """The column to predict. Set either `positive`, for two classes, or `classes`, for three to fifty."""

    column: str = Field(description="The column to predict.")
    positive: bool | int | str | None = Field(
        None,
        description="For two classes: the value of the positive class. The other value is the negative class. The target is "
        "read as the type of this value: a boolean, a whole number or a text. YAML reads `yes` without quotes as true; then "
        "the target is read as a boolean, and may be written `yes` and `no`.",
    )
    classes: tuple[bool | int | str, ...] | None = Field(
        None,
        min_length=3,
        max_length=MAXIMUM_CLASSES,
        description="For three classes or more: all values of the target, in the order of the model's probabilities. All are "
        "texts, or all are whole numbers.",
    )
    negative_name: str = Field(
        "negative", description="For two classes: the name of the negative class in responses and reports."
    )
    positive_name: str = Field(
        "positive", description="For two classes: the name of the positive class in responses and reports."
    )
    unlabelled: Literal["leave_out", "refuse"] = Field(
        "refuse",
        description="What to do with rows without a label: leave them out of training and evaluation, and count them; or "
        "refuse the data.",
    )

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
