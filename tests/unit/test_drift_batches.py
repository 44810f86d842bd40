"""The rows of a drift check of three classes or more: from the prediction log, and from files."""

import datetime as dt
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.contract import LABEL
from driftgate.data.contract_check import find_batch_violations
from driftgate.drift.batches import as_released, read_file, read_log
from driftgate.drift.check import check_drift
from driftgate.drift.profile import fit_profile, profile_of
from driftgate.errors import DriftgateError
from driftgate.probability import as_columns
from driftgate.production.release import Card, Release
from driftgate.workspace import Workspace
from tests.unit.log_files import HOUR, START_MS, label, segment
from tests.unit.test_drift_classes import TrueModel, made, names, problem_of

CLASSES = 4


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of(CLASSES)


@pytest.fixture(scope="module")
def release(problem: Problem) -> Release:
    rows = made(2_000, CLASSES, seed=0)
    codes = rows["target"].map({name: code for code, name in enumerate(names(CLASSES))})
    said = pd.DataFrame({**as_columns(TrueModel(CLASSES).probability(rows)), LABEL: codes})
    profile = fit_profile(rows, problem, out_of_fold=said, effects={}, threshold=0.5)
    card = Card.model_construct(name="rules", version="3", classes=names(CLASSES), threshold=0.5)
    return Release(
        folder=Path("release"), card=card, contract=problem.contract, ranges=None, golden=None, model=b"",  # type: ignore[arg-type]
        profile=profile.model_dump_json().encode(), sbom=None,
    )  # fmt: skip


def log_of(rows: pd.DataFrame, folder: Path, *, labels: list[str]) -> None:
    """Write predictions, one a line, and labels of the first of them."""
    probability = TrueModel(CLASSES).probability(rows)
    predictions, told = [], []
    for at, row in enumerate(rows.to_dict("records")):
        moment = START_MS + at * 1000
        predictions.append(
            json.dumps(
                {
                    "at": moment, "request": f"{moment:011x}-{0:016x}", "model": "rules", "version": "3", "arm": "champion",
                    "classes": names(CLASSES), "probability": [probability[at].tolist()],
                    "columns": {"x": [row["x"]], "y": [row["y"]]},
                }
            ).encode()
        )  # fmt: skip
        if at < len(labels):
            told.append(label(moment, moment + HOUR, labels[at]))
    segment(folder, "predictions", predictions)
    segment(folder, "labels", told)


def test_a_window_of_the_log_has_its_labels_and_reports_those_of_no_class(
    problem: Problem, release: Release, tmp_path: Path
) -> None:
    rows = made(400, CLASSES, seed=1)
    labels = rows["target"].head(300).tolist()
    log_of(rows, tmp_path, labels=["no such class", *labels[1:]])
    day = dt.date(2026, 3, 1)
    current, seen, batch = read_log(tmp_path, problem, release=release, since=day, until=day + dt.timedelta(days=1))
    assert (len(current), len(seen), batch.left_out.no_label, batch.logged) == (400, 0, 100, True)
    assert current["target"].iloc[1:300].tolist() == labels[1:]
    profile = profile_of(release)
    (violation,) = find_batch_violations(current, problem, classes=profile.classes)
    assert (violation.column, violation.rows, violation.examples) == ("target", 1, ("'no such class'",))
    analysis, _ = check_drift(
        current,
        problem,
        profile=profile,
        scorer=TrueModel(CLASSES),
        threshold=0.5,
        timed=not batch.logged,  # type: ignore[arg-type]
    )
    assert analysis.expected["log_loss"].labelled == 299
    assert analysis.expected["log_loss"].realised is not None


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_has_its_labels_and_reports_those_of_no_class(
    ending: str, problem: Problem, release: Release, tmp_path: Path
) -> None:
    rows = made(300, CLASSES, seed=2)
    rows = rows.assign(target=rows["target"].where(rows.index >= 10, "no such class").mask(rows.index >= 200))
    path = tmp_path / f"new.{ending}"
    rows.to_csv(path, index=False) if ending == "csv" else rows.to_parquet(path)
    current, _, batch = read_file(path, problem, release=release, workspace=Workspace(tmp_path))
    assert batch.left_out.no_label == 100
    (violation,) = find_batch_violations(current, problem, classes=profile_of(release).classes)
    assert (violation.column, violation.rows) == ("target", 10)
    assert np.array_equal(current["target"].isna(), rows["target"].isna())
    assert batch.md5 == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_the_classes_are_those_of_the_release(problem: Problem, release: Release) -> None:
    more = problem.model_copy(
        update={"target": problem.target.model_copy(update={"classes": (*names(CLASSES), "new")})}
    )
    assert as_released(more, release).target.classes == names(CLASSES)
    binary = problem.target.model_copy(update={"classes": None, "positive": "kind 1"})
    with pytest.raises(DriftgateError, match="two classes, but model 3 was trained on more"):
        as_released(problem.model_copy(update={"target": binary}), release)
