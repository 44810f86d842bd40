"""What the name of a column says about it. Names are a hint; the values decide."""

from __future__ import annotations

import difflib
import re

from driftgate.errors import DriftgateError

ID = re.compile(
    r"(^|_)(id|ids|key|uuid|guid|rownames?|row_?(id|no|num|number|names?)?|index|unnamed.*|no|nr|num|number|code|ref|reference)$"
)
STRONG_ID = re.compile(r"^(id|uuid|guid|row_?id|rownames?|index|unnamed.*)$|(^|_)(id|uuid|guid)$")
ROW_NUMBER = re.compile(r"^(rownames?|index|unnamed.*)$")
ENTITY = re.compile(
    r"^(customer|client|patient|subject|subj|user|account|person|member|household|hh|family|student|pupil|employee|worker|"
    r"individual|indiv|player|participant|respondent|firm|company|device|machine|vehicle|session|visitor|donor|rat|mouse|"
    r"animal|dog|cow|child|mother|case|school|schoolid|pid|uid|cid|sid)s?(_?(id|no|nr|num|number|key|code|name))?$"
)
TIME = re.compile(
    r"(^|_)(time|date|datetime|timestamp|ts|created|created_at|at|on|when|moment|day|ordered|opened|booked|scheduled|observed|recorded|event)($|_)"
)
STRONG_TIME = re.compile(
    r"^(timestamp|datetime|date|time|event_(time|date)|observed_at|recorded_at|created_at|created|order_(time|date)|scheduled_at)$"
)
BIRTH = re.compile(r"(^|_)(birth|born|dob|birthday|birthdate)($|_)")
PERCENT = re.compile(r"(^|_)(pct|percent|percentage|perc)($|_)|%")
SHARE = re.compile(r"(^|_)(share|fraction|frac|prob|probability|proportion|prop|ratio|rate)($|_)")
AFTER = re.compile(
    r"(^|_)(outcome|result|status|resolution|resolved|closed|cancel|cancelled|cancellation|refund|refunded|chargeback|settled|"
    r"discharge|discharged|death|died|deceased|churn|churned|final|actual|label|target|payoff|defaulted|approved|verdict)($|_)"
)
NATURAL = {
    "month": (1, 12), "hour": (0, 23), "minute": (0, 59), "second": (0, 59), "day": (1, 31), "day_of_month": (1, 31),
    "weekday": (0, 7), "day_of_week": (0, 7), "dow": (0, 7), "week": (1, 53), "quarter": (1, 4), "day_of_year": (1, 366),
    "latitude": (-90, 90), "lat": (-90, 90), "longitude": (-180, 180), "lon": (-180, 180), "lng": (-180, 180),
}  # fmt: skip


def plain(name: str) -> str:
    """A name in lower case with underscores, so that `customerID`, `Customer Id` and `customer.id` look the same."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^0-9a-zA-Z%]+", "_", parted).strip("_").lower()


def require_column(name: str, columns: list[str], *, option: str) -> str:
    """Check that the table has a column.

    Raises:
        DriftgateError: If it doesn't; the error names columns with a similar name.
    """
    if name in columns:
        return name
    lower = {column.lower(): column for column in columns}
    near = [lower[found] for found in difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.6)]
    listed = ", ".join(repr(column) for column in columns[:20]) + (" …" if len(columns) > 20 else "")
    remedy = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Its columns are {listed}."
    raise DriftgateError(f"The table has no column {name!r}, which {option} names.", remedy)
