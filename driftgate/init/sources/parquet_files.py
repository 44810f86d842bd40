"""Read a Parquet file, or a folder of Parquet files that are partitions of one table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.data.faults import require_file
from driftgate.errors import DriftgateError, first_line
from driftgate.files import md5_of
from driftgate.init.sources.arrow_types import Change, changed, type_table, unlike_schemas
from driftgate.init.sources.base import (
    PARQUET_SUFFIXES,
    Fingerprint,
    Source,
    SourceOptions,
    by_name,
    problem_name,
    require_shape,
    sampled_note,
    usable_names,
)
from driftgate.init.sources.sample import Reservoir
from driftgate.init.sources.table import TypedTable
from driftgate.workspace import show_path

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 65_536  # rows
TABLE_FORMATS = {
    "_delta_log": "a Delta Lake table",
    "metadata": "an Apache Iceberg table",
    ".hoodie": "an Apache Hudi table",
}


class ParquetSource(Source):
    """One Parquet file, or several that are partitions of one table.

    Args:
        shown: The source as a person may see it.
        table: What was read.
        data: A pyarrow dataset of the files.
        fingerprint: Of the files.
        names: The names of the columns in the data file.
        changes: Of values, by these names.
        copy: The single file that becomes the data file as it is; None: the rows are written anew.
    """

    def __init__(
        self, shown: str, table: TypedTable, data: Any, fingerprint: Fingerprint, *, names: list[str],
        changes: Mapping[str, Change], copy: Path | None,
    ) -> None:  # fmt: skip
        super().__init__(shown, table)
        self._data, self._fingerprint, self._names, self._changes, self._copy = data, fingerprint, names, changes, copy

    def _write(self, draft: Path) -> None:
        if self._copy is not None:
            shutil.copyfile(self._copy, draft)
            if md5_of(draft) != self._fingerprint.md5s[self._copy]:
                raise self._fingerprint.changed()
            return
        rows = write_parquet(draft, self._batches())
        self._fingerprint.require_unchanged()
        if rows != self.table.rows:
            raise self._fingerprint.changed()

    def _batches(self) -> Iterator[Any]:
        import pyarrow as pa

        for batch in self._data.to_batches(batch_size=BATCH):
            columns = [
                changed(values, self._changes.get(name))
                for name, values in zip(self._names, batch.columns, strict=True)
            ]
            yield pa.table(dict(zip(self._names, columns, strict=True)))


def write_parquet(path: Path, batches: Iterator[Any]) -> int:
    """Write tables of one schema to a Parquet file.

    Returns:
        The number of rows.
    """
    import pyarrow.parquet as pq

    rows, first = 0, next(batches)
    with pq.ParquetWriter(path, first.schema) as writer:
        for batch in chain([first], batches):
            writer.write_table(batch)
            rows += batch.num_rows
    return rows


def read_parquet_source(path: Path, *, shown: str, options: SourceOptions) -> ParquetSource:
    """Read a Parquet file or a folder of Parquet files: whole if it is not large, else a random sample of its rows.

    Raises:
        DriftgateError: If it can't be read, has no Parquet file, or the files of a folder have different columns.
    """
    files = _files(path, shown)
    for file in files:
        require_file(file, parquet=True)
    fingerprint = Fingerprint(files, shown)
    try:
        data = _dataset(path, files, shown)
        given = list(data.schema.names)
        names, repairs = usable_names(shown, given)
        rows = int(data.count_rows())
        require_shape(shown, rows=rows, names=names)
        table = _read(data, rows, options)
    except DriftgateError:
        raise
    except Exception as error:  # of pyarrow, which raises many kinds
        raise DriftgateError(
            f"{shown} can't be read as Parquet: {first_line(error)}.", "Write the files again."
        ) from error
    fingerprint.take()
    typed = type_table(table.rename_columns(names), options)
    require_shape(shown, rows=rows, names=[column.name for column in typed.columns])
    notes = [*repairs, *typed.notes]
    if table.num_rows < rows:
        notes.append(sampled_note(table.num_rows, rows))
    if len(files) > 1:
        notes.append(f"The rows of {len(files):,} files become one file, in the order of their names.")
    found = TypedTable(
        name=problem_name(path.stem if path.is_file() else path.resolve().name),
        columns=by_name(typed.columns), rows=rows, csv=None, missing=typed.missing, suffix=".parquet", notes=tuple(notes),
    )  # fmt: skip
    as_it_is = path.is_file() and names == given and not typed.changes
    return ParquetSource(
        shown, found, data, fingerprint, names=names, changes=typed.changes, copy=path if as_it_is else None
    )


def _files(path: Path, shown: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    for marker, kind in TABLE_FORMATS.items():
        if (path / marker).is_dir() and (marker != "metadata" or any((path / marker).glob("*.metadata.json"))):
            raise DriftgateError(
                f"{shown} is {kind}, whose files also hold rows that were deleted.",
                "Export its present rows to a Parquet file or a folder.",
            )
    try:
        hidden = ("_", ".")
        files = [
            file for file in sorted(path.rglob("*"))
            if file.suffix.lower() in PARQUET_SUFFIXES and file.is_file()
            and not any(part.startswith(hidden) for part in file.relative_to(path).parts)
        ]  # fmt: skip
    except OSError as error:
        raise DriftgateError(f"{shown} can't be read: {error.strerror}.", "Give yourself read permission.") from error
    if not files:
        raise DriftgateError(f"{shown} has no Parquet file.", "Name a folder of .parquet files, or a single file.")
    return files


def _dataset(path: Path, files: list[Path], shown: str) -> Any:
    """A dataset of the files, with the keys of hive partitions (`year=2024/`) as columns."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    # 96-bit timestamps of older writers would end in 2262 if they were read as nanoseconds.
    form = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))
    if path.is_file():
        return ds.dataset(str(path), format=form)
    schemas = [form.inspect(str(file), _local()) for file in files]
    if unlike := unlike_schemas(schemas):
        at, why = unlike
        raise DriftgateError(
            f"{shown}: {show_path(files[at])} doesn't have the columns of {show_path(files[0])}: {why}.",
            "Write all partitions with the same columns and types.",
        )
    schema = pa.unify_schemas([schema.remove_metadata() for schema in schemas])
    return _with_keys(path, files, form, schema)


def _with_keys(path: Path, files: list[Path], form: Any, schema: Any) -> Any:
    import pyarrow.dataset as ds

    paths = [str(file) for file in files]
    factory = ds.FileSystemDatasetFactory(
        _local(), paths, form,
        ds.FileSystemFactoryOptions(partition_base_dir=str(path), partitioning=ds.HivePartitioning.discover()),
    )  # fmt: skip
    whole = factory.inspect()
    keys = [field for field in whole if field.name not in schema.names]
    for field in keys:
        schema = schema.append(field)
    return factory.finish(schema)


def _local() -> Any:
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


def _read(data: Any, rows: int, options: SourceOptions) -> pa.Table:
    import pyarrow as pa

    if options.limits.whole(rows, len(data.schema.names)):
        return data.to_table()
    reservoir = Reservoir(options.limits.sample(len(data.schema.names)), seed=options.seed)
    for batch in data.to_batches(batch_size=BATCH):
        reservoir.add(pa.Table.from_batches([batch]))
    found = reservoir.table()
    assert found is not None
    return found
