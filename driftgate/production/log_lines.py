"""The format of the lines of the prediction log. Any other line is a bad line: readers leave it out and count it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from driftgate.contract import is_column_name
from driftgate.production.prediction_log import LABELS, MOST_LINE_BYTES

MOST_TIME = 9_214_646_400_000  # the start of 2262 in milliseconds; pandas timestamps end in that year
MOST_INTEGER = 2**63  # limit of the 64-bit integers of pandas and Arrow
MOST_NAME = 200
MOST_CLASSES = 1000
NUMBERS = frozenset({int, float})
PIECE_BYTES = 2**20
REQUEST = re.compile(r"[0-9a-f]{11}-[0-9a-f]{16}")
ROW = re.compile(rf"{REQUEST.pattern}-(0|[1-9][0-9]{{0,8}})")
SCALARS = frozenset({bool, int, float, str, type(None)})
# The time of a line as the service writes it, found without parsing the line.
QUICK_PREDICTION = re.compile(rb'\{"at": ?(\d{1,15})[,}]')
QUICK_LABEL = re.compile(rb'\{"at": ?\d{1,15}, ?"prediction_id": ?"([0-9a-f]{11})-')


class BadLine(ValueError):
    """A line that breaks the format; the message says what is wrong and doesn't repeat its content."""


class PredictionLine(NamedTuple):
    """One request: the probabilities of its n rows, and n values of each column.

    `probability` has a number for each row, that of the positive class, or a list with the probability of each of
    `classes`. `classes` is None for two classes: such lines don't have their names. `at` is in milliseconds since 1970, UTC. `caller` is a pseudonym, if an experiment assigned by caller; `peer` is a
    pseudonym of the network address, if an experiment was running.
    """

    at: int
    request: str
    model: str
    version: str
    arm: str | None
    caller: str | None
    peer: str | None
    probability: list[float] | list[list[float]]
    columns: dict[str, list[Any]]
    classes: tuple[str, ...] | None = None


class LabelLine(NamedTuple):
    """One label. `at` is when it was sent, `predicted_at` when its row was predicted; milliseconds since 1970, UTC."""

    at: int
    predicted_at: int
    prediction_id: str
    label: str


def whole_lines(segment: Path, *, size: int) -> Iterator[bytes | None]:
    """Read the complete lines of a segment, with only one line in memory.

    Args:
        segment: A regular file.
        size: How many of its bytes to read. A last line without a line break was never answered, or is being written.

    Yields:
        Each line with its line break; None for a line longer than `MOST_LINE_BYTES`.
    """
    with segment.open("rb") as file:
        left = size
        while left > 0 and (line := file.readline(min(left, MOST_LINE_BYTES + 1))):
            left -= len(line)
            if line.endswith(b"\n"):
                yield line
            elif len(line) > MOST_LINE_BYTES:
                while left > 0 and (piece := file.readline(min(left, PIECE_BYTES))):
                    left -= len(piece)
                    if piece.endswith(b"\n"):
                        break
                yield None


def parse_prediction(line: bytes | None) -> PredictionLine:
    """Read a line of predictions, of the service or of a challenger in shadow mode.

    Raises:
        BadLine: If it is not such a line.
    """
    found = _object(line)
    request = found.get("request")
    if not isinstance(request, str) or not REQUEST.fullmatch(request):
        raise BadLine("its request is not a valid id")
    at = _time(found)
    quick = QUICK_PREDICTION.match(line or b"")
    if at != int(request[:11], 16) or (quick and at != int(quick[1])):
        raise BadLine("its time differs from the time in its request id")
    probability = found.get("probability")
    classes = _classes(found["classes"]) if "classes" in found else None
    if not isinstance(probability, list) or not probability:
        raise BadLine("its probabilities are not numbers from 0 to 1")
    if classes is None:
        if not _are_probabilities(probability):
            raise BadLine("its probabilities are not numbers from 0 to 1")
    elif not all(_is_row(row, classes=len(classes)) for row in probability):
        raise BadLine("its probabilities are not a number from 0 to 1 for each of its classes")
    return PredictionLine(
        at=at, request=request, model=_name(found, "model"), version=_name(found, "version"),
        arm=_name(found, "arm") if "arm" in found else None,
        caller=_name(found, "caller") if found.get("caller") is not None else None,
        peer=_name(found, "peer") if found.get("peer") is not None else None,
        probability=probability, columns=_columns(found.get("columns"), rows=len(probability)), classes=classes,
    )  # fmt: skip


