"""Training from a table to the verdict: three classes and fifty, a class of 0.1 %, groups, and rows without a label."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets

from driftgate.evidence.tracking import allowed, class_metrics
from driftgate.training.evaluation import ClassScore, Evaluation
from tests.steps.journey import problem_of, train

NAMES = ("$a_b$", "naïve café", "class_2")


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment variables that a run sets end with the test."""
    monkeypatch.setenv("DRIFTGATE_HOME", "")
    monkeypatch.setenv("DRIFTGATE_PROCESSES", "1")


def _wine() -> pd.DataFrame:
    wine = datasets.load_wine(as_frame=True)
    frame = wine.data.rename(columns={name: name.replace("/", " ") for name in wine.data})
    frame["target"] = [NAMES[code] for code in wine.target]
    frame["id"] = [f"w{number}" for number in range(len(frame))]
    return frame


def test_three_classes_with_rows_without_a_label(tmp_path: Path) -> None:
    frame = _wine()
    frame.loc[frame.index[:10], "target"] = None
    target = {"classes": list(NAMES), "unlabelled": "leave_out"}
    limits = {"performance": {"accuracy": 0.8, "roc_auc": 0.9, "f1": 0.8}}
    done = train(problem_of(frame, tmp_path, target=target, gate=limits), tmp_path / "var")
    assert done.version.left_out.no_label == 10
    assert len(done.development) + len(done.holdout) == len(frame) - 10
    assert done.verdict.outcome in ("pass", "warn"), done.verdict.failed
    assert [found.name for found in done.evaluation.classes] == list(NAMES)
    assert np.sum(done.evaluation.confusion_matrix) == len(done.holdout)
    assert done.evaluation.metrics["accuracy"].value > 0.9
    assert done.metrics["class.class_2.recall"] == done.evaluation.classes[2].recall
    assert sum(name.endswith(".rows") or ".rows-" in name for name in done.metrics) == 3
    assert "$a_b$" in done.page
    assert "naïve café" in done.page


@given(names=st.lists(st.text(min_size=1, max_size=300), min_size=2, max_size=6, unique=True))
@settings(max_examples=100, deadline=None)
def test_mlflow_takes_the_metrics_of_any_class(names: list[str]) -> None:
    from mlflow.utils.validation import _validate_metric_name

    scores = {"rows": 5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "roc_auc": None, "pr_auc": 0.5}
    classes = tuple(ClassScore(name=name, expected_calibration_error=0.1, **scores) for name in names)  # type: ignore[arg-type]
    found = class_metrics(Evaluation.model_construct(classes=classes))
    assert len({allowed(key) for key in found}) == len(found) == 6 * len(names)
    for key in found:
        _validate_metric_name(allowed(key))


def test_fifty_classes(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    labels = draw.permutation(np.repeat(np.arange(50), 40))
    centres = draw.normal(size=(50, 8)) * 3
    numbers = centres[labels] + draw.normal(size=(len(labels), 8))
    frame = pd.DataFrame(numbers, columns=[f"x{number}" for number in range(8)])
    frame["target"], frame["id"] = labels + 100, range(len(frame))
    target = {"classes": [100 + code for code in range(50)]}
    limits = {"performance": {"top_3_accuracy": 0.9, "log_loss": 1.5}}
    problem = problem_of(frame, tmp_path, target=target, gate=limits, calibration={"method": "sigmoid", "folds": 3})
    done = train(problem, tmp_path / "var")
    assert len(done.evaluation.classes) == 50
    assert done.check("performance.top_3_accuracy").passed
    assert "of 50 classes" in done.check("calibration.worst_class").why
    assert all(found.rows == 8 for found in done.evaluation.classes)


def test_one_row_in_a_thousand_is_positive(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    rows = 20_000
    positive = np.zeros(rows, dtype=int)
    positive[draw.choice(rows, 20, replace=False)] = 1
    frame = pd.DataFrame({"x": draw.normal(size=rows) + 4 * positive, "noise": draw.normal(size=rows)})
    frame["gap"] = np.where(draw.random(rows) < 0.05, np.nan, draw.normal(size=rows))
    frame["target"], frame["id"] = positive, range(rows)
    limits = {"performance": {"pr_auc": 0.05, "accuracy": 0.99}, "champion": {"metric": "pr_auc", "margin": 0.05}}
    problem = problem_of(frame, tmp_path, target={"positive": 1}, gate=limits, threshold="max_f1")
    done = train(problem, tmp_path / "var")
    assert done.check("performance.pr_auc").passed
    # The floor of accuracy stops nothing, and the page says so; that of average precision does.
    constant = done.check("performance.accuracy.constant")
    assert (constant.severity, constant.limit) == ("warn", 0.999)
    assert [check.name for check in done.verdict.checks if check.name.endswith(".constant")] == [constant.name]
    # Nearly all rows are negative, so those that lack a value are too: that is no sign of a leak.
    assert done.check("leakage.missing").passed
    assert done.evaluation.positives == 4


def test_groups_stay_together(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    group = np.repeat(np.arange(60), 10)
    labels = (draw.random(60) < 0.4).astype(int)[group]
    frame = pd.DataFrame({"x": labels + draw.normal(size=600), "group": group, "target": labels, "id": range(600)})
    problem = problem_of(
        frame, tmp_path, target={"positive": 1}, split={"method": "group", "holdout": 0.2, "folds": 4},
        data={"path": str(tmp_path / "table.parquet"), "row_id": "id", "timestamp": None, "group": "group"},
    )  # fmt: skip
    done = train(problem, tmp_path / "var")
    assert set(done.development.group).isdisjoint(done.holdout.group)
    assert len(done.holdout) == 120
    assert done.check("performance.log_loss").passed
