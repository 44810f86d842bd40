"""Read a table from any source: a CSV or Parquet file, a folder of partitions, S3, or a database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate.data.faults import require_file
from driftgate.errors import DriftgateError
from driftgate.init.sources.base import AmbiguousDates, Limits, Source, SourceOptions
from driftgate.init.sources.csv_files import read_csv_source
from driftgate.init.sources.parquet_files import read_parquet_source
from driftgate.workspace import show_path

if TYPE_CHECKING:
    from driftgate.init.sources.s3 import Download

__all__ = ["AmbiguousDates", "Limits", "Source", "SourceOptions", "read_source"]

SCHEME = re.compile(r"^([A-Za-z][\w+.-]*)://")
ELSEWHERE = ("http", "https", "ftp", "gs", "gcs", "az", "abfs", "abfss", "hdfs", "s3a", "s3n")


class RemoteSource(Source):
    """A source whose files were copied from S3.

    Args:
        source: The copy.
        shown: The address.
        download: What made the copy.
    """

    def __init__(self, source: Source, shown: str, download: Download) -> None:
        super().__init__(shown, source.table)
        self._source, self._download = source, download

    def _write(self, draft: Path) -> None:
        self._source._write(draft)
        self._download.require_unchanged()

    def close(self) -> None:
        self._download.close()


def read_source(source: str, *, query: str | None = None, options: SourceOptions | None = None) -> Source:
    """Read a table and find the types of its columns. Nothing is written.

    Args:
        source: Path of a CSV file (compressed with gzip or not), of a Parquet file, or of a folder of Parquet partitions; an
            address `s3://bucket/key` of one of these; or a SQLAlchemy URL.
        query: For a database: a SELECT statement, or the name of a table or view.
        options: What a person says about the source; the rest is inferred.

    Returns:
        The source, to be closed: its `table` has the typed columns, and `write` makes the data file of a project.

    Raises:
        AmbiguousDates: If the dates of a column can be read in two ways.
        DriftgateError: If the source can't be read, or is no table with two columns and two rows.
    """
    options = options or SourceOptions()
    options.check()
    found = SCHEME.match(source)
    scheme = found[1].lower() if found else None
    if scheme in ELSEWHERE:
        remedy = f"Write s3://{source.partition('://')[2]}." if scheme in ("s3a", "s3n") else "Download it first."
        raise DriftgateError(f"Sources with {scheme}:// are not read.", remedy)
    if scheme not in (None, "file", "s3"):
        from driftgate.init.sources.database import read_database

        return read_database(source, query=query, options=options)
    if query is not None:
        raise DriftgateError(f"{source} is not a database, so --query has no meaning.", "Leave out --query.")
    if scheme == "s3":
        return _from_s3(source, options)
    return _from_path(Path(source.removeprefix("file://")).expanduser(), options)


def _from_path(path: Path, options: SourceOptions, *, shown: str | None = None) -> Source:
    shown = shown or show_path(path)
    if path.is_dir() or _is_parquet(path):
        return read_parquet_source(path, shown=shown, options=options)
    return read_csv_source(path, shown=shown, options=options)


def _from_s3(address: str, options: SourceOptions) -> Source:
    from driftgate.init.sources.s3 import Download

    download = Download(address)
    try:
        return RemoteSource(_from_path(download.path, options, shown=address), address, download)
    except BaseException:
        download.close()
        raise


def _is_parquet(path: Path) -> bool:
    """Whether a file is Parquet by its content; by its name if its content is nothing known, so that the error is right."""
    if not path.exists():
        return False
    try:
        with path.open("rb") as file:
            content = file.read(4)
    except OSError:
        return False
    if content == b"PAR1":
        return True
    if path.suffix.lower() == ".parquet":
        require_file(path, parquet=True)
    return False
