"""`run.py drift` as its user runs it: on a small problem with a season, trained by the real pipeline."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from driftgate.contract import PREDICTION
from driftgate.drift.profile import profile_of
from driftgate.evidence.tracking import client
from driftgate.production.prediction_log import LABELS, PREDICTIONS
from driftgate.production.release import read_release
from driftgate.workspace import Workspace
from tests.conftest import Ran, run_cli
from tests.unit.log_files import BAD, BAD_LABELS, segment
from tests.unit.test_drift_check import made

AS_OF, NEXT_WEEK = "2022-01-08", "2022-01-15"


@dataclass(frozen=True)
class Shop:
    """A trained problem: its config, and where everything is."""

    config: Path
    trained: Ran

    def drift(self, *arguments: str) -> Ran:
        return run_cli("drift", "--config", str(self.config), *arguments, home=self.trained.home)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    rows = pd.concat([made("2021-03-01", 313), made("2022-01-08", 7, seed=1), made("2022-01-15", 7, seed=2)])
    late = rows["at"] >= NEXT_WEEK
    rows.assign(x=rows["x"].mask(late & (np.arange(len(rows)) % 3 == 0))).to_parquet(folder / "shop.parquet")
    content = {
        "name": "shop",
        "data": {"path": str(folder / "shop.parquet"), "row_id": "id", "timestamp": "at", "as_of": AS_OF},
        "target": {"column": "target", "positive": 1},
        "contract": {
            "x": {"type": "number", "nullable": True},
            "temp": {"type": "number", "nullable": True, "minimum": -100, "maximum": 200},
            "unused": {"type": "number"},
            "kind": {"type": "category"},
        },
        "split": {"method": "time", "holdout": {"days": 21}, "validation": {"days": 28}, "folds": 4},
        "tuning": {"candidates": [{"family": "logistic_regression", "trials": 1}]},
        "gate": {"performance": {"roc_auc": 0.75}, "champion": {"margin": 0.01}, "calibration": {"brier": 0.3}},
    }
    config = folder / "shop.yaml"
    config.write_text(yaml.safe_dump(content))
    trained = run_cli("train", "--config", str(config), "--json", home=folder / "home")
    assert trained.code == 0, trained.err
    return Shop(config, trained)


def test_training_holds_the_newest_window_against_the_reference(shop: Shop) -> None:
    names = [check["name"] for check in shop.trained.document["checks"]]
    assert {"rows", "drift", "estimate.roc_auc", "realised.roc_auc", "concept.roc_auc"} <= set(names)


def test_release_keeps_the_profile(shop: Shop) -> None:
    profile = profile_of(read_release(Path(shop.trained.document["release"])))
    assert str(profile.end) == "2021-12-18"
    assert set(profile.layouts) == {"x", "temp", "unused", "kind", "target", PREDICTION}
    assert profile.ordinary["x"] is not None
    assert profile.matters("x")
    assert not profile.matters("unused")


def test_ordinary_week_passes_and_tells_in_one_document(shop: Shop) -> None:
    ran = shop.drift("--until", NEXT_WEEK, "--json")
    assert ran.code == 0, ran.out + ran.err
    document = ran.document
    assert document["verdict"] == "pass"
    assert {"name", "distance", "limit", "missing", "state"} <= set(document["columns"][0])
    assert {column["state"] for column in document["columns"]} == {"stable"}
    assert {column["name"] for column in document["columns"]} == {"x", "temp", "unused", "kind", "target", PREDICTION}
    assert document["data"]["rows"] == 700
    # Since the training's end on 18 December: three whole weeks before this one.
    assert document["windows"] == {"days": 7, "compared": 41 + 3, "joined": 3}
    found = document["estimate"]["roc_auc"]
    assert found["estimate"]["low"] <= found["realised"]["value"] <= found["estimate"]["high"]
    page = Path(document["report"]).read_text()
    assert "Columns, the worst first" in page
    assert "<script" in page  # Evidently's
    shown = list((shop.trained.home / "zenml").rglob("compare_batch/drift_report/**/output.html"))
    assert shown
    for static in (path.read_text() for path in shown):
        assert "<script" not in static
        assert re.search("artifact drift.html of MLflow run [0-9a-f]{32}, and reports/drift-shop-[0-9-]+.html", static)
    assert "windows of 7 days to compare with, 3 of them seen since the training" in page


def test_default_window_ends_at_as_of(shop: Shop) -> None:
    document = shop.drift("--json").document
    assert document["data"]["until"] < AS_OF
    assert document["data"]["since"][:10] == "2022-01-01"


def test_broken_week_blocks(shop: Shop) -> None:
    """Of the last week a third of the values is missing: exit code 3, the run red, the evidence kept."""
    ran = shop.drift("--since", NEXT_WEEK, "--until", "2022-01-22", "--json")
    assert ran.code == 3, ran.err
    column = next(column for column in ran.document["columns"] if column["name"] == "x")
    assert (column["state"], column["blocks"]) == ("severe", True)
    failed = [check for check in ran.document["checks"] if not check["passed"] and check["severity"] == "block"]
    assert [check["name"] for check in failed] == ["drift.x.missing"]
    mlflow = client(Workspace(ran.home))
    run = mlflow.get_run(ran.document["runs"]["mlflow"])
    assert (run.info.status, run.data.tags["verdict"]) == ("FAILED", "block")
    assert {"drift.html", "drift.json", "verdict.html"} <= {
        item.path for item in mlflow.list_artifacts(run.info.run_id)
    }
    assert run.data.metrics["missing.x"] == pytest.approx(1 / 3, abs=0.01)


def test_mlflow_charts_drift_over_time(shop: Shop) -> None:
    for until in (AS_OF, NEXT_WEEK):
        shop.drift("--until", until, "--json")
    mlflow = client(Workspace(shop.trained.home))
    experiment = mlflow.get_experiment_by_name("drift")
    assert experiment is not None
    (timeline,) = mlflow.search_runs([experiment.experiment_id], "tags.timeline = 'shop 1, windows'")
    days = {point.step for point in mlflow.get_metric_history(timeline.info.run_id, "distance.x")}
    assert {(pd.Timestamp(until) - pd.Timestamp("1970-01-02")).days for until in (AS_OF, NEXT_WEEK)} <= days


FILES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], int, str]] = {
    "ordinary": (lambda f: f, 0, ""),
    "without target, id and time": (lambda f: f[["x", "temp", "unused", "kind"]], 0, ""),
    "extra column": (lambda f: f.assign(more=1), 0, ""),
    "another unit": (lambda f: f.assign(x=f["x"] * 1.8 + 32), 3, "drift.x"),
    "another unit, unused": (lambda f: f.assign(temp=(f["temp"] - 32) / 1.8), 0, "drift.temp"),
    "missing column": (lambda f: f.drop(columns="temp"), 3, "contract.temp"),
    "text": (lambda f: f.assign(x="much"), 3, "contract.x"),
    "all null": (lambda f: f.assign(x=np.nan), 3, "drift.x.missing"),
    "infinite": (lambda f: f.assign(temp=np.inf), 3, "contract.temp"),
    "constant": (lambda f: f.assign(x=0.3), 3, "drift.x"),
    "duplicated": (lambda f: pd.concat([f] * 10), 3, "contract.id"),
    "other labels": (lambda f: f.assign(target=f["target"].map({0: "no", 1: "yes"})), 3, "contract.target"),
    "no rows": (lambda f: f.head(0), 3, "rows"),
    "one row": (lambda f: f.head(1), 0, "rows"),
}


OFTEN = ("another unit", "missing column", "no rows", "without target, id and time")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in OFTEN else pytest.mark.slow) for name in FILES]
)
def test_any_file_gets_a_clear_result(name: str, shop: Shop, tmp_path: Path) -> None:
    change, code, failing = FILES[name]
    change(made("2022-01-08", 7, seed=3)).to_parquet(tmp_path / "new.parquet")
    ran = shop.drift("--current", str(tmp_path / "new.parquet"), "--json")
    assert ran.code == code, ran.out + ran.err
    failed = [check["name"] for check in ran.document["checks"] if not check["passed"]]
    assert any(name.startswith(failing) for name in failed) if failing else failed == []
    assert Path(ran.document["report"]).exists()


def test_terminal_page_names_columns_and_report(shop: Shop) -> None:
    ran = shop.drift("--since", NEXT_WEEK, "--until", "2022-01-22")
    assert ran.code == 3
    for text in ("drift.x.missing", "severe", "█", "report", "BLOCK", "shop 1", "change of missing share"):
        assert text in ran.out
    assert "contract.x" not in ran.out
    assert "\x1b" not in ran.out


ERRORS: dict[str, tuple[list[str], str]] = {
    "no such file": (["--current", "none.parquet"], "There is no file"),
    "no such version": (["--model", "99"], "There is no version 99"),
    "no such alias": (["--model", "champion"], "has the alias 'champion'"),
    "upside down": (["--since", "2022-02-08"], "is empty"),
    "a folder": (["--current", "."], "is a folder"),
    "trained on": (["--since", "2021-12-01"], "was trained on the days before"),
    "future": (["--until", "2200-01-01"], "is in the future"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_is_one_document_with_cause(name: str, shop: Shop) -> None:
    arguments, cause = ERRORS[name]
    ran = shop.drift(*arguments, "--json")
    assert ran.code == 1
    assert cause in json.loads(ran.out)["error"]["cause"]


def test_file_and_window_together_are_wrong_usage(shop: Shop) -> None:
    assert shop.drift("--current", "new.parquet", "--until", AS_OF).code == 2


@pytest.fixture(scope="module")
def log_folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a service that was asked for a week of rows, and told the labels of most of them; and bad lines."""
    from bentos.api.application import Service
    from bentos.api.settings import Settings
    from tests.unit.test_api import TOKEN, ask

    folder, release = tmp_path_factory.mktemp("predictions"), Path(shop.trained.document["release"])
    service = Service(Settings(token=TOKEN, log=folder, channel=None, release=release))
    week = made("2022-01-08", 7, seed=3)
    instances = json.loads(week[["x", "temp", "unused", "kind"]].to_json(orient="records"))
    answers = ask(service, "/predict/batch", json.dumps({"instances": instances}).encode()).json["predictions"]
    names = {0: "negative", 1: "positive"}
    for answer, label in list(zip(answers, week["target"], strict=True))[:500]:
        told = {"prediction_id": answer["prediction_id"], "label": names[label]}
        assert ask(service, "/feedback", json.dumps(told).encode()).status == 202
    service.close()
    segment(folder, PREDICTIONS, list(BAD.values()))
    segment(folder, LABELS, list(BAD_LABELS.values()))
    return folder


