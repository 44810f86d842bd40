"""What all sources of tables have in common: options, limits, and the proof that a source did not change."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import ValidationError

from driftgate.config import Texts
from driftgate.contract import MAXIMUM_NAME_LENGTH, normal_text
from driftgate.errors import DriftgateError
from driftgate.files import draft_of, flush_folder, md5_of
from driftgate.init.sources.table import TypedColumn, TypedTable
from driftgate.workspace import show_path

PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
CHANGED_REMEDY = "Run again when no program writes to it."


@dataclass(frozen=True)
class Limits:
    """How much of a source is read. A larger one is sampled at random, from all of its rows.

    Attributes:
        bytes: The largest CSV file that is read whole, and the most that a compressed file may hold.
        rows: The most rows that are read whole.
        cells: The most values (rows times columns) that are read whole.
        sample_rows: Rows of a sample.
        sample_cells: The most values of a sample; wide tables get fewer rows.
    """

    bytes: int = 1_000_000_000
    rows: int = 2_000_000
    cells: int = 100_000_000
    sample_rows: int = 500_000
    sample_cells: int = 20_000_000

    def whole(self, rows: int, columns: int) -> bool:
        """Whether a table of this shape is read whole."""
        return rows <= self.rows and rows * columns <= self.cells

    def sample(self, columns: int) -> int:
        """The number of rows in a sample."""
        return max(1, min(self.sample_rows, self.sample_cells // max(columns, 1)))


@dataclass(frozen=True)
class SourceOptions:
    """What a person says about a source; what is None is inferred.

    Attributes:
        delimiter: Of a CSV file.
        encoding: Of a CSV file.
        decimal: Of a CSV file.
        missing: Words that mean a missing value in every column.
        date_format: A strptime format. Columns whose values all have it are dates.
        date_formats: The same for single columns, by name.
        time_zone: IANA name; timestamps with an offset become local time of this zone (None: UTC).
        seed: Of the sample.
        limits: How much is read.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    missing: tuple[str, ...] = ()
    date_format: str | None = None
    date_formats: Mapping[str, str] = field(default_factory=dict)
    time_zone: str | None = None
    seed: int = 0
    limits: Limits = Limits()

    def check(self) -> None:
        """Refuse options that no source can have.

        Raises:
            DriftgateError: If a date format or the time zone is invalid.
        """
        for form in (self.date_format, *self.date_formats.values()):
            try:
                Texts(date_format=form, time_zone=self.time_zone)
            except ValidationError as error:
                raise invalid_option(error) from error


def invalid_option(error: ValidationError) -> DriftgateError:
    """The error for an option that a model of the problem file refuses."""
    fault = error.errors(include_url=False)[0]
    option = "--" + str((fault["loc"] or ("decimal",))[0]).replace("_", "-")
    given = f" {fault['input']!r}" if isinstance(fault["input"], str) else ""
    return DriftgateError(f"{option}{given}: {fault['msg'].removeprefix('Value error, ')}.", f"Correct {option}.")


class AmbiguousDates(DriftgateError):
    """The dates of a column can be read in two ways, and both fit all values.

    Args:
        column: The column.
        formats: The strptime formats that fit.
        example: A value that they read differently.
    """

    def __init__(self, column: str, formats: tuple[str, ...], example: str) -> None:
        listed = " and ".join(repr(form) for form in formats)
        super().__init__(
            f"The dates of column {column!r}, such as {example!r}, can be read as {listed}.",
            f'Choose one, for example with --date-format "{formats[0]}".',
        )
        self.column, self.formats, self.example = column, formats, example

    def __reduce__(self) -> tuple[type[AmbiguousDates], tuple[str, tuple[str, ...], str]]:  # type: ignore[override]
        return (type(self), (self.column, self.formats, self.example))


