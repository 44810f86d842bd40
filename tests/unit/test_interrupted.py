"""Full disks, closed folders, what killed commands left, and services that follow meanwhile."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bentos.api.following import Follower
from driftgate.errors import DriftgateError
from driftgate.production.channel import Channel, write_channel
from driftgate.production.deployments import warnings_of
from driftgate.production.move import Production
from driftgate.production.record import append
from driftgate.production.release import Release
from driftgate.workspace import PROJECT
from tests.unit.moves import entry, move, workspace_of

FULL = """
import resource, sys
from pathlib import Path
from driftgate.errors import DriftgateError
from driftgate.production import experiments
from driftgate.production.move import Production
from driftgate.workspace import Workspace

production = Production("rules", workspace=Workspace(Path(sys.argv[1])))
planned = experiments.plan(production, "2", share=0.5)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
with production.exclusive():
    try:
        experiments.begin(production, planned, who="w", reason="r")
    except DriftgateError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (50, "has changed, but the change is not in the record yet: The record"),
        (None, "was not replaced: File too large"),
    ],
    ids=["for the record", "for the intent"],
)
def test_a_disk_that_is_full_leaves_all_or_none(
    more: int | None, told: str, contested: Production, releases: dict[str, Release]
) -> None:
    """A file can grow by so many bytes only: the system takes a part of the line, and refuses the rest."""
    for _ in range(10):
        append(contested.record_path, entry(releases["3"], "staged"))
    before, serving = contested.record(), contested.serving()
    limit = 100 if more is None else contested.record_path.stat().st_size + more
    command = [sys.executable, "-c", FULL, str(workspace_of(contested).root), str(limit)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert told in done.stdout, done.stderr
    assert contested.record() == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    with contested.exclusive():
        finished = contested.recover([])
    assert warnings_of(contested) == []
    assert ([found.event for found in contested.record()][len(before) :], finished is None) == (
        (["challenged"], False) if more else ([], True)
    )
    assert (contested.serving() == serving) == (more is None)


def test_a_channel_that_can_not_be_replaced_leaves_production(
    contested: Production, releases: dict[str, Release]
) -> None:
    serving = contested.serving()
    contested.channel.with_name(".production.json.part").mkdir()
    with pytest.raises(DriftgateError, match=r"was not replaced: Is a directory\. Production is unchanged"):
        move(contested, releases["2"])
    assert contested.serving() == serving
    contested.channel.with_name(".production.json.part").rmdir()
    with contested.exclusive():
        assert contested.recover([]) is None
    move(contested, releases["2"])
    assert warnings_of(contested) == []


READ = """
import json, os, sys
from pathlib import Path
from driftgate.errors import DriftgateError
from driftgate.production.deployments import all_states, releases_result
from driftgate.production.move import Production
from driftgate.workspace import Workspace

if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)  # root may read and write everything
workspace = Workspace(Path(sys.argv[1]))
production = Production("rules", workspace=workspace)
states = {name: state.model_dump(mode="json") for name, state in all_states(workspace).items()}
told = {"states": states, "releases": releases_result(production).warnings}
try:
    with production.exclusive():
        told["locked"] = True
except DriftgateError as error:
    told["locked"] = error.cause
print(json.dumps(told))
"""


@pytest.mark.parametrize("mode", [0o555, 0o000], ids=["read-only", "closed"])
def test_a_folder_that_can_not_be_written_is_read_or_told(mode: int, contested: Production) -> None:
    """`status` and `releases` show what they can; what needs the lock says why it can't have it."""
    folder, root = contested.channel.parent, workspace_of(contested).root
    if os.getuid() == 0:
        # Pytest keeps its folders for root alone; so does a workspace.
        for parent in folder.parents:
            if parent.is_relative_to(Path(tempfile.gettempdir())) and parent != Path(tempfile.gettempdir()):
                parent.chmod(0o755)
    (folder / "lock").chmod(0o444)
    folder.chmod(mode)
    try:
        done = subprocess.run([sys.executable, "-c", READ, str(root)], cwd=PROJECT, capture_output=True, text=True)
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "can't be locked: Permission denied" in told["locked"]
    if mode:
        assert (told["states"]["rules"]["version"], told["releases"]) == ("1", [])
    else:
        assert "Permission denied" in told["states"]["rules"]["error"]["cause"]
        assert "Permission denied" in told["releases"][0]


def test_drafts_of_killed_commands_are_removed_by_the_next_one(
    contested: Production, caplog: pytest.LogCaptureFixture
) -> None:
    folder = contested.channel.parent
    ours = {path.name for path in folder.iterdir()}
    drafts = [
        ".production.json-x1y2",
        ".staging.json-abc",
        ".intent.json.part",
        ".head.json.part",
        ".production.json.part",
    ]
    foreign = ["notes.part", "production.json-old", "record.jsonl.bak", ".hidden"]
    for name in (*drafts, *foreign):
        (folder / name).write_text("half")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workspace_of(contested).root)], cwd=PROJECT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout
    assert holder.stdin
    holder.stdout.readline()
    (folder / drafts[0]).write_text("in use")  # what the command that holds the lock writes meanwhile
    with pytest.raises(DriftgateError, match="is running"), contested.exclusive():
        pass
    assert (folder / drafts[0]).exists()
    holder.communicate(b"\n")
    with contested.exclusive():
        pass
    assert {path.name for path in folder.iterdir()} == {*ours, *foreign}


HOLD = """
import sys
from pathlib import Path
from driftgate.production.move import Production
from driftgate.workspace import Workspace
with Production("rules", workspace=Workspace(Path(sys.argv[1]))).exclusive():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"], ids=["empty", "cut", "noise"])
def test_an_intent_that_can_not_be_read_is_removed_with_a_warning_by_who_holds_the_lock(
    content: bytes, contested: Production, caplog: pytest.LogCaptureFixture
) -> None:
    intent = contested.channel.with_name("intent.json")
    intent.write_bytes(content)
    assert contested.unfinished() is None
    assert intent.exists()  # who only looks changes nothing
    with contested.exclusive():
        assert contested.recover([]) is None
    assert not intent.exists()
    assert "it can't be read; check what serves" in caplog.text


def test_a_service_stays_as_it_is_where_only_the_record_went_on(
    contested: Production, releases: dict[str, Release]
) -> None:
    taken: list[str] = []
    follower = Follower(
        contested.channel,
        name="rules",
        take=lambda release, *_: taken.append(release.card.version),
        failed=lambda: None,
    )
    follower.poll()
    move(contested, releases["1"])
    follower.poll()
    assert taken == ["1"]
    move(contested, releases["2"])
    follower.poll()
    assert taken == ["1", "2"]
    write_channel(contested.channel, Channel.of(releases["2"]))  # as versions without the field wrote it
    follower.poll()
    assert (taken, follower.error) == (["1", "2"], None)
