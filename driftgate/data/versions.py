"""The versions of a problem's data in git's history: list them, find their bytes, and restore one."""

from __future__ import annotations

import logging
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from driftgate import git
from driftgate.config import Problem
from driftgate.data.pointer import Pointer, Promise
from driftgate.data.present import exclusive, found_md5, switch
from driftgate.data.store import Store
from driftgate.data.table import columns_of, count_rows
from driftgate.errors import DriftgateError
from driftgate.results.data import DataPullResult, DataUseResult, DataVersionInfo, DataVersionsResult
from driftgate.workspace import Workspace, show_path

log = logging.getLogger("driftgate.data")

MD5 = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class Version:
    """A version, and the first commit that records it; None if no commit does yet."""

    promise: Promise
    commit: str | None = None
    at: str | None = None
    subject: str = "not committed yet"


def tracked(problem: Problem, *, workspace: Workspace, remote: str | None = None) -> tuple[Pointer, Promise, Store]:
    """The pointer of a problem's data, the version that it records, and the store of its bytes.

    Raises:
        DriftgateError: If DVC doesn't track the file.
    """
    pointer = Pointer.of(problem)
    promised = pointer.promised()
    if promised is None or pointer.root is None:
        raise DriftgateError(
            f"DVC doesn't track {show_path(pointer.data)}.",
            f"`run.py data add {show_path(pointer.data)}` makes it the first version."
            if pointer.root
            else "Move it into a folder of the project, or into another DVC repository.",
        )
    return pointer, promised, Store(pointer.root, workspace=workspace, remote=remote)


def history(pointer: Pointer) -> list[Version]:
    """Every version that a commit of any branch or tag records, the newest first.

    Each version is listed once, with the first commit that records it.

    Raises:
        DriftgateError: If there is a git repository that can't be read.
    """
    if pointer.root is None:
        return []
    file = pointer.file.relative_to(pointer.root).as_posix()
    head = ["HEAD"] if git.commit_of(pointer.root, "HEAD") else []
    named = ["--branches", "--tags", "--remotes", *head]  # not --all, which includes stashes
    how = ["--no-show-signature", "--full-history", "-z", "--format=%H%x09%cI%x09%s"]
    commits = git.output(pointer.root, "log", *named, *how, "--", file)
    if commits is None and (pointer.root / ".git").exists():
        raise DriftgateError(
            f"git can't read the history of {show_path(pointer.file)}.", f"`git -C {pointer.root} log` says why."
        )
    found: dict[str, Version] = {}
    for line in filter(None, (commits or "").split("\0")):
        commit, at, subject = line.split("\t", 2)
        promise = _promise_at(pointer, commit)
        if promise:
            found.pop(promise.md5, None)
            found[promise.md5] = Version(promise, commit, at, subject)
    return list(found.values())


def use(problem: Problem, revision: str, *, force: bool, remote: str | None, workspace: Workspace) -> DataUseResult:
    """Switch to a version: record it in the pointer file, and restore its bytes.

    Args:
        problem: The problem.
        revision: A git revision, or the first digits of an md5 that `versions` lists.
        force: Switch even if no commit records the present version.
        remote: Name or address of a DVC remote; None: as configured.
        workspace: The workspace; DVC's scratch files go there.

    Returns:
        What was changed.

    Raises:
        DriftgateError: If there is no such version, its bytes can't be found, or the present version would be lost.
    """
    pointer, promised, store = tracked(problem, workspace=workspace, remote=remote)
    with exclusive(pointer):
        known = history(pointer)
        wanted = _find(pointer, promised, revision, known=known, store=store, problem=problem)
        lost = _lost(pointer, promised, wanted.promise, known=known)
        if lost and not force:
            raise DriftgateError(*_refusal(pointer, promised, lost, store=store, away="--force moves"))
        source = _obtain(pointer, wanted, store=store, workspace=workspace)
        text = pointer.rewritten(wanted.promise, without=pointer.text_at(wanted.commit) if wanted.commit else None)
        _put_in_place(pointer, text, wanted.promise.md5, store=store)
    return DataUseResult(
        problem=problem.name,
        file=show_path(pointer.data),
        md5=wanted.promise.md5,
        previous=promised.md5,
        commit=wanted.commit,
        source=source,
        uncommitted=tuple(lost),
        pointer=show_path(pointer.file),
        pointer_differs=_promise_at(pointer, "HEAD") != wanted.promise,
    )


