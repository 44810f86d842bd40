"""Row ids, groups, labels, booleans and words for missing values are what the problem file says."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from driftgate.config import Problem
from driftgate.data.contract_check import find_batch_violations, find_violations
from driftgate.data.table import DataVersion, labels_of, named_columns, read_rows
from driftgate.errors import DriftgateError
from tests.tables import CONTRACT, shop_content


def _problem(path: Path, **changes: Any) -> Problem:
    data = {"path": str(path), "timestamp": None, "row_id": None, **changes.pop("data", {})}
    split = {"method": "random", "holdout": 0.2, "folds": 2}
    return Problem.model_validate(shop_content(data=data, split=split, **changes))


def _read(path: Path, content: str, **changes: Any) -> tuple[pd.DataFrame, Problem, DataVersion]:
    path.write_text(content)
    problem = _problem(path, **changes)
    frame, version = read_rows(problem, md5="", as_of=None)
    return frame, problem, version


def _broken(found: tuple[pd.DataFrame, Problem, DataVersion]) -> list[str]:
    frame, problem, version = found
    return [str(item) for item in find_violations(frame, problem, version=version) if item.severity == "block"]


NUMBERS: dict[str, Any] = {"amount": {"type": "number", "nullable": True}}
LABELLED = "amount,bought\n1,{}\n2,{}\n3,{}\n4,{}\n"


def test_rows_need_no_id(tmp_path: Path) -> None:
    found = _read(tmp_path / "t.csv", LABELLED.format(1, 0, 1, 0), contract=NUMBERS)
    assert _broken(found) == []
    assert found[0].columns.tolist() == named_columns(found[1]) == ["amount", "bought"]
    assert find_batch_violations(found[0], found[1]) == []


def test_group_must_be_there_and_known(tmp_path: Path) -> None:
    content = "amount,customer,bought\n1,a,1\n2,,0\n3,b,1\n"
    found = _read(tmp_path / "t.csv", content, contract=NUMBERS, data={"group": "customer"})
    assert _broken(found) == ["customer: has no value, so the group of these rows is unknown (1 rows, such as None)"]
    assert find_batch_violations(found[0].drop(columns="customer"), found[1]) == []
    with pytest.raises(DriftgateError, match=r"no column 'client', which is set as data\.group"):
        _read(tmp_path / "t.csv", content, contract=NUMBERS, data={"group": "client"})


def test_group_may_be_a_feature(tmp_path: Path) -> None:
    contract = {**NUMBERS, "customer": {"type": "category", "nullable": True}}
    content = "amount,customer,bought\n1,a,1\n2,,0\n3,b,1\n"
    found = _read(tmp_path / "t.csv", content, contract=contract, data={"group": "customer"})
    assert found[0].columns.tolist() == ["amount", "customer", "bought"]
    assert _broken(found) == ["customer: has no value, so the group of these rows is unknown (1 rows, such as None)"]


@pytest.mark.parametrize("unlabelled", ["leave_out", "refuse"])
def test_rows_without_a_label(unlabelled: str, tmp_path: Path) -> None:
    content, target = LABELLED.format(1, "", 0, ""), {"unlabelled": unlabelled}
    found = _read(tmp_path / "t.csv", content, contract=NUMBERS, target=target)
    expected = {"leave_out": [], "refuse": ["bought: the target must not be missing (2 rows)"]}
    assert _broken(found) == expected[unlabelled]
    assert (len(found[0]), found[2].left_out.no_label) == (4, 2)


@pytest.mark.parametrize("unlabelled", ["leave_out", "refuse"])
def test_no_label_at_all_is_refused(unlabelled: str, tmp_path: Path) -> None:
    target = {"unlabelled": unlabelled}
    found = _read(tmp_path / "t.csv", LABELLED.format("", "", "", ""), contract=NUMBERS, target=target)
    assert "bought: no row has a label (4 rows)" in _broken(found)


THREE = {"positive": None, "classes": ["low", "mid", "high"]}


def test_label_of_no_class_is_named(tmp_path: Path) -> None:
    good = _read(tmp_path / "t.csv", LABELLED.format("low", "mid", "high", "low"), contract=NUMBERS, target=THREE)
    assert _broken(good) == []
    assert labels_of(good[0], good[1]).tolist() == [0, 1, 2, 0]
    bad = _read(tmp_path / "t.csv", LABELLED.format("low", "mid", "height", "low"), contract=NUMBERS, target=THREE)
    assert _broken(bad) == [
        "bought: a label must be one of target.classes (1 rows, such as 'height')",
        "bought: these classes never occur: 'high'",
    ]
    assert labels_of(bad[0], bad[1]).tolist() == [0, 1, -1, 0]


WORDS = ("yes no", "Yes No", "Y N", "y n", "T F", "t f", "TRUE FALSE", "True False", "1 0")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("words", WORDS)
def test_booleans_in_words(words: str, kind: str, tmp_path: Path) -> None:
    yes, no = words.split()
    contract, target = {**NUMBERS, "member": CONTRACT["member"]}, {"positive": True}
    rows = {"amount": [1.0, 2.0, 3.0], "member": [yes, no, ""], "bought": [no, yes, no]}
    path = tmp_path / f"t.{kind}"
    pq.write_table(pa.table(rows), path) if kind == "parquet" else pd.DataFrame(rows).to_csv(path, index=False)
    problem = _problem(path, contract=contract, target=target)
    frame, version = read_rows(problem, md5="", as_of=None)
    assert _broken((frame, problem, version)) == []
    assert frame["member"].tolist() == [True, False, None]
    assert labels_of(frame, problem).tolist() == [0, 1, 0]


def test_yaml_reads_yes_as_true_and_the_labels_follow(tmp_path: Path) -> None:
    from driftgate.config import load_problem
    from tests.tables import write_problem

    (tmp_path / "t.csv").write_text(LABELLED.format("yes", "no", "no", "yes"))
    split = {"method": "random", "holdout": 0.2, "folds": 2}
    data = {"path": "./t.csv", "timestamp": None, "row_id": None}
    path = write_problem(tmp_path / "t.yaml", data=data, contract=NUMBERS, split=split, target={"positive": "POSITIVE"})
    for written in ("yes", '"yes"', "Yes", "true"):
        path.write_text(path.read_text().replace("positive: POSITIVE", f"positive: {written}"))
        problem = load_problem(path)
        frame, version = read_rows(problem, md5="", as_of=None)
        assert _broken((frame, problem, version)) == []
        assert labels_of(frame, problem).tolist() == [1, 0, 0, 1]
        path.write_text(path.read_text().replace(f"positive: {written}", "positive: POSITIVE"))


@pytest.mark.parametrize("positive", ["yes", "Y", "1", True])
def test_positive_class_that_never_occurs_is_told_with_the_values(positive: Any, tmp_path: Path) -> None:
    rows = pa.table({"amount": [1.0, 2.0, 3.0], "bought": ["sure", "never", "sure"]})
    pq.write_table(rows, tmp_path / "t.parquet")
    problem = _problem(tmp_path / "t.parquet", contract=NUMBERS, target={"positive": positive})
    frame, version = read_rows(problem, md5="", as_of=None)
    expected = f"bought: the positive class {positive!r} never occurs; the target has 'never', 'sure'"
    assert _broken((frame, problem, version)) == [expected]


def test_each_column_has_its_words_for_missing(tmp_path: Path) -> None:
    contract = {
        "amount": {"type": "number", "nullable": True},
        "visits": {"type": "integer", "nullable": True, "missing": ["-", "none"]},
        "country": {"type": "category", "nullable": True, "missing": [], "categories": ["NA", "DE"]},
    }
    content = "amount,visits,country,bought\nNA,-,NA,1\n2,none,,0\n3,4,DE,0\n"
    frame, *_ = found = _read(tmp_path / "t.csv", content, contract=contract, data={"missing": ["NA"]})
    assert _broken(found) == []
    assert frame["amount"].isna().tolist() == [True, False, False]
    assert frame["visits"].isna().tolist() == [True, True, False]
    assert frame["country"].tolist() == ["NA", None, "DE"]
    del contract["country"]["missing"]
    with pytest.raises(ValidationError, match="set the words of this column with its key missing"):
        _problem(tmp_path / "t.csv", contract=contract, data={"missing": ["NA"]})
