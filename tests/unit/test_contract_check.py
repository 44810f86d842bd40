"""Each way in which data can be wrong is found, by name, with the others."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.contract import Contract
from driftgate.data.contract_check import find_batch_violations, find_violations
from driftgate.data.table import DataVersion
from driftgate.data.violations import contract_checks
from driftgate.verdict import Verdict


def test_good_rows_pass(rows: pd.DataFrame, problem: Problem, version: DataVersion) -> None:
    assert find_violations(rows, problem, version=version) == []


def _set(column: str, value: object, count: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].astype(object) if isinstance(value, str) else frame[column].astype(float)
        values.iloc[:count] = value
        return frame.assign(**{column: values})

    return change


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str, str, int]] = {
    "missing value": (_set("f1", np.nan, 3), "f1", "must not be missing", 3),
    "all missing": (_set("f2", np.nan, 1000), "f2", "all its values are missing", 0),
    "below": (_set("f4", -1.0, 2), "f4", "must be at least 0", 2),
    "above": (_set("f4", 101.0, 5), "f4", "must be at most 100", 5),
    "fraction": (_set("f5", 1.5, 4), "f5", "must be a whole number", 4),
    "infinity": (_set("f3", np.inf, 2), "f3", "must be finite", 2),
    "numbers as text": (lambda f: f.assign(f1=f.f1.astype(str)), "f1", "must be a number, not text", 1000),
    "missing column": (lambda f: f.drop(columns="f3"), "f3", "no such column", 0),
    "duplicate id": (lambda f: f.assign(row_id=["same"] * 2 + list(f.row_id[2:])), "row_id", "must be unique", 2),
    "one class": (lambda f: f.assign(target=1), "target", "only one class", 0),
    "other class": (lambda f: f.assign(target="no"), "target", "never occurs", 0),
    "three classes": (lambda f: f.assign(target=np.arange(1000) % 3), "target", "3 classes", 0),
    "missing target": (_set("target", np.nan, 6), "target", "must not be missing", 6),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault: str, rows: pd.DataFrame, problem: Problem, version: DataVersion) -> None:
    change, column, rule, count = FAULTS[fault]
    found = [item for item in find_violations(change(rows), problem, version=version) if item.column == column]
    assert any(rule in item.rule and item.rows == count for item in found), found


def test_all_faults_at_once(rows: pd.DataFrame, problem: Problem, version: DataVersion) -> None:
    for change, *_ in (FAULTS["below"], FAULTS["missing value"], FAULTS["duplicate id"]):
        rows = change(rows)
    assert {item.column for item in find_violations(rows, problem, version=version)} == {"f1", "f4", "row_id"}


def test_dates_later_than_now_are_found_unless_the_run_looks_back(
    rows: pd.DataFrame, problem: Problem, version: DataVersion
) -> None:
    data = problem.data.model_copy(update={"timestamp": "at"})
    dated, problem = rows.assign(at=pd.Timestamp("2020-01-01")), problem.model_copy(update={"data": data})
    later = version.model_copy(update={"later_rows": 4})
    assert [str(found) for found in find_violations(dated, problem, version=later)] == [
        "at: must not lie in the future (4 rows)"
    ]
    looking_back = later.model_copy(update={"as_of_given": True})
    assert find_violations(dated, problem, version=looking_back) == []


def test_missing_timestamps_have_a_check_of_their_own(
    rows: pd.DataFrame, problem: Problem, version: DataVersion
) -> None:
    data = problem.data.model_copy(update={"timestamp": "at"})
    dated, problem = rows.assign(at=pd.Timestamp("2020-01-01")), problem.model_copy(update={"data": data})
    violations = find_violations(dated, problem, version=version.model_copy(update={"no_timestamp": 172}))
    (check,) = contract_checks(violations, rows=len(rows))
    assert (check.name, check.severity, check.observed) == ("contract.missing_timestamps", "block", 172)
    assert "without a timestamp are left out" in check.why
    assert "future" not in check.why
    few = dated.head(3).assign(at=[pd.Timestamp("2020-01-01"), pd.NaT, pd.NaT])
    (found,) = find_batch_violations(few, problem)
    assert (found.name, found.rows) == ("missing_timestamps", 2)


def test_constant_column_warns(rows: pd.DataFrame, problem: Problem, version: DataVersion) -> None:
    (found,) = find_violations(rows.assign(f1=1.5), problem, version=version)
    checks = contract_checks([found], rows=len(rows))
    assert [(check.name, check.severity, check.passed) for check in checks] == [
        ("contract", "block", True), ("contract.constant.f1", "warn", False),
    ]  # fmt: skip
    assert "the same value, 1.5, in every row" in found.rule
    assert Verdict(problem="rules", checks=tuple(checks)).outcome == "warn"
    one_class = find_violations(rows.assign(f1=1.5, target=1), problem, version=version)
    assert Verdict(problem="rules", checks=tuple(contract_checks(one_class, rows=1))).outcome == "block"


def test_whole_number_beyond_a_float_is_found(rows: pd.DataFrame, problem: Problem, version: DataVersion) -> None:
    column = problem.contract.columns["f5"].model_copy(update={"maximum": None})
    problem = problem.model_copy(update={"contract": Contract(columns=problem.contract.columns | {"f5": column})})
    (found,) = find_violations(rows.assign(f5=rows["f5"].where(rows.index > 1, 1e18)), problem, version=version)
    assert (found.rule, found.rows) == ("must lie within ±2^53", 2)


def test_rows_that_arrive_may_lack_every_value_of_a_nullable_column(rows: pd.DataFrame, problem: Problem) -> None:
    columns = problem.contract.columns | {"f2": problem.contract.columns["f2"].model_copy(update={"nullable": True})}
    problem = problem.model_copy(update={"contract": Contract(columns=columns)})
    assert find_batch_violations(rows.assign(f2=np.nan), problem) == []
    assert [found.column for found in find_batch_violations(rows.assign(f1=np.nan), problem)] == ["f1"]


@pytest.mark.parametrize(
    ("labels", "told"), [([0, 1], False), ([1.0, np.nan], False), (["0", "1"], True), ([0, 2], True)]
)
def test_a_label_must_be_one_of_those_at_training(
    labels: list[object], told: bool, rows: pd.DataFrame, problem: Problem
) -> None:
    few = rows.head(2).assign(target=labels)
    found = find_batch_violations(few, problem, classes=(0, 1))
    assert [item.column for item in found] == (["target"] if told else [])
