"""Read the header and the fields of CSV files as text, with the line of each row. Nothing is converted here."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.config import Csv
from driftgate.contract import normal_text
from driftgate.data.faults import refuse_duplicates, require_file, shown
from driftgate.errors import DriftgateError, first_line
from driftgate.workspace import show_path

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 20_000  # rows
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks


class CsvFile:
    """A CSV file, read into memory.

    Args:
        path: The file.
        how: Delimiter and encoding.
        content: Its bytes, if they were read or unpacked before; None: read the file.

    Raises:
        DriftgateError: If it can't be read or decoded, has no header, or two columns have the same name.
    """

    def __init__(self, path: Path, how: Csv, *, content: bytes | None = None) -> None:
        if content is None:
            require_file(path, parquet=False)
            content = path.read_bytes()
        self.path, self._how = path, how
        self._text = _decoded(path, content, how.encoding)
        self._lines: list[int] | None = None
        self._physical: list[str] | None = None
        self._line_by_line = False  # each row is one line
        reader = self._reader()
        header = self._next(reader)
        if not header or not any(header):
            raise DriftgateError(f"{show_path(path)}, line 1: there are no column names.", "Add a header line.")
        self._check_quotes([header])
        self.names = [normal_text(name) for name in header]
        refuse_duplicates(path, self.names)

    def columns(self, names: list[str]) -> dict[str, pa.ChunkedArray]:
        """Some columns as text, in chunks; an empty field is an empty string.

        Raises:
            DriftgateError: If a row has more or fewer fields than the header, or its quotes are invalid. The error names
                the line.
        """
        import pyarrow as pa

        places = {name: self.names.index(name) for name in names}
        if (quick := self._without_quotes(places)) is not None:
            return quick
        found: dict[str, list[Any]] = {name: [] for name in names}
        for rows in self._chunks():
            fields = list(zip(*rows, strict=True))
            for name, place in places.items():
                found[name].append(pa.array(fields[place], pa.string()))
        return {name: pa.chunked_array(chunks, pa.string()) for name, chunks in found.items()}

    def _without_quotes(self, places: dict[str, int]) -> dict[str, pa.ChunkedArray] | None:
        """The same columns read by pyarrow, which is three times as fast.

        None if the file has quotes or an error, because pyarrow doesn't say in which line the error is.
        """
        import pyarrow as pa
        import pyarrow.csv

        text = self._text
        blank = any(sign in text for sign in ("\n\n", "\n\r\n"))  # pyarrow reads a blank line as a row
        if blank or '"' in text or text.count("\r") != text.count("\r\n") or not self._how.delimiter.isascii():
            return None
        fields = [str(at) for at in range(len(self.names))]
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(text.encode()),
                read_options=pyarrow.csv.ReadOptions(column_names=fields, skip_rows=1),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._how.delimiter, quote_char=False, ignore_empty_lines=False
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(fields, pa.string()), include_columns=[str(at) for at in places.values()],
                    strings_can_be_null=False,
                ),
            )  # fmt: skip
        except pa.ArrowInvalid:
            return None
        self._line_by_line = True
        return {name: table.column(str(at)) for name, at in places.items()}

    def rows(self) -> Iterator[list[str]]:
        """The fields of every row, as text.

        Raises:
            DriftgateError: For the same reasons as `columns`.
        """
        for rows in self._chunks():
            yield from rows

    def line_of(self, row: int) -> str:
        """The line on which a row begins, such as `line 7`. Rows are counted from 0, lines from 1."""
        if self._line_by_line:
            return f"line {row + 2:,}"
        if self._lines is None:
            self._lines, reader = [], self._reader()
            before = 0
            for _ in reader:
                self._lines.append(before + 1)
                before = reader.line_num
        return f"line {self._lines[row + 1]:,}"

    def _chunks(self) -> Iterator[list[list[str]]]:
        reader, width, done = self._reader(), len(self.names), 0
        self._next(reader)
        while True:
            try:
                rows = list(islice(reader, CHUNK))
            except csv.Error as error:
                raise self._broken(error) from error
            if not rows:
                return
            if set(map(len, rows)) != {width}:
                rows = self._even(rows, done, rest=reader)
            if '"' in self._text:
                self._check_quotes(rows, first=done)
            if rows:
                yield rows
            done += len(rows)

    def _even(self, rows: list[list[str]], done: int, *, rest: Iterator[list[str]]) -> list[list[str]]:
        """The rows without the blank lines at the end of the file.

        Raises:
            DriftgateError: If any other row has more or fewer fields than the header.
        """
        width = len(self.names)
        wrong = next(at for at, row in enumerate(rows) if len(row) != width)
        if not any(rows[wrong:]) and not any(rest):
            return rows[:wrong]
        number = len(rows[wrong])
        what = "is blank" if not number else f"has {number:,} field{'s' * (number != 1)}"
        hint = "Remove the blank lines."
        if number > width:
            hint = "Quote values that contain the delimiter. To change the delimiter, set data.csv.delimiter."
        elif number:
            hint = (
                "Write every field; a missing value is an empty field. To change the delimiter, set data.csv.delimiter."
            )
        raise DriftgateError(
            f"{show_path(self.path)}, {self.line_of(done + wrong)} {what}, but the header has {width:,} field{'s' * (width != 1)}.",
            hint,
        )

    def _check_quotes(self, rows: list[list[str]], *, first: int = -1) -> None:
        """Refuse a quote inside an unquoted field: some programs read it as the beginning of a quoted text."""
        for at, row in enumerate(rows):
            if '"' in "".join(row):
                record = self._record(first + at)
                sign = re.escape(self._how.delimiter)
                field = rf'(?:"(?:[^"]|"")*"|[^"{sign}]*)'
                if not re.fullmatch(rf"{field}(?:{sign}{field})*", record.rstrip("\r\n")):
                    raise DriftgateError(
                        f"{show_path(self.path)}, {self.line_of(first + at)}: there is a quote inside an unquoted field.",
                        'Quote the field, and write each quote in it twice: "5"" pipe".',
                    )

    def _record(self, row: int) -> str:
        """The text of a row; -1 is the header."""
        if self._lines is None:
            self.line_of(-1)
        assert self._lines is not None
        if self._physical is None:
            self._physical = list(io.StringIO(self._text, newline=""))
        begin = self._lines[row + 1] - 1
        end = self._lines[row + 2] - 1 if row + 2 < len(self._lines) else len(self._physical)
        return "".join(self._physical[begin:end])

    def _reader(self) -> Any:
        return csv.reader(io.StringIO(self._text, newline=""), delimiter=self._how.delimiter, strict=True)

    def _next(self, reader: Any) -> list[str]:
        try:
            return next(reader, [])
        except csv.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: csv.Error) -> DriftgateError:
        """Make the error for invalid quotes; it names the line on which the row begins."""
        reader, line = self._reader(), 1
        try:
            for _ in reader:
                line = reader.line_num + 1
        except csv.Error:
            pass
        why = {
            "unexpected end of data": "a quote is opened but never closed",
            f"'{self._how.delimiter}' expected after '\"'": "there are other characters after a closing quote",
        }.get(
            str(error),
            "a field has more than 131,072 characters"
            if "field limit" in str(error)
            else f"its quotes are invalid ({error})",
        )
        return DriftgateError(
            f"{show_path(self.path)}, line {line:,}: {why}.",
            'Quote fields that contain a quote, and write each quote in them twice: "5"" pipe".',
        )


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    mark = next((found for sign, found in MARKS.items() if content.startswith(sign)), None)
    try:
        text = content.decode(name)
    except UnicodeDecodeError as error:
        start = error.start + 3 * (name == "utf-8-sig" and content.startswith(b"\xef\xbb\xbf"))
        line = content.count(b"\n", 0, start) + 1
        remedy = f"Set data.csv.encoding to the file's encoding, such as {mark or 'cp1252'}, or save the file as UTF-8."
        raise DriftgateError(
            f"{show_path(path)}, line {line:,}, byte {start:,} (0x{content[start]:02x}) is not {encoding}.", remedy
        ) from error
    except UnicodeError as error:  # of encodings that are no encodings of files, such as punycode
        raise DriftgateError(
            f"{show_path(path)} can't be read as {encoding}: {first_line(error)}.",
            "Set data.csv.encoding to the file's encoding, such as utf-8 or cp1252.",
        ) from error
    if "\0" in text:
        at = text.index("\0")
        line = text.count("\n", 0, at) + 1
        raise DriftgateError(
            f"{show_path(path)}, line {line:,} has a NUL character, so it is not text.",
            "Set data.csv.encoding to the file's encoding, or repair the file.",
        )
    if not text.strip():
        raise DriftgateError(f"{show_path(path)} is empty.", "Name a file that has rows.")
    return text


def header_hint(names: list[str]) -> str | None:
    """What to do if the header is a single name that contains another delimiter; None otherwise."""
    if len(names) == 1:
        for sign, word in ((";", '";"'), ("\t", "tab"), ("|", '"|"'), (",", '","')):
            if sign in names[0]:
                return f"Its columns seem to be separated by {shown(sign)}: set data.csv.delimiter: {word}."
    return None
