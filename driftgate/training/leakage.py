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
MINIMUM_OF_CLASS = 10  # rows of a class among those that measure; an AUC of fewer is high by chance too often


class ColumnLeak(BaseModel):
    """How well one column alone predicts the target.

    `auc` is the ROC AUC of the class rate in the column's bins or categories, learned on one half of the rows and
    measured on the other. With three classes or more, it is the largest ROC AUC of one class against all others, and
    `of_class` is the code of that class. `missing_purity` is the lower confidence bound of the share of the commonest class
    among the rows where the column is missing; None if too few rows miss it. `missing_base` is the share of that class
    among all rows.
    """

    model_config = ConfigDict(frozen=True)

    column: str
    auc: float
    missing: int
    missing_purity: float | None
    of_class: int | None = None
    missing_base: float = 0.5


def column_leaks(
    features: pd.DataFrame,
    labels: np.ndarray,
    contract: Contract,
    *,
    confidence: float,
    seed: int,
    classes: int = 2,
) -> list[ColumnLeak]:
    """Measure how well each feature column alone predicts the target.

    Args:
        features: The contract's columns as models take them (missing: NaN or "").
        labels: Codes of the classes, of shape (n,); 0 or 1 for two classes.
        contract: The columns.
        confidence: Level of the bound on the purity, such as 0.95.
        seed: Seed of the random split into halves.
        classes: The number of classes.
    """
    import numpy as np

    half = np.random.default_rng(seed).random(len(labels)) < 0.5
    shares = np.bincount(labels, minlength=classes) / len(labels)
    leaks = []
    for name, column in contract.inputs.items():
        values = features[name]
        missing = (values == "").to_numpy() if column.is_category else values.isna().to_numpy()
        auc, of_class = _lone_auc(codes_of(values, category=column.is_category), labels, half, classes=classes)
        pure = np.bincount(labels[missing], minlength=classes)
        leaks.append(
            ColumnLeak(
                column=name,
                auc=auc,
                missing=int(missing.sum()),
                missing_purity=_purity(pure, confidence=confidence),
                of_class=of_class,
                missing_base=float(shares[pure.argmax()]),
            )
        )
    return leaks


def codes_of(values: pd.Series[float], *, category: bool) -> np.ndarray:
    """A code from 0 for each value: one per category, or the quantile bin of a number; missing values have a code of their own."""
    import numpy as np
    import pandas as pd

    if category or values.nunique() <= QUANTILE_BINS:
        codes: np.ndarray = pd.factorize(values, use_na_sentinel=False)[0]
        return codes
    bins = pd.qcut(values, QUANTILE_BINS, labels=False, duplicates="drop")
    numbers: np.ndarray = np.nan_to_num(bins.to_numpy(dtype=float), nan=QUANTILE_BINS).astype(np.int64)
    return numbers


def _lone_auc(codes: np.ndarray, labels: np.ndarray, half: np.ndarray, *, classes: int) -> tuple[float, int | None]:
    """ROC AUC of a column's codes alone, and the class that it separates from the others (None for two classes)."""
    import numpy as np

    bins = codes.max() + 1
    if classes > 2:
        learned = np.bincount(codes[half] * classes + labels[half], minlength=bins * classes).reshape(bins, classes)
        seen = np.bincount(codes[~half] * classes + labels[~half], minlength=bins * classes).reshape(bins, classes)
        return _best_class(learned.astype(float), seen.astype(float))
    rows = np.bincount(codes[half], minlength=bins)
    hits = np.bincount(codes[half], weights=labels[half], minlength=bins)
    base = labels[half].mean()
    rate = (hits + base) / (rows + 1)
    if np.bincount(labels[~half], minlength=2).min() < MINIMUM_OF_CLASS:
        return 0.5, None
    return point_metrics(labels[~half], rate[codes[~half]], threshold=0.5)["roc_auc"], None


def _best_class(learned: np.ndarray, seen: np.ndarray) -> tuple[float, int | None]:
    """The largest ROC AUC of one class against all others, and its code.

    Args:
        learned: Rows by bin and class that give the class rates of each bin; of shape (bins, classes).
        seen: Rows by bin and class that are measured, of the same shape.
    """
    import numpy as np

    base = learned.sum(axis=0) / max(learned.sum(), 1)
    rate = (learned + base) / (learned.sum(axis=1, keepdims=True) + 1)
    # Bins of equal rate tie, and those without rows don't matter.
    aucs = np.full(seen.shape[1], 0.5)
    for code in np.flatnonzero(seen.sum(axis=0) >= MINIMUM_OF_CLASS):
        _, place = np.unique(rate[:, code], return_inverse=True)
        own = np.bincount(place, weights=seen[:, code])
        others = np.bincount(place, weights=seen.sum(axis=1)) - own
        pairs = own.sum() * others.sum()
        if others.sum() >= MINIMUM_OF_CLASS:
            aucs[code] = float(own @ (np.cumsum(others) - others / 2) / pairs)
    best = int(aucs.argmax())
    return float(aucs[best]), best


def _purity(counts: np.ndarray, *, confidence: float) -> float | None:
    """Lower bound of the share of the commonest class (Wilson 1927)."""
    rows = int(counts.sum())
    if rows < MINIMUM_MISSING:
        return None
    return wilson_interval(float(counts.max() / rows), rows, confidence=confidence)[0]
