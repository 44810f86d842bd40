"""Read a CSV file of any dialect, compressed or not."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import ValidationError

from driftgate.config import Csv
from driftgate.data.faults import require_file
from driftgate.data.read_csv import CsvFile
from driftgate.errors import DriftgateError, first_line
from driftgate.files import md5_of
from driftgate.init.sources.base import (
    Fingerprint,
    Source,
    SourceOptions,
    by_name,
    invalid_option,
    problem_name,
    require_shape,
    sampled_note,
    usable_names,
)
from driftgate.init.sources.sample import Reservoir
from driftgate.init.sources.sniff import delimiter_of, encoding_of, require_header
from driftgate.init.sources.table import TypedTable
from driftgate.init.sources.texts import DistinctTexts, decimal_of, type_texts

if TYPE_CHECKING:
    import pyarrow as pa

GZIP = b"\x1f\x8b"
HEAD = 4_000_000  # bytes of a large file from which its format is inferred
BLOCK = 16_000_000
HEADER_TEXT = 100_000  # characters in which a title above the column names is looked for


class CsvSource(Source):
    """A CSV file.

    Args:
        shown: The source as a person may see it.
        table: What was read.
        path: The file.
        fingerprint: Of the file.
        names: The names for the header; None: as they are.
    """

    def __init__(
        self, shown: str, table: TypedTable, path: Path, fingerprint: Fingerprint, names: list[str] | None
    ) -> None:
        super().__init__(shown, table)
        self._path, self._fingerprint, self._names = path, fingerprint, names

    def _write(self, draft: Path) -> None:
        with _opened(self._path) as file, draft.open("wb") as to:
            if self._names is not None:
                self._write_header(file, to)
            shutil.copyfileobj(file, to, BLOCK)
        self._fingerprint.require_unchanged()
        exact = self._names is None and not _is_gzip(self._path)
        if exact and md5_of(draft) != self._fingerprint.md5s[self._path]:
            raise self._fingerprint.changed()

    def _write_header(self, file: IO[bytes], to: IO[bytes]) -> None:
        """Write the header with the new names, and leave the file where the rows begin."""
        assert self.table.csv is not None
        assert self._names is not None
        encoding = self.table.csv.encoding
        mark = next((mark for mark in _marks(encoding) if _peek(file, len(mark)) == mark), b"")
        exact = {"utf-16": "utf-16-be" if mark == codecs.BOM_UTF16_BE else "utf-16-le",
                 "utf-32": "utf-32-be" if mark == codecs.BOM_UTF32_BE else "utf-32-le"}.get(encoding, encoding)  # fmt: skip
        to.write(file.read(len(mark)))
        start = file.tell()
        lines: list[str] = []
        text = io.TextIOWrapper(file, exact, newline="")
        next(csv.reader(_remembered(text, lines), delimiter=self.table.csv.delimiter, strict=True))
        header = "".join(lines)
        text.detach()
        file.seek(start + len(header.encode(exact)))
        ending = header[len(header.rstrip("\r\n")) :]
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self.table.csv.delimiter, lineterminator=ending).writerow(self._names)
        to.write(line.getvalue().encode(exact))


def read_csv_source(path: Path, *, shown: str, options: SourceOptions) -> CsvSource:
    """Read a CSV file: whole if it is not large, else a random sample of its rows.

    Raises:
        DriftgateError: If it can't be read or is no table; the error says where and what to do.
    """
    compressed = _is_gzip(path)
    if not compressed:
        require_file(path, parquet=False)
    fingerprint = Fingerprint([path], shown)
    if not compressed and path.stat().st_size > options.limits.bytes:
        return _sampled(path, shown, options, fingerprint)
    content = _content(path, shown, options.limits.bytes)
    fingerprint.take()
    how, notes = _format(content, shown, options)
    width = _width(content, how, shown)
    if not compressed and not options.limits.whole(content.count(b"\n"), width):
        del content
        return _sampled(path, shown, options, fingerprint)
    with _in_words_of_options():
        file = CsvFile(path, how, content=content)
        columns = file.columns(file.names)
    return _source(path, shown, options, fingerprint, how, columns, notes=notes)


def _source(
    path: Path, shown: str, options: SourceOptions, fingerprint: Fingerprint, how: Csv, columns: dict[str, Any], *,
    notes: list[str], rows: int | None = None,
) -> CsvSource:  # fmt: skip
    """Make the source from the texts of its columns, by the names in the file."""
    given, read = list(columns), len(next(iter(columns.values())))
    # Lines that end with a delimiter make a last column without name and value.
    nameless = len(given) > 1 and not given[-1].strip() and _blank(columns[given[-1]])
    names, repairs = usable_names(shown, given[:-1] if nameless else given)
    require_shape(shown, rows=read, names=names)
    if nameless:
        notes = [*notes, f"Column {len(given)}, the last, has no name and no value, and is left out."]
    texts = {name: DistinctTexts(values) for name, values in zip(names, columns.values(), strict=False)}
    if options.decimal is None:
        how = how.model_copy(update={"decimal": decimal_of(texts, how.delimiter)})
    typed, missing = type_texts(texts, how, options)
    if rows is not None:
        notes = [*notes, sampled_note(read, rows)]
    if any(_is_number(name) for name in names):
        notes = [*notes, "Some column names are numbers: if the first line is no header, add one."]
    table = TypedTable(
        name=problem_name(path.name.removesuffix(".gz").rpartition(".")[0] or path.name),
        columns=by_name(typed),
        rows=read if rows is None else rows,
        csv=how.model_copy(update={"missing": missing, "time_zone": options.time_zone}),
        missing=missing,
        suffix=".csv",
        notes=(*notes, *repairs),
    )
    header = names + [""] * nameless
    return CsvSource(shown, table, path, fingerprint, header if repairs else None)


def _sampled(path: Path, shown: str, options: SourceOptions, fingerprint: Fingerprint) -> CsvSource:
    """Read a random sample of the rows of a large file, in one pass with bounded memory."""
    import pyarrow as pa
    import pyarrow.csv

    with path.open("rb") as file:
        head = file.read(HEAD)
    if len(head) == HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    how, notes = _format(head, shown, options, complete=False)
    with _in_words_of_options():
        names = _header(path, how)
    usable_names(shown, names[:-1] if not names[-1] else names)
    fields = [str(at) for at in range(len(names))]
    reservoir = Reservoir(options.limits.sample(len(names)), seed=options.seed)
    try:
        reader = pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(
                column_names=fields, skip_rows_after_names=1, block_size=BLOCK, encoding=how.encoding
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=how.delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(fields, pa.string()), strings_can_be_null=False
            ),
        )
        for batch in reader:
            reservoir.add(pa.Table.from_batches([batch]))
    except (pa.ArrowException, UnicodeError) as error:
        raise DriftgateError(
            f"{shown} can't be read: {first_line(error)}.", "Repair the file, or give its format."
        ) from error
    fingerprint.take()
    sample = reservoir.table()
    assert sample is not None
    columns = {name: sample.column(at) for at, name in enumerate(names)}
    return _source(path, shown, options, fingerprint, how, columns, notes=notes, rows=reservoir.seen)


def _width(content: bytes, how: Csv, shown: str) -> int:
    """The number of columns. A header with empty or equal names is refused; the CSV reader names no position."""
    text = content[:HEAD].decode("utf-8-sig" if how.encoding == "utf-8" else how.encoding, errors="replace")
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=how.delimiter, strict=True), [])
    except csv.Error:
        return 1  # the CSV reader explains it
    if any(name.strip() for name in names):
        usable_names(shown, names[:-1] if not names[-1].strip() else names)
    return len(names)


def _header(path: Path, how: Csv) -> list[str]:
    encoding = "utf-8-sig" if how.encoding == "utf-8" else how.encoding
    with path.open(encoding=encoding, newline="") as file:
        return next(csv.reader(file, delimiter=how.delimiter, strict=True))


def _format(content: bytes, shown: str, options: SourceOptions, *, complete: bool = True) -> tuple[Csv, list[str]]:
    """The encoding and the delimiter, with a given decimal separator; and what was guessed."""
    encoding, note = (
        (options.encoding, None) if options.encoding else encoding_of(content, shown=shown, complete=complete)
    )
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
        delimiter = options.delimiter or delimiter_of(text)
        found = Csv(encoding=encoding, delimiter=delimiter, decimal=options.decimal or ".")
    except ValidationError as error:
        raise invalid_option(error) from error
    except LookupError as error:
        raise DriftgateError(f"There is no encoding {encoding!r}.", "Give one such as utf-8 or cp1252.") from error
    if text.lstrip().lower().startswith("sep=") and len(text.lstrip().splitlines()[0].strip()) <= 5:
        raise DriftgateError(
            f"{shown}: the first line names a delimiter for Excel, and no columns.", "Remove the line."
        )
    require_header(text[:HEADER_TEXT], found.delimiter, shown=shown)
    return found, [note] if note else []


def _content(path: Path, shown: str, most: int) -> bytes:
    """The bytes of a file, unpacked if it is compressed."""
    try:
        with _opened(path) as file:
            content = file.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DriftgateError(
            f"{shown} can't be unpacked: {first_line(error)}.", "Copy or compress it again."
        ) from error
    except OSError as error:
        raise DriftgateError(f"{shown} can't be read: {error.strerror}.", "Give yourself read permission.") from error
    if len(content) > most:
        raise DriftgateError(
            f"{shown} holds more than {most / 1e9:g} GB when it is unpacked.",
            "Unpack it, and name the unpacked file; of a large file a sample is read.",
        )
    if not content:
        raise DriftgateError(f"{shown} is empty.", "Name a file that has rows.")
    return content


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def _is_gzip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP
    except OSError:
        return False  # `require_file` says why


def _remembered(lines: Iterator[str], seen: list[str]) -> Iterator[str]:
    for line in lines:
        seen.append(line)
        yield line


def _peek(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    file.seek(0)
    return found


def _marks(encoding: str) -> tuple[bytes, ...]:
    """The byte order marks with which a file of an encoding may begin."""
    return {
        "utf-8": (codecs.BOM_UTF8,),
        "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
        "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    }.get(encoding, ())


def _blank(texts: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.equal(pc.utf8_trim_whitespace(texts), "")).as_py() in (True, None))


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return name.lower() not in ("nan", "inf", "infinity")


@contextlib.contextmanager
def _in_words_of_options() -> Iterator[None]:
    """Errors of the CSV reader name keys of a problem file, which isn't written yet: name the options instead."""
    try:
        yield
    except DriftgateError as error:
        remedy = error.remedy.replace("set data.csv.delimiter", "give --delimiter")
        remedy = remedy.replace("Set data.csv.encoding to", "Give --encoding with")
        raise DriftgateError(error.cause, remedy) from error
