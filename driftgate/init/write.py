"""Write a problem file and its data, whole or not at all, and keep what a person edited.

What was generated is kept in `configs/.init/`, under the mark that the first line of the problem file has. So the file always
names the version that it began as, whenever the command is killed.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from driftgate.config import Problem, load_problem
from driftgate.data.add import add
from driftgate.data.pointer import Pointer
from driftgate.data.present import exclusive, found_md5, scratch
from driftgate.errors import DriftgateError
from driftgate.files import replace_text
from driftgate.init.file_text import mark_in, with_first_line
from driftgate.init.merge import apply, merge
from driftgate.workspace import Workspace, show_path

SHOWN = 5


@dataclass(frozen=True)
class Draft:
    """A problem file before it is written.

    `text` is what to write, `generated` what it began as, `kept` what a person edited and stays, `before` the file that was
    there, None if there was none.
    """

    text: str
    generated: str
    kept: tuple[str, ...] = ()
    before: str | None = None


def require_free(config: Path, name: str) -> None:
    """Check that a problem's name is free, or that its file was written by `run.py init`.

    Raises:
        DriftgateError: If it isn't.
    """
    if config.exists():
        mark = mark_in(_read(config))
        if mark is None:
            raise DriftgateError(
                f"{show_path(config)} exists, and run.py init didn't write it.", "Choose another name with --name."
            )
        if not _generated(config, mark).exists():
            raise DriftgateError(
                f"{show_path(_generated(config, mark))} is missing, so run.py init can't see what you "
                f"edited in {show_path(config)}.",
                "Restore it with git, remove the problem file, or choose another name with --name.",
            )
    named = re.compile(rf"^name:\s*['\"]?{re.escape(name)}['\"]?\s*(#.*)?$", re.MULTILINE)
    for other in sorted(config.parent.glob("*.yaml")):
        if other != config and named.search(_read(other)):
            raise DriftgateError(f"{show_path(other)} has the name {name!r}.", "Choose another name with --name.")


def draft_of(config: Path, generated: str) -> Draft:
    """What to write: the generated text, or the file that is there with new values where nobody edited them.

    Raises:
        DriftgateError: If the file that is there is no YAML any more.
    """
    mine = _read(config) if config.exists() else None
    if mine is None:
        return Draft(generated, generated)
    base = _read(_generated(config, str(mark_in(mine))))
    if mine == base:
        return Draft(generated, generated, before=mine)
    try:
        edited = yaml.safe_load(mine)
    except yaml.YAMLError as error:
        raise DriftgateError(
            f"{show_path(config)} is not YAML: {' '.join(str(error).split())}.", "Fix that line."
        ) from error
    changes, kept = merge(yaml.safe_load(base), edited, yaml.safe_load(generated))
    text = apply(mine, changes) if changes else mine
    return Draft(with_first_line(text, generated), generated, tuple(kept), before=mine)


def check_draft(draft: Draft, config: Path) -> Problem:
    """Read a draft as a problem.

    Raises:
        DriftgateError: If it breaks a rule, for example because a new value doesn't fit an edited one.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / config.name
        file.write_text(draft.text, encoding="utf-8")
        try:
            return load_problem(file)
        except DriftgateError as error:
            cause = error.cause.replace(str(file), show_path(config))
            remedy = (
                "What you edited doesn't fit the new values: change it, or remove the file."
                if draft.kept
                else error.remedy
            )
            raise DriftgateError(cause, remedy) from error


def write(
    draft: Draft, problem: Problem, config: Path, *, materialise: Callable[[Path], object], workspace: Workspace
) -> str:
    """Put the data under DVC, then write the problem file.

    Args:
        draft: The problem file.
        problem: The same, as read.
        config: Where to write it.
        materialise: Writes the data file to a path.
        workspace: The workspace; DVC's scratch files go there.

    Returns:
        The md5 of the data.

    Raises:
        DriftgateError: If the data breaks the contract, another file is in the way, or a file can't be written.
    """
    pointer = Pointer.of(problem)
    if pointer.root is None:
        raise DriftgateError(f"{show_path(pointer.data)} is not in a DVC repository.", "Run `dvc init` in the project.")
    with exclusive(pointer, wait=True), scratch(pointer) as folder:
        require_free(config, problem.name)
        if (_read(config) if config.exists() else None) != draft.before:
            raise DriftgateError(f"{show_path(config)} was changed while this command ran.", "Run it again.")
        rows = folder / f"table{pointer.data.suffix}"
        materialise(rows)
        if pointer.data.exists() and pointer.promised() is None:
            if found_md5(pointer.data) != found_md5(rows):
                raise DriftgateError(
                    f"{show_path(pointer.data)} is in the way: it is another table.", "Choose another name with --name."
                )
            rows = pointer.data
        result = add(problem, rows, replace=True, workspace=workspace)
        if result.blocks:
            broken = [check.why for check in result.checks if not check.passed and check.severity == "block"]
            raise DriftgateError(
                f"The rows break the contract of {show_path(config)}: {'; '.join(broken[:SHOWN])}.",
                "Correct the rows, or what you edited in the problem file.",
            )
        _write_texts(draft, config)
    return result.md5


def _write_texts(draft: Draft, config: Path) -> None:
    """Write what was generated, then the problem file that names it, and remove what was generated before."""
    kept = _generated(config, str(mark_in(draft.generated)))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_text(kept, draft.generated)
        if not config.exists() or _read(config) != draft.text:
            replace_text(config, draft.text)
    except OSError as error:
        raise DriftgateError(
            f"{error.filename or config} can't be written: {error.strerror}.",
            "Check your write permission and the free space.",
        ) from error
    for old in kept.parent.glob(f"{config.stem}-*.yaml"):
        if old != kept and len(old.stem) == len(kept.stem):
            with contextlib.suppress(OSError):
                old.unlink()


def _generated(config: Path, mark: str) -> Path:
    return config.parent / ".init" / f"{config.stem}-{mark}.yaml"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DriftgateError(
            f"{show_path(path)} can't be read: {error}.", "Make it readable, or choose another --name."
        ) from error
