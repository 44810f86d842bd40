"""Rows that occur more than once: a random split puts them on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftgate.init.sources.table import TypedTable
from driftgate.results.init import InitDoubt

if TYPE_CHECKING:
    import pandas as pd

REPORTED = 0.01  # share of the rows from which on duplicates are reported
FEW = 0.2  # values by rows: a table that has only columns below this repeats rows by its nature


def find_duplicates(table: TypedTable, row_id: str | None) -> list[InitDoubt]:
    """A doubt if many rows are equal in all columns but the row id."""
    import pandas as pd

    columns = {
        name: column.values for name, column in table.columns.items() if name != row_id and column.kind != "empty"
    }
    frame = pd.DataFrame({str(at): values.to_numpy() for at, values in enumerate(columns.values())})
    keys = pd.util.hash_pandas_object(frame, index=False)
    twice = int(keys.duplicated().sum())
    if twice < REPORTED * len(keys) or not twice:
        return []
    rich = max(values.nunique() for values in columns.values()) > FEW * (len(keys) - twice)
    if rich and twice < 2 * _by_chance(frame):
        return []
    text = f"{twice:,} of {len(keys):,} rows ({twice / len(keys):.0%}) repeat another row in every column{'' if row_id is None else ' but the row id'}."
    done = (
        "They are kept, and copies may be on both sides of the split: the holdout then looks better than new rows will. "
        "Remove them if they are copies of one event."
        if rich
        else "They are kept: the columns have so few values that different rows are alike."
    )
    return [InitDoubt(code="duplicate_rows", columns=(), text=text, done=done)]


def _by_chance(frame: pd.DataFrame) -> int:
    """The rows that repeat another one if the values of each column are shuffled: different rows that are alike."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(0)
    shuffled = {name: values.to_numpy()[draw.permutation(len(frame))] for name, values in frame.items()}
    return int(pd.util.hash_pandas_object(pd.DataFrame(shuffled), index=False).duplicated().sum())
