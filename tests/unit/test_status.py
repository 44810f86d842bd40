"""`status` shows what it can, and names what is damaged; it never ends in a traceback."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from driftgate.production.channel import Channel, write_channel
from driftgate.production.move import Production
from driftgate.production.release import Release
from driftgate.workspace import Workspace
from tests.unit.moves import move

RUN = {
    "problem": "rules", "verdict": "pass", "finished_at": "2026-11-20T10:00:00+00:00", "data": {"as_of": None},
    "model": {"version": "7"}, "release": None,
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a run."""
    monkeypatch.setenv("DRIFTGATE_HOME", str(tmp_path))
    made = Workspace(tmp_path)
    made.runs.mkdir()
    (made.runs / "training-rules-1.json").write_text(json.dumps(RUN))
    return made


def status() -> tuple[dict[str, Any], str]:
    """What both forms say."""
    document = CliRunner().invoke(main, ["status", "--json"])
    shown = CliRunner().invoke(main, ["status"])
    assert (document.exit_code, shown.exit_code) == (0, 0)
    return json.loads(document.output), shown.output


DAMAGED: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_text(json.dumps(RUN)[:50]),
    "no object": lambda path: path.write_text("[1, 2]"),
    "another document": lambda path: path.write_text("{}"),
    "other types": lambda path: path.write_text(json.dumps({**RUN, "finished_at": 12})),
    "no problem": lambda path: path.write_text(json.dumps({**RUN, "problem": None})),
    "noise": lambda path: path.write_bytes(b"\xff\xfe{"),
    "nested too deep": lambda path: path.write_text('{"a":' * 3000),
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_of_a_run_hides_no_other(name: str, workspace: Workspace) -> None:
    damaged = workspace.runs / "training-rules-2.json"
    DAMAGED[name](damaged)
    document, text = status()
    assert [run["model"]["version"] for run in document["runs"]] == ["7"]
    [found] = document["unreadable_runs"]
    assert found["file"] == str(damaged)
    [line] = [line for line in text.splitlines() if line.startswith("error")]
    assert str(damaged) in line
    assert found["error"] in line
    assert "2026-11-20 10:00" in text


def test_what_is_not_ours_is_left_alone(workspace: Workspace) -> None:
    (workspace.runs / "training-rules-1.lock").write_bytes(b"")
    (workspace.runs / ".training-rules-3.json.part").write_text("{")
    workspace.channels.mkdir()
    (workspace.channels / "notes.txt").write_text("mine")
    for name in ("backup", ".git"):
        (workspace.channels / name).mkdir()
        (workspace.channels / name / "file").write_text("mine")
    document, text = status()
    assert (document["channels"], document["unreadable_runs"], len(document["runs"])) == ({}, [], 1)
    assert "error" not in text


def test_a_damaged_problem_is_an_error_line_beside_the_others(
    workspace: Workspace, production: Production, releases: dict[str, Release]
) -> None:
    """With a reason that a renderer could take for its markup."""
    other = Production("other", workspace=workspace)
    move(other, releases["1"])
    move(production, releases["2"], reason="[/b] no [markup]")
    other.record_path.write_bytes(b"{}\n")
    document, text = status()
    assert document["channels"]["rules"]["version"] == "2"
    assert document["channels"]["rules"]["error"] is None
    assert "Line 1 of" in document["channels"]["other"]["error"]["cause"]
    assert "Restore the record" in document["channels"]["other"]["error"]["remedy"]
    assert f"error       other: Line 1 of {other.record_path} can't be read" in text
    assert "production  rules 2 since" in text
    assert "([/b] no [markup])" in text
    write_channel(production.channel, Channel.of(releases["3"]))
    document, text = status()
    [warning] = document["channels"]["rules"]["warnings"]
    assert "warning     The record doesn't explain that production serves rules 3" in text
    assert "newest entry says rules 2 since 20" in warning
    other.channel.write_bytes(b"")
    document, text = status()
    assert "production  unknown" in text
    assert document["channels"]["other"]["channel_error"] in document["channels"]["other"]["error"]["cause"]


def test_nothing_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTGATE_HOME", str(tmp_path / "none"))
    document, text = status()
    assert (document["channels"], document["runs"], document["unreadable_runs"]) == ({}, [], [])
    assert "No run yet" in text
    assert not os.path.exists(tmp_path / "none")
