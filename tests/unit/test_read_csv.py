"""A CSV file is read by the contract; what doesn't fit is refused with line and column, never guessed."""

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from driftgate.config import Problem, load_problem
from driftgate.data.table import read_columns, read_rows
from driftgate.errors import DriftgateError
from driftgate.results.training import LeftOut
from tests.tables import HEADER, line, shop_problem, write_problem

NAMES = ["id", "at", "country", "amount", "visits", "member", "bought"]


def _read(folder: Path, content: str | bytes, **data: Any) -> pd.DataFrame:
    path = folder / "orders.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problem = shop_problem(path, **data)
    return read_columns(path, problem=problem, columns=NAMES)


def _refused(folder: Path, content: str | bytes, **data: Any) -> DriftgateError:
    with pytest.raises(DriftgateError) as raised:
        _read(folder, content, **data)
    assert "orders.csv" in raised.value.cause
    return raised.value


def test_values_have_the_types_of_the_contract(tmp_path: Path) -> None:
    found = _read(tmp_path, HEADER + line() + line(id="b", amount="-1.5e3", visits="", member="FALSE", country=""))
    assert found["amount"].tolist() == [69.45, -1500.0]
    assert found["visits"].isna().tolist() == [False, True]
    assert found["member"].tolist() == [True, False]
    assert found["country"].tolist() == ["DE", None]
    assert found["at"].tolist() == [pd.Timestamp("2024-01-31 18:05")] * 2


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "NaN", "NULL", "n/a", "-", " DE"])
def test_words_in_a_category_are_values(word: str, tmp_path: Path) -> None:
    assert _read(tmp_path, HEADER + line(country=word))["country"].tolist() == [word]


@pytest.mark.parametrize("place", ["data", "csv"])
def test_words_for_missing_values_are_declared(place: str, tmp_path: Path) -> None:
    data: dict[str, Any] = {"missing": ["NA", "?"]} if place == "data" else {"csv": {"missing": ["NA", "?"]}}
    found = _read(tmp_path, HEADER + line(country="NA", amount="?", at="NA"), **data)
    assert found[["country", "amount", "at"]].isna().all(axis=None)


VALUES = {
    "thousands": ("amount", '"1,234.5"', "is not a number"),
    "decimal comma": ("amount", '"1,5"', "is not a number"),
    "too large": ("amount", "1e400", "is too large for a float64"),
    "hexadecimal": ("amount", "0x10", "is not a number"),
    "other digits": ("amount", "١٢", "is not a number"),
    "underscore": ("amount", "1_000", "is not a number"),
    "spaces": ("amount", " 5 ", "is not a number"),
    "word": ("amount", "NA", "is not a number"),
    "nan": ("amount", "nan", "is not a number"),
    "infinity": ("amount", "inf", "is not a number"),
    "unit": ("amount", "5%", "is not a number"),
    "full width": ("visits", "５", "is not a whole number"),
    "fraction": ("visits", "1.5", "is not a whole number"),
    "beyond 2^53": ("visits", "9007199254740993", "beyond ±2^53"),
    "beyond int64": ("visits", "100000000000000000000000000000", "beyond ±2^53"),
    "perhaps": ("member", "perhaps", "is neither true nor false"),
    "2": ("member", "2", "is neither true nor false"),
    "day first": ("at", "31/01/2024", "does not say which part is the day"),
    "either first": ("at", "01/02/2024 10:00", "does not say which part is the day"),
    "dots": ("at", "1.2.24", "does not say which part is the day"),
    "no such day": ("at", "2024-02-30", "is a day or a time that doesn't exist"),
    "no such hour": ("at", "2024-02-03 25:00", "is a day or a time that doesn't exist"),
    "after midnight": ("at", "2024-02-03 24:01", "is a day or a time that doesn't exist"),
    "no such year": ("at", "0000-01-31", "is a day or a time that doesn't exist"),
    "no such second": ("at", "2024-02-03 23:59:60", "is a day or a time that doesn't exist"),
    "no such offset": ("at", "2024-02-03T10:00+25:00", "is a day or a time that doesn't exist"),
    "digits": ("at", "20240203", "is not a date in ISO 8601"),
    "date in words": ("at", "3 Feb 2024", "is not a date in ISO 8601"),
    "date in other digits": ("at", "٢٠٢٤-٠١-٠١", "is not a date in ISO 8601"),
    "label": ("bought", "yes", "is not a whole number"),
}