def test_predictions_are_held_against_the_training_with_their_labels(shop: Shop, log_folder: Path) -> None:
    ran = shop.drift("--log", str(log_folder), "--json")
    assert ran.code == 0, ran.out + ran.err
    assert f"{len(BAD) + len(BAD_LABELS)} bad lines of the prediction log are left out" in ran.err
    document = ran.document
    assert document["data"]["rows"] == 700
    assert document["data"]["left_out"] == {"no_timestamp": 0, "after_as_of": 0, "no_label": 200}
    assert {column["state"] for column in document["columns"]} == {"stable"}
    assert {column["name"] for column in document["columns"]} == {"x", "temp", "unused", "kind", "target", PREDICTION}
    found = document["estimate"]["roc_auc"]
    assert found["labelled"] == 500
    assert found["realised"] is not None


def test_predictions_are_counted_and_written(log_folder: Path, tmp_path: Path) -> None:
    counts = run_cli("predictions", "--log", str(log_folder), "--json", home=tmp_path).document
    assert (counts["predictions"], counts["labelled"], counts["by_version"]) == (700, 500, {"shop 1": 700})
    shown = run_cli("predictions", "--log", str(log_folder), home=tmp_path, fresh=True)
    assert "labelled     500 (71.4%)" in shown.out
    assert counts["bad_lines"] == len(BAD) + len(BAD_LABELS)
    assert f"bad lines    {counts['bad_lines']}, left out" in shown.out
    assert "the first is line 1: it is not JSON" in shown.err
    out = tmp_path / "all.parquet"
    written = run_cli("predictions", "--log", str(log_folder), "--out", str(out), home=tmp_path)
    assert written.code == 0, written.err
    assert pd.read_parquet(out)["label"].notna().sum() == 500
    assert (
        run_cli("predictions", "--log", str(log_folder), "--until", "2020-01-01", "--json", home=tmp_path).document[
            "predictions"
        ]
        == 0
    )


