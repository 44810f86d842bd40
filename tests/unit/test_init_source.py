"""Tables of files are read by `init`: the types are those that the product's own readers accept, and bad input is refused."""

import datetime as dt
import gzip
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftgate.errors import DriftgateError
from driftgate.init.sources.read import AmbiguousDates, Limits, Source, SourceOptions, read_source


def _source(folder: Path, content: str | bytes, *, name: str = "shop.csv", **options: Any) -> Source:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(str(path), options=SourceOptions(**options))


def _column(folder: Path, values: list[str], *, sign: str = ",", **options: Any) -> Any:
    """The column `x` of a file with these values."""
    lines = "".join(f"{value}{sign}{'ab'[at % 2]}\n" for at, value in enumerate(values))
    return _source(folder, f"x{sign}y\n{lines}", **options).table.columns["x"]


def _refused(folder: Path, content: str | bytes, *, name: str = "shop.csv", **options: Any) -> str:
    with pytest.raises(DriftgateError) as raised:
        _source(folder, content, name=name, **options)
    return f"{raised.value.cause} {raised.value.remedy}"


KINDS: dict[str, tuple[list[str], str]] = {
    "whole": (["1", "-2", "+3"], "integer"),
    "float": (["1.5", "2", "3e4"], "number"),
    "whole with a point": (["1.0", "2.0", "3.0"], "number"),
    "whole of pandas with a gap": (["1.0", "", "3.0"], "integer"),
    "missing word": (["1", "NA", "3"], "integer"),
    "several missing words": (["1.5", "?", "N/A", "null", "-", "."], "number"),
    "blank": (["1", "  ", "2"], "integer"),
    "infinite": (["1.5", "inf", "2"], "number"),
    "zero and one": (["0", "1", "0"], "integer"),
    "words": (["yes", "No", "YES"], "boolean"),
    "letters": (["Y", "N", "NA"], "boolean"),
    "t and f": (["t", "f", "t"], "boolean"),
    "true": (["True", "False", ""], "boolean"),
    "one word": (["Y", "Y", "Y"], "category"),
    "two pairs": (["yes", "n", "yes"], "category"),
    "leading zero": (["02139", "10001", "94301"], "category"),
    "beyond": (["9007199254740993", "1", "2"], "category"),
    "too many digits": (["123456789012345678901", "1", "2"], "category"),
    "too large": (["1e400", "1.5", "2"], "category"),
    "thousands": (['"1,234"', '"12,345.5"', '"1,234,567"'], "category"),
    "currency": (["$5", "$6", "$7.50"], "category"),
    "capitals": (["red", "Red", "blue"], "category"),
    "spaces": ([" 1", " 2", " 3"], "category"),
    "empty": (["", "", ""], "empty"),
    "only missing words": (["NA", "NA", ""], "empty"),
    "code NA": (["NA", "EU", "AS"], "category"),
    "day": (["2024-01-31", "2024-02-01", ""], "date"),
    "iso": (["2024-01-31T18:05:00.123Z", "2024-02-01T00:00:00+02:00", "NA"], "date"),
    "no such day": (["2024-02-30", "2024-02-01", "2024-02-02"], "category"),
    "mixed offsets": (["2024-01-31T18:05:00Z", "2024-02-01T00:00:00", ""], "category"),
    "day first": (["31/01/2024", "01/02/2024", "03/02/2024"], "date"),
    "month first": (["01/31/2024 05:06 PM", "01/02/2024 11:00 AM", ""], "date"),
    "dots": (["01.02.2024", "03.02.2024", "04.02.2024 "], "category"),
    "month name": (["31 Jan 2024", "1 Feb 2024", "?"], "date"),
    "compact": (["20240131", "20240201", "20231111"], "date"),
    "year": (["2013", "2014", "2015"], "integer"),
    "month only": (["2013-01", "2013-02", "2013-03"], "category"),
    "version": (["1.2.10", "1.3.11", "2.0.12"], "category"),
}


