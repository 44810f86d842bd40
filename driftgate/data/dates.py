"""Read dates and times from text in ISO 8601 or in a declared format, as local time without a zone.

Timestamps with an offset are converted to the local time of the declared zone, or to UTC if none is declared. Fractions of
a second are read to the microsecond. 24:00 is midnight of the next day.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from driftgate.config import Texts
from driftgate.data.faults import Fault
from driftgate.moments import ISO

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ZONE_YEARS = 1902, 2036  # the years that tables of time zones cover
BY_PARTS = re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1[0-9]{2,4}\b")
NO_DATE = "is not a date in ISO 8601"
AMBIGUOUS = "does not say which part is the day and which the month"
FORMAT_REMEDY = "Write dates such as 2024-01-31 18:05:00, or set {} to their format, such as '%d/%m/%Y %H:%M'."


def read_dates(values: Any, texts: Texts, *, column: str, key: str = "data.date_format") -> tuple[Any, list[Fault]]:
    """Read dates.

    Args:
        values: pyarrow strings, null where missing.
        texts: The format of the dates.
        column: The name of the column, for faults.
        key: The key of the problem file that sets the format, for faults.

    Returns:
        Timestamps in microseconds without a zone, null where a value is missing or invalid; and the faults. It is a fault
        if some values have an offset, others don't, and no zone is declared.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    series = pd.Series(values.to_pandas(), dtype=object)
    known = series.notna().to_numpy()
    read = _declared if texts.date_format else _iso
    unlike = series[known].drop_duplicates()
    stamps, aware = read(unlike.reset_index(drop=True), texts)
    place = pd.Index(unlike).get_indexer(pd.Index(series[known]))
    moments = pd.Series(pd.NaT, index=series.index, dtype="datetime64[us]")
    moments[known] = stamps.to_numpy()[place]
    wrong = known & moments.isna().to_numpy()
    zoned = np.zeros(len(series), dtype=bool)
    zoned[known] = aware[place]
    faults = _faults(series, wrong, texts, column, key)
    faults += _mixed(series, zoned & ~wrong, known & ~zoned & ~wrong, texts, column)
    return pa.chunked_array([pa.array(moments, pa.timestamp("us"))]), faults


def local_time(moments: pd.Series[Any], texts: Texts) -> pd.Series[Any]:
    """Convert timestamps from UTC to the local time of the declared zone; both are without a zone."""
    import numpy as np
    import pandas as pd

    if not texts.time_zone:
        return moments
    local = moments.dt.tz_localize("UTC").dt.tz_convert(texts.time_zone).dt.tz_localize(None)
    found: pd.Series[Any] = pd.Series(local.to_numpy(copy=True), index=moments.index)
    # Outside the tables of a zone, pandas doesn't follow its rules as the service does.
    for at in np.flatnonzero(~moments.dt.year.between(*ZONE_YEARS).to_numpy() & moments.notna().to_numpy()).tolist():
        try:
            utc = moments.iloc[at].to_pydatetime().replace(tzinfo=dt.UTC)
            found.iloc[at] = utc.astimezone(ZoneInfo(texts.time_zone)).replace(tzinfo=None)
        except (OverflowError, ValueError):  # not in the years 1 to 9999
            found.iloc[at] = pd.NaT
    return found


