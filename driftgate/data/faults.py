"""Invalid values of a data file, and the error that lists all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftgate.errors import DriftgateError
from driftgate.workspace import show_path

SHOWN_FAULTS = 5
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Fault:
    """Values of one column that are invalid for the same reason.

    `rows` are their positions, from 0; `value` is the first of them; `cause` continues a sentence that begins with the value.
    """

    column: str
    rows: Sequence[int]
    value: str
    cause: str
    remedy: str


def refuse(path: Path, faults: Sequence[Fault], *, place: Callable[[int], str]) -> DriftgateError:
    """Make the error for a file with invalid values.

    Args:
        path: The file.
        faults: The invalid values; at least one.
        place: Returns the place of a row, such as `line 7`.
    """
    first = sorted(faults, key=lambda fault: int(fault.rows[0]))
    listed = []
    for fault in first[:SHOWN_FAULTS]:
        more = f" ({len(fault.rows):,} such values)" if len(fault.rows) > 1 else ""
        listed.append(f"{place(int(fault.rows[0]))}, column {fault.column!r}: {shown(fault.value)} {fault.cause}{more}")
    rest = len(first) - len(listed)
    more = f"; and {rest} more columns with such values" if rest else ""
    return DriftgateError(f"{show_path(path)}, {'; '.join(listed)}{more}.", first[0].remedy)


def shown(value: str) -> str:
    """A value in quotes, truncated if it is long, with invisible characters escaped."""
    return ascii_digits(repr(value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "…"))


def ascii_digits(text: str) -> str:
    """A text with the code point after each non-ASCII digit, since some look like ASCII digits."""
    return "".join(f"{sign} (U+{ord(sign):04X})" if sign.isdigit() and not sign.isascii() else sign for sign in text)


def refuse_duplicates(path: Path, names: Sequence[str]) -> None:
    """Refuse a file in which two columns have the same name.

    Raises:
        DriftgateError: If there are such columns; the error names them.
    """
    twice = list(dict.fromkeys(name for name in names if name and names.count(name) > 1))
    if twice:
        listed = ", ".join(repr(name) for name in twice[:SHOWN_FAULTS])
        raise DriftgateError(
            f"{show_path(path)} has more than one column named {listed}.", "Rename or remove one of them."
        )


SIGNATURES = {
    b"PAR1": "Parquet",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive or an Excel workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"ARROW1": "Arrow IPC (Feather)",
    b"ORC": "ORC",
    b"SQLite format 3\0": "an SQLite database",
    b"%PDF": "a PDF document",
}


def require_file(path: Path, *, parquet: bool) -> None:
    """Refuse a path that is not a file, an empty file, and a file whose content has another format.

    Raises:
        DriftgateError: If the path is refused; the error says what it is.
    """
    kind = "Parquet" if parquet else "CSV"
    name = show_path(path)
    if path.is_dir():
        raise DriftgateError(f"{name} is a folder.", "Name a single .parquet or .csv file.")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError as error:
        raise DriftgateError(f"There is no file {name}.", "Name an existing .parquet or .csv file.") from error
    except OSError as error:
        raise DriftgateError(f"{name} can't be read: {error.strerror}.", "Give yourself read permission.") from error
    if not head:
        raise DriftgateError(f"{name} is empty.", "Name a file that has rows.")
    found = next((format for sign, format in SIGNATURES.items() if head.startswith(sign)), None)
    if found and found != kind:
        raise DriftgateError(
            f"{name} can't be read as {kind}: its content is {found}.",
            "Convert it to an uncompressed .parquet or .csv file.",
        )
    if parquet and not found:
        raise DriftgateError(
            f"{name} can't be read as Parquet: its content isn't Parquet.",
            "Give the file the extension of its format, .parquet or .csv.",
        )
