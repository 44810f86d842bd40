"""What `init` infers about a table is what the product then reads: types, values and missing values are the same."""

import csv
import datetime as dt
import io
import re
import string
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.config import Csv, Problem
from driftgate.data.convert import BOOLEAN
from driftgate.data.table import read_rows
from driftgate.files import md5_of
from driftgate.init.sources.read import AmbiguousDates, read_source
from driftgate.init.sources.texts import BOOLEANS
from tests.tables import shop_content

PAIRS = [pair for pair in BOOLEANS if re.match(BOOLEAN, pair[0])]
FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d.%m.%Y", "%d-%b-%Y",
           "%d/%m/%y", "%Y/%m/%d", "%B %d, %Y", "%Y%m%d", "%m/%d/%Y %I:%M %p")  # fmt: skip

# Words that can't be a number, boolean, date or missing word of any dialect.
texts = st.text(string.ascii_letters + "äßЖ字 ,;|\"'\n", min_size=3, max_size=12).map(lambda text: f"w{text}w")
numbers = st.floats(-1e12, 1e12).map(lambda number: float(f"{number:.6g}"))
moments = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2025, 1, 1))


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, tuple[str, list[Any]]], dict[str, Any]]:
    """Columns by name with their kind and values, and a dialect."""
    rows = draw(st.integers(3, 12))
    kinds = {"integer": st.integers(-(2**53), 2**53), "number": numbers, "boolean": st.booleans(), "category": texts,
             "date": moments}  # fmt: skip
    columns: dict[str, tuple[str, list[Any]]] = {"id": ("integer", list(range(1, rows + 1)))}
    for at, kind in enumerate(draw(st.lists(st.sampled_from(sorted(set(kinds) - {"date"})), min_size=1, max_size=4))):
        values = draw(st.lists(st.none() | kinds[kind], min_size=rows, max_size=rows))
        if kind == "boolean":
            values[:2] = [True, False]
        elif kind == "number":
            values[0] = 0.5
        elif kind == "integer":
            values[0] = 7
        else:
            values[0] = "some word"
        columns[draw(st.sampled_from(["", "größe ", "a,b ", 'the "x" '])) + str(at) + kind] = (kind, values)
    columns["when"] = (
        "date",
        draw(st.lists(moments, min_size=rows, max_size=rows, unique_by=lambda moment: moment.date())),
    )
    sign = draw(st.sampled_from(",;\t|"))
    dialect = {
        "delimiter": sign, "decimal": draw(st.sampled_from(".," if sign != "," else ".")),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "format": draw(st.sampled_from(FORMATS)),
        "pair": draw(st.sampled_from(PAIRS)), "missing": draw(st.sampled_from(["", "NA", "?", "null"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])), "end": draw(st.sampled_from(["\n", "\r\n"])),
        "upper": draw(st.booleans()),
    }  # fmt: skip
    return columns, dialect


def _text(kind: str, value: Any, dialect: dict[str, Any]) -> str:
    if value is None:
        return "" if kind == "category" else dialect["missing"]
    if kind == "number":
        return repr(value).replace(".", dialect["decimal"])
    if kind == "boolean":
        word = dialect["pair"][not value]
        return word.upper() if dialect["upper"] else word
    return value.strftime(dialect["format"]) if kind == "date" else str(value)


def _content(columns: dict[str, tuple[str, list[Any]]], dialect: dict[str, Any]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=dialect["delimiter"], quoting=dialect["quoting"], lineterminator=dialect["end"])
    writer.writerow(columns)
    rows = len(columns["id"][1])
    writer.writerows([_text(kind, values[at], dialect) for kind, values in columns.values()] for at in range(rows))
    return text.getvalue().encode(dialect["encoding"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=tables())
def test_a_table_in_any_dialect_is_inferred_and_read_alike(
    made: tuple[dict[str, tuple[str, list[Any]]], dict[str, Any]], tmp_path: Path
) -> None:
    columns, dialect = made
    columns["bought"] = ("integer", [at % 2 for at in range(len(columns["id"][1]))])
    path, copy = tmp_path / "table.csv", tmp_path / "copy.csv"
    path.write_bytes(_content(columns, dialect))
    try:
        source = read_source(str(path))
    except AmbiguousDates:
        assert dialect["format"].startswith(("%d/%m", "%m/%d"))
        return
    found = source.table.columns
    assert source.table.csv is not None
    assert source.table.csv.delimiter == dialect["delimiter"]
    for name, (kind, values) in columns.items():
        assert found[name].kind == kind, (name, found[name].notes)
        if kind == "date":
            values = [dt.datetime.strptime(_text(kind, value, dialect), dialect["format"]) for value in values]
        assert _plain(found[name].values) == values
    md5 = source.write(copy)
    assert copy.read_bytes() == path.read_bytes()
    how = source.table.csv.model_dump() | {"date_format": found["when"].date_format}
    features = {name: {"type": kind, "nullable": True} for name, (kind, _) in columns.items()
                if name not in ("id", "when", "bought")}  # fmt: skip
    problem = Problem.model_validate(
        shop_content(data={"path": str(copy), "row_id": "id", "timestamp": "when", "csv": how},
                     target={"column": "bought", "positive": 1}, contract=features)
    )  # fmt: skip
    frame, _ = read_rows(problem, md5=md5, as_of=None)
    assert md5 == md5_of(copy)
    assert len(frame) == len(columns["id"][1])
    order = [int(row) - 1 for row in frame["id"]]
    for name in set(columns) - {"id"}:
        assert _plain(frame[name]) == [_plain(found[name].values)[at] for at in order]


def _plain(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in values.tolist()]


@pytest.mark.parametrize("kind", ["boolean", "integer", "number"])
def test_words_for_a_missing_value_are_read_by_the_product(kind: str, tmp_path: Path) -> None:
    dialect = {"missing": "n/a", "decimal": ".", "pair": PAIRS[0], "upper": False}
    values = {"boolean": [True, None, False], "integer": [1, None, 3], "number": [0.5, None, 1.5]}[kind]
    lines = "".join(f"{at},{_text(kind, value, dialect)}\n" for at, value in enumerate(values))
    (tmp_path / "table.csv").write_text(f"id,x\n{lines}")
    table = read_source(str(tmp_path / "table.csv")).table
    assert table.csv == Csv(missing=("n/a",))
    assert _plain(table.columns["x"].values) == values
