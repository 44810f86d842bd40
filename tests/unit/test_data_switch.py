"""The data and its pointer change together, whatever cuts the change off."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.data import add as data_add
from driftgate.data.pointer import Pointer, Promise
from driftgate.data.present import SCRATCH, ensure_data, exclusive
from driftgate.errors import DriftgateError
from driftgate.files import md5_of
from driftgate.workspace import PROJECT
from tests.repository import Repository, commit, renamed


def test_the_second_of_two_at_once_is_told(place: Repository) -> None:
    lock = place.root / ".dvc" / "tmp" / "driftgate.lock"
    code = f"import filelock, sys; lock = filelock.FileLock({str(lock)!r}); lock.acquire(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        with pytest.raises(DriftgateError, match="Another command"):
            place.use("HEAD~1")
        holder.stdin.close()
    place.use("HEAD~1")


def _at_change(limit: int, act: Any) -> None:
    """Do `act` in place of the so manieth change of a file."""
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        changes = event in ("os.rename", "os.remove") or (event == "open" and str(arguments[1] or "").startswith("w"))
        if changes and "/repo/" in str(arguments[0]):
            count += 1
            if count == limit:
                act()

    sys.addaudithook(hook)


def _in_child(work: Any, limit: int, act: Any) -> int:
    """Do some work in a process of its own, which is cut off at one change of a file; its exit code."""
    child = os.fork()
    if child == 0:
        try:
            _at_change(limit, act)
            work()
        except DriftgateError:
            os._exit(TOLD)
        except BaseException:
            os._exit(UNFORESEEN)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


KILLED, TOLD, UNFORESEEN = 9, 7, 6


def _kill() -> None:
    os._exit(KILLED)


def _full_disk() -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("act", "end"), [(_kill, KILLED), (_full_disk, TOLD)], ids=["killed", "full disk"])
def test_whatever_cuts_a_switch_off_one_whole_version_is_there(act: Any, end: int, place: Repository) -> None:
    third = place.add(renamed(place.rows.head(3), "third"))["md5"]
    commit(place.root, "third")
    ended, limit = end, 0
    while ended == end:
        limit += 1
        revision = place.first if ensure_data(place.problem, workspace=place.workspace) == third else third
        before = place.state()
        ended = _in_child(lambda revision=revision: place.use(revision), limit, act)
        if ended == TOLD:
            assert place.state() == before
        place.require_whole(place.first, third)
    assert (ended, limit > 4) == (0, True)


@pytest.mark.parametrize("tracked", [False, True], ids=["first version", "edited file"])
def test_a_file_that_becomes_a_version_where_it_lies_is_never_away(tracked: bool, place: Repository) -> None:
    """Nothing else has its bytes: killed at any change, they are in its place, and may be added again."""
    if not tracked:
        place.pointer.unlink()
    renamed(place.rows.head(5), "mine").to_parquet(place.data)
    mine, ended, limit = place.data.read_bytes(), KILLED, 0

    def work() -> None:
        data_add.add(place.problem, place.data, replace=True, workspace=place.workspace)

    while ended == KILLED:
        limit += 1
        ended = _in_child(work, limit, _kill)
        with exclusive(Pointer.of(place.problem)):
            assert place.data.read_bytes() == mine
    assert (ended, limit > 1) == (0, True)
    place.require_whole(md5_of(place.data))


KILLED_ADDITION = """
import os, sys
from pathlib import Path
from driftgate.data import add as data_add
from driftgate.workspace import Workspace
from tests.repository import rules_in

data, new, home = map(Path, sys.argv[1:])
sys.addaudithook(lambda event, arguments: os._exit(9) if event == "os.rename" and str(data) == str(arguments[0]) else None)
data_add.add(rules_in(data), new, replace=False, workspace=Workspace(home))
"""


def test_an_addition_that_is_killed_has_not_been(place: Repository) -> None:
    new = place.file(renamed(place.rows.head(3), "third"))
    command = [sys.executable, "-c", KILLED_ADDITION, str(place.data), str(new), str(place.workspace.root)]
    before, scratch = place.state(), place.root / ".dvc" / "tmp"
    assert subprocess.run(command, cwd=PROJECT).returncode == KILLED
    assert place.state() == before
    assert list(scratch.glob(f"{SCRATCH}*"))
    place.require_whole(place.second)
    assert not list(scratch.glob(f"{SCRATCH}*"))
    assert place.add(renamed(place.rows.head(3), "third"))["rows"] == 253


CONTENT = (PROJECT / "dvc.lock").read_text()


@given(md5=st.from_regex(r"[0-9a-f]{32}", fullmatch=True), size=st.integers(0, 2**60))
def test_a_pointer_changes_for_its_own_file_alone(md5: str, size: int) -> None:
    """Written with another promise and back, `dvc.lock` has the very bytes that it had."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "dvc.lock"
        lock.write_text(CONTENT)
        mine = Pointer(lock, Path(folder) / "data" / "rules.parquet", "rules", Path(folder))
        other = Pointer(lock, Path(folder) / "data" / "flights.parquet", "flights", Path(folder))
        was, theirs = mine.promised(), other.promised()
        assert was
        lock.write_text(mine.rewritten(Promise(md5, size)))
        assert mine.promised() == Promise(md5, size)
        assert other.promised() == theirs
        lock.write_text(mine.rewritten(was))
        assert lock.read_text() == CONTENT
