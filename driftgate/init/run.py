"""The work of `run.py init`: read a source, make its problem file, and write it with its data."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate.errors import DriftgateError
from driftgate.init.choices import Ask, Choices, Question
from driftgate.init.make import Made, make
from driftgate.init.sources.read import AmbiguousDates, Source, SourceOptions, read_source
from driftgate.init.write import check_draft, draft_of, require_free, write
from driftgate.results.init import InitResult
from driftgate.workspace import PROJECT, Workspace, show_path

if TYPE_CHECKING:
    from driftgate.init.write import Draft

log = logging.getLogger("driftgate.init")

NAME = re.compile(r"[a-z][a-z0-9_]*")
MOST_QUESTIONS = 20


def init(
    address: str,
    choices: Choices,
    *,
    name: str | None,
    query: str | None,
    options: SourceOptions,
    check: bool,
    ask: Ask,
    workspace: Workspace,
    project: Path = PROJECT,
) -> InitResult:
    """Make a problem file from a table.

    Args:
        address: A file, a folder, an S3 address or the URL of a database.
        choices: What the person chose.
        name: Name of the problem; None: that of the source.
        query: For a database: the query, or the name of a table.
        options: How the source is written.
        check: Write nothing.
        ask: Called where the table allows several answers.
        workspace: The workspace.
        project: The folder with `configs/` and `data/`.

    Raises:
        DriftgateError: If the source can't be read, no model can be trained on it, or a file can't be written.
    """
    if name is not None and not NAME.fullmatch(name):
        raise DriftgateError(
            f"--name {name!r} can't be the name of a problem.",
            "Use lower-case letters, digits and underscores, with a letter first.",
        )
    log.info("reading the table")
    with _read(address, query=query, options=options, ask=ask) as source:
        name = name or source.table.name
        config, data = project / "configs" / f"{name}.yaml", project / "data" / f"{name}{source.suffix}"
        require_free(config, name)
        path = data.relative_to(PROJECT) if data.is_relative_to(PROJECT) else data
        made = make(source.table, choices, name=name, path=path.as_posix(), source=source.shown, ask=ask)
        draft = draft_of(config, made.text)
        problem, md5 = check_draft(draft, config), None
        if not check:
            log.info("checking the contract, and putting the data under DVC")
            data.parent.mkdir(parents=True, exist_ok=True)
            md5 = write(draft, problem, config, materialise=source.write, workspace=workspace)
        return _result(name, source, made, draft, config=config, data=problem.data_path, md5=md5)


def _read(address: str, *, query: str | None, options: SourceOptions, ask: Ask) -> Source:
    """Read the source; ask how ambiguous dates are written."""
    formats = dict(options.date_formats)
    for _ in range(MOST_QUESTIONS):
        try:
            return read_source(address, query=query, options=replace(options, date_formats=formats))
        except AmbiguousDates as error:
            formats[error.column] = ask(Question(error.cause, tuple(error.formats), "--date-format"))
    raise DriftgateError("The table has too many columns with ambiguous dates.", "Set --date-format.")


def _result(
    name: str, source: Source, made: Made, draft: Draft, *, config: Path, data: Path, md5: str | None
) -> InitResult:  # fmt: skip
    return InitResult(
        problem=name,
        source=source.shown,
        config=show_path(config),
        data=show_path(data),
        written=md5 is not None,
        md5=md5,
        rows=source.table.rows,
        read=source.table.read,
        target=made.target,
        columns=made.columns,
        split=made.split,
        search=made.search,
        limits=made.limits,
        assumed=made.assumed,
        doubts=made.doubts,
        kept=draft.kept,
        next=f"python run.py --config {show_path(config)}",
    )
