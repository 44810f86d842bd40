"""The prediction log: nothing that was answered is lost, and one table comes out, whatever happened to the segments."""

import datetime as dt
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.errors import DriftgateError
from driftgate.production.prediction_log import LABELS, PREDICTIONS, SegmentWriter, repair, segments
from driftgate.production.predictions import (
    count_predictions,
    features_of_log,
    read_predictions,
    windows,
    write_predictions,
)
from driftgate.workspace import PROJECT
from tests.unit.log_files import HOUR, START, START_MS, label, line, segment


def a_row_a_day(folder: Path, *columns: dict[str, list[object]]) -> None:
    """A segment for each day, whose one row has these columns."""
    for day, taken in enumerate(columns):
        told = {**json.loads(line(START_MS + day * 24 * HOUR)), "columns": taken}
        begun = START + dt.timedelta(days=day)
        segment(folder, PREDICTIONS, [json.dumps(told).encode()], begun=begun)


def test_predictions_are_joined_with_the_last_label_or_the_first(tmp_path: Path) -> None:
    segment(tmp_path, PREDICTIONS, [line(START_MS + 5), line(START_MS + 9, rows=3, request=1)])
    told = [
        label(START_MS + 9, START_MS + HOUR, "late", request=1, row=2),
        label(START_MS + 5, START_MS + 300, "second"),
        label(START_MS + 5, START_MS + 100, "first"),
        label(START_MS + 5, START_MS + 200, "between"),
        label(START_MS + 7, START_MS + 8, "of nothing"),
    ]
    segment(tmp_path, LABELS, told)
    last, first = read_predictions(tmp_path), read_predictions(tmp_path, label="first")
    assert last["label"].where(last["label"].notna(), None).tolist() == ["second", None, None, "late"]
    assert first["label"].iloc[0] == "first"
    assert last["x"].tolist() == [0, 0, 1, 2]
    assert last["at"].iloc[0] == pd.Timestamp("2026-03-01 00:00:00.005")
    counts = count_predictions(tmp_path)
    assert (counts.predictions, counts.labelled, counts.by_version) == (4, 2, {"rules 1": 4})


