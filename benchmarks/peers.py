"""The drift decisions of other tools on the same rows, for `drift.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from evidently.legacy.calculations import stattests
from evidently.legacy.core import ColumnType
from scipy import stats

from driftgate.contract import Contract

SHARE, PSI_LIMIT, LEVEL = 0.5, 0.1, 0.05
NAMES = ("Evidently, any column", "Evidently, half the columns", "KS and chi² with Holm", "PSI ≥ 0.1")


class Peers:
    """The other tools' scores of each column of a batch, compared with a fixed reference.

    Args:
        reference: The rows.
        contract: The columns.
    """

    def __init__(self, reference: pd.DataFrame, contract: Contract) -> None:
        self.contract = contract
        self.reference = {name: reference[name].dropna() for name in contract.features}
        self.sorted = {name: np.sort(self.reference[name].to_numpy()) for name in contract.numeric}

    def column(self, batch: pd.DataFrame, name: str) -> tuple[bool, float, bool]:
        """The scores of one column: whether Evidently's default test finds drift, the p-value, whether PSI reaches its limit."""
        there, here = self.reference[name], batch[name].dropna()
        if len(here) == 0 or len(there) == 0:
            return False, 1.0, False
        category = self.contract.columns[name].is_category
        kind = ColumnType.Categorical if category else ColumnType.Numerical
        default = stattests.get_stattest(there, here, kind, None)
        fires = default(there, here, kind, None).drifted
        psi = stattests.psi_stat_test(there, here, kind, PSI_LIMIT).drifted
        p = _chi2(there, here) if category else stats.ks_2samp(self.sorted[name], here, method="asymp").pvalue
        return bool(fires), float(p), bool(psi)

    def scores(self, batch: pd.DataFrame) -> dict[str, tuple[bool, float, bool]]:
        """Of every column."""
        return {name: self.column(batch, name) for name in self.contract.features}


def alarms(scores: dict[str, tuple[bool, float, bool]]) -> dict[str, bool]:
    """Whether each tool raises an alarm, from the scores of the columns."""
    fired = [score[0] for score in scores.values()]
    p = sorted(score[1] for score in scores.values())
    holm = any(value < LEVEL / (len(p) - at) for at, value in enumerate(p[:1]))
    return dict(
        zip(NAMES, (any(fired), np.mean(fired) >= SHARE, holm, any(s[2] for s in scores.values())), strict=True)
    )


def _chi2(there: pd.Series[Any], here: pd.Series[Any]) -> float:
    counts = pd.concat([there.value_counts(), here.value_counts()], axis=1).fillna(0).to_numpy()
    return float(stats.chi2_contingency(counts).pvalue) if len(counts) > 1 else 1.0
