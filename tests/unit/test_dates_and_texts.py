"""Columns of dates and of free text give the same inputs at training, in the service and from the log."""

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from driftgate.columns import USUAL_BUCKETS
from driftgate.config import Problem, Texts
from driftgate.contract import Column, Contract, DatePart, request_model
from driftgate.data.contract_check import find_batch_violations
from driftgate.data.dates import read_dates
from driftgate.data.table import features_of, read_columns, rows_of
from driftgate.errors import DriftgateError
from driftgate.inputs import buckets_of_texts, inputs_of, parts_of_dates
from driftgate.moments import iso_text, moment_of_text
from driftgate.production.ranges import Ranges, ranges_of
from tests.tables import shop_content

EVERY_PART = get_args(DatePart)
DATES = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))
TEXTS = st.none() | st.text(min_size=1, max_size=40)


def _contract(**columns: dict[str, Any]) -> Contract:
    return Contract.model_validate({"columns": columns})


BOTH = _contract(
    day={"type": "date", "nullable": True, "parts": EVERY_PART},
    words={"type": "text", "nullable": True, "buckets": 8},
    pieces={"type": "text", "nullable": True, "buckets": 3, "ngrams": "characters"},
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.none() | DATES, TEXTS, TEXTS), min_size=1, max_size=8))
def test_service_log_and_training_have_the_same_inputs(drawn: list[tuple[Any, ...]]) -> None:
    days, words, pieces = zip(*drawn, strict=True)
    day = pd.Series(np.array(days, dtype="datetime64[us]"))
    frame = pd.DataFrame(
        {"day": day, "words": pd.Series(words, dtype=object), "pieces": pd.Series(pieces, dtype=object)}
    )
    trained, rows = features_of(frame, BOTH), rows_of(frame, BOTH)
    sent = [request_model(BOTH).model_validate(row).model_dump() for row in rows]
    served = inputs_of({name: [row[name] for row in sent] for name in BOTH.columns}, BOTH)
    logged = features_of(pd.DataFrame(rows, columns=list(BOTH.columns), dtype=object), BOTH)
    alone = [inputs_of({name: [row[name]] for name in BOTH.columns}, BOTH) for row in sent]
    for name in BOTH.features:
        values = trained[name].to_numpy()
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, served[name])
        np.testing.assert_array_equal(values, logged[name].to_numpy())
        np.testing.assert_array_equal(values, np.concatenate([one[name] for one in alone]))


@settings(deadline=None)
@given(st.none() | DATES)
def test_parts_are_those_of_the_calendar(moment: dt.datetime | None) -> None:
    found = dict(zip(EVERY_PART, parts_of_dates([moment], Column(type="date", parts=EVERY_PART)), strict=True))
    if moment is None:
        assert all(np.isnan(values).all() for values in found.values())
        return
    expected = {
        "year": moment.year, "quarter": (moment.month + 2) // 3, "month": moment.month, "day": moment.day,
        "weekday": moment.weekday(), "day_of_year": moment.timetuple().tm_yday, "hour": moment.hour,
        "minute": moment.minute, "days": (moment.date() - dt.date(1970, 1, 1)).days,
    }  # fmt: skip
    assert {part: values.tolist() for part, values in found.items()} == {part: [n] for part, n in expected.items()}


OFFSETS = st.sampled_from(["", "Z", "z", "+01:00", " -0530", "+14", "+25:00"])
DAY, CLOCK = (st.integers(0, top).map("{:02d}".format) for top in (32, 25))
ISO_TEXTS = st.builds(
    "{}-{}-{}{}{}:{}{}{}".format, st.sampled_from(["0000", "0001", "1900", "2024", "9999"]), DAY, DAY,
    st.sampled_from("T t"), CLOCK, st.sampled_from(["00", "30", "60"]),
    st.sampled_from(["", ":00", ":59", ":60", ":07.1234567", ":00,5"]), OFFSETS,
)  # fmt: skip


@settings(deadline=None)
@given(
    ISO_TEXTS | st.text(max_size=30) | st.dates().map(str), st.sampled_from([None, "Europe/Paris", "America/New_York"])
)
def test_one_date_is_read_as_a_column_of_dates_is(text: str, zone: str | None) -> None:
    column, faults = read_dates(pa.array([text or None]), Texts(time_zone=zone), column="day")
    (expected,) = column.to_pylist()
    assert moment_of_text(text, time_zone=zone) == expected
    assert bool(faults) == (expected is None and bool(text))