@pytest.mark.parametrize("fault", VALUES)
def test_value_that_does_not_fit_is_refused_with_line_and_column(fault: str, tmp_path: Path) -> None:
    column, value, cause = VALUES[fault]
    error = _refused(tmp_path, HEADER + line() + line(id="b", **{column: value}) + line(id="c", **{column: value}))
    assert f"line 3, column {column!r}" in error.cause
    assert cause in error.cause
    assert "(2 such values)" in error.cause
    assert error.remedy


def test_ambiguous_date_names_the_setting(tmp_path: Path) -> None:
    content = HEADER + line(at="31/01/2024 10:00") + line(at="01/02/2024 10:00")
    assert "data.date_format" in _refused(tmp_path, content).remedy
    for data in ({"date_format": "%d/%m/%Y %H:%M"}, {"csv": {"date_format": "%d/%m/%Y %H:%M"}}):
        found = _read(tmp_path, content, **data)["at"].tolist()
        assert found == [pd.Timestamp("2024-01-31 10:00"), pd.Timestamp("2024-02-01 10:00")]
    assert "doesn't match data.date_format" in _refused(tmp_path, content, date_format="%m/%d/%Y %H:%M").cause
    assert "doesn't match" in _refused(tmp_path, HEADER + line(at="٣١/٠١/2024"), date_format="%d/%m/%Y").cause


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    cause = _refused(tmp_path, HEADER + line(amount="x") + line(visits="y", at="z")).cause
    assert all(part in cause for part in ("line 2, column 'amount'", "line 3, column 'visits'", "column 'at'"))


STRUCTURE: dict[str, tuple[str | bytes, str]] = {
    "field more": (HEADER + line() + line(amount="1,234.5"), "line 3 has 8 fields, but the header has 7"),
    "field less": (HEADER + line() + "b,2024-01-01\n" + line(), "line 3 has 2 fields, but the header has 7"),
    "blank line": (HEADER + line() + "\n" + line(), "line 3 is blank"),
    "field more after a line break in quotes": (
        HEADER + line(country='"D\nE"') + line(amount="1,2"), "line 4 has 8 fields",
    ),
    "quote never closed": (HEADER + line() + line(country='"DE') + line(), "line 3: a quote is opened but never closed"),
    "text after a quote": (HEADER + line(country='"D"E'), "line 2: there are other characters after a closing quote"),
    "quote within": (HEADER + line() + line(country='D"E'), "line 3: there is a quote inside an unquoted field"),
    "NUL": (HEADER + line() + line(country="D\0E"), "line 3 has a NUL character"),
    "encoding": (HEADER.encode() + line(country="Zürich").encode("cp1252"), "line 2, byte 65 (0xfc) is not utf-8"),
    "utf-16": ((HEADER + line()).encode("utf-16"), "byte 0 (0xff) is not utf-8"),
    "duplicate column": ("id," + HEADER + "a," + line(), "more than one column named 'id'"),
    "empty": ("", "is empty"),
    "blank": ("\n\n", "is empty"),
    "gzip": (b"\x1f\x8b\x08\0rest", "its content is gzip"),
    "workbook": (b"PK\x03\x04rest", "an Excel workbook"),
    "parquet": (b"PAR1rest", "its content is Parquet"),
}  # fmt: skip


@pytest.mark.parametrize("fault", STRUCTURE)
def test_file_that_is_not_in_order_is_refused(fault: str, tmp_path: Path) -> None:
    content, cause = STRUCTURE[fault]
    assert cause in _refused(tmp_path, content).cause