@pytest.mark.parametrize("case", KINDS)
def test_a_column_has_the_type_that_all_its_values_have(case: str, tmp_path: Path) -> None:
    values, kind = KINDS[case]
    assert _column(tmp_path, values).kind == kind


def test_values_and_facts_of_typed_columns(tmp_path: Path) -> None:
    found = _column(tmp_path, ["Yes", "no", "NA"])
    assert found.values.tolist() == [True, False, None]
    assert found.words == ("Yes", "no")
    found = _column(tmp_path, ["31/01/2024", "NA", "01/02/2024"])
    assert found.date_format == "%d/%m/%Y"
    assert found.values.tolist()[::2] == [pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01")]
    assert found.missing == 1
    assert _column(tmp_path, ["a", "", "b"]).values.tolist() == ["a", None, "b"]


@pytest.mark.parametrize(
    ("case", "note"),
    [
        ("capitals", "'red' and 'Red', and are different"), ("thousands", "write plain numbers"), ("code NA", "--missing"), ("spaces", "begin or end with a space"),
        ("leading zero", "leading zeros"), ("beyond", "2^53"), ("zero and one", "whole numbers, not as false"),
        ("infinite", "Infinite"), ("too large", "too large"),
    ],
)  # fmt: skip
def test_what_was_assumed_is_told(case: str, note: str, tmp_path: Path) -> None:
    values = KINDS[case][0]
    many = [value.replace("1", str(at)) for at in range(1, 9) for value in values] if case == "thousands" else values
    assert any(note in text for text in _column(tmp_path, many).notes)


def test_values_that_cannot_be_read_are_marked(tmp_path: Path) -> None:
    dates = [f"{day:02d}.03.2024" if day % 2 else f"2024-03-{day:02d}" for day in range(1, 29)]
    assert _column(tmp_path, dates).unread
    assert _column(tmp_path, [*map(str, range(100)), "Total"]).unread
    assert _column(tmp_path, [f"{share}%" for share in range(20)]).unread
    assert not _column(tmp_path, ["red", "blue", "12"]).unread


def test_a_missing_word_of_one_column_is_missing_in_all(tmp_path: Path) -> None:
    table = _source(tmp_path, "n,c\n1,NA\nNA,b\n3,NA\n").table
    assert table.missing == ("NA",)
    assert table.csv is not None
    assert table.csv.missing == ("NA",)
    assert table.columns["c"].values.tolist() == [None, "b", None]
    assert "another column" in table.columns["c"].notes[0]


def test_ambiguous_dates_are_refused_and_the_option_is_named(tmp_path: Path) -> None:
    values = ["01/02/2024", "03/04/2024", "05/05/2024"]
    with pytest.raises(AmbiguousDates) as raised:
        _column(tmp_path, values)
    assert raised.value.column == "x"
    assert set(raised.value.formats) == {"%d/%m/%Y", "%m/%d/%Y"}
    assert "--date-format" in raised.value.remedy
    for form, month in (("%d/%m/%Y", 2), ("%m/%d/%Y", 1)):
        for given in ({"date_format": form}, {"date_formats": {"x": form}}):
            assert _column(tmp_path, values, **given).values[0].month == month


def test_dates_that_mean_the_same_both_ways_are_not_ambiguous(tmp_path: Path) -> None:
    assert _column(tmp_path, ["05/05/2024", "06/06/2024", "07/07/2024"]).kind == "date"


def test_an_ambiguous_column_follows_the_other_dates_of_the_file(tmp_path: Path) -> None:
    found = _source(tmp_path, "a,b\n01/02/2024,31/12/2024\n03/04/2024,01/12/2024\n").table.columns["a"]
    assert found.date_format == "%d/%m/%Y"
    assert "other columns" in found.notes[0]


@pytest.mark.parametrize("given", [{"date_format": "%d/%m/%Y"}, {"date_formats": {"x": "%d/%m/%Y"}}])
def test_a_date_format_that_does_not_fit_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    assert "%d/%m/%Y" in _refused(tmp_path, "x,y\n1,2\n3,4\n", **given)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-le"])
def test_delimiter_and_encoding_are_found(sign: str, encoding: str, tmp_path: Path) -> None:
    text = (
        sign.join(["name", "größe", "note"]) + "\n" + "".join(f'Jürgen{sign}{at}{sign}"a, b; c"\n' for at in range(5))
    )
    table = _source(tmp_path, text.encode(encoding)).table
    assert list(table.columns) == ["name", "größe", "note"]
    assert table.columns["größe"].values.tolist() == [0, 1, 2, 3, 4]
    assert table.columns["name"].values[0] == "Jürgen"
    assert table.csv is not None
    assert table.csv.delimiter == sign


def test_other_scripts_are_told_from_western_text(tmp_path: Path) -> None:
    words = ["Москва столица России", "Санкт-Петербург город на Неве", "Новосибирск находится в Сибири"]
    text = "id,city\n" + "".join(f"{at},{word}\n" for at, word in enumerate(words * 5))
    table = _source(tmp_path, text.encode("cp1251")).table
    assert table.columns["city"].values[0] == words[0]
    assert "guessed" in table.notes[0]


def test_western_text_with_few_accents_is_cp1252(tmp_path: Path) -> None:
    table = _source(tmp_path, "name,y\nJosé,a\nMüller,b\n".encode("cp1252")).table
    assert table.columns["name"].values.tolist() == ["José", "Müller"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("date_format", "hello"), ("time_zone", "Nowhere"), ("delimiter", "ab"), ("encoding", "xyz"), ("decimal", ",")],
)
def test_an_option_that_no_file_can_have_is_named(option: str, value: str, tmp_path: Path) -> None:
    given = {"delimiter": ","} if option == "decimal" else {}
    refused = _refused(tmp_path, "a,b\n1,2\n3,4\n", **{option: value}, **given)
    assert f"--{option.replace('_', '-')}" in refused or f"no encoding '{value}'" in refused


