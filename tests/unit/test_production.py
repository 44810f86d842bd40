"""Production moves all or none, goes back only to where it was, and its record can't be changed unseen."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from driftgate.config import load_problem
from driftgate.errors import DriftgateError
from driftgate.production.channel import Channel, read_channel, write_channel
from driftgate.production.deployments import releases_result
from driftgate.production.move import Production
from driftgate.production.record import Entry, append, read_record
from driftgate.production.release import Release
from driftgate.workspace import PROJECT, Workspace
from operations.deploy import deployment_entry
from tests.unit.moves import entry, move
from tests.unit.test_release import make


def serves(production: Production) -> str | None:
    channel = production.serving()
    return channel.version if channel else None


def test_the_way_back_goes_down_one_deployment_at_a_time(production: Production, releases: dict[str, Release]) -> None:
    for version in ("1", "2", "3"):
        move(production, releases[version])
    assert production.rollback_target(None).card.version == "2"
    move(production, releases["2"], "rollback")
    assert production.rollback_target(None).card.version == "1"
    assert production.rollback_target("3").card.version == "3"
    move(production, releases["1"], "rollback")
    with pytest.raises(DriftgateError, match="before the present one"):
        production.rollback_target(None)


def test_a_version_that_moved_to_where_it_was_is_no_way_back(
    production: Production, releases: dict[str, Release]
) -> None:
    """As where a job is run again: what lies behind is still the version before."""
    for version in ("1", "2", "2"):
        move(production, releases[version])
    assert production.rollback_target(None).card.version == "1"


def test_a_move_that_was_cut_off_counts_before_the_way_back_is_looked_for(
    production: Production, releases: dict[str, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the channel, before the record: production served the third already, so the second lies behind."""
    from operations import deploy

    monkeypatch.setattr(deploy, "followers", lambda *_, **__: [])
    move(production, releases["1"])
    move(production, releases["2"])
    monkeypatch.setattr("driftgate.production.move.append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        move(production, releases["3"])
    monkeypatch.undo()
    monkeypatch.setattr(deploy, "followers", lambda *_, **__: [])
    workspace = Workspace(production.channel.parents[2])
    told = {"who": "w", "reason": "r", "service": None, "workspace": workspace}
    found = deploy.roll_back(production.name, to=None, leaving="3", **told)
    assert (found.version, serves(production)) == ("2", "2")
    assert [entry.version for entry in production.record()] == ["1", "2", "3", "2"]


HOLD = """
import sys, time
from pathlib import Path
from driftgate.production.move import Production
from driftgate.workspace import Workspace
with Production("rules", workspace=Workspace(Path(sys.argv[1]))).exclusive():
    print("held", flush=True)
    time.sleep(2)
"""


def test_one_can_wait_for_another_deployment(production: Production) -> None:
    home = production.channel.parents[2]
    command = [sys.executable, "-c", HOLD, str(home)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(DriftgateError, match="is running"), production.exclusive():
            pass
        with production.exclusive(wait=60):
            assert holder.poll() is not None or holder.wait(5) == 0


def test_a_rollback_rests_on_the_evidence_of_when_it_served(
    production: Production, releases: dict[str, Release]
) -> None:
    """Proved again since, a version may be refused; that is no verdict on going back to it."""
    move(production, releases["1"])
    move(production, releases["2"])
    append(production.record_path, entry(releases["1"], "refused", verdict="block"))
    assert deployment_entry(production, releases["1"], event="rollback", who=None, reason="why").verdict == "pass"
    append(production.record_path, entry(releases["1"], "staged", verdict="warn"))
    assert deployment_entry(production, releases["1"], event="production", who=None, reason="why").verdict == "warn"


def test_never_to_what_was_not_in_production(production: Production, releases: dict[str, Release]) -> None:
    move(production, releases["1"])
    append(production.record_path, entry(releases["2"], "staged"))
    for to, said in (("2", "never in production"), ("1", "already"), ("9", "never in production")):
        with pytest.raises(DriftgateError, match=said):
            production.rollback_target(to)


def test_never_to_files_that_were_altered(production: Production, tmp_path: Path) -> None:
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    old, new = make(tmp_path / "1", problem), make(tmp_path / "2", problem, version="2")
    move(production, old)
    move(production, new)
    (old.folder / "model.onnx").write_bytes(old.model + b" ")
    with pytest.raises(DriftgateError, match="altered"):
        production.rollback_target(None)
    (old.folder / "manifest.json").unlink()
    with pytest.raises(DriftgateError, match="not a complete release"):
        production.rollback_target(None)


@pytest.mark.parametrize("content", [b"", b"{", b'{"name": "rules"}', b"\xff"], ids=["empty", "cut", "half", "noise"])
def test_a_corrupt_channel_can_be_gone_back_from(
    content: bytes, production: Production, releases: dict[str, Release]
) -> None:
    move(production, releases["1"])
    move(production, releases["2"])
    production.channel.write_bytes(content)
    assert production.serving() is None
    back = production.rollback_target(None)
    assert back.card.version == "2"
    move(production, back, "rollback")
    assert serves(production) == "2"


def test_an_unreachable_registry_leaves_a_move_to_finish(production: Production, releases: dict[str, Release]) -> None:
    told: list[str] = []

    def unreachable(_: Entry) -> None:
        raise ConnectionError("no route")

    move(production, releases["1"])
    with pytest.raises(DriftgateError, match="registry is not updated yet"):
        move(production, releases["2"], follow=[unreachable])
    assert serves(production) == "2"
    assert releases_result(production).unfinished == "2"
    with production.exclusive():
        finished = production.recover([lambda moved: told.append(moved.version)])
    assert finished is not None
    assert told == ["2"]
    assert [found.version for found in production.record()] == ["1", "2"]
    assert production.unfinished() is None


def test_two_deployments_at_once_the_second_is_told(production: Production) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with production.exclusive():
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(20)
    try:
        with pytest.raises(DriftgateError, match="is running"), production.exclusive():
            pass
    finally:
        leave.set()
        thread.join()
    with production.exclusive():
        pass


def test_a_line_that_was_changed_or_taken_out_is_told(production: Production, releases: dict[str, Release]) -> None:
    for version in ("1", "2", "3"):
        move(production, releases[version])
    lines = production.record_path.read_bytes().splitlines(keepends=True)
    changed = json.loads(lines[0])
    changed["who"] = "nobody"
    for content in (
        b"".join([json.dumps(changed).encode() + b"\n", *lines[1:]]),
        b"".join([lines[0], lines[2]]),
        b"{}\n",
    ):
        production.record_path.write_bytes(content)
        with pytest.raises(DriftgateError, match="Restore the record"):
            production.record()


def test_a_torn_last_line_was_not_done_and_is_written_over(
    production: Production, releases: dict[str, Release]
) -> None:
    move(production, releases["1"])
    whole = production.record_path.read_bytes()
    production.record_path.write_bytes(whole + whole[:50])
    assert len(production.record()) == 1
    move(production, releases["2"])
    assert [found.version for found in read_record(production.record_path)] == ["1", "2"]


def test_a_clock_set_back_changes_no_order(production: Production, releases: dict[str, Release]) -> None:
    move(production, releases["1"])
    move(production, releases["2"])
    late = entry(releases["3"], at="2001-01-01T00:00:00Z")
    with production.exclusive():
        production.move(releases["3"], late, follow=[])
    assert production.rollback_target(None).card.version == "2"
    serving = releases_result(production).production
    assert serving is not None
    assert serving.version == "3"
    assert releases_result(production).record[0].version == "3"


def test_the_channel_is_replaced_whole(production: Production, releases: dict[str, Release]) -> None:
    """A reader that looks all the time never sees half a document."""
    write_channel(production.channel, Channel.of(releases["1"]))
    stop, wrong = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                read_channel(production.channel)
            except DriftgateError as error:
                wrong.append(error.cause)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(100):
        write_channel(production.channel, Channel.of(releases["12"[number % 2]]))
    stop.set()
    reader.join()
    assert wrong == []
