"""Prediction logs for tests, line by line."""

import datetime as dt
import json
import os
from pathlib import Path

HOUR = 3_600_000
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
START_MS = int(START.timestamp() * 1000)


def line(at: int, *, rows: int = 1, request: int = 0, version: str = "1") -> bytes:
    told = {
        "at": at, "request": f"{at:011x}-{request:016x}", "model": "rules", "version": version, "arm": "champion",
        "probability": [0.25] * rows, "columns": {"x": list(range(rows)), "kind": [None] * rows},
    }  # fmt: skip
    return json.dumps(told).encode()


def label(at: int, told_at: int, value: str, *, request: int = 0, row: int = 0) -> bytes:
    name = f"{at:011x}-{request:016x}-{row}"
    return json.dumps({"at": told_at, "prediction_id": name, "label": value}).encode()


def segment(folder: Path, kind: str, lines: list[bytes], *, begun: dt.datetime = START, ending: bytes = b"\n") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}-{begun:%Y%m%dT%H%M%S%f}-1.jsonl"
    path.write_bytes(b"\n".join(lines) + ending)
    written = (begun + dt.timedelta(days=1)).timestamp()
    os.utime(path, (written, written))
    return path
