"""A table whose columns have types, before anything is known about their roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from driftgate.config import Csv

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "integer", "boolean", "category", "date", "empty"]


@dataclass(frozen=True)
class TypedColumn:
    """One column and its type.

    Attributes:
        name: The name in the source.
        kind: `category` is any text; `empty` is a column without a value.
        values: float64 for `number` and `integer`, object of True, False and None for `boolean`, object of str and None for
            `category` and `empty`, datetime64 without a zone for `date`.
        date_format: For a `date` written as text: its strptime format; None for ISO 8601 and for typed columns.
        words: For a `boolean` written as text: the words for true and false, as in the source.
        notes: What was assumed about this column and a person should know, one sentence each.
        unread: For a `category`: its values look like numbers or dates, but can't be read as such; `notes` say why.
    """

    name: str
    kind: Kind
    values: pd.Series
    date_format: str | None = None
    words: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()
    unread: bool = False

    @property
    def missing(self) -> int:
        """The number of rows without a value."""
        return int(self.values.isna().sum())


@dataclass(frozen=True)
class TypedTable:
    """A table that was read from a source.

    Attributes:
        name: A name for the problem, from the file, folder or database table.
        columns: By name, in the order of the source.
        rows: Rows of the source; more than the columns have if only a sample was read.
        csv: The format of a CSV file; None for sources with types.
        missing: Words that mean a missing value in this source, beside the empty field.
        suffix: Of the data file that the source becomes: `.csv` or `.parquet`.
        notes: What was assumed about the whole table, one sentence each.
    """

    name: str
    columns: dict[str, TypedColumn]
    rows: int
    csv: Csv | None
    missing: tuple[str, ...]
    suffix: Literal[".csv", ".parquet"]
    notes: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        """The number of rows that were read."""
        return len(next(iter(self.columns.values())).values) if self.columns else 0
