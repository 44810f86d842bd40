"""Reading a log that isn't as it should be: bad lines and files are left out and counted, and no clock loses a row."""

import datetime as dt
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.data.contract_check import find_batch_violations
from driftgate.errors import DriftgateError
from driftgate.production import log_reader
from driftgate.production.log_reader import INDEX, LogReader
from driftgate.production.prediction_log import LABELS, PREDICTIONS, SHADOW, SegmentWriter
from driftgate.production.predictions import (
    count_predictions,
    features_of_log,
    read_predictions,
    windows,
    write_predictions,
)
from driftgate.workspace import PROJECT
from tests.unit.log_files import BAD, BAD_LABELS, GOOD, HOUR, START, START_MS, label, line, segment


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_left_out_and_counted_by_every_reader(
    bad: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "log"
    path = segment(folder, PREDICTIONS, [line(START_MS), bad, line(START_MS + 25 * HOUR, request=1)])
    segment(folder, SHADOW, [bad, line(START_MS)])
    segment(folder, LABELS, [label(START_MS, START_MS + 5, "holds")])
    with caplog.at_level(logging.WARNING, "driftgate.predictions"):
        counts = count_predictions(folder)
    assert (counts.predictions, counts.labelled, counts.bad_lines) == (2, 1, 1)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith(f"{path.name}: 1 bad line is left out; the first is line 2: ")
    assert read_predictions(folder)["x"].tolist() == [0, 0]
    assert len(read_predictions(folder, kind=SHADOW)) == 1
    for ending in ("parquet", "csv"):
        out = tmp_path / f"all.{ending}"
        written = write_predictions(folder, out, since=None, until=None, label="last")
        assert (written.rows, written.bad_lines) == (2, 1)
        assert len(pd.read_parquet(out) if ending == "parquet" else pd.read_csv(out)) == 2


@pytest.mark.parametrize("bad", BAD_LABELS.values(), ids=BAD_LABELS.keys())
def test_a_bad_label_is_left_out_and_counted(bad: bytes, tmp_path: Path) -> None:
    segment(tmp_path, PREDICTIONS, [line(START_MS)])
    segment(tmp_path, LABELS, [bad, label(START_MS, START_MS + 5, "holds"), bad])
    counts = count_predictions(tmp_path)
    assert (counts.predictions, counts.labelled, counts.bad_lines) == (1, 1, 2)


ODD = {
    "number and text in one line": '[1, "a"]',
    "boolean and number": "[true, 2.5]",
    "boolean and text": '[true, "a"]',
    "boolean and null": "[null, true]",
    "all null": "[null, null]",
    "greatest integer": f"[{2**63 - 1}, null]",
    "text with NUL": '["a\\u0000b", "c"]',
    "text of all kinds": '["é\\u0301,\\"\\n", "😀"]',
}


@pytest.mark.parametrize("values", ODD.values(), ids=ODD.keys())
def test_odd_values_that_a_line_may_hold_are_kept(values: str, tmp_path: Path) -> None:
    """Beside a day without the column, so that a file has a place for both."""
    found = json.loads(line(START_MS, rows=2))
    odd = json.dumps({**found, "columns": {"z": "VALUES"}}).replace('"VALUES"', values).encode()
    segment(tmp_path / "log", PREDICTIONS, [odd, line(START_MS + 30 * HOUR)])
    assert count_predictions(tmp_path / "log").bad_lines == 0
    for ending in ("parquet", "csv"):
        out = tmp_path / f"all.{ending}"
        assert write_predictions(tmp_path / "log", out, since=None, until=None, label="last").rows == 3
    found_values = read_predictions(tmp_path / "log")["z"].tolist()[:2]
    assert [None if value is None or value != value else value for value in found_values] == json.loads(
        values, parse_int=float
    )


def test_a_column_of_texts_and_numbers_can_be_kept_and_checked(
    problem: Problem, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows of a drift check are stored as parquet, which takes one type in a column."""
    taken = [{"f1": [1.5], "f5": [True]}, {"f1": ["2.5"], "f5": [2.5]}, {"f1": [None], "f5": [None]}]
    lines = [
        json.dumps({**json.loads(line(START_MS + at, request=at)), "columns": columns}).encode()
        for at, columns in enumerate(taken)
    ]
    segment(tmp_path, PREDICTIONS, lines)
    found = features_of_log(read_predictions(tmp_path), problem.contract.features)
    found.to_parquet(tmp_path / "rows.parquet")
    assert "column f1 has both text and numbers" in caplog.text
    broken = {(fault.column, fault.rule) for fault in find_batch_violations(found, problem)}
    assert {("f1", "must be a number, not text"), ("f5", "must be a whole number")} <= broken


def test_columns_that_share_a_name_with_ours_are_kept_apart(tmp_path: Path) -> None:
    found = {**GOOD, "columns": {"at": [1], "feature_at": [2], "feature_feature_at": [3]}}
    segment(tmp_path / "log", PREDICTIONS, [json.dumps(found).encode()])
    write_predictions(tmp_path / "log", tmp_path / "all.parquet", since=None, until=None, label="last")
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert table[["feature_at", "feature_feature_at", "feature_feature_feature_at"]].values.tolist() == [[1, 2, 3]]


def test_a_copied_segment_counts_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = segment(tmp_path, PREDICTIONS, [line(START_MS + at, request=at) for at in range(5)])
    copy = path.with_name(path.name.replace("-1.jsonl", "-2.jsonl"))
    copy.write_bytes(path.read_bytes())
    counts = count_predictions(tmp_path)
    assert (counts.predictions, counts.bad_lines) == (5, 5)
    assert f"{copy.name} repeats predictions" in caplog.text


def test_what_is_named_like_a_segment_and_is_none_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    segment(tmp_path, PREDICTIONS, [line(START_MS)])
    name = "predictions-20260301T000000000000-{}.jsonl"
    (tmp_path / name.format(2)).mkdir()
    os.mkfifo(tmp_path / name.format(3))
    (tmp_path / name.format(4)).symlink_to(tmp_path / name.format(4))
    (tmp_path / name.format(5)).symlink_to("/dev/zero")
    (tmp_path / "predictions-99999999T999999999999-6.jsonl").write_bytes(os.urandom(1000) + b"\n")
    (tmp_path / "labels-20260301T000000000000-2.jsonl").mkdir()
    counts = count_predictions(tmp_path)
    assert (counts.predictions, counts.unreadable_files) == (1, 5)
    assert counts.bad_lines >= 1
    assert f"{name.format(2)} can't be read and is left out: it is not a regular file" in caplog.text


AS_ANOTHER = """
import os, sys
from pathlib import Path
from driftgate.production.predictions import count_predictions
import pandas
os.setuid(65534)
print(count_predictions(Path(sys.argv[1])).model_dump_json())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_segment_that_may_not_be_read_is_told() -> None:
    # pytest's own folders are its user's alone.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "log"
        segment(folder, PREDICTIONS, [line(START_MS)]).chmod(0o600)
        folder.chmod(0o755)

        def count() -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-c", AS_ANOTHER, str(folder)]
            return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)

        one = count()
        assert json.loads(one.stdout)["unreadable_files"] == 1
        assert "Permission denied" in one.stderr
        folder.chmod(0o700)
        assert "can't be read: Permission denied" in count().stderr


def test_a_log_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    with pytest.raises(DriftgateError, match="no prediction log"):
        count_predictions(tmp_path / "log")


def a_clock_set_right(folder: Path, *, ahead: int) -> None:
    """A service whose clock was some hours ahead for a hundred predictions and labels, in real segments."""
    now = START_MS + 48 * HOUR
    for offset in (ahead * HOUR, 0):
        predictions, labels = SegmentWriter(folder, PREDICTIONS), SegmentWriter(folder, LABELS)
        for at in range(100):
            predictions.append(line(now + offset + at, request=at))
            labels.append(label(now + offset + at, now + at, "holds", request=at))
        predictions.close()
        labels.close()


@pytest.mark.parametrize("ahead", [2, -2, 24 * 365 * 10, -24 * 365 * 50])
def test_no_prediction_is_lost_to_a_clock(ahead: int, tmp_path: Path) -> None:
    a_clock_set_right(tmp_path, ahead=ahead)
    # The clock of the files says something else again.
    for number, path in enumerate(tmp_path.glob("*.jsonl")):
        os.utime(path, (number * 1000, number * 1000))
    counts = count_predictions(tmp_path)
    assert (counts.predictions, counts.labelled, counts.bad_lines) == (200, 200, 0)
    since = START + dt.timedelta(hours=48)
    until = since + dt.timedelta(seconds=1)
    assert len(read_predictions(tmp_path, since=since, until=until)) == 100
    assert read_predictions(tmp_path, since=since, until=until)["label"].notna().all()
    early = since + dt.timedelta(hours=ahead)
    assert len(read_predictions(tmp_path, since=early, until=early + dt.timedelta(seconds=1))) == 100


def test_times_of_one_segment_may_lie_anywhere(tmp_path: Path) -> None:
    """Some at 1970, some in 2261, most in an hour: the rows of all, without a look at the years between."""
    draw = random.Random(1)  # noqa: S311
    moments = [draw.randrange(0, 9_214_646_400_000) for _ in range(60)] + [START_MS + at for at in range(300)]
    draw.shuffle(moments)
    segment(tmp_path, PREDICTIONS, [line(at, request=number) for number, at in enumerate(moments)])
    found = read_predictions(tmp_path)
    assert (found["at"].astype("int64") // 10**6).tolist() == sorted(moments)
    parts = list(windows(tmp_path, window=dt.timedelta(hours=1)))
    assert sum(len(part) for part in parts) == 360


def test_more_times_than_the_index_keeps_lose_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "MOST_SPANS", 10)
    moments = [START_MS + number**2 * HOUR for number in range(40)]
    segment(tmp_path, PREDICTIONS, [line(at, request=number) for number, at in enumerate(moments)])
    (found,) = LogReader(tmp_path).segments(PREDICTIONS)
    assert 1 < len(found.spans) <= 10
    assert count_predictions(tmp_path).predictions == len(moments)


def test_the_index_is_only_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = segment(tmp_path, PREDICTIONS, [line(START_MS)])
    assert count_predictions(tmp_path).predictions == 1
    index = tmp_path / INDEX
    assert index.stat().st_mode & 0o777 == 0o600
    with path.open("ab") as file:
        file.write(line(START_MS - 90 * 24 * HOUR, request=1) + b"\n")
    assert count_predictions(tmp_path).predictions == 2
    for spoilt in (b"", b"{", b"[]", b'{"segments": {"x": 1}}', b'{"segments": 5}', b"\xff" * 100):
        index.write_bytes(spoilt)
        assert count_predictions(tmp_path).predictions == 2
    index.unlink()
    index.mkdir()
    assert count_predictions(tmp_path).predictions == 2
    index.rmdir()
    assert count_predictions(tmp_path).predictions == 2
    looked: list[str] = []
    monkeypatch.setattr(log_reader, "time_of", lambda *_: looked.append("again"))
    assert count_predictions(tmp_path).predictions == 2
    assert not looked


def test_only_segments_of_the_time_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(30):
        begun = START + dt.timedelta(days=day)
        segment(tmp_path, PREDICTIONS, [line(START_MS + day * 24 * HOUR)], begun=begun)
    assert count_predictions(tmp_path).predictions == 30
    read: list[Path] = []
    real = log_reader.whole_lines

    def watched(path: Path, *, size: int) -> Any:
        read.append(path)
        return real(path, size=size)

    monkeypatch.setattr(log_reader, "whole_lines", watched)
    since = START + dt.timedelta(days=9)
    assert count_predictions(tmp_path, since=since, until=since + dt.timedelta(days=2)).predictions == 2
    assert len(read) == 2


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    """A foreign file of 300 MB without an end of line, and a limit on memory below that."""
    segment(tmp_path, PREDICTIONS, [line(START_MS)])
    with (tmp_path / "predictions-20260301T000000000000-2.jsonl").open("wb") as file:
        file.truncate(300_000_000)  # zeros that take no space on the disk
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + line(START_MS + 1, request=1) + b"\n")
    code = (
        "import sys, resource; from pathlib import Path; import pandas, numpy\n"
        "from driftgate.production.predictions import count_predictions\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "counts = count_predictions(Path(sys.argv[1]))\n"
        "print(counts.predictions, counts.bad_lines, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=PROJECT)
    predictions, bad, grown = map(int, done.stdout.split())
    assert (predictions, bad) == (2, 1)
    assert grown < 250_000  # KiB


def test_the_log_is_its_owners_alone(tmp_path: Path) -> None:
    for umask in (0o022, 0o000):
        old = os.umask(umask)
        try:
            folder = tmp_path / f"log-{umask}"
            writer = SegmentWriter(folder, PREDICTIONS)
            writer.append(line(START_MS))
            writer.close()
            count_predictions(folder)
        finally:
            os.umask(old)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_line_that_no_reader_takes_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftgate.production.prediction_log.MOST_LINE_BYTES", 1000)
    writer = SegmentWriter(tmp_path, PREDICTIONS)
    with pytest.raises(OSError, match="too long"):
        writer.append(b"x" * 1000)
    writer.append(b"x" * 999)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [1000]