def test_a_decimal_comma_is_found_and_kept_apart_from_points(tmp_path: Path) -> None:
    table = _source(tmp_path, "a;b\n1,5;2\n-0,25;3\n").table
    assert table.csv is not None
    assert table.csv.decimal == ","
    assert table.columns["a"].values.tolist() == [1.5, -0.25]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"), ("a,b\n", "no rows"), ("a,b\n1,2\n", "one row only"), ("a\n1\n2\n", "one column only, 'a'"),
        ("a,a,b\n1,2,3\n4,5,6\n", "columns 1 and 2 have the same name, 'a'"), ("a,,b\n1,2,3\n4,5,6\n", "column 2 has no name"),
        ("a,b\n1,2\n3\n", "line 3"), ('a,b\n1,"2\n3,4\n', "line 2"), (b"a,b\n\0\1\2,3\n", "not a text file"),
        (os.urandom(4_000), "not a text file"), (b"PK\x03\x04 stuff", "zip archive or an Excel"),
        (b"\x1f\x8bno gzip", "can't be unpacked"), ("sep=;\na;b\n1;2\n", "Excel"),
        ("# made today\na,b\n1,2\n3,4\n", "a title or a comment above the column names"),
        ("Sales of May\n\na;b;c\n1;2;3\n3;4;5\n", "the lines below have 3"),
        ('[{"a": 1, "b": 2}]', "it is JSON"), ('{"a": 1}\n{"a": 2}\n', "it is JSON"), ("<!DOCTYPE html><p>1,2", "it is HTML"),
    ],
    ids=["empty", "header only", "one row", "one column", "equal names", "no name", "short row", "open quote", "NUL", "random",
         "xlsx", "broken gzip", "sep line", "comment", "title", "JSON", "JSON lines", "HTML"],
)  # fmt: skip
def test_bad_files_are_refused_with_the_reason(content: str | bytes, words: str, tmp_path: Path) -> None:
    assert words in _refused(tmp_path, content)


