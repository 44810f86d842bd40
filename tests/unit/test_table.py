"""Measurement: what is dated later is never read, and what can't be read is told."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.data.present import ensure_data, md5_of
from driftgate.data.table import features_of, moment_of, read_rows, rows_of
from driftgate.errors import DriftgateError
from driftgate.results.training import LeftOut
from driftgate.workspace import Workspace


def _of(problem: Problem, path: Path, **data: object) -> Problem:
    return problem.model_copy(update={"data": problem.data.model_copy(update={"path": path, "stage": None, **data})})


@pytest.fixture
def dated(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(at=pd.date_range("2020-01-01", periods=len(rows), freq="D"))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_dated_later_are_not_read(ending: str, dated: pd.DataFrame, problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{ending}"
    dated.to_csv(path, index=False) if ending == "csv" else dated.to_parquet(path)
    found, version = read_rows(_of(problem, path, timestamp="at"), md5="0", as_of=dt.date(2020, 2, 1))
    assert len(found) == version.rows == 31
    assert version.left_out == LeftOut(after_as_of=len(dated) - 31)
    assert found["at"].max() < pd.Timestamp("2020-02-01")


def test_future_as_of_is_told(dated: pd.DataFrame, problem: Problem, tmp_path: Path) -> None:
    dated.to_parquet(tmp_path / "rows.parquet")
    later = dt.date.today() + dt.timedelta(days=2)
    with pytest.raises(DriftgateError, match="is in the future"):
        read_rows(_of(problem, tmp_path / "rows.parquet", timestamp="at"), md5="0", as_of=later)


@pytest.mark.parametrize("content", [b"", b"PAR1 torn"], ids=["empty", "torn"])
@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_unreadable_file_is_told(name: str, content: bytes, problem: Problem, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DriftgateError):
        read_rows(_of(problem, tmp_path / name), md5="0", as_of=None)


def test_wrong_target_names_the_columns(rows: pd.DataFrame, problem: Problem, tmp_path: Path) -> None:
    rows.drop(columns="target").to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(
        DriftgateError, match=r"no column 'target', which is set as target.column\. Its columns are: row_id"
    ):
        read_rows(_of(problem, tmp_path / "rows.parquet"), md5="0", as_of=None)


def test_now_is_that_of_the_declared_zone() -> None:
    east, west = (moment_of(None, time_zone=zone) for zone in ("Pacific/Kiritimati", "Pacific/Niue"))
    assert dt.timedelta(hours=24, minutes=59) < east - west < dt.timedelta(hours=25, minutes=1)


def test_as_of_can_be_a_moment(rows: pd.DataFrame, problem: Problem, tmp_path: Path) -> None:
    """A run without a given date looks back from its own moment; training again, that moment is given."""
    rows.assign(at=pd.date_range("2024-01-01", periods=len(rows), freq="h")).to_parquet(tmp_path / "rows.parquet")
    moment = dt.datetime(2024, 1, 2, 5, 30)
    frame, version = read_rows(_of(problem, tmp_path / "rows.parquet", timestamp="at"), md5="0", as_of=moment)
    assert (len(frame), version.as_of) == (30, moment)


def test_missing_file_is_told(problem: Problem, tmp_path: Path) -> None:
    with pytest.raises(DriftgateError, match="no data file"):
        ensure_data(_of(problem, tmp_path / "none.parquet"), workspace=Workspace(tmp_path))


def test_another_version_than_promised_is_told(rows: pd.DataFrame, problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows.to_parquet(path)
    pointer = tmp_path / "rows.parquet.dvc"
    pointer.write_text(f"outs:\n- md5: {md5_of(path)}\n  path: rows.parquet\n")
    assert ensure_data(_of(problem, path), workspace=Workspace(tmp_path)) == md5_of(path)
    rows.head(10).to_parquet(path)
    with pytest.raises(DriftgateError, match="another version of the data"):
        ensure_data(_of(problem, path), workspace=Workspace(tmp_path))


def test_unwritable_workspace_is_told() -> None:
    with pytest.raises(DriftgateError, match="can't be written"):
        Workspace(Path("/proc/driftgate")).prepare()


def test_json_rows_give_the_same_features(rows: pd.DataFrame, problem: Problem) -> None:
    again = pd.DataFrame(rows_of(rows, problem.contract))
    assert features_of(again, problem.contract).equals(features_of(rows, problem.contract))


def test_one_text_among_the_numbers_of_a_csv_is_refused_with_its_line(
    rows: pd.DataFrame, problem: Problem, tmp_path: Path
) -> None:
    wrong = rows.assign(f4=rows["f4"].astype(object))
    wrong.loc[wrong.index[5], "f4"] = "many"
    wrong.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DriftgateError, match=r"rows\.csv, line 7, column 'f4': 'many' is not a number"):
        read_rows(_of(problem, tmp_path / "rows.csv"), md5="0", as_of=None)
