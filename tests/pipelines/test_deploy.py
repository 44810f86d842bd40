"""`run.py deploy`, `rollback` and `releases` as their user runs them, with a running service that follows production."""

import datetime as dt
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bentos.server import Served, serving
from driftgate.evidence import registry
from driftgate.production.move import Production
from driftgate.production.record import append, inspect_record, read_record, staged
from driftgate.production.sequential import FREE
from driftgate.workspace import PROJECT, Workspace
from tests.conftest import Ran, clean_environment, run_cli

RULES = ("--config", "configs/rules.yaml")


@dataclass(frozen=True)
class House:
    """A workspace with two trained versions, and a service that follows its production channel."""

    home: Path
    served: Served

    def run(self, verb: str, *arguments: str) -> Ran:
        return run_cli(verb, *RULES, *arguments, "--json", home=self.home)

    def champion(self) -> str | None:
        return self.alias("champion")

    def alias(self, name: str) -> str | None:
        found = registry.version_with_alias("rules", name, workspace=Workspace(self.home))
        return str(found.version) if found else None

    def serves(self) -> str:
        with urllib.request.urlopen(f"{self.served.address}/readyz", timeout=5) as answer:
            version: str = json.load(answer)["release"]["version"]
        return version


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("house")
    assert run_cli("train", *RULES, home=home).code == 0
    assert run_cli("train", *RULES, home=home).code == 0
    channel = Workspace(home).channels / "rules" / "production.json"
    settings = {"DRIFTGATE_CHANNEL": str(channel), "DRIFTGATE_LOG": str(home / "predictions")}
    bento = home / "bentoml" / "bentos" / "rules" / "1"
    with serving(bento, workspace=Workspace(home), environment=settings) as served:
        yield House(home, served)


def test_from_staging_to_production_and_back(house: House) -> None:
    unproved = house.run("deploy", "--to", "production", "--approve", "why")
    assert unproved.code == 1
    assert "Staging has no release of rules" in unproved.document["error"]["cause"]

    first = house.run("deploy", "--version", "1")
    assert first.code == 0, first.out + first.err
    assert first.document["proof"]["golden_differ"] == 0
    assert {check["name"] for check in first.document["checks"]} >= {"staging.golden", "staging.load", "staging.log"}
    assert house.champion() is None
    moved = house.run("deploy", "--to", "production", "--approve", "first", "--service", house.served.address)
    assert moved.code == 0, moved.out + moved.err
    assert (moved.document["version"], moved.document["previous"]) == ("1", None)
    assert (house.champion(), house.serves()) == ("1", "1")
    row = json.loads((house.home / "releases" / "rules" / "1" / "golden.json").read_text())["rows"][0]
    before = house.served.post("/predict", row)["probability"]

    assert house.run("deploy").code == 0  # the candidate: version 2
    status = run_cli("status", "--json", home=house.home).document
    assert status["channels"]["rules"]["waits_for_approval"] == "2"
    second = house.run(
        "deploy", "--to", "production", "--approve", "better", "--by", "ann", "--service", house.served.address
    )
    assert second.code == 0, second.out + second.err
    assert (house.champion(), house.serves()) == ("2", "2")
    proved = house.run("prove", "--service", house.served.address)
    assert (proved.code, proved.document["version"]) == (0, "2"), proved.out + proved.err

    started = time.monotonic()
    back = house.run("rollback", "--reason", "too many alarms")
    while house.serves() != "1":
        assert time.monotonic() < started + 30
    assert back.code == 0, back.out + back.err
    assert house.champion() == "1"
    assert house.served.post("/predict", row)["probability"] == before

    record = house.run("releases").document["record"]
    assert record[0]["verdict"] == "pass"  # what it goes back on: the proof of then
    assert record[0]["runs"]["mlflow"]
    assert [(entry["event"], entry["version"]) for entry in reversed(record)] == [
        ("staged", "1"), ("production", "1"), ("staged", "2"), ("production", "2"), ("rollback", "1"),
    ]  # fmt: skip
    assert record[1]["who"] == "ann"
    assert record[1]["verdict"] == "pass"
    other = house.run("rollback", "--from", "2", "--reason", "x")
    assert (other.code, other.document["error"]["cause"]) == (1, "Production serves 1, not rules 2.")
    never = house.run("rollback", "--to", "7", "--reason", "x")
    assert (never.code, "never in production" in never.document["error"]["cause"]) == (1, True)