def parse_label(line: bytes | None) -> LabelLine:
    """Read a line of labels.

    Raises:
        BadLine: If it is not such a line.
    """
    found = _object(line)
    name, label = found.get("prediction_id"), found.get("label")
    if not isinstance(name, str) or not ROW.fullmatch(name):
        raise BadLine("its prediction_id is not a valid id")
    quick = QUICK_LABEL.match(line or b"")
    if quick and quick[1].decode() != name[:11]:
        raise BadLine("it has two prediction_ids")
    if not isinstance(label, str) or len(label) > MOST_NAME:
        raise BadLine("its label is not a class name")
    return LabelLine(at=_time(found), predicted_at=int(name[:11], 16), prediction_id=name, label=label)


def time_of(line: bytes | None, kind: str) -> int | None:
    """When the rows of a line were predicted, in milliseconds since 1970; None for most bad lines."""
    if line is None:
        return None
    if kind == LABELS:
        quick = QUICK_LABEL.match(line)
        time = int(quick[1], 16) if quick else None
    else:
        quick = QUICK_PREDICTION.match(line)
        time = int(quick[1]) if quick else None
    if time is None:
        try:
            time = parse_label(line).predicted_at if kind == LABELS else parse_prediction(line).at
        except BadLine:
            return None
    return time if time < MOST_TIME else None


def _object(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise BadLine(f"it is longer than {MOST_LINE_BYTES:,} bytes")
    try:
        found = from_json(line, allow_inf_nan=False)
    except ValueError:
        raise BadLine("it is not JSON") from None
    if not isinstance(found, dict):
        raise BadLine("it is not a JSON object")
    return found


def _time(found: dict[str, Any]) -> int:
    at = found.get("at")
    if type(at) is not int or not 0 <= at < MOST_TIME:
        raise BadLine("its time is not a number of milliseconds before the year 2262")
    return at


def _name(found: dict[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= MOST_NAME or not value.isprintable():
        raise BadLine(f"its {key} is not a name")
    return value


def _classes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 3 <= len(value) <= MOST_CLASSES:
        raise BadLine(f"its classes are not a list of 3 to {MOST_CLASSES}")
    if not all(isinstance(name, str) and name for name in value) or len(set(value)) < len(value):
        raise BadLine("its classes are not different names")
    return tuple(value)


def _is_row(value: Any, *, classes: int) -> bool:
    return isinstance(value, list) and len(value) == classes and _are_probabilities(value)


def _are_probabilities(values: list[Any]) -> bool:
    return set(map(type, values)) <= NUMBERS and min(values) >= 0 and max(values) <= 1


def _columns(columns: Any, *, rows: int) -> dict[str, list[Any]]:
    if not isinstance(columns, dict):
        raise BadLine("its columns are not a JSON object")
    for name, values in columns.items():
        if not is_column_name(name):
            raise BadLine("a column has no printable name")
        if not isinstance(values, list) or len(values) != rows:
            raise BadLine("a column doesn't have one value per probability")
        kinds = set(map(type, values))
        if not kinds <= SCALARS:
            raise BadLine("a value is a list or an object")
        if int in kinds and any(type(value) is int and not -MOST_INTEGER <= value < MOST_INTEGER for value in values):
            raise BadLine("a whole number has more than 64 bits")
        if float in kinds and any(type(value) is float and not math.isfinite(value) for value in values):
            raise BadLine("a number is too large")
    return columns