@pytest.mark.parametrize(
    "content",
    [
        (HEADER + line()).encode("utf-8-sig"),
        (HEADER + line()).replace("\n", "\r\n").encode(),
        (HEADER + line()).rstrip("\n").encode(),
        (HEADER + line() + "\n\n").encode(),
        ("," + HEADER + "0," + line()).encode(),
        (HEADER + line(country='"DE"', at='"2024-01-31 18:05:00"')).encode(),
    ],
    ids=["byte-order mark", "CRLF", "no last newline", "blank lines at the end", "unnamed index", "quotes"],
)
def test_harmless_differences_are_read(content: bytes, tmp_path: Path) -> None:
    found = _read(tmp_path, content)
    assert (len(found), found["id"][0], found["country"][0], found["visits"][0]) == (1, "a", "DE", 6)


def test_declared_delimiter_decimal_and_encoding(tmp_path: Path) -> None:
    text = HEADER.replace(",", ";") + "a;2024-01-31 18:05:00;Zürich;1234,5;6;true;0\n"
    csv = {"delimiter": ";", "decimal": ",", "encoding": "cp1252"}
    found = _read(tmp_path, text.encode("cp1252"), csv=csv)
    assert (found["country"][0], found["amount"][0]) == ("Zürich", 1234.5)
    thousands = text.replace("1234,5", "1.234,5").encode("cp1252")
    assert "'1.234,5' is not a number" in _refused(tmp_path, thousands, csv=csv).cause


def test_quotes_hold_delimiters_quotes_and_line_breaks(tmp_path: Path) -> None:
    found = _read(tmp_path, HEADER + line(country='"5"" pipe, or\nmore"') + line(id="b"))
    assert found["country"].tolist() == ['5" pipe, or\nmore', "DE"]


STAMPS = {
    "2024-01-31": "2024-01-31 00:00",
    "2024-01-31T18:05": "2024-01-31 18:05",
    "2024-01-31 18:05:06.25": "2024-01-31 18:05:06.250",
    "2024-01-31T18:05:06.123456789": "2024-01-31 18:05:06.123456",
    "2024-01-31T24:00:00": "2024-02-01 00:00",
    "9999-12-31": "9999-12-31 00:00",
    "9999-12-30T24:00": "9999-12-31 00:00",
}


def test_iso_dates_of_several_forms_in_one_column(tmp_path: Path) -> None:
    found = _read(tmp_path, HEADER + "".join(line(at=stamp) for stamp in STAMPS))["at"]
    expected = [dt.datetime.fromisoformat(text) for text in STAMPS.values()]
    assert found.dt.to_pydatetime().tolist() == expected


def test_offsets_become_the_declared_zone(tmp_path: Path) -> None:
    content = (
        HEADER + line(at="2024-07-01T12:00:00Z") + line(at="2024-07-01 12:00+02:00") + line(at="2024-01-01T12:00-0500")
    )
    utc = _read(tmp_path, content)["at"].astype(str).tolist()
    assert utc == ["2024-07-01 12:00:00", "2024-07-01 10:00:00", "2024-01-01 17:00:00"]
    paris = _read(tmp_path, content, time_zone="Europe/Paris")["at"].astype(str).tolist()
    assert paris == ["2024-07-01 14:00:00", "2024-07-01 12:00:00", "2024-01-01 18:00:00"]


def test_stamps_with_an_offset_reach_as_far_as_others(tmp_path: Path) -> None:
    content = HEADER + line(at="9999-12-31T00:00:00Z") + line(at="1600-01-01T00:00:00+01:00")
    expected = [dt.datetime(9999, 12, 31), dt.datetime(1599, 12, 31, 23)]
    assert _read(tmp_path, content)["at"].dt.to_pydatetime().tolist() == expected


@pytest.mark.parametrize("stamp", ["9999-12-31T24:00", "9999-12-31T23:59-05:00", "0001-01-01T00:00+05:00"])
def test_stamps_beyond_the_calendar_are_refused(stamp: str, tmp_path: Path) -> None:
    assert "that doesn't exist" in _refused(tmp_path, HEADER + line(at=stamp)).cause


def test_names_of_time_zones_in_a_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time_zone"):
        _read(tmp_path, HEADER + line(at="31/01/2024 UTC"), date_format="%d/%m/%Y %Z")


def test_percent_sign_in_a_format_is_no_offset(tmp_path: Path) -> None:
    data = {"date_format": "%d/%m/%Y %%z", "time_zone": "Europe/Paris"}
    assert _read(tmp_path, HEADER + line(at="31/01/2024 %z"), **data)["at"].astype(str).tolist() == ["2024-01-31"]