def pull(problem: Problem, *, remote: str | None, workspace: Workspace) -> DataPullResult:
    """Fetch the recorded version from the remote into the cache, and put it in place.

    Args:
        problem: The problem; its data file may be missing, or another committed version, as after `git pull`.
        remote: Name or address of a DVC remote; None: as configured.
        workspace: The workspace; DVC's scratch files go there.

    Returns:
        The md5, and whether the bytes were fetched from the remote.

    Raises:
        DriftgateError: If the file was changed, there is no remote, or the remote doesn't have the version.
    """
    pointer, promised, store = tracked(problem, workspace=workspace, remote=remote)
    with exclusive(pointer):
        if lost := _lost(pointer, promised, promised, known=history(pointer)):
            away = f"`run.py data use {promised.md5} --force` moves"
            raise DriftgateError(*_refusal(pointer, promised, lost, store=store, away=away))
        right = pointer.data.exists() and found_md5(pointer.data) == promised.md5
        fetched = not right and store.cached(promised.md5) is None
        if fetched and not store.fetch(promised.md5):
            raise DriftgateError(
                f"The remote {store.remote()!r} doesn't have {promised.md5}.",
                "Run `run.py data push` on a machine that has the version, then pull again.",
            )
        if not right:
            _put_in_place(pointer, pointer.file.read_text(encoding="utf-8"), promised.md5, store=store)
    return DataPullResult(
        problem=problem.name, file=show_path(pointer.data), md5=promised.md5, remote=store.remote(), fetched=fetched
    )


def versions(problem: Problem, *, remote: str | None, workspace: Workspace) -> DataVersionsResult:
    """The versions of a problem's data, the newest first, and where their bytes are."""
    pointer, promised, store = tracked(problem, workspace=workspace, remote=remote)
    known = history(pointer)
    if promised.md5 not in {version.promise.md5 for version in known}:
        known.insert(0, Version(promised))
    present = found_md5(pointer.data) if pointer.data.exists() else None
    trouble = None
    rows = []
    for version in known:
        md5 = version.promise.md5
        here = {"workspace": pointer.data if md5 == present else None, "cache": store.cached(md5)}
        where = [place for place, path in here.items() if path]
        at_hand = next((path for path in here.values() if path), None)
        if trouble is None and store.remote():
            try:
                where += ["remote"] if store.on_remote(md5) else []
            except DriftgateError as error:
                trouble = error.cause
        rows.append(DataVersionInfo(
            md5=md5, commit=version.commit, at=version.at, subject=version.subject, current=md5 == promised.md5,
            size=version.promise.size, where=tuple(where),
            rows=count_rows(at_hand, problem=problem, kind=pointer.data.suffix) if at_hand else None,
        ))  # fmt: skip
    changed = present not in (None, promised.md5)
    return DataVersionsResult(
        problem=problem.name, file=show_path(pointer.data), versions=tuple(rows), remote=store.remote(),
        remote_error=trouble, present=present, changed=changed,
    )  # fmt: skip


def _promise_at(pointer: Pointer, commit: str) -> Promise | None:
    text = pointer.text_at(commit)
    try:
        return pointer.promise_in(text) if text else None
    except DriftgateError:
        return None  # for example a commit with conflict markers


def _find(
    pointer: Pointer, promised: Promise, revision: str, *, known: list[Version], store: Store, problem: Problem
) -> Version:
    """The version that an argument of the command line names."""
    assert pointer.root
    by_md5: list[Version] = []
    if MD5.fullmatch(revision):
        candidates = [*known, Version(promised)]
        by_md5 = [version for version in candidates if version.promise.md5.startswith(revision)]
        path = store.cached(revision) if len(revision) == 32 and not by_md5 else None
        if path:
            _require_columns(path, pointer.data, problem)
            by_md5.append(Version(Promise(revision, path.stat().st_size)))
    commit = git.commit_of(pointer.root, revision)
    if len({version.promise.md5 for version in by_md5}) > 1 or (by_md5 and commit):
        raise DriftgateError(f"{revision!r} matches more than one version.", "Give more of its digits.")
    if by_md5:
        return by_md5[0]
    if commit is None:
        where = "" if git.commit_of(pointer.root, "HEAD") else f", and {pointer.root} has no git history"
        raise DriftgateError(f"There is no revision {revision!r}{where}.", "`run.py data versions` lists the versions.")
    promise = _promise_at(pointer, commit)
    if promise is None:
        raise DriftgateError(
            f"{revision} does not track {show_path(pointer.data)}.", "`run.py data versions` lists the versions."
        )
    return next((version for version in known if version.promise == promise), Version(promise, commit))


