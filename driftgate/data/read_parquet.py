"""Read Parquet files of any writer, and convert their columns to the types that models and checks use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.config import Problem
from driftgate.contract import normal_text
from driftgate.data.convert import Rule, beyond_integers, from_texts, rule_of, without_missing
from driftgate.data.dates import local_time
from driftgate.data.faults import Fault, refuse, refuse_duplicates, require_file
from driftgate.errors import DriftgateError, first_line
from driftgate.workspace import show_path

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class ParquetFile:
    """A Parquet file.

    Args:
        path: The file.

    Raises:
        DriftgateError: If it can't be read, or two columns have the same name.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        require_file(path, parquet=True)
        self.path = path
        try:
            # 96-bit timestamps of older writers would end in 2262 if they were read as nanoseconds.
            self._file = pq.ParquetFile(path, coerce_int96_timestamp_unit="us")
        except Exception as error:
            raise self._unreadable(error) from error
        self._schema = self._file.schema_arrow  # pyarrow makes it anew each time
        self._stored = list(self._schema.names)
        self.names = [normal_text(name) for name in self._stored]
        refuse_duplicates(path, self.names)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self._file.metadata.num_rows)

    def column(self, name: str, problem: Problem) -> pa.ChunkedArray:
        """One column with all rows, converted.

        Raises:
            DriftgateError: For the same reasons as `table`.
        """
        return self.table([name], problem).column(0)

    def table(self, names: list[str], problem: Problem, *, keep: np.ndarray | None = None) -> pa.Table:
        """Some columns, converted.

        Args:
            names: Names of the columns.
            problem: Says how to read each column.
            keep: Which rows to read, as booleans of shape (rows,); None: all. Row groups without such a row are not loaded.

        Raises:
            DriftgateError: If a column is nested or has a type that models can't use, or a value can't be read. The error
                names the column.
        """
        import pyarrow as pa

        stored = [self._stored[self.names.index(name)] for name in names]
        rules = [rule_of(name, problem, csv=False) for name in names]
        for name, rule in zip(stored, rules, strict=True):
            self._require_usable(self._schema.field(name).type, rule)
        try:
            table = self._read(stored, keep)
        except Exception as error:
            raise self._unreadable(error) from error
        columns, faults = [], []
        for at, rule in enumerate(rules):
            try:
                column, wrong = _convert(table.column(at), rule)
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise DriftgateError(
                    f"{show_path(self.path)}: column {rule.name!r} can't be read as {_article(rule.kind)}: "
                    f"{first_line(error)}.",
                    "Correct its values or its type.",
                ) from error
            columns.append(column)
            faults += wrong
        if faults:
            raise refuse(self.path, faults, place=lambda row: f"row {row + 1:,}")
        return pa.table(dict(zip(names, columns, strict=True)))

    def _read(self, stored: list[str], keep: np.ndarray | None) -> pa.Table:
        import pyarrow as pa

        if keep is None:
            # Select again by name: pyarrow also reads a name with a dot as the path of a nested column.
            return self._file.read(columns=stored).select(stored)
        groups, masks, begin = [], [], 0
        for at in range(self._file.metadata.num_row_groups):
            end = begin + self._file.metadata.row_group(at).num_rows
            if keep[begin:end].any():
                groups.append(at)
                masks.append(keep[begin:end])
            begin = end
        table = self._file.read_row_groups(groups, columns=stored).select(stored)
        return table.filter(pa.chunked_array([pa.array(mask) for mask in masks], pa.bool_()))

    def _require_usable(self, kind: Any, rule: Rule) -> None:
        import pyarrow as pa

        types = pa.types
        kind = kind.value_type if types.is_dictionary(kind) else kind
        nested = types.is_nested(kind)
        if nested or types.is_time(kind) or types.is_duration(kind) or types.is_fixed_size_binary(kind):
            what = f"is nested ({kind})" if nested else f"has the type {kind}, which is not supported"
            raise DriftgateError(
                f"{show_path(self.path)}: column {rule.name!r} {what}.",
                "Convert it to numbers, text, booleans or dates, or remove it from the problem file.",
            )
        dated = types.is_timestamp(kind) or types.is_date(kind) or is_text(kind) or types.is_null(kind)
        if rule.dated and not dated:
            which = ", which is data.timestamp," if rule.kind == "timestamp" else ", which is declared as a date,"
            raise DriftgateError(
                f"{show_path(self.path)}: column {rule.name!r}{which} has the type {kind}, not a date.",
                "Convert it to dates, timestamps or text in ISO 8601.",
            )

    def _unreadable(self, error: Exception) -> DriftgateError:
        return DriftgateError(
            f"{show_path(self.path)} can't be read as Parquet: {first_line(error)}.", "Write the file again."
        )


def _convert(values: Any, rule: Rule) -> tuple[Any, list[Fault]]:
    import pyarrow as pa

    types, kind = pa.types, values.type
    if types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if is_text(kind):
        values = values.cast(pa.string())
        if rule.kind == "boolean":
            return _booleans_of(without_missing(values, rule), rule)
        # Text in a column of numbers stays text, and the contract check reports it.
        return from_texts(values, rule) if rule.dated else (without_missing(values, rule), [])
    if rule.dated:
        return _local_stamps(values, rule), []
    if types.is_decimal(kind):
        if rule.kind == "integer" and (faults := beyond_integers(values, rule)):
            return values, faults  # as floats they would be rounded unseen
        values = values.cast(pa.string()) if rule.kind == "identifier" else values.cast(pa.float64())
    elif types.is_float16(kind):
        values = values.cast(pa.float32())
    elif types.is_null(kind) and rule.kind in ("number", "integer"):
        values = values.cast(pa.float64())
    # Whole numbers become floats if some are missing. They must not be rounded without a report.
    exact = rule.kind != "integer" or not types.is_integer(values.type) or values.type.bit_width < 64
    return values, [] if exact else beyond_integers(values, rule)


def _booleans_of(values: Any, rule: Rule) -> tuple[Any, list[Fault]]:
    """Booleans written as words, such as yes and no; other texts stay as they are, and the contract check reports them."""
    found, faults = from_texts(values, rule)
    return (values, []) if faults else (found, [])


def _local_stamps(values: Any, rule: Rule) -> Any:
    """Timestamps: dates become midnight, timestamps with a zone become local time of the declared zone."""
    import pandas as pd
    import pyarrow as pa

    kind = values.type
    unit = "ns" if pa.types.is_timestamp(kind) and kind.unit == "ns" else "us"
    aware = pa.types.is_timestamp(kind) and kind.tz is not None
    if pa.types.is_date64(kind):
        values = values.cast(pa.timestamp("ms"))
    stamps = values.cast(pa.timestamp(unit, kind.tz) if aware else pa.timestamp(unit))
    if not aware:
        return stamps
    moments = pd.Series(stamps.cast(pa.timestamp(unit)).to_pandas())  # in UTC
    return pa.chunked_array([pa.array(local_time(moments, rule.texts), pa.timestamp(unit))])


def is_text(kind: Any) -> bool:
    """Whether a type is text; older writers store text as bytes."""
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
        or types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    )  # fmt: skip


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
