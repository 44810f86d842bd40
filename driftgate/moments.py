"""Dates and times written in ISO 8601, read one at a time; for requests and for the bounds of a column.

`driftgate.data.dates` reads whole columns by the same rules.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

ISO = (
    r"^(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})?)?$"
)
MAXIMUM_DATE_LENGTH = 40
_ISO = re.compile(ISO.removesuffix("$") + r"\Z")


def moment_of_text(text: str, *, time_zone: str | None = None) -> dt.datetime | None:
    """The moment that a text in ISO 8601 names, as local time without an offset; None if it names none.

    A date alone is midnight. 24:00 is midnight of the next day. Digits of a second beyond the sixth are cut.

    Args:
        text: Such as `2024-01-31`, `2024-01-31T18:05:00` or `2024-01-31 18:05:00.5+01:00`.
        time_zone: IANA name of the zone that a time with an offset is converted to; None: UTC.
    """
    found = _ISO.match(text)
    if found is None:
        return None
    day, zone = found["day"], found["zone"]
    hour, minute, second = (found[part] or "00" for part in ("hour", "minute", "second"))
    fraction = (found["fraction"] or "")[:6].ljust(6, "0")
    late = hour == "24"
    if late and (minute, second, fraction) != ("00", "00", "000000"):
        return None
    try:
        moment = dt.datetime.fromisoformat(f"{day}T{'00' if late else hour}:{minute}:{second}.{fraction}")
        moment += dt.timedelta(days=late)
        return _local(moment, zone, time_zone) if zone else moment
    except (ValueError, OverflowError):
        return None


def iso_text(moment: dt.date | str) -> str:
    """A moment in ISO 8601, as a request has it; a midnight is written as a date alone."""
    if isinstance(moment, str):
        return moment
    if not isinstance(moment, dt.datetime) or moment.time() == dt.time():
        return moment.strftime("%Y-%m-%d").rjust(10, "0")
    return dt.datetime.isoformat(moment)


def bound_of(value: object) -> dt.date:
    """A bound of a column of dates: a day, which is the whole day, or a moment.

    Raises:
        ValueError: If the value is neither.
    """
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            raise ValueError("a bound has no offset: write it as local time")
        return value
    if isinstance(value, dt.date):
        return value
    moment = moment_of_text(value) if isinstance(value, str) else None
    if moment is None or not isinstance(value, str):
        raise ValueError(f"{value!r} is not a date such as 2024-01-31 or 2024-01-31T18:05:00")
    return moment.date() if len(value) == len("2024-01-31") else moment


def first_moment(bound: dt.date) -> dt.datetime:
    """The first moment that a minimum allows."""
    return bound if isinstance(bound, dt.datetime) else dt.datetime.combine(bound, dt.time())


def last_moment(bound: dt.date) -> dt.datetime:
    """The last moment that a maximum allows, to the microsecond."""
    return bound if isinstance(bound, dt.datetime) else dt.datetime.combine(bound, dt.time.max)


def _local(moment: dt.datetime, offset: str, time_zone: str | None) -> dt.datetime:
    """A moment with an offset as local time of a zone."""
    if offset not in ("Z", "z"):
        hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
        if hours > 23 or minutes > 59:
            raise ValueError(offset)
        moment -= dt.timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    if time_zone is None:
        return moment
    return moment.replace(tzinfo=dt.UTC).astimezone(_zone(time_zone)).replace(tzinfo=None)


@lru_cache(maxsize=16)
def _zone(name: str) -> dt.tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
