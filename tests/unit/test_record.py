"""A record that was changed or cut is found, wherever; a channel that it doesn't explain is reported."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driftgate.config import load_problem
from driftgate.errors import DriftgateError
from driftgate.evidence import registry
from driftgate.evidence.tracking import client
from driftgate.production import experiments
from driftgate.production.channel import Challenger, Channel, read_channel, write_channel
from driftgate.production.deployments import all_states, releases_result, warnings_of
from driftgate.production.move import Production
from driftgate.production.record import HEAD, append, inspect_record, read_record
from driftgate.production.release import Release
from driftgate.workspace import PROJECT
from operations.deploy import deploy_to_production, publish_record_head
from operations.releases import read_releases
from tests.unit.moves import entry, move, workspace_of


def head_of(production: Production) -> Path:
    return production.record_path.with_name(HEAD)


def edited(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:-1], lines[-1].replace(b"somebody", b"nobody")])


ENDS: dict[str, Callable[[bytes], bytes]] = {
    "last line edited": edited,
    "last line removed": lambda content: b"".join(content.splitlines(keepends=True)[:-1]),
    "last line without its end": lambda content: content[:-1],
    "emptied": lambda _: b"",
    "only the first line": lambda content: content.splitlines(keepends=True)[0],
}


@pytest.mark.parametrize("staged_last", [True, False], ids=["after a proof", "after a deployment"])
@pytest.mark.parametrize("damage", ENDS)
def test_an_end_that_was_changed_or_removed_is_found(
    damage: str, staged_last: bool, production: Production, releases: dict[str, Release]
) -> None:
    move(production, releases["1"])
    append(production.record_path, entry(releases["2"], "staged"))
    move(production, releases["2"])
    if staged_last:
        append(production.record_path, entry(releases["3"], "staged"))
    whole = production.record_path.read_bytes()
    production.record_path.write_bytes(ENDS[damage](whole))
    with pytest.raises(DriftgateError, match="The end of the record"):
        production.record()
    told = releases_result(production).json_document()
    assert any("The end of the record" in warning and "backup" in warning for warning in told["warnings"])
    assert told["version"] == "2"  # what serves is shown all the same
    with pytest.raises(DriftgateError, match="The end of the record"):
        move(production, releases["3"])
    assert production.serving() == read_channel(production.channel)
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    with pytest.raises(DriftgateError, match="The end of the record"):
        deploy_to_production(problem, model="3", reason="r", who="w", service=None, workspace=workspace_of(production))
    production.record_path.write_bytes(whole)
    assert list(releases_result(production).warnings) == []


def test_a_record_that_is_gone_is_found(production: Production, releases: dict[str, Release]) -> None:
    move(production, releases["1"])
    production.record_path.unlink()
    with pytest.raises(DriftgateError, match=r"had 1 entry on .*; now 0 entries can be read"):
        production.record()
    head_of(production).unlink()
    [told] = warnings_of(production)
    assert "The record doesn't explain that production serves rules 1" in told
    move(production, releases["1"])  # the way out where there is no backup
    assert warnings_of(production) == []


def test_the_channel_tells_where_the_head_beside_the_record_was_removed_too(
    production: Production, releases: dict[str, Release]
) -> None:
    move(production, releases["1"])
    one = production.record_path.read_bytes()
    move(production, releases["1"])
    production.record_path.write_bytes(one)
    head_of(production).unlink()
    [told] = warnings_of(production)
    assert told.startswith("The end of the record was changed or removed: production.json, written 20")


def test_an_end_that_is_gone_with_the_head_is_told_before_what_it_explained(
    production: Production, releases: dict[str, Release]
) -> None:
    """To record anew what serves, as is right for an unknown deployment, would hide it."""
    move(production, releases["1"])
    one = production.record_path.read_bytes()
    move(production, releases["2"])
    production.record_path.write_bytes(one)
    head_of(production).unlink()
    [told] = warnings_of(production)
    assert told.startswith("The end of the record was changed or removed: production.json, written 20")


def test_unreadable_head_is_told_with_the_reason(production: Production, releases: dict[str, Release]) -> None:
    move(production, releases["1"])
    head_of(production).write_text('{"entries": 1}')
    with pytest.raises(DriftgateError, match="sha256: Field required"):
        production.record()


def test_the_registry_tells_where_the_whole_folder_was_set_back(
    contested: Production, releases: dict[str, Release], tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Record, head and channel agree; only MLflow knows that there was more. Its tag may lag behind, too."""
    monkeypatch.setattr("operations.releases.REGISTRY_SECONDS", 60)  # a busy machine may be slow
    workspace = workspace_of(contested)
    assert list(read_releases("rules", workspace=workspace).warnings) == []
    assert not workspace.mlflow_database.exists()  # who only looks makes no registry
    workspace.mlflow_database.parent.mkdir()
    client(workspace).create_registered_model("rules")
    publish_record_head(contested, workspace=workspace)
    shutil.copytree(contested.channel.parent, tmp_path / "old")
    append(contested.record_path, entry(releases["3"], "staged"))
    record = inspect_record(contested.record_path)
    assert record.key
    assert registry.record_head("rules", record.key, workspace=workspace) == record.hashes[-2]
    assert list(read_releases("rules", workspace=workspace).warnings) == []
    assert registry.record_head("rules", record.key, workspace=workspace) == record.last
    shutil.copytree(tmp_path / "old", contested.channel.parent, dirs_exist_ok=True)
    assert warnings_of(contested) == []
    [told] = list(read_releases("rules", workspace=workspace).warnings)
    assert "MLflow has the hash of an entry that the record doesn't have" in told
    publish_record_head(contested, workspace=workspace)
    assert "lacks an entry whose hash is in the registry" in caplog.text
    assert list(read_releases("rules", workspace=workspace).warnings) == []