def _require_columns(path: Path, data: Path, problem: Problem) -> None:
    """Refuse a file of the cache that is not a version of this data: the cache has other files, too."""
    wanted = [problem.data.row_id, problem.data.timestamp, problem.target.column, *problem.contract.columns]
    try:
        there = columns_of(path, problem=problem, kind=data.suffix)
        missing = [name for name in wanted if name and name not in there]
    except DriftgateError:
        missing = ["rows"]
    if missing:
        raise DriftgateError(
            f"{path.parent.name}{path.name} in DVC's cache is not a version of {show_path(data)}: it lacks "
            f"{', '.join(missing[:5])}.",
            "`run.py data versions` lists the versions.",
        )


def _put_in_place(pointer: Pointer, text: str, md5: str, *, store: Store) -> None:
    """Switch to a version of the cache, and keep the present file in the cache."""
    present = found_md5(pointer.data) if pointer.data.exists() else None
    if present:
        store.keep(pointer.data, present)
    switch(pointer, text, md5, present=present, store=store)


def _lost(pointer: Pointer, promised: Promise, wanted: Promise, *, known: list[Version]) -> list[str]:
    """The md5s of the recorded version and of the data file that no commit would record after the switch."""
    present = {promised.md5}
    if pointer.data.exists():
        present.add(found_md5(pointer.data))
    return sorted(present - {version.promise.md5 for version in known} - {wanted.md5})


def _refusal(pointer: Pointer, promised: Promise, lost: list[str], *, store: Store, away: str) -> tuple[str, str]:
    """Cause and remedy; `away` is the command, with its verb, that moves the present file away."""
    data, file = show_path(pointer.data), show_path(pointer.file)
    if promised.md5 not in lost:
        return (
            f"{data} was changed without DVC: its md5 is {lost[0]}, but DVC records {promised.md5}.",
            f"`run.py data add {data} --replace` makes it a version; {away} it to DVC's cache, where nothing names it.",
        )
    try:
        pushed = bool(store.remote()) and store.on_remote(promised.md5)
    except DriftgateError:
        pushed = False
    return (
        f"No commit records the present version {promised.md5}{'' if pushed else ', and it was never pushed'}.",
        f"Commit {file} first; {away} it away, and then only DVC's cache on this machine has it.",
    )


def _obtain(pointer: Pointer, wanted: Version, *, store: Store, workspace: Workspace) -> str:
    """Ensure that the cache has a version.

    Returns:
        Where it was found: `cache`, `workspace`, `remote` or `stage`.
    """
    md5 = wanted.promise.md5
    if store.cached(md5):
        return "cache"
    if pointer.data.exists() and found_md5(pointer.data) == md5:
        store.keep(pointer.data, md5)
        return "workspace"
    trouble = store.bring(md5)
    if trouble is None:
        return "remote"
    if pointer.stage and wanted.commit and rebuild(pointer, wanted.commit, md5, store=store, workspace=workspace):
        return "stage"
    built = " its stage builds another version," if pointer.stage and wanted.commit else ""
    raise DriftgateError(
        f"The data version {md5} can't be found: DVC's cache doesn't have it,{built} and {trouble}.",
        "Push it with `run.py data push` from a machine that has it, and give that remote here.",
    )


def rebuild(pointer: Pointer, commit: str, md5: str, *, store: Store, workspace: Workspace) -> bool:
    """Build a version in a temporary folder, with the stage as it was in a commit.

    Returns:
        Whether the stage built the version; then the cache has it.

    Raises:
        DriftgateError: If the commit can't be checked out.
    """
    assert pointer.root
    assert pointer.stage
    log.info("building %s with its stage, as of commit %s", md5[:8], commit[:8])
    with tempfile.TemporaryDirectory(prefix="driftgate-") as folder:
        place = Path(folder) / "project"
        if trouble := git.clone(pointer.root, commit, place):
            raise DriftgateError(f"{commit[:8]} can't be checked out: {trouble}.", "Check it with `git fsck`.")
        try:
            Store(place, workspace=Workspace(Path(folder) / "var")).reproduce(pointer.stage)
        except DriftgateError as error:
            log.warning("%s", error.cause)
            return False
        made = place / pointer.data.relative_to(pointer.root)
        if not made.exists() or found_md5(made) != md5:
            return False
        store.keep(made, md5)
    return True
