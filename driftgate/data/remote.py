"""The state of a problem's data, and pushing its versions to a remote."""

from __future__ import annotations

import logging
from typing import NamedTuple

from driftgate.config import Problem
from driftgate.data.pointer import Pointer
from driftgate.data.present import ensure_data, exclusive, found_md5
from driftgate.data.store import Store
from driftgate.data.table import count_rows, date_span
from driftgate.data.versions import history, tracked
from driftgate.errors import DriftgateError
from driftgate.results.data import DataPushResult, DataStatusResult
from driftgate.workspace import Workspace, show_path

log = logging.getLogger("driftgate.data")


def push(problem: Problem, *, every: bool, remote: str | None, workspace: Workspace) -> DataPushResult:
    """Push the present version to the remote, or every version whose bytes are on this machine.

    Args:
        problem: The problem.
        every: Push all versions in git's history, not only the present one.
        remote: Name or address of a DVC remote; None: as configured.
        workspace: The workspace; DVC's scratch files go there.

    Returns:
        The md5s that were pushed, that the remote already had, and that are not on this machine.

    Raises:
        DriftgateError: If the present file is missing or another version, there is no remote, or the remote refuses.
    """
    pointer, promised, store = tracked(problem, workspace=workspace, remote=remote)
    pushed: list[str] = []
    there: list[str] = []
    not_at_hand: list[str] = []
    if not pointer.data.exists() and not store.cached(promised.md5):
        raise DriftgateError(
            f"The data version {promised.md5} is not on this machine, so it can't be pushed.",
            "`run.py data pull` fetches it from a remote; a run builds it if it has a stage.",
        )
    if pointer.data.exists():
        with exclusive(pointer):
            store.keep(pointer.data, ensure_data(problem, workspace=workspace))
    md5s = {promised.md5: None} | {version.promise.md5: None for version in (history(pointer) if every else ())}
    for md5 in md5s:
        if store.on_remote(md5):
            there.append(md5)
            continue
        log.info("pushing %s to %s", md5[:8], store.remote())
        (pushed if store.push(md5) else not_at_hand).append(md5)
    if promised.md5 in not_at_hand:
        raise DriftgateError(
            f"DVC's cache doesn't have {promised.md5}, or only damaged bytes of it.",
            "`run.py data pull` fetches it if a remote has it.",
        )
    return DataPushResult(
        problem=problem.name, file=show_path(pointer.data), remote=store.remote(), pushed=tuple(pushed),
        there=tuple(there), not_at_hand=tuple(not_at_hand),
    )  # fmt: skip


def status(problem: Problem, *, remote: str | None, workspace: Workspace) -> DataStatusResult:
    """The state of the data: its version; whether it is as recorded, committed, cached and pushed; and what to do next."""
    pointer = Pointer.of(problem)
    promised, there = pointer.promised(), pointer.data.exists()
    present = found_md5(pointer.data) if there else None
    committed, cached, shared = None, None, _OnRemote()
    if promised and pointer.root:
        store = Store(pointer.root, workspace=workspace, remote=remote)
        cached = store.cached(promised.md5) is not None
        committed = _committed(pointer, promised.md5)
        shared = _on_remote(promised.md5, store)
    found = DataStatusResult(
        problem=problem.name,
        file=show_path(pointer.data),
        md5=present,
        promised=promised.md5 if promised else None,
        rows=count_rows(pointer.data, problem=problem, kind=pointer.data.suffix) if there else None,
        dates=date_span(pointer.data, problem) if there else None,
        pointer=show_path(pointer.file) if promised else None,
        stage=pointer.stage,
        state="untracked" if promised is None else "missing" if not there
        else "as promised" if present == promised.md5 else "changed",
        committed=committed,
        cached=cached,
        pushed=shared.pushed,
        remote=shared.name,
        remote_error=shared.error,
        next=(),
    )  # fmt: skip
    return found.model_copy(update={"next": tuple(_next_commands(pointer, found))})


class _OnRemote(NamedTuple):
    """The remote's name, whether it has a version, and why that is unknown."""

    name: str | None = None
    pushed: bool | None = None
    error: str | None = None


def _committed(pointer: Pointer, md5: str) -> bool | None:
    """Whether a commit records a version; None if git can't say."""
    if pointer.root is None or not (pointer.root / ".git").exists():
        return None
    try:
        return md5 in {version.promise.md5 for version in history(pointer)}
    except DriftgateError:
        return None


def _on_remote(md5: str, store: Store) -> _OnRemote:
    try:
        name = store.remote()
        return _OnRemote(name, store.on_remote(md5) if name else None)
    except DriftgateError as error:
        return _OnRemote(error=error.cause)


def _next_commands(pointer: Pointer, found: DataStatusResult) -> list[str]:
    """The next command for each problem in the state."""
    data, file, advice = show_path(pointer.data), show_path(pointer.file), []
    if pointer.root is None:
        return ["move it into a folder of the project, and change data.path    so that DVC can track it"]
    if found.state == "untracked":
        return [f"run.py data add {data if found.md5 else 'FILE'}    makes it the first version"]
    if found.state == "missing":
        how = (
            "restores the file from the cache"
            if found.cached
            else "fetches the file from the remote"
            if found.pushed
            else "builds the file with its stage"
        )
        nowhere = not (found.cached or found.pushed or found.stage)
        advice.append(
            "run.py data pull --remote ADDRESS    its bytes are not on this machine"
            if nowhere
            else f"the next run {how}"
        )
    if found.state == "changed":
        advice.append(
            f"run.py data use {(found.promised or '')[:8]} --force    restores the recorded version; this one stays in the cache"
        )
        advice.append(f"run.py data add {data} --replace    makes the file as it is a version")
    if found.committed is False:
        advice.append(f"git add {file} && git commit    so that the version has a name")
    if found.remote_error:
        advice.append("check the connection to the remote: whether the version is pushed is unknown")
    elif found.remote is None:
        advice.append("dvc remote add -d NAME ADDRESS    so that others can have the data")
    elif not found.pushed:
        advice.append("run.py data push")
    return advice
