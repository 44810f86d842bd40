"""Made-up orders of a shop, as a CSV file that a shop might export: the tutorial's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROWS = 6_000
DAYS = 182


def build() -> pd.DataFrame:
    """Draw the rows, seed 7.

    Returns:
        `ROWS` orders of `DAYS` days from 2025-01-01, in order of time. `returned` is yes or no and depends on amount, discount, express
        delivery, channel and number of earlier orders. `refunded on` has a date only where an order was returned, so it
        gives the target away.
    """
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(7)
    minutes = np.sort(draw.integers(0, DAYS * 24 * 60, ROWS))
    ordered = pd.Timestamp("2025-01-01") + pd.to_timedelta(minutes, unit="min")
    amount = np.round(np.exp(draw.normal(3.8, 0.7, ROWS)), 2)
    discount = draw.choice([0, 5, 10, 20, 30], ROWS, p=[0.5, 0.15, 0.15, 0.12, 0.08])
    earlier = draw.poisson(3, ROWS)
    express = draw.random(ROWS) < 0.35
    country = draw.choice(["DE", "FR", "NA", "US", "ZA"], ROWS, p=[0.35, 0.25, 0.05, 0.25, 0.1])
    channel = draw.choice(["app", "shop", "web", ""], ROWS, p=[0.3, 0.15, 0.5, 0.05])
    score = (
        -1.9 + 0.5 * np.log(amount / 45) + 0.06 * discount - 0.3 * earlier + 0.7 * express + 0.9 * (channel == "web")
    )
    returned = draw.random(ROWS) < 1 / (1 + np.exp(-score))
    refunded = pd.Series(ordered + pd.to_timedelta(draw.integers(3, 20, ROWS), unit="D")).where(returned)
    return pd.DataFrame(
        {
            "order no": [f"A{number:05d}" for number in range(1, ROWS + 1)],
            "ordered at": ordered.strftime("%Y-%m-%d %H:%M"),
            "country": country,
            "channel": channel,
            "amount €": amount,
            "discount %": discount,
            "earlier orders": earlier,
            "express": np.where(express, "Y", "N"),
            "refunded on": refunded.dt.strftime("%Y-%m-%d").fillna(""),
            "returned": np.where(returned, "yes", "no"),
        }
    )