def test_a_release_altered_after_its_proof_is_not_deployed(house: House) -> None:
    assert house.run("deploy", "--version", "2").code == 0
    model = house.home / "releases" / "rules" / "2" / "model.onnx"
    kept = model.read_bytes()
    model.write_bytes(kept + b" ")
    try:
        ran = house.run("deploy", "--to", "production", "--approve", "why")
        assert ran.code == 1
        assert "altered" in ran.document["error"]["cause"]
    finally:
        model.write_bytes(kept)


def test_a_release_that_is_gone_comes_back_from_mlflow_to_its_place(house: House) -> None:
    """Channel and record will name the folder: a temporary one would be gone by the next start."""
    folder, kept = house.home / "releases" / "rules" / "2", house.home / "kept"
    folder.rename(kept)
    found = registry.release_of("rules", "2", workspace=Workspace(house.home))
    assert found.folder == folder
    names = sorted(path.name for path in kept.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all((folder / name).read_bytes() == (kept / name).read_bytes() for name in names)
    assert not list(house.home.glob(".release-*"))


def test_a_service_that_is_down_takes_it_over_when_it_starts(house: House) -> None:
    ran = house.run(
        "deploy", "--to", "production", "--version", "2", "--approve", "why", "--service", "http://127.0.0.1:9"
    )
    assert ran.code == 0, ran.out + ran.err
    assert ran.document["service"]["answers"] is False
    deadline = time.monotonic() + 10
    while house.serves() != "2":
        assert time.monotonic() < deadline


def test_of_two_at_once_the_second_is_told(house: House) -> None:
    command = [sys.executable, str(PROJECT / "run.py"), "deploy", *RULES, "--version", "1", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, env=clean_environment(house.home), cwd=PROJECT, **pipes)
    # Its own word that it is at it: to try the lock from here could take it from the first one.
    assert first.stderr
    assert any("starting ZenML" in line for line in first.stderr)
    second = house.run("deploy", "--version", "2")
    assert second.code == 1
    assert "Another deployment of rules is running" in second.document["error"]["cause"]
    told, _ = first.communicate(timeout=300)
    assert first.returncode == 0
    assert json.loads(told)["version"] == "1"


def test_production_goes_back_while_the_registry_is_down(house: House) -> None:
    """The server of MLflow answers nothing: production moves all the same, and the aliases follow as soon as they can."""
    before = house.serves()
    other = "1" if before == "2" else "2"
    down = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    ran = run_cli("rollback", *RULES, "--to", other, "--reason", "x", "--json", home=house.home, **down)
    assert ran.code == 1
    assert "the registry is not updated yet" in ran.document["error"]["cause"]
    deadline = time.monotonic() + 10
    while house.serves() != other:
        assert time.monotonic() < deadline
    assert house.champion() == before
    ran = run_cli("deploy", *RULES, "--version", before, "--json", home=house.home, **down)
    assert ran.code == 1
    told = house.run("releases")
    assert (told.document["finished_now"], told.document["version"]) == (other, other)
    assert house.champion() == other
    assert house.run("rollback", "--to", before, "--reason", "y", "--service", house.served.address).code == 0


def test_a_canary_that_was_killed_is_undone_by_the_next_command(house: House) -> None:
    before = house.serves()
    other = "1" if before == "2" else "2"
    command = [
        sys.executable, str(PROJECT / "run.py"), "deploy", *RULES, "--to", "production", "--version", other, "--approve",
        "why", "--canary", "50,100", "--hold", "5m", "--service", house.served.address,
    ]  # fmt: skip
    child = subprocess.Popen(command, env=clean_environment(house.home), cwd=PROJECT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not house.served.get("/readyz")["experiment"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    under_way = house.run("releases").document
    assert under_way["experiment"]["canary"]
    child.kill()
    child.wait()
    told = house.run("releases").document
    assert (told["experiment"], told["version"]) == (None, before)
    assert told["record"][0]["reason"] == "its canary was interrupted"
    while house.served.get("/readyz")["experiment"]:
        assert time.monotonic() < deadline


def test_an_old_proof_allows_nothing(house: House, tmp_path: Path) -> None:
    config = tmp_path / "strict.yaml"
    config.write_text(Path("configs/rules.yaml").read_text().replace("\ngate:\n", "\ngate:\n  proof_days: 0.000001\n"))
    ran = run_cli(
        "deploy", "--config", str(config), "--to", "production", "--version", "1", "--approve", "x", "--json",
        home=house.home,
    )  # fmt: skip
    assert ran.code == 1
    assert "gate.proof_days allows 1e-06" in ran.document["error"]["cause"]


def test_approval_is_a_must(house: House) -> None:
    for arguments in (["--to", "production"], ["--to", "production", "--approve", " "], ["--approve", "x"]):
        assert house.run("deploy", *arguments).code == 2
    assert house.run("rollback").code == 2


def test_a_version_blocked_on_staging_can_t_be_approved(house: House, tmp_path: Path) -> None:
    """A latency budget that no service keeps: the run is red, and production refuses the version."""
    config = tmp_path / "strict.yaml"
    text = Path("configs/rules.yaml").read_text()
    config.write_text(text.replace("\ngate:\n", "\ngate:\n  service_latency_ms: 0.000001\n"))
    home = tmp_path / "home"
    shutil.copytree(house.home, home, ignore=shutil.ignore_patterns("predictions", "*.lock"))
    shutil.rmtree(home / "channels")
    ran = run_cli("deploy", "--config", str(config), "--json", home=home)
    assert ran.code == 3, ran.out + ran.err
    assert [check["name"] for check in ran.document["checks"] if not check["passed"]] == ["staging.latency"]
    refused = run_cli("deploy", *RULES, "--to", "production", "--approve", "x", "--json", home=home)
    assert refused.code == 1
    assert "was blocked on staging" in refused.document["error"]["cause"]


def test_a_canary_climbs_to_the_whole(house: House) -> None:
    before = house.serves()
    other = "1" if before == "2" else "2"
    ran = house.run(
        "deploy", "--to", "production", "--version", other, "--approve", "in steps", "--canary", "20,50,100",
        "--hold", "2s", "--service", house.served.address,
    )  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    assert (house.serves(), house.champion()) == (other, other)
    assert "20 % for 2 s" in ran.err
    assert "50 % for 2 s" in ran.err
    assert house.served.get("/readyz")["experiment"] is None


@pytest.mark.parametrize("arguments", [["--canary", "5"], ["--canary", "50,5", "--service", "http://x"],
                                       ["--canary", "5", "--service", "http://x", "--hold", "soon"]])  # fmt: skip
def test_a_canary_that_can_t_be_is_wrong_usage(arguments: list[str], house: House) -> None:
    assert house.run("deploy", "--to", "production", "--approve", "x", *arguments).code == 2


def test_an_experiment_from_its_start_to_its_end(house: House) -> None:
    """In the shadow of whatever serves: predictions, labels, where it stands; too few labels promote nothing."""
    champion = house.serves()
    other = "1" if champion == "2" else "2"
    log = ("--log", str(house.home / "predictions"))
    assert house.run("experiment", "start", "--challenger", other).code == 2
    begun = house.run("experiment", "start", "--challenger", other, "--shadow", "--reason", "try it")
    assert begun.code == 0, begun.out + begun.err
    assert set(begun.document["labels_needed"]) == {"0.005", "0.01", "0.02"}
    assert set(begun.document) >= {"verdict", "checks", "channel", "version", "previous", "seconds"}
    assert house.alias("challenger") == other
    assert run_cli("status", "--json", home=house.home).document["channels"]["rules"]["experiment"]["version"] == other
    deadline = time.monotonic() + 20
    while not house.served.get("/readyz")["experiment"]:
        assert time.monotonic() < deadline
    time.sleep(5)  # the experiment's grace
    row = json.loads((house.home / "releases" / "rules" / "1" / "golden.json").read_text())["rows"][0]
    for _ in range(60):
        answer = house.served.post("/predict", row)
        house.served.post("/feedback", {"prediction_id": answer["prediction_id"], "label": "holds"})
    time.sleep(1)
    standing = house.run("experiment", "status", *log).document["standing"]
    assert (standing["labelled"], standing["gain"]["labels"], standing["decision"]) == (60, FREE, "undecided")
    assert (standing["addresses"], standing["left_out"]) == (1, 60 - FREE)
    proved = house.run("prove", "--service", house.served.address)
    assert (proved.code, proved.document["version"]) == (0, champion), proved.out + proved.err
    assert house.run("experiment", "promote", *log).code == 1
    assert house.serves() == champion
    assert house.run("experiment", "stop").code == 0
    assert house.alias("challenger") is None
    assert house.run("experiment", "status", *log).code == 1


KILLED = """
import os, sys
os.pwrite = lambda *_: os._exit(9)  # the channel stands, the record's line does not
from run import main
main(sys.argv[1:])
"""


def killed_before_the_record(house: House, verb: str, *arguments: str) -> None:
    command = [sys.executable, "-c", KILLED, verb, *RULES, *arguments, "--json"]
    assert subprocess.run(command, env=clean_environment(house.home), cwd=PROJECT, capture_output=True).returncode == 9


def test_an_experiment_that_was_cut_off_is_recorded_by_the_next_command(house: House) -> None:
    """By one that only looks, too."""
    champion = house.serves()
    other = "1" if champion == "2" else "2"
    production = Production("rules", workspace=Workspace(house.home))
    log = ("--log", str(house.home / "predictions"))
    before = production.record()
    killed_before_the_record(house, "experiment", "start", "--challenger", other, "--share", "0.5", "--reason", "half")
    assert production.record() == before
    [told] = run_cli("status", "--json", home=house.home).document["channels"]["rules"]["warnings"]
    assert f"is running or was interrupted: challenged {other}" in told
    looked = house.run("experiment", "status", *log)
    assert (looked.code, looked.document["share"], looked.document["warnings"]) == (0, 0.5, []), looked.out + looked.err
    assert [(entry.event, entry.version, entry.reason) for entry in production.record()[len(before) :]] == [
        ("challenged", other, "half")
    ]
    assert house.alias("challenger") == other
    killed_before_the_record(house, "experiment", "stop")
    released = house.run("releases").document
    assert (released["finished_now"], released["experiment"], released["warnings"]) == (other, None, [])
    assert released["record"][0]["event"] == "unchallenged"
    assert house.alias("challenger") is None
    ended = house.run("experiment", "status", *log)
    assert (ended.code, "No experiment" in ended.document["error"]["cause"]) == (1, True)


def test_mlflow_tells_where_the_whole_folder_was_set_back(house: House, tmp_path: Path) -> None:
    """Record, head and channel agree; only the registry knows that there was more."""
    folder, workspace = house.home / "channels" / "rules", Workspace(house.home)
    champion = house.serves()
    shutil.copytree(folder, tmp_path / "old")
    started = house.run("experiment", "start", "--challenger", "1" if champion == "2" else "2", "--shadow")
    assert started.code == 0, started.out + started.err
    assert house.run("experiment", "stop").code == 0
    record = inspect_record(folder / "record.jsonl")
    assert record.key
    assert registry.record_head("rules", record.key, workspace=workspace) == record.last
    shutil.copytree(folder, tmp_path / "new")
    shutil.copytree(tmp_path / "old", folder, dirs_exist_ok=True)
    [told] = house.run("releases").document["warnings"]
    assert "MLflow has the hash of an entry that the record doesn't have" in told
    shutil.copytree(tmp_path / "new", folder, dirs_exist_ok=True)
    assert house.run("releases").document["warnings"] == []


def test_a_proof_from_the_future_allows_nothing(house: House, tmp_path: Path) -> None:
    """The clock was ahead when it was made: how old it is can't be said."""
    home = tmp_path / "home"
    shutil.copytree(house.home, home, ignore=shutil.ignore_patterns("predictions", "*.lock", "lock"))
    path = home / "channels" / "rules" / "record.jsonl"
    proof = staged(read_record(path), "1")
    assert proof
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
    append(path, proof.model_copy(update={"id": "ahead", "at": later, "event": "staged"}))
    ran = run_cli("deploy", *RULES, "--to", "production", "--version", "1", "--approve", "x", "--json", home=home)
    assert ran.code == 1
    assert "which is in the future" in ran.document["error"]["cause"]
