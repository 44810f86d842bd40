"""Find the types of columns that have a type already: of Parquet files and of results of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from driftgate.config import Csv, Texts
from driftgate.contract import MAXIMUM_INTEGER
from driftgate.data.dates import local_time
from driftgate.data.read_parquet import is_text
from driftgate.init.sources.base import SourceOptions
from driftgate.init.sources.table import TypedColumn
from driftgate.init.sources.texts import DistinctTexts, sentence, type_texts

Change = Literal["text", "finite"]


@dataclass(frozen=True)
class Typed:
    """The columns of a typed source.

    Attributes:
        columns: Those that can be used.
        missing: Words that mean a missing value in text.
        changes: What must change when a column is stored, by name: whole numbers that become text, infinite values that
            become missing.
        notes: Which columns were left out, and why.
    """

    columns: list[TypedColumn]
    missing: tuple[str, ...]
    changes: Mapping[str, Change]
    notes: tuple[str, ...]


def type_table(table: Any, options: SourceOptions) -> Typed:
    """Find the types of the columns of a pyarrow table, whose names are those of the problem."""
    columns: dict[str, TypedColumn | None] = {}
    texts: dict[str, DistinctTexts] = {}
    changes: dict[str, Change] = {}
    notes = []
    for name in table.column_names:
        values = _plain(table.column(name))
        if (reason := _unusable(values)) is not None:
            notes.append(f"Column {name!r} {reason}, and is left out.")
        elif is_text(values.type):
            columns[name], texts[name] = None, DistinctTexts(_as_string(values))
        else:
            columns[name], change = _typed(name, values, options)
            if change:
                changes[name] = change
    found, missing = type_texts(texts, Csv(), options, numbers=False)
    columns |= {column.name: column for column in found}
    return Typed([column for column in columns.values() if column], missing, changes, tuple(notes))


def changed(values: Any, change: Change | None) -> Any:
    """A column as it is stored; `values` is a pyarrow array."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if change == "text":
        return _plain(values).cast(pa.string())
    if change == "finite":
        return pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
    return values


def unlike_schemas(schemas: Sequence[Any]) -> tuple[int, str] | None:
    """The first schema that doesn't have the columns and types of the first one, and the column; None if all have them.

    A column without any value has the type null, which goes with every type.
    """
    import pyarrow as pa

    known = {field.name: field.type for field in schemas[0]}
    for at, schema in enumerate(schemas[1:], start=1):
        own = {field.name: field.type for field in schema}
        for name in [*known, *own]:
            if name not in known or name not in own:
                return at, f"{name!r} is only in one of them"
            if pa.types.is_null(known[name]):
                known[name] = own[name]
            elif not pa.types.is_null(own[name]) and _value_type(own[name]) != _value_type(known[name]):
                return at, f"{name!r} has the type {own[name]} in one and {known[name]} in the other"
    return None


def _value_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _plain(values: Any) -> Any:
    """A column without a dictionary."""
    import pyarrow as pa

    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _as_string(values: Any) -> Any:
    import pyarrow as pa

    return values.cast(pa.string())


def _unusable(values: Any) -> str | None:
    """Why models can't use a column, to continue a sentence; None if they can."""
    import pyarrow as pa

    types, kind = pa.types, values.type
    if types.is_nested(kind):
        return f"holds lists or structures ({str(kind)[:60]})"
    if is_text(kind):
        try:
            _as_string(values)
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return "holds bytes that are not text"
        return None
    known = (
        types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        or types.is_timestamp(kind) or types.is_date(kind) or types.is_null(kind)
    )  # fmt: skip
    return None if known else f"has the type {kind}, which models can't use"


def _typed(name: str, values: Any, options: SourceOptions) -> tuple[TypedColumn, Change | None]:
    import pandas as pd
    import pyarrow as pa

    types, kind = pa.types, values.type
    if types.is_null(kind) or values.null_count == len(values):
        return TypedColumn(name, "empty", pd.Series([None] * len(values), dtype=object)), None
    if types.is_boolean(kind):
        return TypedColumn(name, "boolean", values.to_pandas().astype(object)), None
    if types.is_timestamp(kind) or types.is_date(kind):
        return _dates(name, values, options), None
    return _numbers(name, values)


def _dates(name: str, values: Any, options: SourceOptions) -> TypedColumn:
    """Dates as midnight, timestamps with a zone as local time of the data."""
    import pandas as pd
    import pyarrow as pa

    kind, notes = values.type, tuple[str, ...]()
    if pa.types.is_date64(kind):
        values = values.cast(pa.timestamp("ms"))
    aware = pa.types.is_timestamp(kind) and kind.tz is not None
    series = pd.Series(values.cast(pa.timestamp("us", kind.tz) if aware else pa.timestamp("us"), safe=False)
                       .cast(pa.timestamp("us")).to_pandas())  # fmt: skip
    if aware:
        series = local_time(series, Texts(time_zone=options.time_zone))
        notes = (sentence(f"its time zone is converted to {options.time_zone or 'UTC'}"),)
    return TypedColumn(name, "date", series, notes=notes)


def _numbers(name: str, values: Any) -> tuple[TypedColumn, Change | None]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind = pa.types, values.type
    exact = types.is_integer(kind) or (types.is_decimal(kind) and kind.scale <= 0)
    wide = exact and (types.is_decimal(kind) or kind.bit_width == 64)
    numbers = pd.Series(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if wide and numbers.abs().max() > MAXIMUM_INTEGER:
        note = sentence("its numbers exceed ±2^53, so it becomes text, as identifiers are")
        return TypedColumn(name, "category", values.cast(pa.string()).to_pandas().astype(object), notes=(note,)), "text"
    notes: tuple[str, ...] = ()
    infinite = np.isinf(numbers)
    if infinite.any():
        numbers = numbers.mask(infinite)
        notes = (f"{int(infinite.sum()):,} infinite values become missing.",)
    known = numbers.dropna()
    if known.empty:
        return TypedColumn(name, "empty", pd.Series([None] * len(values), dtype=object), notes=notes), None
    if exact and set(pc.unique(values.drop_null()).to_pylist()) == {0, 1}:
        notes += (sentence("0 and 1 are read as whole numbers, not as false and true"),)
    # pandas holds whole numbers as floats if some are missing.
    whole = exact or (
        len(known) < len(numbers) and bool((known % 1 == 0).all()) and known.abs().max() <= MAXIMUM_INTEGER
    )
    found = TypedColumn(name, "integer" if whole else "number", numbers, notes=notes)
    return found, "finite" if infinite.any() else None