def _iso(unlike: pd.Series[Any], texts: Texts) -> tuple[pd.Series[Any], np.ndarray]:
    """The timestamp of each text, and whether the text has an offset."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.extract_regex(pa.array(unlike, pa.string()), pattern=ISO)
    part = {name: pc.struct_field(parts, [at]) for at, name in enumerate(re.compile(ISO).groupindex)}
    part |= {name: pc.if_else(pc.equal(part[name], ""), "00", part[name]) for name in ("hour", "minute", "second")}
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(part["fraction"], 6, "0"), 0, 6)
    end_of_day = pc.equal(part["hour"], "24")
    hour = pc.if_else(end_of_day, "00", part["hour"])
    clock = pc.binary_join_element_wise(hour, part["minute"], part["second"], ":")
    written = pc.binary_join_element_wise(part["day"], clock, " ")
    moments = _cast(pc.binary_join_element_wise(written, fraction, "."))
    midnight = (moments == moments.dt.normalize()).to_numpy()
    late = pc.fill_null(end_of_day, False).to_numpy(zero_copy_only=False)
    moments[late] += pd.Timedelta(days=1).as_unit("us")  # nanoseconds end in 2262
    moments[late & ~midnight] = pd.NaT
    zone = pd.Series(part["zone"].to_pandas(), dtype=object).fillna("")
    aware = (zone != "").to_numpy()
    if aware.any():
        offsets = pd.to_timedelta(zone.map({text: _minutes(text) for text in zone.unique()}), unit="min")
        moments[aware] = local_time((moments - offsets.astype("timedelta64[us]"))[aware], texts).astype(
            "datetime64[us]"
        )
    moments[~moments.dt.year.between(1, 9999).to_numpy()] = pd.NaT  # the years of a calendar; there is no year 0
    return moments, aware


def _cast(texts: Any) -> pd.Series[Any]:
    """Timestamps of well-formed texts, NaT if the day or time doesn't exist."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = pc.cast(texts, pa.timestamp("us")).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        moments = [_moment(text, "%Y-%m-%d %H:%M:%S.%f") for text in texts.to_pylist()]
        found = np.array(moments, dtype="datetime64[us]")
    return pd.Series(found.astype("datetime64[us]"))


def _minutes(zone: str) -> float:
    if zone in ("", "Z", "z"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        return float("nan")
    return (60 * hours + minutes) * (-1 if zone[0] == "-" else 1)


def _declared(unlike: pd.Series[Any], texts: Texts) -> tuple[pd.Series[Any], np.ndarray]:
    import numpy as np
    import pandas as pd

    form = str(texts.date_format)
    aware = "%z" in re.findall("%.", form)  # not the z behind a %%
    found = pd.Series(pd.to_datetime(unlike, format=form, errors="coerce", utc=aware))
    moments = (found.dt.tz_localize(None) if aware else found).astype("datetime64[us]")
    for at in np.flatnonzero(moments.isna().to_numpy()).tolist():
        moments.iloc[at] = _moment(str(unlike.iloc[at]), form)  # pandas can't parse dates after 2262
    if aware:
        moments = local_time(moments, texts)
    return moments, np.full(len(unlike), aware)


def _moment(text: str | None, form: str) -> Any:
    """A timestamp without a zone, in UTC if the text has an offset; NaT if the text is invalid."""
    import numpy as np

    text = text or ""
    if any(sign.isdigit() and not sign.isascii() for sign in text):
        return np.datetime64("NaT")  # strptime would accept digits of any script
    try:
        found = dt.datetime.strptime(text, form)
    except ValueError:
        return np.datetime64("NaT")
    return found.astimezone(dt.UTC).replace(tzinfo=None) if found.tzinfo else found


def _mixed(series: pd.Series[Any], aware: np.ndarray, naive: np.ndarray, texts: Texts, column: str) -> list[Fault]:
    """The fault that some timestamps have an offset and others don't: the zone of the others is unknown."""
    import numpy as np

    if texts.time_zone or not aware.any() or not naive.any():
        return []
    rows, other = np.flatnonzero(naive), str(series[aware].iloc[0])
    cause = f"has no offset, while others have one, such as {other!r}"
    remedy = "Set data.time_zone to the time zone of the values without an offset, such as 'Europe/Paris' or 'UTC'."
    return [Fault(column, rows.tolist(), str(series.iloc[rows[0]]), cause, remedy)]


def _faults(series: pd.Series[Any], wrong: np.ndarray, texts: Texts, column: str, key: str) -> list[Fault]:
    import numpy as np

    rows = np.flatnonzero(wrong)
    if not len(rows):
        return []
    value = str(series.iloc[rows[0]])
    if texts.date_format:
        cause, remedy = (
            f"doesn't match {key}, {texts.date_format!r}",
            f"Correct the value or {key}.",
        )
    elif BY_PARTS.match(value):
        cause = AMBIGUOUS
        remedy = f"Set {key} to the format of the dates, such as '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'."
    else:
        cause, remedy = NO_DATE, FORMAT_REMEDY.format(key)
        if re.match(ISO, value):
            cause, remedy = "is a day or a time that doesn't exist", "Correct the value."
    return [Fault(column, rows.tolist(), value, cause, remedy)]
