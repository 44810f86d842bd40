"""Signs of target leakage: a single feature, or whether it is missing, predicts the target almost perfectly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.contract import Contract
from driftgate.training.metrics import point_metrics, wilson_interval

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

QUANTILE_BINS = 50
MINIMUM_MISSING = 30


class ColumnLeak(BaseModel):
    """How well one column alone predicts the target.

    `auc` is the ROC AUC of the class rate in the column's bins or categories, learned on one half of the rows and
    measured on the other. `missing_purity` is the lower confidence bound of the share of the commoner class among the
    rows where the column is missing; None if too few rows miss it.
    """

    model_config = ConfigDict(frozen=True)

    column: str
    auc: float
    missing: int
    missing_purity: float | None


def column_leaks(
    features: pd.DataFrame, labels: np.ndarray, contract: Contract, *, confidence: float, seed: int
) -> list[ColumnLeak]:
    """Measure how well each feature column alone predicts the target.

    Args:
        features: The contract's columns as models take them (missing: NaN or "").
        labels: 0 or 1, of shape (n,).
        contract: The columns.
        confidence: Level of the bound on the purity, such as 0.95.
        seed: Seed of the random split into halves.
    """
    import numpy as np

    half = np.random.default_rng(seed).random(len(labels)) < 0.5
    leaks = []
    for name, column in contract.inputs.items():
        values = features[name]
        missing = (values == "").to_numpy() if column.is_category else values.isna().to_numpy()
        leaks.append(
            ColumnLeak(
                column=name,
                auc=_lone_auc(_codes(values, category=column.is_category), labels, half),
                missing=int(missing.sum()),
                missing_purity=_purity(labels[missing], confidence=confidence),
            )
        )
    return leaks


def _codes(values: pd.Series[float], *, category: bool) -> np.ndarray:
    """A code from 0 for each value: one per category, or the quantile bin of a number; missing values have a code of their own."""
    import numpy as np
    import pandas as pd

    if category or values.nunique() <= QUANTILE_BINS:
        codes: np.ndarray = pd.factorize(values, use_na_sentinel=False)[0]
        return codes
    bins = pd.qcut(values, QUANTILE_BINS, labels=False, duplicates="drop")
    numbers: np.ndarray = np.nan_to_num(bins.to_numpy(dtype=float), nan=QUANTILE_BINS).astype(np.int64)
    return numbers


def _lone_auc(codes: np.ndarray, labels: np.ndarray, half: np.ndarray) -> float:
    import numpy as np

    rows = np.bincount(codes[half], minlength=codes.max() + 1)
    hits = np.bincount(codes[half], weights=labels[half], minlength=codes.max() + 1)
    base = labels[half].mean()
    rate = (hits + base) / (rows + 1)
    auc = point_metrics(labels[~half], rate[codes[~half]], threshold=0.5)["roc_auc"]
    return 0.5 if np.isnan(auc) else auc


def _purity(labels: np.ndarray, *, confidence: float) -> float | None:
    """Lower bound of the share of the commoner class (Wilson 1927)."""
    if len(labels) < MINIMUM_MISSING:
        return None
    share = max(labels.mean(), 1 - labels.mean())
    return wilson_interval(share, len(labels), confidence=confidence)[0]