def test_releases_shows_what_it_can_not_finish(contested: Production, releases: dict[str, Release]) -> None:
    """A change was cut off, and the record was damaged meanwhile."""
    with contested.exclusive(), pytest.MonkeyPatch.context() as patched:
        patched.setattr("driftgate.production.move.append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            experiments.begin(contested, experiments.plan(contested, "2", share=0.5), who="w", reason="r")
    whole = contested.record_path.read_bytes()
    contested.record_path.write_bytes(b"")
    document = read_releases("rules", workspace=workspace_of(contested)).json_document()
    assert (document["unfinished"], document["experiment"]["share"]) == ("2", 0.5)
    assert [told.split(":")[0].split(" of ")[0] for told in document["warnings"]] == ["The end", "A change"]
    contested.record_path.write_bytes(whole)
    document = read_releases("rules", workspace=workspace_of(contested)).json_document()
    assert (document["finished_now"], document["unfinished"], document["warnings"]) == ("2", None, [])


def test_a_head_that_is_missing_or_damaged_is_told(production: Production, releases: dict[str, Release]) -> None:
    move(production, releases["1"])
    append(production.record_path, entry(releases["2"], "staged"))
    head_of(production).unlink()
    [told] = warnings_of(production)
    assert "head.json is missing" in told
    move(production, releases["1"])
    assert warnings_of(production) == []
    head_of(production).write_text("{")
    with pytest.raises(DriftgateError, match=r"head\.json can't be read"):
        production.record()


def test_a_record_of_an_older_version_goes_on(production: Production, releases: dict[str, Release]) -> None:
    """Neither a head beside it nor in the channel, and entries without a challenger."""
    move(production, releases["1"])
    production.record_path.write_bytes(production.record_path.read_bytes().replace(b'"challenger": null, ', b""))
    head_of(production).unlink()
    write_channel(production.channel, Channel.of(releases["1"]))
    assert "record_head" not in json.loads(production.channel.read_text())
    assert warnings_of(production) == []
    append(production.record_path, entry(releases["2"], "staged"))
    move(production, releases["2"])
    assert [found.event for found in production.record()] == ["production", "staged", "production"]
    assert head_of(production).exists()
    assert warnings_of(production) == []


def test_a_challenger_of_an_older_version_is_explained(contested: Production, releases: dict[str, Release]) -> None:
    append(contested.record_path, entry(releases["2"], "challenged"))
    to = Channel.of(releases["2"])
    tried = Challenger(id="x", version="2", release=to.release, manifest_sha256=to.manifest_sha256, share=0.2)
    write_channel(contested.channel, Channel.of(releases["1"]).model_copy(update={"challenger": tried}))
    assert warnings_of(contested) == []


RECORDS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "crlf": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")),
        r"has a Windows line ending \(CRLF\)",
    ),
    "blank line": (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "Line 3 of .* can't be read"),
    "noise": (lambda path: path.write_bytes(b"\xff\xfe\n"), "Line 1 of .* can't be read"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "can't be read: Is a directory"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_hides_neither_what_serves_nor_other_problems(
    name: str, contested: Production, releases: dict[str, Release]
) -> None:
    workspace = workspace_of(contested)
    shutil.copytree(contested.channel.parent, workspace.channels / "whole")
    RECORDS[name][0](contested.record_path)
    with pytest.raises(DriftgateError, match=RECORDS[name][1]):
        read_record(contested.record_path)
    states = {name: state.model_dump(mode="json") for name, state in all_states(workspace).items()}
    assert states["rules"]["version"] == states["whole"]["version"] == "1"
    assert "can't be read" in states["rules"]["error"]["cause"] or "CRLF" in states["rules"]["error"]["cause"]
    assert states["whole"]["error"] is None
    assert states["whole"]["warnings"] == []


def test_line_ends_of_windows_can_be_taken_back(contested: Production) -> None:
    whole = contested.record_path.read_bytes()
    contested.record_path.write_bytes(whole.replace(b"\n", b"\r\n"))
    contested.record_path.write_bytes(contested.record_path.read_bytes().replace(b"\r\n", b"\n"))
    assert len(contested.record()) == 2


CHANNELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "is not a valid channel document"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:40]), "is not a valid channel document"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "can't be read: Is a directory"),
}


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("channel", ["production", "staging"])
def test_a_damaged_channel_is_an_error_of_its_problem(
    channel: str, name: str, contested: Production, releases: dict[str, Release]
) -> None:
    write_channel(contested.staging, Channel.of(releases["2"]))
    CHANNELS[name][0](contested.channel if channel == "production" else contested.staging)
    state = all_states(workspace_of(contested))["rules"].model_dump(mode="json")
    assert CHANNELS[name][1] in state["error"]["cause"]
    assert CHANNELS[name][1] in releases_result(contested).warnings[0]
    assert (state["version"], state["channel_error"] is None) == (
        ("1", True) if channel == "staging" else (None, False)
    )