def test_a_fault_behind_a_very_long_field_is_told_with_its_line(tmp_path: Path) -> None:
    content = HEADER + line(country="x" * 200_000) + line(amount="x")
    assert "line 3, column 'amount': 'x' is not a number" in _refused(tmp_path, content).cause


@pytest.mark.parametrize("encoding", ["punycode", "undefined"])
def test_encoding_of_no_file_is_told(encoding: str, tmp_path: Path) -> None:
    assert f"can't be read as {encoding}" in _refused(tmp_path, HEADER + line(), csv={"encoding": encoding}).cause


def test_offset_in_a_declared_format(tmp_path: Path) -> None:
    data = {"date_format": "%d/%m/%Y %H:%M %z", "time_zone": "Europe/Paris"}
    found = _read(tmp_path, HEADER + line(at="31/01/2024 10:00 -0500"), **data)["at"].astype(str).tolist()
    assert found == ["2024-01-31 16:00:00"]


def test_stamps_with_and_without_offset_need_a_zone(tmp_path: Path) -> None:
    content = HEADER + line(at="2024-07-01T12:00:00Z") + line(at="2024-07-01 12:00")
    error = _refused(tmp_path, content)
    assert "line 3, column 'at': '2024-07-01 12:00' has no offset, while others have one" in error.cause
    assert "data.time_zone" in error.remedy
    found = _read(tmp_path, content, time_zone="Europe/Paris")["at"].astype(str).tolist()
    assert found == ["2024-07-01 14:00:00", "2024-07-01 12:00:00"]


def test_two_spellings_of_one_text_become_one(tmp_path: Path) -> None:
    found = _read(tmp_path, HEADER + line(country="Zu\u0308rich") + line(country="Zürich"))
    assert found["country"].nunique() == 1


def test_wrong_delimiter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text((HEADER + line()).replace(",", ";"))
    with pytest.raises(DriftgateError) as raised:
        read_rows(shop_problem(path), md5="", as_of=None)
    assert 'data.csv.delimiter: ";"' in raised.value.remedy


@pytest.mark.parametrize(("rows", "words"), [("", "has no rows"), (line(at="2030-01-01"), "1 are dated later")])
def test_no_row_to_read_is_told(rows: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + rows)
    with pytest.raises(DriftgateError, match=words):
        read_rows(shop_problem(path), md5="", as_of=dt.date(2024, 6, 1))


def test_rows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + line() + line(at="") + line(at="") + line(at="2025-01-01") + line(bought=""))
    frame, version = read_rows(shop_problem(path), md5="", as_of=dt.date(2024, 6, 1))
    assert len(frame) == 2
    assert version.left_out == LeftOut(no_timestamp=2, after_as_of=1, no_label=1)


def test_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").mkdir()
    with pytest.raises(DriftgateError, match="is a folder"):
        read_columns(tmp_path / "orders.csv", problem=shop_problem(tmp_path / "orders.csv"), columns=NAMES)


def test_file_that_changes_while_it_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from driftgate.data import table

    path = tmp_path / "orders.csv"
    path.write_text(HEADER + line())
    read = table.read_typed

    def and_write(*arguments: Any, **keywords: Any) -> Any:
        found = read(*arguments, **keywords)
        with path.open("a") as file:
            file.write(line(id="b"))
        return found

    monkeypatch.setattr(table, "read_typed", and_write)
    with pytest.raises(DriftgateError, match="changed while it was read"):
        read_columns(path, problem=shop_problem(path), columns=NAMES)


def test_file_of_another_version_than_was_checked_is_told(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + line())
    with pytest.raises(DriftgateError, match="changed while it was read"):
        read_rows(shop_problem(path), md5="0" * 32, as_of=None)


def test_path_beside_the_problem_file(tmp_path: Path) -> None:
    folder = tmp_path / "problems"
    folder.mkdir()
    for given, expected in (("./orders.csv", folder / "orders.csv"), ("../orders.csv", tmp_path / "orders.csv")):
        problem: Problem = load_problem(write_problem(folder / "shop.yaml", data={"path": given}))
        assert problem.data_path == expected
