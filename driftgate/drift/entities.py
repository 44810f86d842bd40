"""How much less the rows of a table say, because rows of one entity resemble each other.

Ten rows of one patient say less about a column than rows of ten patients. The design effect (Kish, *Survey Sampling*, 1965,
section 5.4) is the factor by which the variance of a mean grows for this reason: `1 + (m - 1) r`, with m rows per entity, and r the correlation of two rows
of one entity. Sampling terms grow with its square root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def design_effects(frame: pd.DataFrame, names: list[str], group: pd.Series[Any]) -> dict[str, float]:
    """The design effect of each column, 1 or more.

    Args:
        frame: The rows of the reference.
        names: The columns.
        group: The entity of each row.
    """
    import pandas as pd

    entity = pd.factorize(group)[0]
    return {name: _design_effect(_ranks(frame[name]), entity) for name in names}


def _ranks(values: pd.Series[Any]) -> np.ndarray:
    """Numbers by rank, so that outliers don't decide; categories by how common they are. Missing values are a value of their own."""
    import numpy as np
    import pandas as pd

    if values.dtype == object or isinstance(values.dtype, pd.CategoricalDtype):
        texts = values.astype(object).where(values.notna(), "").astype(str)
        values = texts.map(texts.value_counts())
    ranks: np.ndarray = values.rank(na_option="bottom").to_numpy(dtype=np.float64)
    return ranks


def _design_effect(values: np.ndarray, entity: np.ndarray) -> float:
    """By analysis of variance with one factor."""
    import numpy as np

    rows = np.bincount(entity)
    rows = rows[rows > 0]
    number, total = len(rows), len(values)
    if number < 2 or total <= number:
        return 1.0
    codes = np.unique(entity, return_inverse=True)[1]
    means = np.bincount(codes, weights=values) / rows
    between = float((rows * (means - values.mean()) ** 2).sum() / (number - 1))
    within = float(((values - means[codes]) ** 2).sum() / (total - number))
    if between <= within:
        return 1.0
    usual = (total - (rows**2).sum() / total) / (number - 1)
    alike = (between - within) / (between + (usual - 1) * within)
    largest = float((rows**2).sum()) / total
    return float(max(1.0, 1.0 + (largest - 1.0) * alike))
