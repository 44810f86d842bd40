"""Read the result of a query, or a table of a database, without changing anything there."""

from __future__ import annotations

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from driftgate.errors import DriftgateError, first_line
from driftgate.init.sources.arrow_types import changed, type_table
from driftgate.init.sources.base import (
    Source,
    SourceOptions,
    by_name,
    problem_name,
    require_shape,
    usable_names,
)
from driftgate.init.sources.parquet_files import write_parquet
from driftgate.init.sources.sample import Reservoir
from driftgate.init.sources.table import TypedTable

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import URL, Connection, Engine

CHUNK = 20_000  # rows
SHOWN_TABLES = 20
DRIVERS = {"psycopg2": "postgresql", "psycopg2-binary": "postgresql"}  # the extra that has a driver
LITERAL_OR_COMMENT = re.compile(
    r"""(?sx)
    '(?:[^'\\]|'')*' | "(?:[^"\\]|"")*" | `[^`]*`  # a literal with a backslash is no match, so it is not skipped
    | (?P<comment>--[^\n]* | /\*.*?\*/)
    """
)
READS = re.compile(r"(?is)^(?:select|with|values|table)\b")
WRITES = re.compile(r"(?i)\b(?:insert|update|delete|merge|replace|into|create|drop|alter|truncate|grant|call|exec)\b")
INTO = re.compile(r"(?i)\binto\b")
RUN_COMMENT = re.compile(r"/\*M?!")  # MySQL runs what is in such a comment
NUMBERS = {bool, int, float, decimal.Decimal}


class DatabaseSource(Source):
    """Rows of a database: those that were read are what is written.

    Args:
        shown: The source as a person may see it.
        table: What was read.
        rows: The rows as a pyarrow table, with the names and values of the data file.
    """

    def __init__(self, shown: str, table: TypedTable, rows: pa.Table) -> None:
        super().__init__(shown, table)
        self._rows = rows

    def _write(self, draft: Path) -> None:
        write_parquet(draft, iter([self._rows]))


def read_database(address: str, *, query: str | None, options: SourceOptions) -> DatabaseSource:
    """Read the rows of a query or table: all of them if they are not many, else a random sample.

    Args:
        address: A SQLAlchemy URL.
        query: A SELECT statement, or the name of a table or view.
        options: What a person said.

    Raises:
        DriftgateError: If the database or the query can't be read; no error shows a password.
    """
    url = _url(address)
    shown = _without_password(url)
    with _errors_of(shown, url), _connection(url, shown) as connection:
        statement, name = _statement(connection, query, shown)
        table, rows, notes = _fetch(connection, statement, options, shown)
    typed = type_table(table, options)
    require_shape(shown, rows=rows, names=[column.name for column in typed.columns])
    notes += typed.notes
    if table.num_rows < rows:
        notes.append(
            f"The query returns {rows:,} rows; the data file has a random sample of {table.num_rows:,} of them. To have "
            "all, export them to a Parquet file."
        )
    stored = table.select([column.name for column in typed.columns])
    for at, column in enumerate(typed.columns):
        # Dates as text become dates, so that every reader reads them alike.
        values = stored.column(at)
        if column.kind == "date" and (column.date_format or _is_string(values)):
            values = _as_dates(column.values)
        stored = stored.set_column(at, column.name, changed(values, typed.changes.get(column.name)))
    columns = [replace(column, date_format=None) for column in typed.columns]
    found = TypedTable(
        name=problem_name(name), columns=by_name(columns), rows=rows, csv=None, missing=typed.missing, suffix=".parquet",
        notes=tuple(notes),
    )  # fmt: skip
    return DatabaseSource(shown, found, stored)


def _fetch(
    connection: Connection, statement: str, options: SourceOptions, shown: str
) -> tuple[pa.Table, int, list[str]]:
    """The rows, or a sample of them, as a pyarrow table; the number of rows; and notes."""
    import pyarrow as pa
    from sqlalchemy import text

    escaped = re.sub(r"(?<![:\w\x5c]):(?=\w)", r"\:", statement)  # a time such as '10:30' has no parameter
    result = connection.execution_options(stream_results=True, yield_per=CHUNK).execute(text(escaped))
    if not result.returns_rows:
        raise _no_select(shown)
    names, notes = usable_names(shown, list(result.keys()))
    reservoir = Reservoir(options.limits.sample(len(names)), seed=options.seed)
    whole: list[Any] = []
    read = 0
    for rows in result.partitions(CHUNK):
        fetched = [tuple(row) for row in rows]
        read += len(fetched)
        if whole is not None:
            whole += fetched
        if not options.limits.whole(read, len(names)):
            break
    if not options.limits.whole(read, len(names)):
        whole, read = _sampled(whole, result, reservoir)
    if not read:
        raise DriftgateError(f"The query to {shown} returns no rows.", "Correct --query.")
    columns = list(zip(*whole, strict=True))
    del whole
    arrays, kinds = [], []
    for name, values in zip(names, columns, strict=True):
        array, note = _array(values)
        arrays.append(array)
        if note:
            kinds.append(f"Column {name!r} {note}.")
    return pa.table(dict(zip(names, arrays, strict=True))), read, [*notes, *kinds]


