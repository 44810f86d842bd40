"""Results publish all that the domain knows, survive records of other versions, and have a schema each."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from cli.exit_codes import INTERRUPTED
from cli.main import main
from cli.status import newest_runs, read_status
from driftgate.drift.estimate import Expected
from driftgate.production.channel import Challenger
from driftgate.production.experiments import ExperimentStatus
from driftgate.production.predictions import Counts
from driftgate.production.proof import Proof
from driftgate.production.record import Entry
from driftgate.production.sequential import Sequence
from driftgate.results import drift, experiment, predictions, production, training
from driftgate.results.catalog import RESULTS, schema_of
from driftgate.training.evaluation import Comparison, Estimate
from driftgate.workspace import PROJECT, Workspace
from tests.results import require_schema, trained


@pytest.mark.parametrize(
    ("known", "published"),
    [
        (Challenger, production.ChallengerState),
        (Comparison, training.ChampionComparison),
        (Counts, predictions.PredictionsResult),
        (Entry, production.RecordEntry),
        (Estimate, training.MetricEstimate),
        (Expected, drift.EstimatedMetric),
        (ExperimentStatus, experiment.ExperimentProgress),
        (Proof, production.StagingProof),
        (Sequence, experiment.Gain),
    ],
)
def test_a_result_publishes_every_field(known: type[BaseModel], published: type[BaseModel]) -> None:
    assert set(known.model_fields) - set(published.model_fields) == set()


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_has_a_valid_schema_that_explains_every_key(name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    parts = [schema, *schema.get("$defs", {}).values()]
    explained = parts
    assert [key for part in explained for key, kind in part["properties"].items() if not kind.get("description")] == []
    done = CliRunner().invoke(main, ["schema", name])
    assert (done.exit_code, json.loads(done.output)) == (0, schema)


def test_every_command_has_a_result_and_every_result_a_command() -> None:
    listed = CliRunner().invoke(main, ["schema"]).output
    assert [line.split()[0] for line in listed.splitlines()] == list(RESULTS)
    words = {" ".join(word for word in command.split()[1:] if not word.startswith("-")) for entry in RESULTS.values() for command in entry.commands}  # fmt: skip
    commands = {name for name in main.commands if name not in ("data", "schema", "ui")}
    commands |= {f"data {name}" for name in main.commands["data"].commands}  # type: ignore[attr-defined]
    assert {command for command in commands if not any(word.startswith(command) for word in words)} == set()


def test_an_unknown_result_is_wrong_usage() -> None:
    done = CliRunner().invoke(main, ["schema", "trainings"])
    assert done.exit_code == 2
    assert "There is no result 'trainings'" in done.output


def test_a_result_can_not_be_changed_and_a_key_too_many_is_refused() -> None:
    result = trained()
    with pytest.raises(ValidationError, match="frozen"):
        result.seconds = 2.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        trained(nonsense=1)
    with pytest.raises(Exception, match="Additional properties"):
        require_schema(("train",), {**result.json_document(), "nonsense": 1})


def test_status_reads_records_of_other_versions_and_leaves_out_damaged_ones(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.runs.mkdir(parents=True)
    records = {
        "training-rules-1": trained().json_document(),
        "drift-rules-2": {"problem": "rules", "verdict": "pass"},  # an old one
        "deployment-rules-3": {**trained().json_document(), "of a newer version": 1},
    }
    for name, record in records.items():
        (workspace.runs / f"{name}.json").write_text(json.dumps(record))
    for name, text in {"cut": '{"problem": "ru', "list": "[]", "types": '{"model": 3}', "bytes": "\0"}.items():
        (workspace.runs / f"training-{name}.json").write_text(text)
    newest = newest_runs(workspace, number=None)
    assert {run.kind for run in newest.runs} == {"training", "drift", "deployment"}
    assert len(newest.unreadable_runs) == 4
    status = read_status(workspace, number=None).json_document()
    require_schema(("status",), status)
    shown = next(run for run in status["runs"] if run["kind"] == "deployment")
    assert shown["of a newer version"] == 1
    assert {key: shown[key] for key in records["training-rules-1"]} == records["training-rules-1"]


def test_status_shows_records_that_lack_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTGATE_HOME", str(tmp_path))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "drift-rules-2.json").write_text('{"problem": "rules"}')
    shown = CliRunner().invoke(main, ["status"])
    assert shown.exit_code == 0
    assert "drift" in shown.output


@pytest.mark.parametrize("arguments", [["contract"], ["predictions"]])
def test_ctrl_c_ends_with_the_exit_code_of_a_shell(arguments: list[str], tmp_path: Path) -> None:
    """Stopped while it works: the contract check as a job on a problem, the predictions outside of one."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, *arguments], cwd=PROJECT, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "DRIFTGATE_HOME": str(tmp_path / "home")},
        # Tests that run in the background would hand down that the interrupt is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    with process:
        marker = tmp_path / "home" / "waits"
        deadline = time.monotonic() + 60
        while not marker.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert "stopped" in process.stderr.read()
    assert process.returncode == INTERRUPTED == 130


WAITING = """
import os, pathlib, time, driftgate.production.predictions as predictions, pipelines.launch as launch, sys
from cli.main import main
def wait(*_, **__):
    home = pathlib.Path(os.environ["DRIFTGATE_HOME"])
    home.mkdir(exist_ok=True)
    (home / "waits").touch()
    time.sleep(60)
predictions.count_predictions = launch.check_contract = wait
main()
"""
