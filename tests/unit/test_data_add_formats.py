"""Rows added to a table of the other format say what their file says: no word becomes missing, no type is guessed."""

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftgate.config import Problem
from driftgate.data.add import add
from driftgate.data.table import read_columns
from driftgate.errors import DriftgateError
from driftgate.workspace import Workspace
from tests.repository import small
from tests.tables import HEADER, line, shop_content, shop_problem

OLD = [
    {"id": f"o{number}", "at": dt.datetime(2024, 1, 1, number), "country": ["NA", "DE"][number % 2], "amount": 1.5 + number,
     "visits": 6 + number, "member": number % 2 == 0, "bought": number % 2}
    for number in range(4)
]  # fmt: skip
NEW = HEADER + line(id="n1", country="NA") + line(id="n2", country="", amount="") + line(id="n3", country="None")
COLUMNS = ["id", "at", "country", "amount", "visits", "member", "bought"]


class Place:
    """A repository with a table of orders."""

    def __init__(self, folder: Path, name: str, **data: Any) -> None:
        self.root, self.workspace = small(folder / "repo"), Workspace(folder / "var")
        self.data = self.root / name
        self.problem: Problem = shop_problem(self.data, **data)
        self.new = folder / "new.csv"

    def add(self, file: Path) -> dict[str, Any]:
        return add(self.problem, file, replace=False, workspace=self.workspace).json_document()

    def rows(self) -> pd.DataFrame:
        return read_columns(self.data, problem=self.problem, columns=COLUMNS)


def _parquet(folder: Path, *, types: dict[str, Any] | None = None, **data: Any) -> Place:
    place = Place(folder, "orders.parquet", **data)
    table = pa.Table.from_pylist(OLD)
    for name, kind in (types or {}).items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, table.column(name).cast(kind))
    pq.write_table(table, place.data)
    place.add(place.data)
    return place


def _csv(folder: Path, text: str | None = None, **data: Any) -> Place:
    place = Place(folder, "orders.csv", **data)
    place.data.write_text(
        text or HEADER + line(id="o1", country="NA") + line(id="o2", bought="1"), encoding="utf-8", newline=""
    )
    place.add(place.data)
    return place


def test_words_of_a_csv_stay_values_in_parquet(tmp_path: Path) -> None:
    place = _parquet(tmp_path)
    place.new.write_text(NEW)
    told = place.add(place.new)
    assert (told["verdict"], told["rows"], told["rows_before"]) == ("pass", 7, 4)
    assert place.rows()["country"].tolist() == ["NA", "DE", "NA", "DE", "NA", None, "None"]
    assert told["left_out"] == {"no_timestamp": 0, "after_as_of": 0, "no_label": 0}


TYPES: dict[str, dict[str, Any]] = {
    "narrow": {"visits": pa.int8(), "amount": pa.float32(), "bought": pa.int8()},
    "dictionary": {"country": pa.dictionary(pa.int32(), pa.string())},
    "large": {"country": pa.large_string(), "at": pa.timestamp("ns")},
    "decimal": {"amount": pa.decimal128(10, 2)},
    "zone": {"at": pa.timestamp("us", "UTC")},
}


@pytest.mark.parametrize("kind", TYPES)
def test_added_rows_take_the_types_of_the_table(kind: str, tmp_path: Path) -> None:
    place = _parquet(tmp_path, types=TYPES[kind])
    schema = pq.read_schema(place.data)
    place.new.write_text(NEW)
    assert place.add(place.new)["verdict"] == "pass"
    assert pq.read_schema(place.data).equals(schema)
    added = place.rows().tail(3)
    assert added["at"].astype(str).tolist() == ["2024-01-31 18:05:00"] * 3
    assert added["amount"].round(2).tolist()[::2] == pytest.approx([69.45, 69.45], abs=1e-5)


def test_value_that_does_not_fit_the_type_of_the_table_is_refused(tmp_path: Path) -> None:
    place = _parquet(tmp_path, types={"visits": pa.int8()})
    place.new.write_text(HEADER + line(id="n1", visits="300"))
    before = place.data.read_bytes()
    with pytest.raises(DriftgateError, match="can't be converted to the column types of the data"):
        place.add(place.new)
    assert place.data.read_bytes() == before


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_faults_of_the_added_file_name_its_lines(ending: str, tmp_path: Path) -> None:
    place = _parquet(tmp_path) if ending == "parquet" else _csv(tmp_path)
    before = place.data.read_bytes()
    for fault, words in (
        (line(id="n2", amount="1,234.5"), r"new\.csv, line 3 has 8 fields"),
        (line(id="n2", amount="many"), r"new\.csv, line 3, column 'amount': 'many' is not a number"),
        (line(id="n2", at="31/01/2024"), "which part is the day"),
    ):
        place.new.write_text(HEADER + line(id="n1") + fault)
        with pytest.raises(DriftgateError, match=words):
            place.add(place.new)
    assert place.data.read_bytes() == before