def _sampled(first: list[Any], result: Any, reservoir: Reservoir) -> tuple[list[Any], int]:
    """A random sample of rows that were fetched and those that follow."""
    import pyarrow as pa

    kept: dict[int, Any] = {}
    begin = 0
    for rows in _chunks(first, result):
        places = pa.table({"row": pa.array(range(begin, begin + len(rows)), pa.int64())})
        kept |= dict(enumerate(rows, start=begin))
        reservoir.add(places)
        begin += len(rows)
        if len(kept) > 4 * max(reservoir.size, CHUNK):
            kept = {at: kept[at] for at in reservoir.places()}
    return [kept[at] for at in reservoir.places()], begin


def _chunks(first: list[Any], result: Any) -> Iterator[list[Any]]:
    for at in range(0, len(first), CHUNK):
        yield first[at : at + CHUNK]
    for rows in result.partitions(CHUNK):
        yield [tuple(row) for row in rows]


def _array(values: tuple[Any, ...]) -> tuple[pa.Array, str | None]:
    """A column as a pyarrow array, and what to say about it; databases such as SQLite may mix types."""
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None):
        return pa.array(values, pa.int64()), None
    if kinds and kinds <= NUMBERS and kinds != {bool}:
        if kinds == {decimal.Decimal} and all(_whole(value) for value in values if value is not None):
            return pa.array([None if value is None else int(value) for value in values], pa.int64()), None
        if kinds != {int}:
            return pa.array([None if value is None else float(value) for value in values], pa.float64()), None
    if kinds and kinds <= {dt.datetime, dt.date}:
        return _stamps(values), None
    if kinds and kinds <= {uuid.UUID, str, int, float, decimal.Decimal, bool} and kinds not in ({str}, {bool}):
        note = "mixes text and numbers, so all of it is read as text" if len(kinds) > 1 else None
        return pa.array([None if value is None else str(value) for value in values], pa.string()), note
    if kinds & {list, dict, tuple, set}:
        return pa.array([None if value is None else [] for value in values], pa.list_(pa.null())), None
    if len(kinds) > 1:
        return pa.array([None] * len(values)), "mixes types that can't be read together, so it is read as empty"
    try:
        return pa.array(values), None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([None] * len(values)), f"has values of a type that can't be read ({next(iter(kinds)).__name__})"


def _whole(value: decimal.Decimal) -> bool:
    return (
        value.is_finite()
        and value == value.to_integral_value()
        and abs(value) < 2**63
        and value.as_tuple().exponent == 0
    )


def _stamps(values: tuple[Any, ...]) -> pa.Array:
    """Timestamps; dates become midnight, those with an offset become UTC."""
    import pyarrow as pa

    found: list[dt.datetime | None] = []
    aware = False
    for value in values:
        if isinstance(value, dt.datetime):
            aware = aware or value.tzinfo is not None
            found.append(value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value)
        else:
            found.append(None if value is None else dt.datetime.combine(value, dt.time()))
    return pa.array(found, pa.timestamp("us")).cast(pa.timestamp("us", "UTC") if aware else pa.timestamp("us"))


def _as_dates(values: Any) -> pa.Array:
    import pyarrow as pa

    return pa.array(values.astype("datetime64[us]"), pa.timestamp("us"))


def _is_string(values: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(values.type))


