"""Compute the model's inputs from dates and texts: the same function at training and in the service.

Parts of dates and counts of hashed n-grams are not part of the ONNX model. Needs only numpy.
"""

from __future__ import annotations

import datetime as dt
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from driftgate.contract import Column, Contract, DatePart, normal_text
from driftgate.moments import moment_of_text

WORD = re.compile(r"\w+")
CHARACTERS = (3, 4)  # lengths of the pieces of a text
MOST_PLACES = 1_000_000  # remembered n-grams
NO_TIME = np.datetime64("NaT")


def inputs_of(columns: Mapping[str, Any] | Any, contract: Contract) -> dict[str, np.ndarray]:
    """The inputs of the model that are computed from dates and texts.

    Args:
        columns: n values of each column, by name, or a DataFrame. Missing values are None, NaN or NaT; a text may also be "".
        contract: The columns.

    Returns:
        float32 of shape (n,) for each derived input, in the contract's order; other inputs are left out.
    """
    found: dict[str, np.ndarray] = {}
    for name, column in contract.columns.items():
        if column.type == "date":
            found |= dict(zip(_names(name, column), parts_of_dates(columns[name], column), strict=True))
        elif column.type == "text":
            found |= dict(zip(_names(name, column), buckets_of_texts(columns[name], column), strict=True))
    return found


def _names(name: str, column: Column) -> list[str]:
    return [given for given, _ in column.inputs(name)]


def parts_of_dates(values: Any, column: Column) -> list[np.ndarray]:
    """The parts of dates that a column names; float32 of shape (n,) each, NaN where a date is missing.

    Args:
        values: n datetimes, or texts in ISO 8601; None, NaN or NaT where missing.
        column: Names the parts, and gives the time zone of texts with an offset.
    """
    moments = moments_of(values, time_zone=column.time_zone)
    missing = np.isnat(moments)
    known = np.where(missing, np.datetime64(0, "us"), moments)
    return [np.where(missing, np.float32("nan"), _part(known, part)).astype(np.float32) for part in column.date_parts]


def moments_of(values: Any, *, time_zone: str | None = None) -> np.ndarray:
    """Dates as datetime64[us] of shape (n,), NaT where one is missing or is not a date.

    Args:
        values: A sequence of datetimes, of texts in ISO 8601, or of both.
        time_zone: IANA name of the zone that texts with an offset are converted to; None: UTC.
    """
    given = values if hasattr(values, "dtype") else np.array(values, dtype=object)
    if given.dtype.kind == "M":
        return np.asarray(given, dtype="datetime64[us]")
    seen: dict[str, Any] = {}
    moments = np.empty(len(given), dtype="datetime64[us]")
    for at, value in enumerate(given.tolist()):
        if isinstance(value, str):
            if value not in seen:
                seen[value] = moment_of_text(value, time_zone=time_zone) or NO_TIME
            moments[at] = seen[value]
        else:
            moments[at] = _naive(value)
    return moments


def _naive(value: Any) -> Any:
    """A datetime for numpy; NaT for a missing value and for anything else. NaT is not equal to itself."""
    return (
        value if isinstance(value, dt.date) and value == value and getattr(value, "tzinfo", None) is None else NO_TIME
    )


def _part(moments: np.ndarray, part: DatePart) -> np.ndarray:
    days = moments.astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    month = (months - years).astype(int)
    since = days.astype(int)
    minutes = (moments.astype("datetime64[m]") - days).astype(int)
    found: np.ndarray = {
        "year": years.astype(int) + 1970,
        "quarter": month // 3 + 1,
        "month": month + 1,
        "day": (days - months).astype(int) + 1,
        "weekday": (since + 3) % 7,  # 1970-01-01 was a Thursday
        "day_of_year": (days - years).astype(int) + 1,
        "hour": minutes // 60,
        "minute": minutes % 60,
        "days": since,
    }[part]
    return found


def buckets_of_texts(values: Iterable[Any], column: Column) -> list[np.ndarray]:
    """How often the n-grams of each bucket occur in texts; float32 of shape (n,) for each bucket.

    The counts of a text are divided by their Euclidean length, so that long and short texts are comparable. A missing text
    has zeros. The bucket of an n-gram is its CRC-32 modulo the number of buckets, the same on every machine (feature
    hashing, Weinberger et al. 2009).

    Args:
        values: n texts; None, NaN or "" where missing.
        column: Gives the number of buckets, and what is counted.
    """
    buckets, pieces = column.text_buckets, _characters if column.ngrams == "characters" else _words
    texts: Sequence[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    counts = np.zeros((buckets, len(texts)), dtype=np.float32)
    places: dict[str, int] = {}
    for at, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            continue
        for piece in pieces(normal_text(text).casefold()):
            place = places.get(piece)
            if place is None:
                place = places[piece] = slot_of(piece, buckets)
            counts[place, at] += 1
        if len(places) > MOST_PLACES:
            places.clear()
    length = np.sqrt(np.square(counts, dtype=np.float64).sum(axis=0))
    counts /= np.where(length > 0, length, 1).astype(np.float32)
    return list(counts)


def slot_of(piece: str, slots: int) -> int:
    """The slot of a piece of text: its CRC-32 modulo the number of slots, the same on every machine."""
    return zlib.crc32(piece.encode("utf-8", "surrogatepass")) % slots


def _words(text: str) -> list[str]:
    words = WORD.findall(text)
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def _characters(text: str) -> list[str]:
    text = f" {' '.join(text.split())} "
    return [text[at : at + size] for size in CHARACTERS for at in range(len(text) - size + 1)]
