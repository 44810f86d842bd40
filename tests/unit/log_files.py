"""Prediction logs for tests, line by line."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

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


GOOD = json.loads(line(START_MS + 7, request=7))
GOOD_LABEL = json.loads(label(START_MS, START_MS + 5, "holds"))


def changed(**values: Any) -> bytes:
    return json.dumps({**GOOD, **values}).encode()


def without(key: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != key}).encode()


def columns(values: str) -> bytes:
    """A line with this text, unchanged, in column `x`."""
    return changed(columns={"x": "VALUES"}).replace(b'"VALUES"', values.encode())


BAD = {
    "empty": b"",
    "blank": b"  ",
    "text": b"hello",
    "bytes": b"\xff\xfe\x00\x01",
    "NUL bytes": b"\x00" * 100,
    "NUL in a text": changed(model="rules").replace(b"rules", b"ru\x00es"),
    "half": changed()[:40],
    "two in one": changed() + changed(),
    "array": b"[1, 2]",
    "array around it": b"[" + changed() + b"]",
    "number": b"5",
    "null": b"null",
    "string": b'"predictions"',
    "no key": b"{}",
    "deep": b'{"at": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep columns": columns("[" * 150 + "]" * 150),
    "10 MB": b'{"at": "' + b"x" * 10_000_000 + b'"}',
    "lone surrogate": changed(version="V").replace(b'"V"', b'"\\ud800"'),
    "raw surrogate": changed(version="V").replace(b'"V"', b'"\xed\xa0\x80"'),
    "control characters": changed(version="1\x1b[2J"),
    "byte order mark": b"\xef\xbb\xbf" + changed(),
    "NaN": columns("[NaN]"),
    "infinity": columns("[Infinity]"),
    "exponent": columns("[1e400]"),
    "integer of 30 digits": columns("[1" + "0" * 29 + "]"),
    "negative integer of 30 digits": columns("[-1" + "0" * 29 + "]"),
    "integer of 65 bits": columns(f"[{2**63}]"),
    "integer of 10,000 digits": columns("[" + "9" * 10_000 + "]"),
    "list in a column": columns("[[1]]"),
    "object in a column": columns('[{"a": 1}]'),
    "column no list": columns("5"),
    "column too long": columns("[1, 2]"),
    "column too short": columns("[]"),
    "columns no object": changed(columns=[1, 2]),
    "columns null": changed(columns=None),
    "columns text": changed(columns="x"),
    "column without a name": changed(columns={"": [1]}),
    "column of control characters": changed(columns={"a\n": [1]}),
    "no columns": without("columns"),
    "no at": without("at"),
    "at text": changed(at=str(GOOD["at"])),
    "at date": changed(at="2026-03-01"),
    "at float": changed(at=float(GOOD["at"])),
    "at boolean": changed(at=True),
    "at null": changed(at=None),
    "at negative": changed(at=-1),
    "at of another time": changed(at=GOOD["at"] + 1),
    "at twice": changed().replace(b'{"at"', b'{"at": 1, "at"', 1),
    "at in the year 10000": changed(at=253402300800000, request=f"{253402300800000:011x}-{7:016x}"),
    "at in the year 2262": changed(at=9214646400000, request=f"{9214646400000:011x}-{7:016x}"),
    "no request": without("request"),
    "request number": changed(request=7),
    "request no id": changed(request="x"),
    "request with an end of line": changed(request=GOOD["request"] + "\n"),
    "no probability": without("probability"),
    "probability number": changed(probability=0.5),
    "probability text": changed(probability=["0.5"]),
    "probability boolean": changed(probability=[True]),
    "probability null": changed(probability=[None]),
    "probability above 1": changed(probability=[1.5]),
    "probability empty": changed(probability=[], columns={}),
    "no model": without("model"),
    "model number": changed(model=5),
    "model list": changed(model=["rules"]),
    "version null": changed(version=None),
    "version object": changed(version={}),
    "version long": changed(version="1" * 1000),
    "arm number": changed(arm=5),
    "caller number": changed(caller=5),
}  # fmt: skip

BAD_LABELS = {
    "text": b"hello",
    "array": b"[]",
    "no id": json.dumps({"at": START_MS, "label": "holds"}).encode(),
    "id number": json.dumps({**GOOD_LABEL, "prediction_id": 5}).encode(),
    "id short": json.dumps({**GOOD_LABEL, "prediction_id": "ab"}).encode(),
    "id of a request": json.dumps({**GOOD_LABEL, "prediction_id": GOOD_LABEL["prediction_id"][:-2]}).encode(),
    "id in another script": json.dumps(
        {**GOOD_LABEL, "prediction_id": GOOD_LABEL["prediction_id"][:-1] + "٣"}, ensure_ascii=False
    ).encode(),
    "at text": json.dumps({**GOOD_LABEL, "at": "5"}).encode(),
    "at date": json.dumps({**GOOD_LABEL, "at": "10000-01-01"}).encode(),
    "at in the year 10000": json.dumps({**GOOD_LABEL, "at": 253402300800000}).encode(),
    "at missing": json.dumps({"prediction_id": GOOD_LABEL["prediction_id"], "label": "holds"}).encode(),
    "label null": json.dumps({**GOOD_LABEL, "label": None}).encode(),
    "label number": json.dumps({**GOOD_LABEL, "label": 5}).encode(),
    "label list": json.dumps({**GOOD_LABEL, "label": ["holds"]}).encode(),
    "label long": json.dumps({**GOOD_LABEL, "label": "x" * 1000}).encode(),
}