def _url(address: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    scheme = address.partition("://")[0]
    if scheme == "postgres":
        address = f"postgresql{address.removeprefix('postgres')}"
    try:
        return make_url(address)
    except (ArgumentError, ValueError):
        raise DriftgateError(
            f"The address that begins with {scheme}:// is not a SQLAlchemy URL.",
            "Write it as dialect://user:password@host/database; escape special characters of the password (%40 for @).",
        ) from None  # the error may show the password


def _without_password(url: URL) -> str:
    return url.set(password=None).difference_update_query(list(url.query)).render_as_string(hide_password=True)


@contextmanager
def _errors_of(shown: str, url: URL) -> Iterator[None]:
    """Errors of the database and its driver, as errors that a user can fix."""
    from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        missing = getattr(error, "name", None) or url.drivername
        extra = DRIVERS.get(missing.split(".")[0])
        raise DriftgateError(
            f"{shown} can't be read: the driver {missing!r} is not installed.",
            f"Install it with `uv sync --extra {extra}`."
            if extra
            else "Install it with `uv pip install`, or export the table.",
        ) from error
    except DBAPIError as error:
        cause = _harmless(first_line(Exception(str(error.orig))), url)
        refused = "readonly" in cause or "read-only" in cause
        remedy = "Give a query that only reads." if refused else "Correct the address, your rights or --query."
        raise DriftgateError(f"{shown} refuses: {cause}.", remedy) from None
    except SQLAlchemyError as error:
        raise DriftgateError(
            f"{shown} can't be read: {_harmless(first_line(error), url)}.", "Correct --query."
        ) from None


def _harmless(message: str, url: URL) -> str:
    """A message without the password."""
    secrets = [str(url.password)] if url.password else []
    secrets += [value for key, value in url.query.items() if isinstance(value, str) and "pass" in key.lower()]
    for secret in secrets:
        message = message.replace(secret, "***").replace(quote(secret), "***")
    return message


@contextmanager
def _connection(url: URL, shown: str) -> Iterator[Connection]:
    """A connection that can't change the database, where the database has such connections; nothing is committed."""
    engine = _engine(url, shown)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
            elif engine.dialect.name in ("mysql", "mariadb"):
                connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def _engine(url: URL, shown: str) -> Engine:
    from sqlalchemy import create_engine

    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:" or not path.is_file():
        what = "names no file" if not url.database else f"names {path}, which is no file"
        raise DriftgateError(f"{shown} {what}.", "Write sqlite:///relative/path.db or sqlite:////absolute/path.db.")
    import sqlite3

    def connect() -> Any:
        return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)

    return create_engine("sqlite://", creator=connect)


def _statement(connection: Connection, query: str | None, shown: str) -> tuple[str, str]:
    """The statement to run, and a name for the problem.

    Raises:
        DriftgateError: If it isn't a single statement that only reads, or a table.
    """
    from sqlalchemy import inspect

    inspector = inspect(connection)
    wanted = (query or "").strip().rstrip(";").strip()
    if not wanted:
        raise DriftgateError(
            f"{shown} is a database: say what to read.",
            f"Give a table or a SELECT with --query; its tables: {_tables(inspector)}.",
        )
    schema, _, name = wanted.rpartition(".")
    preparer = connection.dialect.identifier_preparer
    if inspector.has_table(wanted):
        return f"SELECT * FROM {preparer.quote(wanted)}", wanted  # noqa: S608 - a table that exists, quoted
    if schema and " " not in wanted and inspector.has_table(name, schema=schema):
        return f"SELECT * FROM {preparer.quote(schema)}.{preparer.quote(name)}", name  # noqa: S608
    bare = _without_comments(wanted).strip()
    if not re.search(r"\s", bare):
        raise DriftgateError(f"{shown} has no table {wanted!r}.", f"Its tables: {_tables(inspector)}.")
    if not _only_reads(wanted, connection.dialect.name):
        raise _no_select(shown)
    table = re.search(r"(?i)\bfrom\s+[\"`\[]?([\w.]+)", bare)
    return wanted, table[1].rpartition(".")[2] if table else "query"


def _tables(inspector: Any) -> str:
    found = [*inspector.get_table_names(), *inspector.get_view_names()]
    more = f" and {len(found) - SHOWN_TABLES:,} more" if len(found) > SHOWN_TABLES else ""
    return ", ".join(found[:SHOWN_TABLES]) + more if found else "none that you can see"


def _only_reads(statement: str, dialect: str) -> bool:
    """Whether a text is a single statement that begins as a query.

    In databases whose connections can be read-only, the database itself refuses a query that changes rows.
    """
    outside = LITERAL_OR_COMMENT.sub(lambda found: " " if found["comment"] else "''", statement)
    if not READS.match(outside.lstrip("( \n\t\r")) or ";" in outside:
        return False
    if dialect in ("sqlite", "postgresql"):
        return True
    if dialect in ("mysql", "mariadb"):  # a read-only transaction may still write a file
        return not INTO.search(outside) and not RUN_COMMENT.search(statement)
    return not WRITES.search(outside)


def _without_comments(statement: str) -> str:
    return LITERAL_OR_COMMENT.sub(lambda found: " " if found["comment"] else found[0], statement)


def _no_select(shown: str) -> DriftgateError:
    return DriftgateError(
        f"The query to {shown} is not a single SELECT statement; it was not run.",
        "Give a query that only reads, or the name of a table.",
    )