def test_hashes_are_the_same_on_every_machine() -> None:
    code = (
        "from driftgate.inputs import buckets_of_texts; from driftgate.contract import Column; "
        "print([v.tolist() for v in buckets_of_texts(['good thing, GOOD größe'], Column(type='text', buckets=8))])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    here = [values.tolist() for values in buckets_of_texts(["good thing, GOOD größe"], Column(type="text", buckets=8))]
    assert found == {f"{here}\n"}
    counts = np.square(np.array(here).ravel())
    assert counts / counts[counts > 0].min() == pytest.approx([1, 1, 9, 4, 0, 0, 0, 0])


def test_service_needs_no_other_library() -> None:
    code = "import sys, driftgate.inputs, driftgate.production.scoring; print(sorted({'pandas', 'sklearn'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "parts of a text": ({"type": "text", "parts": ["day"]}, "parts is for a date, not for a text"),
    "buckets of a number": ({"type": "number", "buckets": 8}, "buckets and ngrams are for a text, not for a number"),
    "format of an integer": ({"type": "integer", "format": "%d.%m.%Y"}, "not for an integer"),
    "format without a day": ({"type": "date", "format": "%Y-%m"}, "needs a year, a month and a day"),
    "part twice": ({"type": "date", "parts": ["day", "day"]}, "occurs twice"),
    "no part": ({"type": "date", "parts": []}, "at least 1 item"),
    "unknown part": ({"type": "date", "parts": ["week"]}, "Input should be 'year'"),
    "number as bound": ({"type": "date", "minimum": 3}, "3 is not a date such as 2024-01-31"),
    "date as bound": ({"type": "number", "minimum": dt.date(2024, 1, 1)}, "must be a finite number"),
    "bounds upside down": ({"type": "date", "minimum": "2024-02-01", "maximum": "2024-01-31"}, "minimum is after maximum"),
    "too many buckets": ({"type": "text", "buckets": 1025}, "less than or equal to 1024"),
    "unknown zone": ({"type": "date", "time_zone": "Mars/Base"}, "not a time zone"),
    "missing that is no text": ({"type": "number", "missing": [0]}, "0 is not text"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_key_that_does_not_fit_is_refused(fault: str) -> None:
    keys, cause = REFUSED[fault]
    with pytest.raises(ValidationError, match=cause):
        _contract(c=keys)


def test_inputs_have_names_of_their_own() -> None:
    assert list(_contract(**{"signed up": {"type": "date"}}).inputs) == [
        "signed up: month", "signed up: day", "signed up: weekday",
    ]  # fmt: skip
    assert _contract(d={"type": "date", "format": "%d/%m/%Y %H:%M"}).features[-1] == "d: hour"
    assert len(_contract(t={"type": "text"}).inputs) == USUAL_BUCKETS
    with pytest.raises(ValidationError, match="would both give the model an input 'd: month'"):
        _contract(**{"d": {"type": "date"}, "d: month": {"type": "number"}})
    inputs = _contract(d={"type": "date"}, t={"type": "text", "buckets": 2}, k={"type": "category"}).inputs
    assert [found.column for found in inputs.values()] == ["d", "d", "d", "t", "t", "k"]
    assert [found.derived for found in inputs.values()] == [True, True, True, True, True, False]


def test_contract_survives_json_and_old_ones_load() -> None:
    contract = _contract(
        d={"type": "date", "minimum": dt.date(2024, 1, 1), "maximum": dt.datetime(2024, 6, 1, 12), "format": "%d/%m/%Y"},
        n={"type": "number", "minimum": 0, "maximum": 5}, t={"type": "text", "ngrams": "characters"},
    )  # fmt: skip
    assert Contract.model_validate_json(contract.model_dump_json(exclude_defaults=True)) == contract
    old = (
        '{"columns":{"f4":{"type":"number","minimum":0.0,"maximum":100.0},"k":{"type":"category","categories":["a"]}}}'
    )
    assert Contract.model_validate_json(old).features == ["f4", "k"]


def test_requests_have_dates_in_iso_8601_and_short_texts() -> None:
    day = {"type": "date", "minimum": "2024-01-01", "maximum": "2024-01-31", "format": "%d/%m/%Y"}
    model = request_model(_contract(day=day, text={"type": "text"}))
    for good in ("2024-01-01", "2024-01-31T23:59:59", "2024-01-31 10:00:00.5Z"):
        assert model.model_validate({"day": good, "text": "x"}).model_dump() == {"day": good, "text": "x"}
    for bad in ("31/01/2024", "2024-02-30", "2023-12-31", "2024-02-01", "", 20240131, None):
        with pytest.raises(ValidationError):
            model.model_validate({"day": bad, "text": "x"})
    for bad in ("", "x" * 10_001, None):
        with pytest.raises(ValidationError):
            model.model_validate({"day": "2024-01-01", "text": bad})
    nullable = request_model(_contract(day={"type": "date", "nullable": True}, text={"type": "text", "nullable": True}))
    assert nullable.model_validate({"day": "", "text": ""}).model_dump() == {"day": None, "text": None}


def _shop(path: Path, contract: dict[str, Any], **data: Any) -> Problem:
    return Problem.model_validate(shop_content(data={"path": str(path), **data}, contract=contract))


def test_csv_is_read_by_the_format_of_its_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "id,at,first,last,note,bought\na,2024-01-31,31/01/2024,2024-02-01T10:00+02:00,NA,1\nb,2024-02-01,,-,good,0\n"
    )
    contract = {
        "first": {"type": "date", "nullable": True, "format": "%d/%m/%Y"},
        "last": {"type": "date", "nullable": True, "missing": ["-"], "parts": ["hour"]},
        "note": {"type": "text", "missing": []},
    }
    problem = _shop(tmp_path / "t.csv", contract, missing=["NA"], time_zone="Europe/Paris")
    found = read_columns(tmp_path / "t.csv", problem=problem, columns=list(contract))
    assert found["first"].tolist() == [pd.Timestamp("2024-01-31"), pd.NaT]
    assert found["last"].tolist() == [pd.Timestamp("2024-02-01 09:00"), pd.NaT]
    assert found["note"].tolist() == ["NA", "good"]
    assert find_batch_violations(found, problem) == []
    # The service has only the contract, so it knows the time zone of the data.
    served = inputs_of({"first": [None], "last": ["2024-02-01T10:00+02:00"], "note": ["NA"]}, problem.contract)
    assert served["last: hour"].tolist() == [9]


@pytest.mark.parametrize("text", ["31/01/2024", "2024-02-30", "soon"])
def test_what_is_no_date_is_refused_with_line_and_key(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"id,at,first,bought\na,2024-01-31,2024-01-31,1\nb,2024-02-01,{text},0\n")
    with pytest.raises(DriftgateError) as raised:
        read_columns(path, problem=_shop(path, {"first": {"type": "date"}}), columns=["first"])
    assert "line 3, column 'first'" in raised.value.cause
    assert "2024-02-30" in text or "contract.first.format" in raised.value.remedy


STORED = {
    "date32": pa.array([dt.date(2024, 1, 31), None]),
    "nanoseconds": pa.array([dt.datetime(2024, 1, 31), None], pa.timestamp("ns")),
    "zone": pa.array([dt.datetime(2024, 1, 30, 23, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC")),
    "text": pa.array(["2024-01-31", ""]),
}


@pytest.mark.parametrize("kind", STORED)
def test_parquet_dates_of_every_type(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"first": STORED[kind]}), path)
    problem = _shop(path, {"first": {"type": "date", "nullable": True}}, time_zone="Europe/Paris")
    found = read_columns(path, problem=problem, columns=["first"])["first"]
    assert found.tolist() == [pd.Timestamp("2024-01-31"), pd.NaT]


def test_parquet_number_is_no_date(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"first": [20240131]}), path)
    with pytest.raises(DriftgateError, match="declared as a date, has the type int64"):
        read_columns(path, problem=_shop(path, {"first": {"type": "date"}}), columns=["first"])


