"""What can't be trained is told before a pipeline starts, with counts and what to change."""

import contextlib
import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.errors import DriftgateError
from driftgate.training.modelling import build_model, fit
from driftgate.training.preflight import require_trainable
from driftgate.training.splitting import folds, split
from driftgate.workspace import PROJECT, Workspace
from tests.tables import shop_content, write_problem

AS_OF = dt.date(2024, 4, 10)
RANDOM = {"method": "random", "holdout": 0.2, "folds": 3}


def orders(bought: Callable[[int], object], rows: int = 600) -> pd.DataFrame:
    """Orders by time, up to as-of, whose label follows from their number."""
    return pd.DataFrame(
        {
            "id": [f"o{number}" for number in range(rows)],
            "at": pd.date_range("2024-01-01", "2024-04-09", periods=rows).astype("datetime64[us]"),
            "country": ["DE", "NA"] * (rows // 2) + ["DE"] * (rows % 2),
            "amount": np.linspace(0, 100, rows), "visits": np.arange(rows) % 7, "member": np.arange(rows) % 2 == 0,
            "bought": [bought(number) for number in range(rows)],
        }
    )  # fmt: skip


def _problem(folder: Path, rows: pd.DataFrame, **changes: Any) -> Problem:
    rows.to_parquet(folder / "orders.parquet")
    data = {"path": str(folder / "orders.parquet"), **changes.pop("data", {})}
    return Problem.model_validate(shop_content(data=data, calibration={"method": "sigmoid", "folds": 3}, **changes))


def every(step: int) -> Callable[[int], object]:
    return lambda number: int(number % step == 0)


FAULTS: dict[str, tuple[pd.DataFrame, dict[str, Any], dt.date, str]] = {
    "one class": (orders(lambda _: 1), {}, AS_OF, r"only one class: 1 \(600 rows\)"),
    "three classes": (orders(lambda number: number % 3), {}, AS_OF, "3 classes, not two"),
    "positive that never occurs": (orders(lambda number: 2 + number % 2), {}, AS_OF, "1 never occurs in 'bought'"),
    "positive of another type": (orders(lambda number: str(number % 2)), {}, AS_OF, r"never occurs .* '0' \(300 rows\)"),
    "no label": (orders(lambda _: None), {}, AS_OF, "The target 'bought' has no value in any row"),
    "few rows": (orders(every(2), 40), {}, AS_OF, "has 40 rows with a label dated before as-of; at least 50"),
    "all after as-of": (orders(every(2)), {}, dt.date(2023, 1, 1), "600 are dated later"),
    "holdout without rows": (orders(every(2)), {}, dt.date(2025, 1, 1), "The holdout from .*: no rows"),
    "holdout of one class": (orders(lambda number: int(number % 2 == 0 and number < 400)), {}, AS_OF, "The holdout .* 'negative'"),
    "one class before": (orders(lambda number: int(number >= 550)), {}, AS_OF, "The rows before the holdout: .* one class"),
    "validation of one class": (orders(lambda number: int(number < 200 or number > 520)), {}, AS_OF, "too few for one fold"),
    "positives in one block": (orders(lambda number: int(number < 60 or (number > 370 and number % 2 == 0))), {}, AS_OF, "Calibration can't split .* 60 of 364 rows are 'positive'"),
    "few positives at random": (orders(every(150)), {"split": RANDOM}, AS_OF, "Only 4 of 600 rows are 'positive'. .* 3 are left, but 3 folds"),
    "fewer rows of a class than folds": (
        orders(every(100)), {"split": {**RANDOM, "folds": 10}}, AS_OF, "Only 6 of 600 rows are 'positive'",
    ),
}  # fmt: skip

THREE: dict[str, Any] = {"positive": None, "classes": ["a", "b", "c"]}
GROUPED = {"method": "group", "holdout": 0.2, "folds": 3}
LETTERS = orders(lambda number: "abc"[number % 3])


def rare(*numbers: int) -> pd.DataFrame:
    """Orders of 'a', and the given numbers of 'b', 'c', …"""
    letters = "".join(letter * number for letter, number in zip("bcdefghi", numbers, strict=False))
    return orders(lambda number: letters[number // 10] if number % 10 == 0 and number // 10 < len(letters) else "a")


FAULTS |= {
    "a value that is no class": (
        orders(lambda number: "abcd"[number % 4]), {"target": THREE}, AS_OF, r"1 value that target.classes doesn't list: 'd' \(150 rows\)",
    ),
    "a class that never occurs": (
        orders(lambda number: "ab"[number % 2]), {"target": THREE}, AS_OF, "'c' of target.classes never occurs in 'bought'",
    ),
    "classes of another type": (
        orders(lambda number: 1 + number % 3), {"target": {"positive": None, "classes": ["1", "2", "3"]}}, AS_OF, "3 values that target.classes doesn't list: 1 ",
    ),
    "one small class of three": (
        rare(30, 4), {"target": THREE, "split": RANDOM}, AS_OF, r"Only 4 of 600 rows are 'c'. .* 3 are left, but 3 folds, each calibrated in 3 parts, need 5",
    ),
    "two small classes of three": (
        rare(5, 6), {"target": THREE, "split": RANDOM}, AS_OF, r"2 of 3 classes have too few rows: 'b' \(5 of 600 rows\), 'c' \(6 of 600 rows\)",
    ),
    "classes without a row in the holdout": (
        rare(2, 3), {"target": THREE, "split": RANDOM}, AS_OF, "A holdout of 20% has no row of 'b'",
    ),
    "a class that begins late": (
        orders(lambda number: "c" if number > 550 else "ab"[number % 2]), {"target": THREE}, AS_OF, "before the holdout have no row of 'c'",
    ),
    "a class in one block": (
        orders(lambda number: "c" if 100 < number < 110 else "ab"[number % 2]), {"target": THREE}, AS_OF, "Calibration can't split .* 9 of .* rows are 'c'",
    ),
    "no label, three classes": (orders(lambda _: None), {"target": THREE}, AS_OF, "has no value in any row"),
    "too few groups": (
        LETTERS.assign(country=["DE", "FR"] * 300), {"target": THREE, "split": GROUPED, "data": {"group": "country", "timestamp": None}}, AS_OF, "'country' has 2 groups",
    ),
    "one column of the contract is missing": (
        LETTERS.drop(columns="amount"), {"target": THREE}, AS_OF, "orders.parquet lacks the column amount of the contract",
    ),
    "columns of the contract are missing": (
        LETTERS.drop(columns=["amount", "visits"]), {"target": THREE}, AS_OF, "lacks 2 columns amount, visits of the contract",
    ),
    "the column of groups is missing": (
        LETTERS, {"target": THREE, "split": GROUPED, "data": {"group": "customer", "timestamp": None}}, AS_OF, "lacks the column customer of data.group",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_can_not_be_trained_is_told(fault: str, tmp_path: Path) -> None:
    rows, changes, as_of, words = FAULTS[fault]
    problem = _problem(tmp_path, rows, **changes)
    with pytest.raises(DriftgateError, match=words) as raised:
        require_trainable(problem, as_of=as_of, workspace=Workspace(tmp_path / "var"))
    assert raised.value.remedy


@pytest.mark.parametrize("split_by", ["time", "random"])
@pytest.mark.parametrize("step", [2, 5, 40, 60])
def test_what_passes_can_be_trained(step: int, split_by: str, tmp_path: Path) -> None:
    """No false alarm and no crash later: each fold that passes fits with its calibration."""
    changes = {"split": RANDOM, "data": {"timestamp": None}} if split_by == "random" else {}
    frame = orders(every(step))
    problem = _problem(tmp_path, frame, **changes)
    when = AS_OF if split_by == "time" else None
    if step >= 40:  # may be refused
        with contextlib.suppress(DriftgateError):
            require_trainable(problem, as_of=when, workspace=Workspace(tmp_path / "var"))
            step = 0
        if step:
            return
    else:
        require_trainable(problem, as_of=when, workspace=Workspace(tmp_path / "var"))
    from driftgate.data.table import features_of, labels_of

    development, _ = split(frame, problem, as_of=dt.datetime(2024, 4, 10))
    features, labels = features_of(development, problem.contract), labels_of(development, problem)
    for part in folds(development, problem):
        model = build_model(problem, family="hist_gradient_boosting", settings={"max_iter": 2}, calibrated=True)
        fit(model, features.iloc[part.train], labels[part.train])


@pytest.mark.parametrize("split_by", ["time", "random", "group"])
def test_three_classes_and_rows_without_a_label_pass(split_by: str, tmp_path: Path) -> None:
    frame = orders(lambda number: None if number % 9 == 0 else "abc"[number % 3 if number % 2 else 0], 150)
    frame["customer"] = np.arange(150) // 5
    changes: dict[str, Any] = {"target": {**THREE, "unlabelled": "leave_out"}}
    if split_by != "time":
        rule = GROUPED if split_by == "group" else RANDOM
        changes |= {"split": rule, "data": {"timestamp": None, "group": "customer"}}
    problem = _problem(tmp_path, frame, **changes)
    when = AS_OF if split_by == "time" else None
    require_trainable(problem, as_of=when, workspace=Workspace(tmp_path / "var"))


def test_few_positives_are_told_without_starting_zenml(tmp_path: Path) -> None:
    rows = orders(every(150))
    rows.to_parquet(tmp_path / "orders.parquet")
    config = write_problem(tmp_path / "shop.yaml", data={"path": "./orders.parquet"}, split=RANDOM)
    code = (
        "import sys, runpy; told = open(sys.argv[2], 'w'); sys.argv = ['run.py', 'train', '--config', sys.argv[1]]\n"
        "try: runpy.run_path('run.py', run_name='__main__')\n"
        "except SystemExit as end: print(end.code, 'zenml' in sys.modules, 'sklearn' in sys.modules, file=told)\n"
    )
    environment = {"DRIFTGATE_HOME": str(tmp_path / "var"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(config), str(tmp_path / "told")],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert "Only 4 of 600 rows are 'positive'" in done.stderr, done.stderr
    assert (tmp_path / "told").read_text().split() == ["1", "False", "False"]
