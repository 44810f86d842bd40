"""Tables of databases and of S3 are read by `init`, and never changed; what refuses says why, without a password."""

import socket
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from driftgate.errors import DriftgateError
from driftgate.files import md5_of
from driftgate.init.sources import database
from driftgate.init.sources.read import Limits, Source, SourceOptions, read_source


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An SQLite database with a table, a view and an empty table."""
    path = tmp_path / "my shop.db"
    with sqlite3.connect(path) as database:
        database.execute('CREATE TABLE orders (id INTEGER, at TEXT, amount REAL, code, payload BLOB, "a note" TEXT)')
        rows = [(at, f"2024-01-{at + 1:02d} 10:30:00", at / 2, "x" if at % 2 else at, b"\xff\xfe", "n:a" if at else None)
                for at in range(20)]  # fmt: skip
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.execute("CREATE VIEW late AS SELECT id, amount FROM orders WHERE id > 9")
        database.execute("CREATE TABLE bare (a INTEGER, b INTEGER)")
    return path


def _read(path: Path, query: str | None, **options: Limits) -> Source:
    return read_source(f"sqlite:///{path}", query=query, options=SourceOptions(**options))  # type: ignore[arg-type]


def _refused(path: Path, query: str | None) -> str:
    before = md5_of(path)
    with pytest.raises(DriftgateError) as raised:
        _read(path, query)
    assert md5_of(path) == before
    return f"{raised.value.cause} {raised.value.remedy}"


@pytest.mark.parametrize("query", ["orders", "SELECT * FROM orders;", "-- all\nselect * from orders where at > '2023-01-01 10:30'",
                                   "WITH o AS (SELECT * FROM orders) SELECT * FROM o"])  # fmt: skip
def test_a_table_or_a_query_is_read_and_these_rows_are_written(query: str, shop: Path, tmp_path: Path) -> None:
    source = _read(shop, query)
    kinds = {name: column.kind for name, column in source.table.columns.items()}
    assert kinds == {"id": "integer", "at": "date", "amount": "number", "code": "category", "a note": "category"}
    assert source.table.name in ("orders", "o")
    assert "payload" in " ".join(source.table.notes)
    with sqlite3.connect(shop) as database:
        database.execute("DELETE FROM orders")
    source.write(tmp_path / "orders.parquet")
    found = pq.read_table(tmp_path / "orders.parquet").to_pandas()
    assert found["id"].tolist() == list(range(20))
    assert found["at"][0] == pd.Timestamp("2024-01-01 10:30")
    assert found["code"].tolist()[:3] == ["0", "x", "2"]


def test_a_view_is_read(shop: Path) -> None:
    assert _read(shop, "late").table.rows == 10


def test_a_large_result_is_sampled_and_the_sample_is_the_data(shop: Path, tmp_path: Path) -> None:
    source = _read(shop, "orders", limits=Limits(rows=10, sample_rows=5))
    assert (source.table.rows, source.table.read) == (20, 5)
    assert any("the data file has a random sample of 5" in note for note in source.table.notes)
    source.write(tmp_path / "orders.parquet")
    assert (
        pq.read_table(tmp_path / "orders.parquet").column("id").to_pylist()
        == source.table.columns["id"].values.tolist()
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (None, "bare, orders, late"), ("", "say what to read"), ("customers", "no table 'customers'"), ("bare", "no rows"),
        ("SELECT * FROM orders WHERE id > 99", "no rows"), ("DELETE FROM orders", "not a single SELECT"),
        ("SELECT 1; DROP TABLE orders", "not a single SELECT"), ("UPDATE orders SET id = 0", "not a single SELECT"),
        ("WITH o AS (SELECT 1) DELETE FROM orders", "only reads"), ("PRAGMA user_version = 3", "not a single SELECT"),
        ("SELECT nope FROM orders", "no such column: nope"), ("SELECT id, id FROM orders", "same name"),
        ("SELECT id FROM orders", "one column only"), ("SELECT * FROM orders LIMIT 1", "one row only"),
    ],
)  # fmt: skip
def test_queries_that_give_no_table_are_refused_and_change_nothing(query: str | None, words: str, shop: Path) -> None:
    assert words in _refused(shop, query)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DriftgateError, match="no file"):
        read_source(f"sqlite:///{tmp_path}/none.db", query="orders")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("a,b\n1,2\n" * 100)
    with pytest.raises(DriftgateError, match="not a database"):
        read_source(f"sqlite:///{tmp_path}/a.db", query="orders")


@pytest.mark.parametrize(
    ("query", "dialect", "allowed"),
    [
        ("select '--', 'a; b' from t -- the end; really", "postgresql", True), ("select '--'; drop table t", "postgresql", False),
        (r"select E'\''; commit; drop table t; select '", "postgresql", False), ("select /* ; */ 1 from t", "sqlite", True),
        ("select replace(a, 'x', 'y') from t", "mysql", True), ("select a from t into outfile '/tmp/t'", "mysql", False),
        ("select a from t /*! into outfile '/tmp/t' */", "mariadb", False), ("select a into b from t", "oracle", False),
        ("select 'into' from t", "oracle", True), ("/* delete */ select a from t", "oracle", True), ("delete from t", "sqlite", False),
    ],
)  # fmt: skip
def test_only_a_single_query_is_run(query: str, dialect: str, allowed: bool) -> None:
    assert database._only_reads(query, dialect) is allowed


@pytest.mark.parametrize("address", ["postgresql://ann:s3cret%21@127.0.0.1:{port}/shop", "postgres://ann:s3cret%21@127.0.0.1:{port}/shop",
                                     "postgresql://127.0.0.1:{port}/shop?user=ann&password=s3cret!"])  # fmt: skip
def test_a_server_that_refuses_is_named_without_the_password(address: str) -> None:
    pytest.importorskip("psycopg2")
    with pytest.raises(DriftgateError, match="refuses") as raised:
        read_source(address.format(port=_closed_port()), query="orders")
    assert "s3cret" not in f"{raised.value!r}{raised.value.__cause__!r}"
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("address", "module", "words"),
    [
        ("postgresql://ann:s3cret@127.0.0.1/shop", "psycopg2", "uv sync --extra postgresql"),
        ("mysql://ann:s3cret@127.0.0.1/shop", "MySQLdb", "MySQLdb"), ("strange://ann:s3cret@127.0.0.1/shop", "strange", "strange"),
        ("postgresql://ann:s3cret@127.0.0.1:port/shop", None, "not a SQLAlchemy URL"),
    ],
)  # fmt: skip
def test_a_missing_driver_is_named(
    address: str, module: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if module:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DriftgateError) as raised:
        read_source(address, query="orders")
    assert words in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_s3_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(DriftgateError, match="uv sync --extra s3"):
        read_source("s3://bucket/shop.csv")


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{_closed_port()}")


@pytest.mark.usefixtures("no_credentials")
def test_s3_without_credentials_names_the_variables() -> None:
    with pytest.raises(DriftgateError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        read_source("s3://bucket/shop.csv")


@pytest.mark.usefixtures("no_credentials")
@pytest.mark.parametrize("address", ["s3://", "s3://bucket", "s3://bucket/"])
def test_s3_without_a_key_is_refused(address: str) -> None:
    with pytest.raises(DriftgateError, match="BUCKET/KEY"):
        read_source(address)


@pytest.mark.usefixtures("no_credentials")
def test_an_s3_server_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ann")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    with pytest.raises(DriftgateError, match="can't be reached") as raised:
        read_source("s3://bucket/shop.csv")
    assert "127.0.0.1" in str(raised.value)
    assert "s3cret" not in str(raised.value)


def _closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