def write(production: Production, release: Release, **more: Any) -> None:
    """A document that nobody recorded."""
    serving = read_channel(production.channel)
    write_channel(
        production.channel, Channel.of(release).model_copy(update={"record_head": serving.record_head, **more})
    )


def test_a_channel_that_the_record_does_not_explain_is_told(
    contested: Production, releases: dict[str, Release]
) -> None:
    serving, to = read_channel(contested.channel), Channel.of(releases["2"])
    tried = Challenger(id="x", version="2", release=to.release, manifest_sha256=to.manifest_sha256, share=0.5)
    other = Challenger(**{**tried.model_dump(), "share": None})
    with contested.exclusive():
        experiments.begin(contested, experiments.plan(contested, "2", share=0.2), who="w", reason="r")
    running = read_channel(contested.channel)
    for document, told in (
        (Channel.of(releases["3"]), "doesn't explain that production serves rules 3 (production.json, written 20"),
        (running.model_copy(update={"challenger": tried}), "but not that it answers 50% of the requests"),
        (running.model_copy(update={"challenger": other}), "but not that it predicts in the shadow"),
        (
            running.model_copy(update={"challenger": None}),
            "is a challenger in production, but the channel has no challenger",
        ),
        (running.model_copy(update={"manifest_sha256": "0" * 64}), "serves rules 1"),
    ):
        write_channel(contested.channel, document)
        [warning] = all_states(workspace_of(contested))["rules"].warnings
        assert told in warning
        assert "`run.py " in warning  # what to do
        assert list(releases_result(contested).warnings) == [warning]
    contested.channel.unlink()
    assert f"but {contested.channel} is missing" in warnings_of(contested)[0]
    write_channel(contested.channel, running)
    with contested.exclusive():
        experiments.stop(contested, who="w", reason="r")
    assert warnings_of(contested) == []
    write_channel(contested.channel, serving.model_copy(update={"challenger": tried}))
    assert "doesn't explain that rules 2 answers 50% of the requests" in warnings_of(contested)[0]
    with contested.exclusive():
        experiments.stop(contested, who="w", reason="it was never recorded")
    assert warnings_of(contested) == []
    assert serving.serves_as(contested.serving())


def test_back_from_what_the_record_does_not_explain_is_what_it_does(
    production: Production, releases: dict[str, Release]
) -> None:
    move(production, releases["1"])
    move(production, releases["2"])
    write(production, releases["3"])
    assert production.rollback_target(None).card.version == "2"


def test_an_experiment_that_was_not_recorded_is_an_error_with_a_remedy(
    contested: Production, releases: dict[str, Release], tmp_path: Path
) -> None:
    to = Channel.of(releases["2"])
    tried = Challenger(id="x", version="2", release=to.release, manifest_sha256=to.manifest_sha256, share=0.5)
    write(contested, releases["1"], challenger=tried)
    with pytest.raises(DriftgateError, match=r"no start of this experiment. End it with `run\.py experiment stop`"):
        experiments.standing(contested, tmp_path / "log")


def test_a_reader_meets_no_fault_while_another_command_changes_production(
    contested: Production, releases: dict[str, Release]
) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom driftgate.production import experiments\n"
        "from driftgate.production.move import Production\nfrom driftgate.workspace import Workspace\n"
        "production = Production('rules', workspace=Workspace(Path(sys.argv[1])))\n"
        "with production.exclusive():\n"
        "    for _ in range(100):\n"
        "        experiments.begin(production, experiments.plan(production, '2', share=.5), who='w', reason='r')\n"
        "        experiments.stop(production, who='w', reason='r')\n"
    )
    command = [sys.executable, "-c", code, str(workspace_of(contested).root)]
    looks, wrong = 0, []
    with subprocess.Popen(command, cwd=PROJECT) as child:
        while child.poll() is None:
            state = all_states(workspace_of(contested))["rules"].model_dump(mode="json")
            looks += 1
            wrong += [state.get("error"), *(told for told in state["warnings"] if "is running" not in told)]
    assert child.returncode == 0
    assert looks > 10
    assert [found for found in wrong if found] == []
    assert len(contested.record()) == 202
