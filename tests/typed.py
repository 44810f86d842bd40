"""Typed tables for tests, made from data frames."""

import pandas as pd

from driftgate.config import Csv
from driftgate.init.sources.table import Kind, TypedColumn, TypedTable


def typed(frame: pd.DataFrame, *, name: str = "table", rows: int | None = None) -> TypedTable:
    """A typed table of a data frame, with the kinds that its columns have."""
    columns = {str(key): _column(str(key), frame[key].reset_index(drop=True)) for key in frame}
    return TypedTable(name, columns, rows or len(frame), Csv(), (), ".csv")


def _column(name: str, values: pd.Series) -> TypedColumn:
    kind, values = _kind(values)
    return TypedColumn(name, kind, values)


def _kind(values: pd.Series) -> tuple[Kind, pd.Series]:
    known = values.dropna()
    if known.empty:
        return "empty", pd.Series([None] * len(values), dtype=object)
    if known.dtype.kind == "M":
        return "date", values
    if known.dtype.kind == "b" or known.map(lambda value: isinstance(value, bool)).all():
        return "boolean", values.astype(object).where(values.notna(), None)
    if known.dtype.kind in "iuf":
        numbers = values.astype("float64")
        return ("integer" if (numbers.dropna() % 1 == 0).all() else "number"), numbers
    return "category", values.map(lambda value: str(value) if pd.notna(value) else None).astype(object)
