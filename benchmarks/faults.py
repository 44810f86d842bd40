"""Simulated data faults for `drift.py`. Each changes some columns of a batch and leaves the others unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

SENSORS = (
    "wx_temp", "wx_dewpoint", "wx_humidity", "wx_wind_direction", "wx_wind_speed", "wx_wind_gust",
    "wx_precipitation", "wx_pressure", "wx_visibility",
)  # fmt: skip
NULLABLE = ("origin_delay", *SENSORS)
NUMBERS = ("distance", "weekday", "departure_minute", "scheduled_minutes", "origin_traffic", *NULLABLE)
SWAPS = {"carrier": [("UA", "9E"), ("B6", "WN"), ("UA", "US")], "dest": [("ORD", "DCA"), ("ATL", "BNA")]}


@dataclass(frozen=True)
class Fault:
    """A fault. `kind` is its row in the result table; `column` is the column that it changes (None means all)."""

    kind: str
    column: str | None
    name: str
    change: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def _of(column: str, change: Callable[[pd.Series[Any], np.random.Generator], Any]) -> Callable[..., pd.DataFrame]:
    return lambda frame, draw: frame.assign(**{column: change(frame[column], draw)})


def severe_faults() -> Iterator[Fault]:
    """Severe faults. The drift check must block them, or the contract must stop them."""
    yield Fault("miles to km", "distance", "miles to km", _of("distance", lambda v, _: v * 1.609344))
    yield Fault("°F to °C", "wx_temp", "°F to °C", _of("wx_temp", lambda v, _: (v - 32) / 1.8))
    for name in SENSORS:
        yield Fault("zeroed sensor", name, f"{name} zeroed", _of(name, lambda v, _: v.where(v.isna(), 0.0)))
        yield Fault("stuck sensor", name, f"{name} stuck", _of(name, lambda v, d: v.where(v.isna(), _one_of(v, d))))
    for name in NULLABLE:
        yield Fault("+20 points missing", name, f"{name} +20 points missing", _of(name, _lose(0.20)))
    for name, pairs in SWAPS.items():
        for one, other in pairs:
            kind = f"categories swapped ({name})"
            yield Fault(kind, name, f"{name} {one}/{other} swapped", _of(name, _swap(one, other)))
    for name, new in (("carrier", "ZZ"), ("dest", "ZZZ")):
        yield Fault("unknown category in 10 %", name, f"{name} 10 % unknown", _of(name, _unknown(new, 0.10)))
    yield Fault(
        "rows duplicated ten times",
        None,
        "rows duplicated",
        lambda frame, _: pd.concat([frame] * 10, ignore_index=True),
    )


def mild_faults(deviations: dict[str, float]) -> Iterator[Fault]:
    """Mild faults. The drift check must warn of them.

    Args:
        deviations: The standard deviation of each number in the reference.
    """
    for name in NUMBERS:
        shift = 0.25 * deviations[name]
        yield Fault("+0.25 σ", name, f"{name} +0.25 σ", _of(name, lambda v, _, shift=shift: v + shift))
    for name, new in (("carrier", "ZZ"), ("dest", "ZZZ")):
        yield Fault("5 % new category", name, f"{name} 5 % new", _of(name, _unknown(new, 0.05)))
    for name in NULLABLE:
        yield Fault("+5 points missing", name, f"{name} +5 points missing", _of(name, _lose(0.05)))


def _one_of(values: pd.Series[Any], draw: np.random.Generator) -> float:
    """A random value of the column, for a sensor that is stuck at it."""
    known = values.dropna().to_numpy()
    return float(draw.choice(known)) if len(known) else 0.0


def _lose(share: float) -> Callable[[pd.Series[Any], np.random.Generator], Any]:
    """Raise the share of missing values by some percentage points, if enough values are present."""

    def change(values: pd.Series[Any], draw: np.random.Generator) -> pd.Series[Any]:
        known = float(values.notna().mean())
        return values.mask(draw.random(len(values)) < min(1.0, share / max(known, 1e-9)))

    return change


def _swap(one: str, other: str) -> Callable[[pd.Series[Any], np.random.Generator], Any]:
    return lambda values, _: values.replace({one: other, other: one})


def _unknown(new: str, share: float) -> Callable[[pd.Series[Any], np.random.Generator], Any]:
    return lambda values, draw: values.mask(draw.random(len(values)) < share, new)
