"""The default data: what a row says was known two hours before its departure."""

import pandas as pd
import pytest

from driftgate.datasets import flights


@pytest.fixture(scope="module")
def scheduled() -> pd.DataFrame:
    return flights._schedule(pd.read_csv(flights._package_data() / "flights.csv.zip"))


def test_labels_and_ids(scheduled: pd.DataFrame) -> None:
    assert scheduled["flight_id"].is_unique
    cancelled = scheduled["dep_time"].isna()
    assert (scheduled.loc[cancelled, "disrupted"] == 1).all()
    assert (scheduled.loc[scheduled["arr_delay"] > 15, "disrupted"] == 1).all()
    assert (scheduled.loc[scheduled["arr_delay"] <= 15, "disrupted"] == 0).all()


def test_delay_at_the_airport_is_that_of_flights_gone_by_then(scheduled: pd.DataFrame) -> None:
    part = scheduled.iloc[20_000:24_000].reset_index(drop=True)
    found = flights._origin_delay(part)
    took_off = part["departs"] + pd.to_timedelta(part["dep_delay"], unit="m")
    window = pd.Timedelta(hours=flights.DELAY_WINDOW_HOURS)
    compared = 0
    for at in range(1000, 4000, 250):
        row = part.iloc[at]
        gone = (part["origin"] == row["origin"]) & (took_off <= row["known_at"]) & (took_off > row["known_at"] - window)
        delays = part.loc[gone, "dep_delay"].clip(lower=0)
        if len(delays):
            assert found[at] == pytest.approx(delays.mean(), abs=0.006)
            compared += 1
        else:
            assert pd.isna(found[at])
    assert compared >= 5


def test_weather_is_an_observation_made_by_then(scheduled: pd.DataFrame) -> None:
    weather = pd.read_csv(flights._package_data() / "weather.csv")
    joined = flights._add_weather(scheduled.iloc[:3000], weather)
    age = (joined["known_at"] - joined["observed_at"]).dropna()
    assert age.min() >= pd.Timedelta(0)
    assert age.max() <= pd.Timedelta(hours=flights.WEATHER_TOO_OLD_HOURS)
    assert (joined["wx_wind_speed"].dropna() <= flights.FASTEST_WIND_MPH).all()
