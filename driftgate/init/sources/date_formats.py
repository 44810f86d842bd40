"""Find the format of dates that are written as text, by all values and not by the first."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from driftgate.config import Texts
from driftgate.data.dates import read_dates

TRIED_VALUES = 200
LONGEST = 45  # characters of a date with time and zone
# Day and month first come in pairs, and the values decide between them.
NUMERIC_DAYS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d", "%d{0}%m{0}%y", "%m{0}%d{0}%y")
NAMED_DAYS = (
    "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%B-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y",
    "%a, %d %b %Y", "%A, %d %B %Y", "%d%b%Y",
)  # fmt: skip
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p")
LIKE_A_DAY = re.compile(r"[0-9]{1,4}([/.-])[0-9]{1,2}\1[0-9]{1,4}\b")
LIKE_A_NAMED_DAY = re.compile(r"(?=.*[0-9]{2})(?=.*(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))[0-9A-Za-z]")
SHORT_AND_PADDED = r"^[0-9]{2}([.-])[0-9]{2}([.-])[0-9]{2}\b"
LIKE_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:$|[Tt ])"
COMPACT = r"^(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])$"
LIKE_DATES = 0.9


@dataclass(frozen=True)
class Dates:
    """The formats that fit all values of a column.

    Attributes:
        formats: strptime formats; None is ISO 8601. More than one is ambiguous.
        example: A value that two formats read differently.
        notes: What to say about the column.
    """

    formats: tuple[str | None, ...]
    example: str = ""
    notes: tuple[str, ...] = ()


def find_dates(known: Any, *, given: Iterable[str], time_zone: str | None) -> Dates | None:
    """The formats of a column of dates.

    Args:
        known: Distinct texts without missing values, as pyarrow strings; at least one.
        given: Formats that a person gave; the first that fits is taken.
        time_zone: Of the data.

    Returns:
        None if the texts are not dates of one format.
    """
    for form in given:
        if moments(known, form, time_zone) is not None:
            return Dates((form,))
    first = known[0].as_py()
    if len(first) > LONGEST or not any(sign.isdigit() for sign in first):
        return None
    if all_match(known, LIKE_ISO):
        return _iso(known, time_zone)
    fits = [form for form in _candidates(known) if moments(known, form, time_zone) is not None]
    return _unambiguous(known, fits, time_zone) if fits else None


def looks_like_dates(known: Any) -> bool:
    """Whether most texts begin like a date of numbers, such as 31/01/2024."""
    import pyarrow.compute as pc

    like = pc.match_substring_regex(known, r"^[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{2,4}(?:$|[ T])")
    return bool(pc.mean(like).as_py() >= LIKE_DATES)


def compact_dates(known: Any) -> bool:
    """Whether whole numbers as text are all days written as yyyymmdd, and more than one."""
    return len(known) > 1 and all_match(known, COMPACT) and moments(known, "%Y%m%d", None) is not None


def moments(known: Any, form: str | None, time_zone: str | None) -> Any:
    """Timestamps of texts in a format, as the product reads them; None if a text doesn't fit."""
    texts = Texts(date_format=form, time_zone=time_zone)
    if form is not None and not all(_fits(text, form) for text in _spread(known)):
        return None
    found, faults = read_dates(known, texts, column="")
    return None if faults else found


def _iso(known: Any, time_zone: str | None) -> Dates | None:
    if moments(known, None, time_zone) is None:
        return None
    import pyarrow.compute as pc

    zoned = pc.any(pc.match_substring_regex(known, r"[T ][0-9:.,]+ ?(?:[Zz]|[+-][0-9:]+)$")).as_py()
    note = (f"its offsets are converted to {time_zone or 'UTC'}",) if zoned else ()
    return Dates((None,), notes=note)


def _candidates(known: Any) -> list[str]:
    """The formats that fit some values spread over the column."""
    first = known[0].as_py()
    if found := LIKE_A_DAY.match(first):
        days = [form.format(found[1]) for form in NUMERIC_DAYS]
        if found[1] != "/" and not all_match(known, SHORT_AND_PADDED):
            days = [form for form in days if "%y" not in form]  # 1.2.10 is rather a version
        if found[1] == ".":
            days = [form for form in days if not form.startswith("%m")]  # written nowhere
    elif LIKE_A_NAMED_DAY.match(first):
        days = list(NAMED_DAYS)
    else:
        return []
    days = [day for day in days if _begins(first, day)]
    clocks = [
        "",
        *(f"{gap}{clock}{zone}" for gap in (" ", "T", ", ") for clock in CLOCKS for zone in ("", "%z", " %z")),
    ]
    tried = _spread(known)
    return [
        form for day in days for clock in clocks
        if _fits(first, form := f"{day}{clock}") and all(_fits(text, form) for text in tried)
    ]  # fmt: skip


def _unambiguous(known: Any, fits: list[str], time_zone: str | None) -> Dates:
    """One format, if all formats that fit mean the same; else all of them."""
    read = {form: moments(known, form, time_zone) for form in fits}
    first = fits[0]
    for other in fits[1:]:
        differing = [at for at, (one, two) in enumerate(zip(read[first], read[other], strict=True)) if one != two]
        if differing:
            return Dates((first, other), example=known[differing[0]].as_py())
    notes = ("years of two digits are read as 1969 to 2068",) if "%y" in first else ()
    return Dates((first,), notes=notes)


def _begins(text: str, form: str) -> bool:
    """Whether a text begins with a day in a format."""
    try:
        dt.datetime.strptime(text, form)
    except ValueError as error:
        return "unconverted data remains" in str(error)
    return True


def _fits(text: str, form: str) -> bool:
    try:
        dt.datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _spread(known: Any) -> list[str]:
    step = max(1, len(known) // TRIED_VALUES)
    return [str(text) for text in known[::step].to_pylist()] if step == 1 else _every(known, step)


def _every(known: Any, step: int) -> list[str]:
    import numpy as np

    return [str(text) for text in known.take(np.arange(0, len(known), step)).to_pylist()]


def all_match(known: Any, pattern: str) -> bool:
    """Whether all texts, as pyarrow strings, have a match of a pattern."""
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(known, pattern)).as_py())
