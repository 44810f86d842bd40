"""The main job, run as its user runs it: ZenML, MLflow, DVC, BentoML, all real, in a workspace of its own."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from driftgate.datasets import rules
from driftgate.evidence.registry import CHAMPION, set_alias
from driftgate.evidence.tracking import client
from driftgate.production.release import read_release
from driftgate.verdict import Verdict
from driftgate.workspace import PROJECT, Workspace
from tests.conftest import Ran, run_cli


def test_passes_and_tells_in_one_document(main_job: Ran) -> None:
    assert main_job.code == 0, main_job.err
    document = main_job.document
    assert document["verdict"] in ("pass", "warn")
    assert {"name", "group", "severity", "observed", "limit", "passed", "why"} == set(document["checks"][0])
    assert document["model"]["aliases"] == ["candidate"]
    assert document["service"]["rows"] == document["service"]["equal"] > 200
    assert document["data"]["md5"] in (PROJECT / "dvc.lock").read_text()
    assert document["data"]["left_out"] == {"no_timestamp": 0, "after_as_of": 0, "no_label": 0}


def test_learns_the_rules(main_job: Ran) -> None:
    metrics = {name: found["value"] for name, found in main_job.document["metrics"].items()}
    assert metrics["accuracy"] >= 0.995
    assert metrics["recall"] == 1.0
    assert metrics["precision"] >= 0.988
    assert metrics["f1"] >= 0.9935
    assert metrics["roc_auc"] >= 0.99985


def test_cross_validates_the_rules(main_job: Ran) -> None:
    run = client(Workspace(main_job.home)).get_run(main_job.document["runs"]["mlflow"])
    assert run.data.metrics["cv_accuracy_mean"] >= 0.9963


def test_same_code_data_and_seed_give_the_same_model(main_job: Ran, tmp_path: Path) -> None:
    again = run_cli("train", "--config", "configs/rules.yaml", "--json", home=tmp_path / "home")
    assert again.code == 0, again.err
    first, second = (Path(ran.document["release"]) for ran in (main_job, again))
    for name in ("model.onnx", "golden.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_champion_is_judged_on_the_same_rows(main_job: Ran) -> None:
    """A registered champion, its release read from disk: the same model twice gains nothing, and passes."""
    workspace = Workspace(main_job.home)
    set_alias("rules", CHAMPION, main_job.document["model"]["version"], workspace=workspace)
    ran = run_cli("train", "--config", "configs/rules.yaml", "--json", home=main_job.home)
    assert ran.code == 0, ran.err
    check = next(check for check in ran.document["checks"] if check["name"] == "champion")
    assert (check["passed"], check["observed"]) == (True, 0.0)
    assert ran.document["champion"]["champion"] == "rules 1"
    # The champion's probabilities come as float32 from ONNX, the candidate's as float64 from scikit-learn.
    found = {name: value["value"] for name, value in ran.document["metrics"].items()}
    assert ran.document["champion"]["metrics"] == pytest.approx(found, abs=1e-6)


def test_verdict_is_the_same_everywhere(main_job: Ran) -> None:
    document = main_job.document
    mlflow = client(Workspace(main_job.home))
    stored = json.loads(Path(mlflow.download_artifacts(document["runs"]["mlflow"], "verdict.json")).read_text())
    card = read_release(Path(document["release"])).card
    assert stored == card.verdict
    assert stored["checks"] == document["checks"]
    assert Verdict.model_validate({"problem": "rules", "checks": stored["checks"]}).outcome == document["verdict"]


def test_mlflow_run_has_what_a_person_looks_for(main_job: Ran) -> None:
    run_id = main_job.document["runs"]["mlflow"]
    mlflow = client(Workspace(main_job.home))
    run = mlflow.get_run(run_id)
    assert {"roc_auc", "roc_auc_low", "roc_auc_high", "cv_accuracy_mean", "cv_accuracy_std"} <= set(run.data.metrics)
    assert run.data.tags["zenml_run_id"] == main_job.document["runs"]["zenml"]
    assert run.inputs.dataset_inputs[0].dataset.digest == main_job.document["data"]["md5"]
    names = {item.path for item in mlflow.list_artifacts(run_id)}
    assert {"plots", "verdict.html", "verdict.json", "environment", "release"} <= names
    assert len(mlflow.list_artifacts(run_id, "plots")) == 5
    children = mlflow.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert len(children) == 13  # the trials of the problem file, and the untuned model of each of three families


def test_nothing_strays_out_of_the_workspace(main_job: Ran) -> None:
    assert main_job.code == 0
    assert not (PROJECT / "mlruns").exists()
    assert not (PROJECT / "mlartifacts").exists()


def _config(tmp_path: Path, **gate: object) -> Path:
    content = yaml.safe_load((PROJECT / "configs" / "rules.yaml").read_text())
    content["gate"] |= gate
    content["tuning"]["candidates"] = [{"family": "logistic_regression", "trials": 1}]
    path = tmp_path / "problem.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_gate_blocks_a_weak_model(tmp_path: Path) -> None:
    """A logistic regression can't learn the rules: red, exit code 3, nothing registered, the evidence kept."""
    ran = run_cli("train", "--config", str(_config(tmp_path)), "--json", home=tmp_path / "home")
    assert ran.code == 3, ran.err
    document = ran.document
    assert document["verdict"] == "block"
    assert next(check["name"] for check in document["checks"] if not check["passed"]) == "performance.accuracy"
    assert (document["release"], document["bento"], document["model"]["version"]) == (None, None, None)
    mlflow = client(Workspace(ran.home))
    assert mlflow.search_registered_models() == []
    run = mlflow.get_run(document["runs"]["mlflow"])
    assert (run.info.status, run.data.tags["verdict"]) == ("FAILED", "block")
    assert not list((ran.home / "releases").iterdir())


