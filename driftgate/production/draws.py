"""The requests of an experiment, its draws, and which labels count.

A draw is a caller with a key, or a request without one: all rows of a draw are in the same arm.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.production.prediction_log import PREDICTIONS

if TYPE_CHECKING:
    import pandas as pd

UNFAIR = 0.001  # p-value below which the observed share differs from the configured one


def answered(log: Path, *, since: dt.datetime, name: str) -> pd.DataFrame:
    """The rows that the service answered since a moment for a model, with the `request` and the `draw` of each."""
    rows = read_kind(log, since=since, kind=PREDICTIONS)
    rows = rows[rows["model"] == name]
    request = rows["prediction_id"].str.rsplit("-", n=1).str[0]
    return rows.assign(request=request, draw=rows["caller"].fillna(request))


def read_kind(log: Path, *, since: dt.datetime, kind: str) -> pd.DataFrame:
    """The log without its features, which are most of its size, and with the first label of each row.

    A label that is sent again must not change earlier results.
    """
    import pandas as pd

    from driftgate.production.predictions import OF_CLASS, OURS, windows

    parts = [
        part[[name for name in map(str, part) if name in OURS or name.startswith(OF_CLASS)]]
        for part in windows(log, since=since, label="first", kind=kind)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(OURS))


def by_arm(rows: pd.DataFrame, unit: str) -> dict[str, int]:
    """The number of draws or requests in each arm."""
    counts = rows.drop_duplicates(unit)["arm"].value_counts()
    return {name: int(counts.get(name, 0)) for name in ("champion", "challenger")}


def first_of_draws(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The first label of each caller or request, in order of arrival; and how many rows have a label.

    Rows of one caller are in the same arm and are similar to each other, so only one of them counts.
    """
    labelled = rows[rows["label"].notna()].sort_values("labelled_at", kind="stable")
    return labelled.drop_duplicates("draw"), len(labelled)


def observed_share(counts: dict[str, int], share: float) -> dict[str, Any]:
    """The challenger's share of the draws, its interval, and whether it is consistent with the configured share."""
    from scipy import stats

    total = sum(counts.values())
    if not total:
        return {"observed_share": None, "share_low": None, "share_high": None, "fair": True}
    test = stats.binomtest(counts["challenger"], total, share)
    interval = test.proportion_ci(confidence_level=0.95, method="wilson")
    return {
        "observed_share": counts["challenger"] / total, "share_low": float(interval.low),
        "share_high": float(interval.high), "fair": bool(test.pvalue >= UNFAIR),
    }  # fmt: skip