def test_no_log_is_told(tmp_path: Path) -> None:
    ran = run_cli("predictions", home=tmp_path)
    assert ran.code == 1
    assert "no prediction log" in ran.err


def test_reversed_window_is_wrong_usage(shop: Shop) -> None:
    assert shop.drift("--since", "2022-01-08", "--until", "2022-01-01").code == 2


def test_the_model_s_own_contract_counts(shop: Shop, tmp_path: Path) -> None:
    """The problem file has moved on since the training: the model still takes what it was trained on."""
    content = yaml.safe_load(shop.config.read_text())
    del content["contract"]["unused"]
    content["contract"]["temp"]["maximum"] = 0
    config = tmp_path / "shop.yaml"
    config.write_text(yaml.safe_dump(content))
    ran = run_cli("drift", "--config", str(config), "--until", NEXT_WEEK, "--json", home=shop.trained.home)
    assert ran.code == 0, ran.out + ran.err
    assert "unused" in {column["name"] for column in ran.document["columns"]}


def test_no_model_yet_is_told(shop: Shop, tmp_path: Path) -> None:
    ran = run_cli("drift", "--config", str(shop.config), home=tmp_path)
    assert ran.code == 1
    assert "There is no model of shop yet" in ran.err


def test_newest_data_that_breaks_the_contract_stops_a_deployment(shop: Shop, tmp_path: Path) -> None:
    """The model isn't asked for such rows: what it would say of them means nothing."""
    content = yaml.safe_load(shop.config.read_text())
    rows = pd.read_parquet(content["data"]["path"])
    newest = (rows["at"] >= "2022-01-01") & (rows["at"] < AS_OF)
    rows.assign(temp=rows["temp"].mask(newest, 5_000)).to_parquet(tmp_path / "shop.parquet")
    content["data"]["path"] = str(tmp_path / "shop.parquet")
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(content))
    ran = run_cli("deploy", "--config", str(tmp_path / "shop.yaml"), "--json", home=shop.trained.home)
    assert ran.code == 3, ran.out + ran.err
    checks = {check["name"]: check for check in ran.document["checks"]}
    broken = [check for name, check in checks.items() if name.startswith("contract") and not check["passed"]]
    assert ["at most 200" in check["why"] for check in broken] == [True]
    assert checks["staging.golden"]["passed"]
    assert not any(name.startswith("estimate.") for name in checks)
