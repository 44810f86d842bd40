"""Make a new version of a problem's data: append rows, replace the table, or track the first version.

The contract checks the whole version first. The change is atomic.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate import git
from driftgate.config import Problem
from driftgate.data.append import append_csv, append_parquet
from driftgate.data.contract_check import find_violations
from driftgate.data.pointer import Pointer, Promise
from driftgate.data.present import ensure_data, exclusive, found_md5, locked_md5, scratch, switch
from driftgate.data.read_csv import header_hint
from driftgate.data.read_parquet import ParquetFile
from driftgate.data.store import Store
from driftgate.data.table import (
    count_rows,
    date_span,
    named_columns,
    open_table,
    read_columns,
    read_rows,
    read_typed,
    shown_name,
)
from driftgate.data.violations import Violation, contract_verdict
from driftgate.errors import DriftgateError, first_line
from driftgate.files import replace_text
from driftgate.results.data import DataAddResult
from driftgate.results.training import LeftOut
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace, show_path

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 3
PANDAS_INDEX = re.compile(
    r"__index_level_\d+__"
)  # pandas writes this column after rows were filtered; it has no meaning


def add(problem: Problem, file: Path, *, replace: bool, workspace: Workspace) -> DataAddResult:
    """Make a new version of the data.

    Args:
        problem: The problem.
        file: Rows to append. With `replace`, or if DVC doesn't track the data yet, the whole table.
        replace: Use the file as the whole table. It may be the data file itself after you changed it.
        workspace: The workspace; DVC's scratch files go there.

    Returns:
        The old and the new version. The verdict is `block` if the rows break the contract; then nothing was changed.

    Raises:
        DriftgateError: If the file doesn't match the data, or a file can't be written; nothing was changed.
    """
    pointer = Pointer.of(problem)
    if pointer.root is None:
        raise DriftgateError(
            f"{pointer.data} is not in a DVC repository.", "Move it into a folder of the project, and change data.path."
        )
    if file.is_dir():
        raise DriftgateError(f"{show_path(file)} is a folder.", "Name a single .parquet or .csv file.")
    if not file.is_file():
        raise DriftgateError(f"There is no file {file}.", "Name a .parquet or .csv file of rows.")
    with exclusive(pointer), scratch(pointer) as folder:
        itself = pointer.data.exists() and file.samefile(pointer.data)
        _require_sense(pointer, file, itself=itself, replace=replace, tracked=locked_md5(problem) is not None)
        append = not replace and not itself and _has_data(pointer, problem)
        draft = folder / f"rows{pointer.data.suffix}"
        if append:
            ensure_data(problem, workspace=workspace)
            _append(pointer.data, file, draft, problem)
        else:
            _require_kind(file, pointer.data)
            there = open_table(file, problem=problem)
            read_typed(there, problem=problem, columns=[name for name in named_columns(problem) if name in there.names])
            shutil.copyfile(file, draft)
        verdict, left_out = _judge(draft, file, problem, added_to=pointer.data if append else None)
        result = _result(problem, pointer, file, draft, verdict, left_out, workspace=workspace)
        if verdict.outcome != "block" and result.md5 != result.previous:
            _make_version(problem, pointer, draft, result.md5, itself=itself, workspace=workspace)
        return result


def _has_data(pointer: Pointer, problem: Problem) -> bool:
    return pointer.data.exists() or locked_md5(problem) is not None or pointer.stage is not None


def _require_sense(pointer: Pointer, file: Path, *, itself: bool, replace: bool, tracked: bool) -> None:
    data = show_path(pointer.data)
    if itself and tracked and not replace:
        raise DriftgateError(
            f"{show_path(file)} is the data file itself.",
            "Name a file of new rows, or use --replace to make its present content a version.",
        )
    if not itself and not tracked and pointer.data.exists():
        raise DriftgateError(f"DVC doesn't track {data} yet.", f"`run.py data add {data}` makes it the first version.")


def _require_kind(file: Path, data: Path) -> None:
    if file.suffix != data.suffix:
        raise DriftgateError(
            f"{show_path(file)} is not a {data.suffix} file like data.path.", "Convert it, or change data.path."
        )


def _append(data: Path, file: Path, draft: Path, problem: Problem) -> None:
    """Write the rows of both files, the old rows first and unchanged."""
    old, added = open_table(data, problem=problem), open_table(file, problem=problem)
    new = [name for name in added.names if name in old.names or not PANDAS_INDEX.fullmatch(name)]
    missing, unknown = [name for name in old.names if name not in new], [name for name in new if name not in old.names]
    if missing or unknown:
        lacks, extra = (", ".join(map(shown_name, names)) for names in (missing, unknown))
        faults = [f"lacks {lacks}"] * bool(missing) + [f"also has {extra}"] * bool(unknown)
        raise DriftgateError(
            f"The columns of {show_path(file)} differ from those of the data: it {' and '.join(faults)}.",
            header_hint(added.names)
            or "Give it the same columns, in any order, or replace the whole table with --replace.",
        )
    rows = read_typed(added, problem=problem, columns=[name for name in named_columns(problem) if name in new])
    _require_rows(rows.num_rows, file)
    try:
        if isinstance(old, ParquetFile):
            append_parquet(old, added, rows, draft, problem)
        else:
            append_csv(old, added, rows, draft, problem)
    except DriftgateError:
        raise
    except Exception as error:
        raise DriftgateError(
            f"The rows of {show_path(file)} can't be converted to the column types of the data: {first_line(error)}.",
            "Give each column the type that it has in the data.",
        ) from error
    _require_unchanged(rows, draft, file, problem)


def _require_unchanged(rows: pa.Table, draft: Path, file: Path, problem: Problem) -> None:
    """Check that the added rows have the same values in the new version as in their file."""
    written = read_columns(draft, problem=problem, columns=rows.column_names).tail(rows.num_rows)
    given = rows.to_pandas(ignore_metadata=True)
    for name in rows.column_names:
        before, after = given[name].to_numpy(dtype=object), written[name].to_numpy(dtype=object)
        absent = given[name].isna().to_numpy() & written[name].isna().to_numpy()
        same = absent | (before == after) | (before.astype(str) == after.astype(str))
        if given[name].dtype.kind == "f" and written[name].dtype.kind == "f":
            same |= given[name].to_numpy("float32") == written[name].to_numpy("float32")  # as models take them
        if not same.all():
            at = int((~same).argmax())
            raise DriftgateError(
                f"{show_path(file)}, row {at + 1:,}, column {name!r}: {before[at]!r} would become {after[at]!r} in the data.",
                "Compare the types of both files, and data.missing and data.csv in the problem file.",
            )


def _require_rows(number: int, file: Path) -> None:
    if not number:
        raise DriftgateError(f"{show_path(file)} has no rows.", "Name a file of new rows.")


def _judge(draft: Path, file: Path, problem: Problem, *, added_to: Path | None) -> tuple[Verdict, LeftOut]:
    """Check the whole new version against the contract, as a training does, and its new row ids against the old ones.

    Returns:
        The verdict, and how many rows of the version a run would leave out.
    """
    shown = problem.model_copy(update={"data": problem.data.model_copy(update={"path": draft})})
    frame, version = read_rows(shown, md5="", as_of=None)
    violations = find_violations(frame, problem, version=version)
    name = problem.data.row_id
    if added_to is not None and name is not None:
        # One file may store ids as numbers, the other as text.
        known, ids = (
            read_columns(path, problem=problem, columns=[name])[name].astype(str) for path in (added_to, file)
        )
        twice = ids[ids.isin(known)]
        if len(twice):
            examples = tuple(repr(value) for value in twice.head(EXAMPLES).tolist())
            rule = "is already in the data: are these rows new?"
            violations.insert(0, Violation(column=name, rule=rule, rows=len(twice), examples=examples))
    return contract_verdict(violations, problem, rows=len(frame)), version.left_out


def _result(
    problem: Problem, pointer: Pointer, file: Path, draft: Path, verdict: Verdict, left_out: LeftOut, *,
    workspace: Workspace,
) -> DataAddResult:  # fmt: skip
    rows, kind = count_rows(draft, problem=problem, kind=draft.suffix), pointer.data.suffix
    before = pointer.promised()
    was: int | None = 0
    if before:
        there = pointer.data.exists() and found_md5(pointer.data) == before.md5
        path = pointer.data if there else Store(pointer.root or Path(), workspace=workspace).cached(before.md5)
        was = count_rows(path, problem=problem, kind=kind) if path else None
    blocked = verdict.outcome == "block"
    return DataAddResult(
        problem=problem.name,
        verdict=verdict.outcome,
        checks=verdict.checks,
        file=show_path(pointer.data),
        added=show_path(file),
        md5=found_md5(draft),
        previous=before.md5 if before else None,
        rows=rows,
        rows_before=was,
        left_out=left_out,
        dates=None if blocked else date_span(draft, problem),
        pointer=show_path(pointer.file),
    )


def _make_version(
    problem: Problem, pointer: Pointer, draft: Path, md5: str, *, itself: bool, workspace: Workspace
) -> None:
    """Put both versions into DVC's cache, then switch to the new one."""
    assert pointer.root
    store, before = Store(pointer.root, workspace=workspace), pointer.promised()
    present = found_md5(pointer.data) if pointer.data.exists() else None
    if present:
        if not itself and before and present != before.md5:
            ensure_data(problem, workspace=workspace)  # raises the error that explains the difference
        store.keep(pointer.data, present)
    text = pointer.rewritten(Promise(md5=md5, size=draft.stat().st_size))
    store.keep(draft, md5)
    if before is None:
        _ignore(pointer)
    switch(pointer, text, md5, present=present, store=store)


def _ignore(pointer: Pointer) -> None:
    """Make git ignore the data file, as `dvc add` does."""
    assert pointer.root
    if not (pointer.root / ".git").exists() or git.output(pointer.root, "check-ignore", str(pointer.data)):
        return
    file = pointer.data.with_name(".gitignore")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    replace_text(file, "\n".join([*lines, f"/{pointer.data.name}"]) + "\n")