class Source(ABC):
    """A table that was read, and can be written as the data file of a project.

    Attributes:
        shown: The source as a person may see it, without a password.
        table: What was read.
    """

    def __init__(self, shown: str, table: TypedTable) -> None:
        self.shown, self.table = shown, table

    @property
    def suffix(self) -> str:
        """Of the data file: `.csv` or `.parquet`."""
        return self.table.suffix

    def write(self, path: Path) -> str:
        """Write the data file whole or not at all.

        Args:
            path: Of the data file, with the table's suffix; its folder exists.

        Returns:
            The md5 of the file.

        Raises:
            DriftgateError: If the source changed since it was read, or the file can't be written.
        """
        draft = draft_of(path)
        try:
            self._write(draft)
            draft.replace(path)
            flush_folder(path.parent)
        except OSError as error:
            raise DriftgateError(
                f"{show_path(path)} can't be written: {error.strerror or error}.",
                "Free disk space, or give yourself write permission.",
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        return md5_of(path)

    @abstractmethod
    def _write(self, draft: Path) -> None:
        """Write the data file, and raise a DriftgateError if the source is not what was read."""

    def close(self) -> None:
        """Remove what reading left behind, such as a downloaded copy."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Fingerprint:
    """The state of files while they are read: inode, size, time of change, and md5.

    Args:
        paths: The files.
        shown: The source, for errors.
    """

    def __init__(self, paths: Iterable[Path], shown: str) -> None:
        self._shown = shown
        self._states = {path: self._state(path) for path in paths}
        self.md5s: dict[Path, str] = {}

    def take(self) -> None:
        """Hash the files, after they were read.

        Raises:
            DriftgateError: If one of them changed since the beginning.
        """
        self.md5s = {path: md5_of(path) for path in self._states}
        self._require_same_states()

    def require_unchanged(self) -> None:
        """Hash the files again.

        Raises:
            DriftgateError: If one of them changed since it was read.
        """
        self._require_same_states()
        if any(md5_of(path) != md5 for path, md5 in self.md5s.items()):
            raise self.changed()

    def changed(self) -> DriftgateError:
        """The error for a source that changed."""
        return DriftgateError(f"{self._shown} changed while it was read.", CHANGED_REMEDY)

    def _require_same_states(self) -> None:
        if any(self._state(path) != state for path, state in self._states.items()):
            raise self.changed()

    def _state(self, path: Path) -> tuple[int, int, int]:
        try:
            found = path.stat()
        except OSError as error:
            raise DriftgateError(f"{show_path(path)} can't be read: {error.strerror}.", CHANGED_REMEDY) from error
        return found.st_ino, found.st_size, found.st_mtime_ns


def require_shape(shown: str, *, rows: int, names: Sequence[str]) -> None:
    """Refuse a table from which nothing can be learned because of its shape.

    Raises:
        DriftgateError: If it has fewer than two rows or columns.
    """
    if rows < 2:
        what = "column names, but no rows" if not rows else "one row only"
        raise DriftgateError(f"{shown} has {what}.", "Name a table that has rows of at least two classes.")
    if len(names) < 2:
        only = f", {names[0]!r}" if names else ""
        raise DriftgateError(
            f"{shown} has one column only{only}.",
            "Name a table with a target and at least one feature; if the delimiter is an unusual sign, give --delimiter.",
        )


def usable_names(shown: str, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of columns, repaired where they can't be used as they are; and what was repaired, one sentence each.

    The empty first name is the index that pandas writes. A name loses line breaks and invisible characters.

    Raises:
        DriftgateError: If another name is empty, is too long, or occurs twice; the error names the position.
    """
    found: list[str] = []
    notes: list[str] = []
    places: dict[str, int] = {}
    for at, given in enumerate(names, start=1):
        name = normal_text(given)
        if not name.strip() or not _visible(name):
            name = "".join(sign for sign in re.sub(r"\s+", " ", name).strip() if _visible(sign))
        if not name and at == 1:
            name = next(word for word in ("index", "row_index", "index_of_rows") if word not in names)
            notes.append(f"The first column has no name, as the index that pandas writes; it is named {name!r}.")
        elif not name:
            raise DriftgateError(f"{shown}: column {at:,} has no name.", "Give it a name in the header.")
        elif name != normal_text(given):
            notes.append(f"Column {given!r} is named {name!r}, without line breaks and invisible characters.")
        if len(name) > MAXIMUM_NAME_LENGTH:
            raise DriftgateError(
                f"{shown}: the name of column {at:,} has {len(name):,} characters, more than {MAXIMUM_NAME_LENGTH}.",
                "Give it a shorter name; if the file has no header, add one.",
            )
        if name in places:
            raise DriftgateError(
                f"{shown}: columns {places[name]:,} and {at:,} have the same name, {name!r}.",
                "Rename or remove one of them; if the file has no header, add one.",
            )
        places[name] = at
        found.append(name)
    return found, notes


def _visible(text: str) -> bool:
    return all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in text)


def problem_name(text: str) -> str:
    """A name for a problem file, from the name of a file, folder or database table."""
    name = re.sub(r"[^a-z0-9]+", "_", normal_text(text).lower()).strip("_")
    return name if name[:1].isalpha() else f"table_{name}".rstrip("_")


def sampled_note(read: int, rows: int) -> str:
    """What to say about a sample."""
    return (
        f"The table has {rows:,} rows; types and statistics are from a random sample of {read:,}, "
        "so the contract check may find values that the sample lacks."
    )


def by_name(columns: Iterable[TypedColumn]) -> dict[str, TypedColumn]:
    """Columns by name."""
    return {column.name: column for column in columns}