def test_many_labels_told_at_repeated_moments_keep_their_times(tmp_path: Path) -> None:
    segment(tmp_path, PREDICTIONS, [line(START_MS + 5, rows=700)])
    told = [label(START_MS + 5, START_MS + HOUR + row // 3, "late", row=row) for row in range(500)]
    segment(tmp_path, LABELS, told)
    table = read_predictions(tmp_path)
    moments = table["labelled_at"].astype("int64").to_numpy()[:500] // 10**6
    assert moments.tolist() == [START_MS + HOUR + row // 3 for row in range(500)]
    assert table["labelled_at"].isna().sum() == 200


def test_a_time_is_cut_to_the_millisecond_over_many_segments(tmp_path: Path) -> None:
    for day in range(4):
        begun = START + dt.timedelta(days=day)
        moments = [START_MS + day * 24 * HOUR + hour * HOUR for hour in range(24)]
        segment(tmp_path, PREDICTIONS, [line(at, request=day) for at in moments], begun=begun)
    since, until = START + dt.timedelta(hours=30), START + dt.timedelta(hours=60)
    assert len(read_predictions(tmp_path, since=since, until=until)) == 30
    assert len(read_predictions(tmp_path)) == 96
    parts = list(windows(tmp_path, window=dt.timedelta(hours=7)))
    assert sum(len(part) for part in parts) == 96
    assert max(len(part) for part in parts) == 7


def test_a_release_with_other_columns_leaves_gaps(tmp_path: Path) -> None:
    more = json.loads(line(START_MS + 1))
    more["columns"] = {"x": [7], "at": [3]}
    segment(tmp_path, PREDICTIONS, [line(START_MS), json.dumps(more).encode()])
    found = read_predictions(tmp_path)
    assert found["x"].tolist() == [0, 7]
    assert found["feature_at"].tolist()[1] == 3


def test_a_torn_line_is_left_out_and_cut_at_the_next_start(tmp_path: Path) -> None:
    torn = segment(tmp_path, PREDICTIONS, [line(START_MS), line(START_MS + 1)[:40]], ending=b"")
    whole = segment(tmp_path, LABELS, [label(START_MS, START_MS, "a")])
    assert len(read_predictions(tmp_path)) == 1
    before = whole.read_bytes()
    assert repair(tmp_path) == [torn]
    assert torn.read_bytes() == line(START_MS) + b"\n"
    assert whole.read_bytes() == before
    assert repair(tmp_path) == []


def test_a_first_line_torn_leaves_an_empty_segment(tmp_path: Path) -> None:
    torn = segment(tmp_path, PREDICTIONS, [b"x" * 200_000], ending=b"")
    repair(tmp_path)
    assert torn.read_bytes() == b""
    assert read_predictions(tmp_path).empty


def test_a_segment_in_use_is_not_cut(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, PREDICTIONS)
    writer.append(b"{}")
    (path,) = segments(tmp_path, PREDICTIONS)
    with path.open("ab") as other:
        other.write(b"half")
    assert repair(tmp_path) == []
    writer.close()
    assert repair(tmp_path) == [path]


def test_segments_begin_by_size_and_by_age(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, PREDICTIONS, segment_bytes=100, segment_seconds=0.2)
    for _ in range(3):
        writer.append(b"x" * 60)
    assert len(segments(tmp_path, PREDICTIONS)) == 2
    time.sleep(0.25)
    writer.append(b"y")
    assert len(segments(tmp_path, PREDICTIONS)) == 3


def test_a_deleted_segment_is_begun_again(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "log", PREDICTIONS)
    writer.append(b"one")
    for path in segments(tmp_path / "log", PREDICTIONS):
        path.unlink()
    (tmp_path / "log").rmdir()
    writer.append(b"two")
    (again,) = segments(tmp_path / "log", PREDICTIONS)
    assert again.read_bytes() == b"two\n"


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = SegmentWriter(tmp_path, PREDICTIONS)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        writer.append(b"x" * 700)
        with pytest.raises(OSError, match=r"space|large"):
            writer.append(b"y" * 700)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    (path,) = segments(tmp_path, PREDICTIONS)
    assert path.read_bytes() == b"x" * 700 + b"\n"
    writer.append(b"z")
    assert path.read_bytes().endswith(b"x\nz\n")


WRITER = """
import sys
from pathlib import Path
from driftgate.production.prediction_log import PREDICTIONS, SegmentWriter
writer = SegmentWriter(Path(sys.argv[1]), PREDICTIONS, segment_bytes=2000)
for number in range(100_000):
    writer.append(b"%d" % number)
    print(number, flush=True)
"""


def test_kill_9_loses_no_line_that_was_acknowledged(tmp_path: Path) -> None:
    """Two processes at once, both killed: whatever they said they wrote is there, each in segments of its own."""
    pair = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=PROJECT)
        for _ in range(2)
    ]
    assert all(process.stdout for process in pair)
    for process in pair:
        for _ in range(2000):
            process.stdout.readline()  # type: ignore[union-attr]
    for process in pair:
        os.kill(process.pid, signal.SIGKILL)
    repair(tmp_path)
    for process in pair:
        rest = process.stdout.read()  # type: ignore[union-attr]
        told = 2000 + rest.count(b"\n")
        own = [path for path in segments(tmp_path, PREDICTIONS) if path.stem.endswith(f"-{process.pid}")]
        kept = [int(number) for path in own for number in path.read_text().split()]
        assert kept[:told] == list(range(told))
        assert len(own) > 1


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_the_table_goes_to_a_file_window_after_window(ending: str, tmp_path: Path) -> None:
    for day in range(3):
        begun = START + dt.timedelta(days=day)
        segment(tmp_path / "log", PREDICTIONS, [line(START_MS + day * 24 * HOUR, rows=2)], begun=begun)
    segment(tmp_path / "log", LABELS, [label(START_MS + 48 * HOUR, START_MS, "a")])
    out = tmp_path / f"all.{ending}"
    assert write_predictions(tmp_path / "log", out, since=None, until=None, label="last").rows == 6
    found = pd.read_parquet(out) if ending == "parquet" else pd.read_csv(out)
    assert found["label"].dropna().tolist() == ["a"]
    with pytest.raises(DriftgateError, match="exists already"):
        write_predictions(tmp_path / "log", out, since=None, until=None, label="last")


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_releases_with_other_columns_share_one_file(ending: str, tmp_path: Path) -> None:
    """A column that is added, left out, or first empty keeps its place and its kind."""
    a_row_a_day(tmp_path / "log", {"a": [1], "b": [None]}, {"b": [2.5], "z": ["x"], "a": [None]}, {"version": [7]})
    out = tmp_path / f"all.{ending}"
    write_predictions(tmp_path / "log", out, since=None, until=None, label="last")
    found = pd.read_parquet(out) if ending == "parquet" else pd.read_csv(out)
    assert found["a"].tolist()[0] == 1
    assert found["b"].tolist()[1] == 2.5
    assert found["z"].tolist()[1] == "x"
    assert found["feature_version"].tolist()[2] == 7
    assert features_of_log(read_predictions(tmp_path / "log"), ["version", "a"])["version"].tolist()[2] == 7


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_column_that_was_a_number_and_became_a_text_is_a_text(ending: str, tmp_path: Path) -> None:
    a_row_a_day(tmp_path / "log", {"a": [1]}, {"a": ["one"]}, {"a": [None]})
    out = tmp_path / f"all.{ending}"
    write_predictions(tmp_path / "log", out, since=None, until=None, label="last")
    found = pd.read_parquet(out) if ending == "parquet" else pd.read_csv(out)
    assert found["a"].dropna().tolist()[1] == "one"
    assert found["a"].dropna().tolist()[0] in ("1", "1.0")


def test_nothing_in_the_time_is_an_empty_table(tmp_path: Path) -> None:
    segment(tmp_path / "log", PREDICTIONS, [line(START_MS)])
    out = tmp_path / "none.parquet"
    early = START - dt.timedelta(days=9)
    assert (
        write_predictions(tmp_path / "log", out, since=early, until=early + dt.timedelta(days=1), label="last").rows
        == 0
    )
    assert "prediction_id" in pd.read_parquet(out)


def test_bad_bytes_and_foreign_files_spoil_nothing(tmp_path: Path) -> None:
    segment(tmp_path, PREDICTIONS, [line(START_MS), b"\xff", b"5", '{"é'.encode()[:-1]])
    (tmp_path / "predictions-archive.jsonl").write_text("mine")
    assert len(read_predictions(tmp_path)) == 1


def test_a_piece_that_can_t_be_removed_costs_no_later_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails twice: for the line, and for taking its piece back. What is answered next is kept all the same."""
    writer = SegmentWriter(tmp_path, PREDICTIONS)
    writer.append(b'{"a": 1}')
    real = os.write
    monkeypatch.setattr("os.write", lambda file, data: real(file, data[:4]))
    monkeypatch.setattr("os.ftruncate", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="space"):
        writer.append(b'{"b": 2}')
    monkeypatch.undo()
    writer.append(b'{"c": 3}')
    kept = [text for path in segments(tmp_path, PREDICTIONS) for text in path.read_text().splitlines()]
    assert kept == ['{"a": 1}', '{"b"', '{"c": 3}']


def test_no_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(DriftgateError, match="no prediction log"):
        count_predictions(tmp_path / "none")
    assert count_predictions(tmp_path).predictions == 0


ANSWERED = st.lists(
    st.tuples(st.integers(0, 10 * HOUR), st.integers(1, 3)), min_size=1, max_size=12, unique_by=lambda pair: pair[0]
)


@settings(max_examples=40, deadline=None)
@given(answered=ANSWERED, data=st.data())
def test_every_prediction_is_in_the_table_once_with_its_last_label(
    answered: list[tuple[int, int]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    lines = [line(START_MS + at, rows=rows, request=at) for at, rows in answered]
    cut = data.draw(st.integers(0, len(lines)))
    for number, part in enumerate((lines[:cut], lines[cut:])):
        if part:
            segment(folder, PREDICTIONS, part, begun=START + dt.timedelta(microseconds=number))
    told = data.draw(
        st.lists(st.tuples(st.sampled_from(answered), st.integers(0, 99), st.sampled_from("ab")), max_size=9)
    )
    given_labels = [label(START_MS + at, when, value, request=at) for (at, _), when, value in told]
    segment(folder, LABELS, given_labels)
    expected: dict[int, tuple[int, str]] = {}
    for (at, _), when, value in told:
        if at not in expected or when >= expected[at][0]:
            expected[at] = (when, value)
    found = read_predictions(folder)
    assert len(found) == sum(rows for _, rows in answered)
    assert found["prediction_id"].is_unique
    labelled = found[found["label"].notna()]
    assert {row.prediction_id: row.label for row in labelled.itertuples()} == {
        f"{START_MS + at:011x}-{at:016x}-0": value for at, (_, value) in expected.items()
    }
