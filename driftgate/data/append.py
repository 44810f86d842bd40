"""Append the rows of one data file to another, in the same or the other format; the existing rows don't change."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.config import Problem, Texts
from driftgate.contract import normal_text
from driftgate.data.convert import Rule, rule_of
from driftgate.data.read_csv import CsvFile
from driftgate.data.read_parquet import ParquetFile

if TYPE_CHECKING:
    import pyarrow as pa

WITH_MARK = ("utf16", "utf32")  # encodings with a byte order mark at the beginning


def append_parquet(
    old: ParquetFile, added: CsvFile | ParquetFile, rows: pa.Table, draft: Path, problem: Problem
) -> None:
    """Write a Parquet file with the rows of both files, and with the columns, types and compression of the old one.

    Args:
        old: The data file.
        added: The file of new rows.
        rows: The new rows as read, with the columns that the problem names.
        draft: Path of the file to write.
        problem: Gives the time zone.

    Raises:
        pyarrow.ArrowException: If a value doesn't fit the type of its column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    before = pq.ParquetFile(old.path).read()
    stored = _stored(added, [normal_text(name) for name in before.schema.names])
    columns = [
        _fitted(stored[name], _named(rows, name), field.type, rule_of(name, problem, csv=False).texts)
        for field in before.schema
        for name in [normal_text(field.name)]
    ]
    new = pa.table(columns, schema=before.schema)
    known = pq.read_metadata(old.path)
    how = known.row_group(0).column(0).compression if known.num_row_groups and known.num_columns else "SNAPPY"
    pq.write_table(pa.concat_tables([before, new]), draft, compression="NONE" if how == "UNCOMPRESSED" else how)


def append_csv(old: CsvFile, added: CsvFile | ParquetFile, rows: pa.Table, draft: Path, problem: Problem) -> None:
    """Write a CSV file with the rows of both files, and with the columns of the old one in their order.

    Fields of a CSV file stay as they are written. Values of a Parquet file are written in the format of `data.csv`.

    Args:
        old: The data file.
        added: The file of new rows.
        rows: The new rows as read, with the columns that the problem names.
        draft: Path of the file to write.
        problem: Gives the CSV format in `data.csv`.
    """
    how, content = problem.data.csv, old.path.read_bytes()
    text = io.StringIO(newline="")
    end = "\r\n" if b"\r\n" in content[:100_000] else "\n"
    writer = csv.writer(text, delimiter=how.delimiter, lineterminator=end)
    if isinstance(added, CsvFile):
        places = [added.names.index(name) for name in old.names]
        writer.writerows([row[place] for place in places] for row in added.rows())
    else:
        stored = _stored(added, old.names)
        columns = [_written(_named(rows, name), stored[name], rule_of(name, problem, csv=True)) for name in old.names]
        writer.writerows(zip(*columns, strict=True))
    if how.encoding.lower().replace("-", "").replace("_", "") in WITH_MARK:
        before = content.decode(how.encoding)
        draft.write_bytes((before + ("" if before.endswith("\n") else end) + text.getvalue()).encode(how.encoding))
        return
    ends = content.endswith((b"\n", end.encode(how.encoding)))
    draft.write_bytes(content + (b"" if ends else end.encode(how.encoding)) + text.getvalue().encode(how.encoding))


def _stored(file: CsvFile | ParquetFile, names: list[str]) -> dict[str, Any]:
    """Columns as they are in the file; fields of a CSV file as text, null where they are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if isinstance(file, CsvFile):
        texts = file.columns(names)
        return {
            name: pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text) for name, text in texts.items()
        }
    table = pq.ParquetFile(file.path).read()
    table = table.rename_columns([normal_text(name) for name in table.schema.names])
    return {name: table.column(name) for name in names}


def _named(rows: pa.Table, name: str) -> Any:
    return rows.column(name) if name in rows.column_names else None


def _fitted(stored: Any, read: Any, kind: Any, texts: Texts) -> Any:
    """A column converted to the type that it has in the data.

    Args:
        stored: The column as stored in its file.
        read: The column as read with the problem file; None if the problem doesn't name it.
        kind: The Arrow type to convert to.
        texts: Gives the time zone and the format of dates.
    """
    import pyarrow as pa

    types = pa.types
    if stored.type == kind or read is None or (types.is_large_string(kind) and types.is_string(stored.type)):
        return stored.cast(kind)
    if types.is_timestamp(read.type) and types.is_timestamp(kind) and kind.tz:
        moments = read.to_pandas().dt.tz_localize(texts.time_zone or "UTC")
        return pa.chunked_array([pa.array(moments)]).cast(kind)
    if types.is_timestamp(read.type) and not (types.is_timestamp(kind) or types.is_date(kind)):
        return pa.chunked_array([pa.array(_dates(read, texts.date_format), pa.string())]).cast(kind)
    return read.cast(kind)


def _written(read: Any, stored: Any, rule: Rule) -> list[str]:
    """The values of a column as fields of a CSV file."""
    import pyarrow as pa

    values = stored if read is None else read
    if pa.types.is_timestamp(values.type) and read is not None:
        return ["" if text is None else text for text in _dates(values, rule.texts.date_format)]
    fields = ["" if value is None else str(value) for value in values.to_pylist()]
    if rule.decimal == "," and pa.types.is_floating(values.type):
        return [field.replace(".", ",") for field in fields]
    return fields


def _dates(stamps: Any, form: str | None) -> list[str | None]:
    moments = stamps.cast("timestamp[us]").to_pylist()
    return [None if moment is None else moment.strftime(form) if form else str(moment) for moment in moments]