def test_parquet_is_written_into_a_csv_as_it_is_declared(tmp_path: Path) -> None:
    text = HEADER.replace(",", ";") + "o1;31.01.2024 18:05;NA;1,5;6;true;0\r\no2;31.01.2024 18:06;DE;2,5;7;false;1\r\n"
    place = _csv(tmp_path, text, csv={"delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y %H:%M"})
    file = tmp_path / "new.parquet"
    rows = [{**OLD[0], "id": "n1", "country": "None"}, {**OLD[1], "id": "n2", "country": None, "amount": None}]
    pq.write_table(pa.Table.from_pylist(rows), file)
    assert place.add(file)["verdict"] == "pass"
    assert place.data.read_bytes().decode().startswith(text)
    added = place.rows().tail(2)
    assert added["country"].tolist() == ["None", None]
    assert added["at"].tolist() == [pd.Timestamp("2024-01-01 00:00"), pd.Timestamp("2024-01-01 01:00")]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_added_dates_are_written_in_the_format_of_their_column(ending: str, tmp_path: Path) -> None:
    contract = {"since": {"type": "date", "format": "%d/%m/%Y"}}
    rows = {"id": ["o1", "o2"], "since": ["31/01/2024", "01/02/2024"], "bought": [0, 1]}
    new = {"id": ["n1"], "since": [dt.date(2024, 2, 3)], "bought": [1]}
    place = Place(tmp_path, f"orders.{ending}")
    data = {"path": str(place.data), "timestamp": None}
    split = {"method": "random", "holdout": 0.2, "folds": 2}
    place.problem = Problem.model_validate(shop_content(data=data, contract=contract, split=split))
    pd.DataFrame(rows).to_csv(place.data, index=False) if ending == "csv" else pq.write_table(
        pa.table(rows), place.data
    )
    place.add(place.data)
    pq.write_table(pa.table(new), tmp_path / "new.parquet")
    assert place.add(tmp_path / "new.parquet")["verdict"] == "pass"
    stored = pd.read_csv(place.data) if ending == "csv" else pd.read_parquet(place.data)
    assert stored["since"].tolist() == [*rows["since"], "03/02/2024"]


def test_rows_without_an_id_are_added(tmp_path: Path) -> None:
    place = Place(tmp_path, "orders.csv", row_id=None)
    place.data.write_text(HEADER + line() + line(bought="1"))
    place.add(place.data)
    place.new.write_text(HEADER + line())
    assert place.add(place.new)["rows"] == 3


def test_value_that_a_csv_can_not_hold_is_refused(tmp_path: Path) -> None:
    """The seconds would be lost."""
    place = _csv(
        tmp_path, HEADER + line(at="31.01.2024") + line(id="b", at="31.01.2024", bought="1"), date_format="%d.%m.%Y"
    )
    file = tmp_path / "new.parquet"
    pq.write_table(pa.Table.from_pylist([{**OLD[1], "id": "n1"}]), file)
    with pytest.raises(DriftgateError, match=r"row 1, column 'at': .* would become"):
        place.add(file)


def test_ids_are_compared_across_formats(tmp_path: Path) -> None:
    place = Place(tmp_path, "orders.parquet")
    pq.write_table(pa.Table.from_pylist([{**row, "id": at} for at, row in enumerate(OLD)]), place.data)
    place.add(place.data)
    place.new.write_text(HEADER + line(id="3"))
    told = place.add(place.new)
    assert told["verdict"] == "block"
    assert "is already in the data" in str(told["checks"])


def test_rows_without_a_timestamp_are_not_added(tmp_path: Path) -> None:
    place = _parquet(tmp_path)
    place.new.write_text(HEADER + line(id="n1", at=""))
    told = place.add(place.new)
    assert told["verdict"] == "block"
    assert [check["name"] for check in told["checks"]] == ["contract.missing_timestamps"]
    assert told["left_out"]["no_timestamp"] == 1


def test_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DriftgateError, match="is a folder"):
        _parquet(tmp_path).add(tmp_path)