@pytest.mark.parametrize("logged", [False, True], ids=["as dates", "as texts"])
def test_broken_rules_are_found(logged: bool, tmp_path: Path) -> None:
    contract = {
        "day": {"type": "date", "minimum": "2024-01-01", "maximum": "2024-01-31"}, "note": {"type": "text"},
    }  # fmt: skip
    problem = _shop(tmp_path / "t.csv", contract)
    days = ["2023-12-31", "2024-01-31T23:59", "2024-02-01", None]
    day: Any = pd.Series(days, dtype=object)
    frame = pd.DataFrame({"day": day if logged else pd.to_datetime(day, format="ISO8601")})
    found = find_batch_violations(frame.assign(note=["x" * 10_000, "x" * 10_001, "y", None]), problem)
    assert [(item.column, item.rule, item.rows) for item in found if item.rows] == [
        ("day", "must not be missing", 1), ("day", "must be 2024-01-01 or later", 1),
        ("day", "must be 2024-01-31 or earlier", 1), ("note", "must not be missing", 1),
        ("note", "must have at most 10,000 characters", 1),
    ]  # fmt: skip
    (wrong, *_) = find_batch_violations(pd.DataFrame({"day": ["soon"], "note": ["y"]}), problem)
    assert (wrong.rule, wrong.examples) == ("must be a date", ("'soon'",))


def test_dates_outside_the_training_data_are_told() -> None:
    contract = _contract(day={"type": "date", "nullable": True}, note={"type": "text"}, empty={"type": "date"})
    frame = pd.DataFrame(
        {"day": pd.to_datetime(["2024-01-02", None, "2024-01-05"]), "note": ["a", "b", "c"], "empty": pd.Series([pd.NaT] * 3)}
    )  # fmt: skip
    ranges = Ranges.model_validate_json(ranges_of(frame, contract).model_dump_json())
    days = ["2024-01-05", "2024-01-05T00:01", None]
    found = ranges.warnings({"day": days, "note": ["new"] * 3, "empty": [None, None, "2024-01-01"]})
    assert found == {
        1: ["day: a date that was not in the training data"], 2: ["empty: a date that was not in the training data"],
    }  # fmt: skip


def test_iso_text_is_read_back() -> None:
    for moment in (dt.datetime(1, 1, 1), dt.datetime(2024, 1, 31, 18, 5, 0, 7), dt.datetime(2024, 1, 31)):
        assert moment_of_text(iso_text(moment)) == moment
