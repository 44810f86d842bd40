"""The range of each column in the training data, so that the service can warn of values that the model never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.contract import Contract

if TYPE_CHECKING:
    import pandas as pd


class Range(BaseModel):
    """The smallest and largest number, or the categories, of a column in the training data; empty if it had no value."""

    model_config = ConfigDict(frozen=True)

    low: float | None = None
    high: float | None = None
    categories: frozenset[str] = frozenset()

    def outside(self, value: Any) -> bool:
        """Whether a value is outside the range; a missing value never is."""
        if value is None:
            return False
        if isinstance(value, str):
            return value not in self.categories
        return self.low is None or self.high is None or not self.low <= value <= self.high


class Ranges(BaseModel):
    """The range of every column."""

    model_config = ConfigDict(frozen=True)

    columns: dict[str, Range]

    def warnings(self, columns: Mapping[str, Sequence[Any]]) -> dict[int, list[str]]:
        """Warnings for rows with values outside the ranges.

        Args:
            columns: n values of each column.

        Returns:
            By row number, one text per column; the text doesn't repeat the value.
        """
        found: dict[int, list[str]] = {}
        for name, known in self.columns.items():
            for at, value in enumerate(columns[name]):
                if known.outside(value):
                    text = "a category" if isinstance(value, str) else "a value"
                    found.setdefault(at, []).append(f"{name}: {text} that was not in the training data")
        return found


def ranges_of(development: pd.DataFrame, contract: Contract) -> Ranges:
    """The ranges of the rows that a model was fitted on.

    Args:
        development: Has the contract's columns.
        contract: Says which are categories.
    """
    found = {}
    for name, column in contract.columns.items():
        values = development[name].dropna()
        if column.is_category:
            found[name] = Range(categories=frozenset(values.astype(str).unique().tolist()))
        elif len(values):
            found[name] = Range(low=float(values.min()), high=float(values.max()))
        else:
            found[name] = Range()
    return Ranges(columns=found)
