"""A problem file that is wrong is told by file, key and expectation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from driftgate.config import Problem, load_problem
from driftgate.contract import request_model
from driftgate.errors import DriftgateError
from driftgate.workspace import PROJECT


@pytest.mark.parametrize("name", ["flights", "rules"])
def test_problem_files_of_the_project_load(name: str) -> None:
    assert load_problem(PROJECT / "configs" / f"{name}.yaml").name == name


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown key": (lambda c: c.update(surprise=1), "surprise: this key is unknown"),
    "unknown key below": (lambda c: c["gate"].update(limit=1), "gate.limit: this key is unknown"),
    "missing key": (lambda c: c.pop("target"), "target: Field required"),
    "unknown metric": (lambda c: c["gate"]["performance"].update(auc=1), "gate.performance.auc"),
    "share above one": (lambda c: c["split"].update(holdout=1.5), "split.holdout: Input should be less than 1 (got 1.5)"),
    "range upside down": (lambda c: c["contract"]["f4"].update(minimum=200), "contract.columns.f4: minimum is above maximum"),
    "pattern that looks ahead": (lambda c: c["contract"].update(f6={"type": "category", "pattern": "(?!XX)[A-Z]{2}"}), "not a pattern that the service can check"),
    "categories of a number": (lambda c: c["contract"]["f1"].update(categories=["a"]), "are for a category, not for a number"),
    "target as feature": (lambda c: c["contract"].update(target={"type": "number"}), "'target' is the target.column"),
    "name of ours": (lambda c: c["contract"].update(probability={"type": "number"}), "contract: 'probability' is reserved"),
    "target of ours": (lambda c: c["target"].update(column="prediction"), "target.column: 'prediction' is reserved"),
    "date format without a day": (lambda c: c["data"].update(date_format="%Y-%m"), "data.date_format: a date format needs a year, a month and a day"),
    "no date format": (lambda c: c["data"].update(date_format="%Q"), "data.date_format: not a date format"),
    "no time zone": (lambda c: c["data"].update(time_zone="Mars/Base"), "data.time_zone: not a time zone"),
    "word that is none": (lambda c: c["data"].update(missing=[None]), "data.missing: None is not text"),
    "long delimiter": (lambda c: c["data"].update(csv={"delimiter": ";;"}), "data.csv.delimiter: a delimiter is one character"),
    "no encoding": (lambda c: c["data"].update(csv={"encoding": "utf-7000"}), "data.csv.encoding: not an encoding"),
    "decimal as delimiter": (lambda c: c["data"].update(csv={"decimal": ","}), "data.csv: delimiter and decimal must differ"),
    "category that YAML changed": (lambda c: c["contract"].update(f6={"type": "category", "categories": [False, "DE"]}), "the category False is not text"),
    "category that is missing": (
        lambda c: (c["data"].update(missing=["NA"]), c["contract"].update(f6={"type": "category", "categories": ["NA", "DE"]})),
        "'NA' is both a category of 'f6' and a word for a missing value",
    ),
    "slice of no column": (lambda c: c["gate"]["slices"].update(columns=["f9"]), "gate.slices.columns: 'f9'"),
    "time split without timestamp": (
        lambda c: c.update(split={"method": "time", "holdout": {"days": 1}, "validation": {"days": 1}}),
        "needs data.timestamp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(fault: str, tmp_path: Path) -> None:
    content = yaml.safe_load((PROJECT / "configs" / "rules.yaml").read_text())
    change, expected = FAULTS[fault]
    change(content)
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(DriftgateError) as raised:
        load_problem(path)
    assert str(path) in raised.value.cause
    assert expected in raised.value.cause


@pytest.mark.parametrize("content", ["", "- 1", "a: [", "\x00"])
def test_file_that_is_no_problem(content: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(content)
    with pytest.raises(DriftgateError, match=r"odd\.yaml"):
        load_problem(path)


def test_missing_file_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DriftgateError, match=r"configs/flights\.yaml"):
        load_problem(tmp_path / "none.yaml")


ROW = {"f1": 0.1, "f2": 1.0, "f3": -2.0, "f4": 50.0, "f5": 3}


def test_request_model_takes_a_row_of_the_contract(problem: Problem) -> None:
    assert request_model(problem.contract)(**ROW).model_dump() == ROW


@pytest.mark.parametrize(
    "change",
    [{"f5": 10}, {"f5": 2.5}, {"f4": "50"}, {"f4": float("nan")}, {"f1": float("inf")}, {"f9": 1}, {"f1": None}],
    ids=str,
)
def test_request_model_refuses(change: dict[str, Any], problem: Problem) -> None:
    with pytest.raises(ValidationError):
        request_model(problem.contract)(**{**ROW, **change})
