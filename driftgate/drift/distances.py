"""Distances between two sets of counts, and the distances to expect by chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def known_rows(counts: np.ndarray) -> float:
    """Rows whose value is not missing."""
    return float(counts[:-1].sum())


def distances(counts: np.ndarray, windows: np.ndarray, *, category: bool) -> np.ndarray:
    """Distance between 0 and 1 of the known values; missing ones are left out.

    Numbers: the Kolmogorov–Smirnov distance, evaluated at the edges of the cells. Categories: the largest change in the
    share of any known category; unseen categories have a measure of their own.

    Args:
        counts: Of the batch, of shape (cells,).
        windows: Of shape (k, cells).
        category: Whether the cells have no order.

    Returns:
        float64 of shape (k,); 0 if one side has no known value (the missing share shows that).
    """
    import numpy as np

    (share, known), (shares, others_known) = (_shares(side, category=category) for side in (counts[None], windows))
    return np.where(known & others_known, _largest_gap(share - shares, category=category), 0.0)


def distances_between(windows: np.ndarray, *, category: bool) -> np.ndarray:
    """The distance of every window from every window, as `distances` computes it; float64 of shape (k, k)."""
    import numpy as np

    shares, known = _shares(windows, category=category)
    found = np.array([_largest_gap(share - shares, category=category) for share in shares])
    return np.where(known[:, None] & known[None, :], found, 0.0)


def distances_of_pairs(windows: np.ndarray, others: np.ndarray, *, category: bool) -> np.ndarray:
    """The distance of each window from the other one of its row, as `distances` computes it; float64 of shape (k,)."""
    import numpy as np

    (shares, known), (other_shares, others_known) = (_shares(side, category=category) for side in (windows, others))
    return np.where(known & others_known, _largest_gap(shares - other_shares, category=category), 0.0)


def _shares(windows: np.ndarray, *, category: bool) -> tuple[np.ndarray, np.ndarray]:
    """The share of each cell among the known values, and which windows have any."""
    import numpy as np

    held = windows[:, : -2 if category else -1]
    totals = held.sum(axis=1)
    return held / np.maximum(totals, 1)[:, None], totals > 0


def _largest_gap(gaps: np.ndarray, *, category: bool) -> np.ndarray:
    import numpy as np

    found: np.ndarray = np.abs(gaps if category else np.cumsum(gaps, axis=1)).max(axis=1, initial=0.0)
    return found


def missing_shares(windows: np.ndarray) -> np.ndarray:
    """The share of missing values in each window; float64 of shape (k,)."""
    import numpy as np

    found: np.ndarray = windows[:, -1] / np.maximum(windows.sum(axis=1), 1)
    return found


def missing_gaps(counts: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Absolute difference of the missing share; float64 of shape (k,)."""

    found: np.ndarray = abs(missing_shares(counts[None]) - missing_shares(windows))
    return found


def unseen_share(counts: np.ndarray, windows: np.ndarray) -> float:
    """Share of the known values whose category no window holds, or for which the reference has no cell."""
    import numpy as np

    empty = windows[:, :-1].sum(axis=0) == 0
    # One cell for all that was never seen: that some of it came before doesn't make the rest known.
    empty[-1] = True
    return float(np.where(empty, counts[:-1], 0).sum() / max(known_rows(counts), 1))


def commonest_share(counts: np.ndarray) -> float:
    """Share of the known values in the fullest cell; 1 for a sensor that is stuck."""
    return float(counts[:-1].max() / max(known_rows(counts), 1))


def distance_noise(pooled: np.ndarray, rows: float, others: float, *, category: bool, z: float) -> float:
    """The distance of two samples of the same population that chance explains, at `z` standard errors.

    Numbers: the two-sample bound of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990), at the level of `z`.
    Categories: `z` standard errors of the share that varies most.

    Args:
        pooled: Counts of the population, of shape (cells,).
        rows: Known values of the batch.
        others: Known values of what it is compared with.
        category: Whether the cells have no order.
        z: Standard errors.
    """
    if rows < 1 or others < 1:
        return 1.0
    scale = 1 / rows + 1 / others
    if category:
        share = pooled[:-1] / max(known_rows(pooled), 1)
        return min(1.0, z * math.sqrt(float((share * (1 - share)).max()) * scale))
    level = math.erfc(z / math.sqrt(2))
    return min(1.0, math.sqrt(-math.log(level / 2) / 2 * scale))


def share_noise(share: float, rows: float, *, z: float) -> float:
    """`z` standard errors of a share observed on `rows` rows."""
    return min(1.0, z * math.sqrt(share * (1 - share) / max(rows, 1)))