def test_a_missing_file_a_folder_and_foreign_addresses_are_refused(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for source, words in (
        (tmp_path / "no.csv", "no file"), (tmp_path / "none", "has no Parquet file"), ("https://x.org/a.csv", "Download"),
    ):  # fmt: skip
        with pytest.raises(DriftgateError, match=words):
            read_source(str(source))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    path.chmod(0)
    with pytest.raises(DriftgateError, match="permission"):
        read_source(str(path))


def test_the_data_file_is_an_exact_copy(tmp_path: Path) -> None:
    content = 'a;größe\r\n1,5;"x"\r\n2,5;y\r\n'.encode("cp1252")
    source = _source(tmp_path, content)
    source.write(tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == content


def test_a_compressed_file_is_unpacked_and_a_bomb_is_not(tmp_path: Path) -> None:
    content = b"a,b\n1,2\n3,4\n"
    source = _source(tmp_path, gzip.compress(content), name="shop.csv.gz")
    assert source.table.name == "shop"
    source.write(tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == content
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)
    assert "Unpack it" in _refused(tmp_path, bomb, name="bomb.csv.gz", limits=Limits(bytes=10_000))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_index_of_pandas_gets_a_name_and_the_rest_stays(encoding: str, tmp_path: Path) -> None:
    source = _source(tmp_path, ',größe,"b\nc"\n0,1,ä\n1,2,y\n'.encode(encoding))
    assert list(source.table.columns) == ["index", "größe", "b c"]
    source.write(tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == "index,größe,b c\n0,1,ä\n1,2,y\n".encode(encoding)


def test_lines_that_end_with_a_delimiter_have_no_further_column(tmp_path: Path) -> None:
    assert list(_source(tmp_path, "a,b,\n1,2,\n3,4,\n").table.columns) == ["a", "b"]


def test_a_source_that_changed_is_not_written(tmp_path: Path) -> None:
    for name in ("shop.csv", "shop.parquet"):
        path, changed = tmp_path / name, pd.DataFrame({"a": [1, 2, 4], "b": ["x", "y", "z"]})
        write = (lambda f, p: f.to_csv(p, index=False)) if name.endswith("csv") else (lambda f, p: f.to_parquet(p))
        write(changed.iloc[:2], path)
        source = read_source(str(path))
        write(changed, path)
        with pytest.raises(DriftgateError, match="changed while it was read"):
            source.write(tmp_path / "copy")
        assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == []


@pytest.mark.parametrize("name", ["shop.csv", "shop.parquet"])
def test_a_large_file_is_sampled_at_random_from_all_rows(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(10_000), "b": ["x", "y"] * 5_000})
    path = tmp_path / name
    frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_parquet(path, row_group_size=1_000)
    options = SourceOptions(limits=Limits(rows=5_000, sample_rows=1_000))
    table, again = (read_source(str(path), options=options).table for _ in range(2))
    assert (table.rows, table.read) == (10_000, 1_000)
    values = table.columns["a"].values
    assert values.tolist() == again.columns["a"].values.tolist()
    assert values.is_monotonic_increasing
    assert 4_500 < values.mean() < 5_500
    assert any("random sample of 1,000" in note for note in table.notes)
    read_source(str(path), options=options).write(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_types_of_parquet(tmp_path: Path) -> None:
    from decimal import Decimal

    path, day = tmp_path / "types.parquet", dt.date(2024, 1, 31)
    # As a number: once pandera is imported, pyarrow ignores the offset of Python's times.
    zoned = int(dt.datetime(2024, 1, 31, tzinfo=dt.UTC).timestamp()) * 1_000_000
    columns = {
        "big": pa.array([2**60, 1, None]), "small": pa.array([1, 2, None], pa.uint8()), "gap": pa.array([1.0, None, 3.0]),
        "infinite": pa.array([1.5, float("inf"), 2.5]), "decimal": pa.array([Decimal("1.50"), None, Decimal("2.25")]),
        "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(), "boolean": pa.array([True, None, False]),
        "day": pa.array([day, None, day]), "zoned": pa.array([zoned, None, zoned], pa.timestamp("us", "Europe/Paris")),
        "text day": pa.array(["31.01.2024", None, "01.02.2024"]), "null": pa.nulls(3), "list": pa.array([[1], [2], []]),
        "clock": pa.array([dt.time(1), None, dt.time(2)]), "bytes": pa.array([b"\xff", b"\xfe", None]),
        "__index_level_0__": pa.array([5, 6, 7]), "numbers": pa.array(["1", "2", "3"]), "words": pa.array(["Yes", None, "no"]), "half": pa.array([1, 2, 3], pa.float16()),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)
    source = read_source(str(path))
    found = source.table.columns
    assert {name: column.kind for name, column in found.items()} == {
        "big": "category", "small": "integer", "gap": "integer", "infinite": "number", "decimal": "number",
        "dictionary": "category", "boolean": "boolean", "day": "date", "zoned": "date", "text day": "date", "null": "empty",
        "__index_level_0__": "integer", "numbers": "category", "words": "boolean", "half": "number",
    }  # fmt: skip
    assert found["zoned"].values[0] == pd.Timestamp("2024-01-31 00:00")
    assert found["text day"].date_format == "%d.%m.%Y"
    left_out = " ".join(source.table.notes)
    assert all(f"'{name}'" in left_out for name in ("list", "clock", "bytes"))
    source.write(tmp_path / "copy.parquet")
    copy = pq.read_table(tmp_path / "copy.parquet")
    assert copy.column("big").to_pylist() == [str(2**60), "1", None]
    assert copy.column("infinite").to_pylist() == [1.5, None, 2.5]
    assert copy.column("list").to_pylist() == [[1], [2], []]


def test_a_folder_of_partitions_becomes_one_file_with_its_keys(tmp_path: Path) -> None:
    folder = tmp_path / "Sales 2024"
    for year in (2023, 2024):
        (folder / f"year={year}").mkdir(parents=True)
        pq.write_table(pa.table({"a.b": [year, 1], "c": ["x", None] if year == 2023 else pa.nulls(2)}),
                       folder / f"year={year}" / "part-0.parquet")  # fmt: skip
    (folder / "_SUCCESS").touch()
    source = read_source(str(folder))
    assert source.table.name == "sales_2024"
    assert {name: column.kind for name, column in source.table.columns.items()} == {
        "a.b": "integer", "c": "category", "year": "integer",
    }  # fmt: skip
    source.write(tmp_path / "copy.parquet")
    assert pq.read_table(tmp_path / "copy.parquet").to_pydict() == {
        "a.b": [2023, 1, 2024, 1], "c": ["x", None, None, None], "year": [2023, 2023, 2024, 2024],
    }  # fmt: skip


@pytest.mark.parametrize("other", [{"a": ["1"], "b": [1]}, {"a": [1]}, {"a": [1], "b": [1], "c": [1]}])
def test_partitions_of_other_columns_are_refused(other: dict[str, Any], tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table(other), tmp_path / "2.parquet")
    with pytest.raises(DriftgateError, match=r"2\.parquet"):
        read_source(str(tmp_path))


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"PAR1 broken"])
def test_broken_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "Parquet" in _refused(tmp_path, content, name="shop.parquet")


def test_a_table_of_a_delta_lake_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    pq.write_table(pa.table({"a": [1, 2], "b": [2, 3]}), tmp_path / "1.parquet")
    with pytest.raises(DriftgateError, match="Delta Lake"):
        read_source(str(tmp_path))
