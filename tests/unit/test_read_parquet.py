"""Parquet of every writer is read; what a column can't be is refused by name."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftgate.config import Problem
from driftgate.data.contract_check import find_batch_violations
from driftgate.data.table import features_of, read_columns, read_rows
from driftgate.errors import DriftgateError
from driftgate.results.training import LeftOut
from tests.tables import shop_problem

COLUMNS = ["country", "amount", "visits", "member", "at"]


def _write(path: Path, columns: dict[str, Any], **how: Any) -> Problem:
    usual: dict[str, Any] = {
        "id": ["a", "b"], "country": ["DE", "NA"], "amount": [1.5, 2.5], "visits": [1, 2], "member": [True, False],
        "at": pa.array([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)], pa.timestamp("us")), "bought": [0, 1],
    }  # fmt: skip
    pq.write_table(pa.table(usual | columns), path, **how)
    return shop_problem(path)


def _read(path: Path, columns: dict[str, Any], **how: Any) -> pd.DataFrame:
    problem = _write(path, columns, **how)
    return read_columns(path, problem=problem, columns=[name for name in COLUMNS if name in pq.read_schema(path).names])


TWO = [decimal.Decimal("1.50"), decimal.Decimal("2.50")]
NUMBERS = {
    "decimal": pa.array(TWO), "decimal256": pa.array(TWO, pa.decimal256(40, 2)),
    "float16": pa.array(np.array([1.5, 2.5], "float16")), "float32": pa.array([1.5, 2.5], pa.float32()),
    "dictionary": pa.array([1.5, 2.5]).dictionary_encode(),
}  # fmt: skip


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type(kind: str, tmp_path: Path) -> None:
    found = _read(tmp_path / "t.parquet", {"amount": NUMBERS[kind]})["amount"]
    assert found.dtype.kind == "f"
    assert found.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_whole_numbers_of_every_type(kind: str, tmp_path: Path) -> None:
    column = pa.array([1, 2], getattr(pa, kind)())
    assert _read(tmp_path / "t.parquet", {"visits": column, "amount": column})["visits"].tolist() == [1, 2]


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63])
def test_whole_number_beyond_a_float_is_refused(value: int, tmp_path: Path) -> None:
    column = pa.array([1, value], pa.uint64() if value > 2**62 else pa.int64())
    with pytest.raises(DriftgateError, match=r"row 2, column 'visits': .* beyond ±2\^53"):
        _read(tmp_path / "t.parquet", {"visits": column})


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1])
@pytest.mark.parametrize("kind", [pa.decimal128(16, 0), pa.decimal128(38, 2), pa.decimal256(60, 0)])
def test_whole_decimal_beyond_a_float_is_refused(value: int, kind: pa.DataType, tmp_path: Path) -> None:
    column = pa.array([decimal.Decimal(1), decimal.Decimal(value)], kind)
    with pytest.raises(DriftgateError, match=r"row 2, column 'visits': .* beyond ±2\^53"):
        _read(tmp_path / "t.parquet", {"visits": column})


TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()]


@pytest.mark.parametrize("kind", [*TEXTS, pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_texts_of_every_type(kind: Any, tmp_path: Path) -> None:
    texts = ["NA", "Zu\u0308rich"]
    values = [text.encode() for text in texts] if "binary" in str(kind) else texts
    found = _read(tmp_path / "t.parquet", {"country": pa.array(values, kind)})["country"]
    assert found.tolist() == ["NA", "Zürich"]


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(DriftgateError, match="column 'country' can't be read as a category"):
        _read(tmp_path / "t.parquet", {"country": pa.array([b"\xff", b"DE"])})


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan"])
def test_words_are_values_and_an_empty_text_is_missing(word: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    found = _read(path, {"country": [word, ""]})
    assert found["country"].tolist() == [word, None]
    declared = shop_problem(path, missing=[word])
    assert read_columns(path, problem=declared, columns=["country"])["country"].isna().all()


DAY = dt.datetime(2024, 7, 1, 22)
DATES = {
    "date32": (pa.array([dt.date(2024, 7, 1)] * 2, pa.date32()), "2024-07-01 00:00:00"),
    "date64": (pa.array([dt.date(2024, 7, 1)] * 2, pa.date64()), "2024-07-01 00:00:00"),
    **{unit: (pa.array([DAY] * 2, pa.timestamp(unit)), "2024-07-01 22:00:00") for unit in ("ms", "us", "ns")},
    **{
        f"{unit} with a zone": (pa.array([DAY] * 2, pa.timestamp(unit, "America/New_York")), "2024-07-01 22:00:00")
        for unit in ("ms", "us", "ns")
    },
    "text": (pa.array(["2024-07-01T22:00:00Z"] * 2), "2024-07-01 22:00:00"),
    "dictionary of text": (pa.array(["2024-07-01 22:00"] * 2).dictionary_encode(), "2024-07-01 22:00:00"),
    "far away": (pa.array([dt.datetime(9999, 12, 31)] * 2, pa.timestamp("us")), "9999-12-31 00:00:00"),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_of_every_type(kind: str, tmp_path: Path) -> None:
    column, expected = DATES[kind]
    found = _read(tmp_path / "t.parquet", {"at": column})["at"]
    assert [str(value) for value in found.dt.strftime("%Y-%m-%d %H:%M:%S")] == [expected] * 2


def test_stamps_of_96_bits(tmp_path: Path) -> None:
    found = _read(tmp_path / "t.parquet", {}, use_deprecated_int96_timestamps=True)["at"]
    assert found.astype(str).tolist() == ["2024-01-01", "2024-01-02"]


def test_zoned_stamps_become_local_time_of_the_declared_zone(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    _write(path, {"at": pa.array([DAY] * 2, pa.timestamp("us", "UTC"))})
    found = read_columns(path, problem=shop_problem(path, time_zone="Asia/Tokyo"), columns=["at"])["at"]
    assert found.astype(str).tolist() == ["2024-07-02 07:00:00"] * 2


def test_ambiguous_text_dates_name_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DriftgateError, match="row 1, column 'at'") as raised:
        _read(tmp_path / "t.parquet", {"at": ["31/01/2024", "01/02/2024"]})
    assert "data.date_format" in raised.value.remedy


UNUSABLE = {
    "nested": ("country", pa.array([["a"], ["b"]]), "is nested"),
    "struct": ("amount", pa.array([{"x": 1}, {"x": 2}]), "is nested"),
    "time of day": ("country", pa.array([dt.time(1), dt.time(2)]), "has the type time64"),
    "duration": ("amount", pa.array([dt.timedelta(1)] * 2), "has the type duration"),
    "number as date": ("at", pa.array([1, 2]), "not a date"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_column_of_no_use_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    name, column, words = UNUSABLE[kind]
    with pytest.raises(DriftgateError, match=f"column '{name}'.*{words}"):
        _read(tmp_path / "t.parquet", {name: column})


def test_nested_column_that_the_problem_does_not_name_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    problem = _write(path, {"tags": pa.array([["a"], ["b"]]), "country.x": [1, 2]})
    frame, _ = read_rows(problem, md5="", as_of=None)
    assert set(frame.columns) == {"id", "bought", *COLUMNS}


def test_column_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    found = _read(path, {name: pa.nulls(2) for name in COLUMNS})
    assert found.isna().all(axis=None)
    features_of(found, shop_problem(path).contract)


def test_index_columns_of_pandas_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    _write(path, {})
    pd.read_parquet(path).set_index(["id", "at"]).to_parquet(path)
    frame, _ = read_rows(shop_problem(path), md5="", as_of=None)
    assert frame["id"].tolist() == ["a", "b"]


def test_row_groups_and_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    problem = _write(path, {})
    table = pq.read_table(path)
    with pq.ParquetWriter(path, table.schema) as writer:
        for part in (table.slice(0, 1), table.slice(0, 0), table.slice(1, 1)):
            writer.write_table(part)
    frame, version = read_rows(problem, md5="", as_of=dt.date(2024, 1, 2))
    assert (frame["id"].tolist(), version.left_out) == (["a"], LeftOut(after_as_of=1))


def test_table_without_rows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    problem = _write(path, {})
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(DriftgateError, match="has no rows"):
        read_rows(problem, md5="", as_of=None)


def test_duplicate_columns_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    problem = _write(path, {})
    table = pq.read_table(path)
    pq.write_table(pa.table([*table.columns, table.column("amount")], names=[*table.column_names, "amount"]), path)
    with pytest.raises(DriftgateError, match="more than one column named 'amount'"):
        read_rows(problem, md5="", as_of=None)


def test_missing_timestamps_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    problem = _write(path, {"at": pa.array([dt.datetime(2024, 1, 1), None], pa.timestamp("us")), "bought": [None, 1]})
    frame, version = read_rows(problem, md5="", as_of=None)
    assert len(frame) == 1
    assert version.left_out == LeftOut(no_timestamp=1, no_label=1)


def test_text_in_a_column_of_numbers_breaks_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    found = _read(path, {"amount": ["1.5", "many"]})
    (violation,) = find_batch_violations(found.assign(bought=[0, 1]), shop_problem(path))
    assert (violation.column, violation.rule, violation.rows) == ("amount", "must be a number, not text", 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"PK\x03\x04", "Excel"), (b"a,b\n1,2\n", "isn't Parquet"), (b"PAR1", "can't be read")],
)
def test_file_that_is_not_parquet_is_told(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(DriftgateError, match=words):
        read_rows(shop_problem(path), md5="", as_of=None)