def test_broken_contract_ends_red_before_training(tmp_path: Path) -> None:
    rows = rules.build()
    rows.loc[:4, "f4"] = -7.0
    rows.to_parquet(tmp_path / "rows.parquet")
    content = yaml.safe_load((PROJECT / "configs" / "rules.yaml").read_text())
    content["data"] = {"path": str(tmp_path / "rows.parquet"), "row_id": "row_id"}
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(content))
    ran = run_cli("train", "--config", str(path), "--json", home=tmp_path / "home")
    assert ran.code == 3, ran.err
    assert [check["name"] for check in ran.document["checks"]] == ["contract.f4"]
    assert "must be at least 0 (5 rows, such as -7.0)" in ran.document["checks"][0]["why"]
    assert "tune" not in ran.err


def test_status_shows_the_run(main_job: Ran) -> None:
    found = run_cli("status", "--json", home=main_job.home).document["runs"]
    assert main_job.document["runs"] in [run["runs"] for run in found]
    assert "rules" in run_cli("status", home=main_job.home).out


def test_error_as_json_has_cause_and_remedy(tmp_path: Path) -> None:
    ran = run_cli("train", "--as-of", "2020-01-01", "--config", "configs/rules.yaml", "--json", home=tmp_path / "home")
    assert ran.code == 1
    assert set(ran.document["error"]) == {"cause", "remedy"}


@pytest.mark.slow
def test_two_at_once_both_finish(tmp_path: Path) -> None:
    path = str(_config(tmp_path, performance={"accuracy": 0.5}))
    with ThreadPoolExecutor(2) as pool:
        ran = list(
            pool.map(
                lambda _: run_cli("train", "--config", path, "--json", home=tmp_path / "home", fresh=True), range(2)
            )
        )
    assert [one.code for one in ran] == [0, 0], [one.err for one in ran]
    assert {one.document["model"]["version"] for one in ran} == {"1", "2"}


def test_bad_config_is_one_line(tmp_path: Path) -> None:
    ran = run_cli("train", "--config", str(tmp_path / "none.yaml"), home=tmp_path / "home")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("error: There is no problem file")


def test_options_before_the_verb_are_not_lost(tmp_path: Path) -> None:
    ran = run_cli("--json", "train", home=tmp_path)
    assert ran.code == 2
    assert "after the command" in ran.err


def test_wrong_usage_is_two(tmp_path: Path) -> None:
    assert run_cli("train", "--as-of", "tomorrow", home=tmp_path).code == 2


@pytest.mark.slow
def test_killed_run_is_marked_failed_by_the_next(tmp_path: Path) -> None:
    path, home = _config(tmp_path, performance={"accuracy": 0.5}), tmp_path / "home"
    killed = subprocess.Popen(
        [sys.executable, str(PROJECT / "run.py"), "train", "--config", str(path)],
        cwd=PROJECT, stderr=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin", "DRIFTGATE_HOME": str(home)},
    )  # fmt: skip
    assert killed.stderr is not None
    for line in killed.stderr:
        if "contract" in line:
            break
    time.sleep(0.5)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    ran = run_cli("train", "--config", str(path), home=home)
    assert ran.code == 0, ran.err
    assert "is marked as failed" in ran.err
