"""Rows that occur more than once: a random split puts them on both sides."""

from __future__ import annotations

from driftgate.init.table import TypedTable
from driftgate.results.init import InitDoubt

TOLD = 0.01  # share of the rows from which on duplicates are told
FEW = 0.2  # values by rows: a table that has only columns below this repeats rows by its nature


def find_duplicates(table: TypedTable, row_id: str | None) -> list[InitDoubt]:
    """Tell rows that are equal in all columns but the row id."""
    import pandas as pd

    columns = {
        name: column.values for name, column in table.columns.items() if name != row_id and column.kind != "empty"
    }
    frame = pd.DataFrame({str(at): values.to_numpy() for at, values in enumerate(columns.values())})
    keys = pd.util.hash_pandas_object(frame, index=False)
    twice = int(keys.duplicated().sum())
    if twice < TOLD * len(keys) or not twice:
        return []
    rich = max(values.nunique() for values in columns.values()) > FEW * (len(keys) - twice)
    text = f"{twice:,} of {len(keys):,} rows ({twice / len(keys):.0%}) repeat another row in every column{'' if row_id is None else ' but the row id'}."
    done = (
        "They are kept, and copies may stand on both sides of the split: the holdout then looks better than new rows will. "
        "Remove them if they are copies of one event."
        if rich
        else "They are kept: the columns have so few values that different rows are alike."
    )
    return [InitDoubt(code="duplicate_rows", columns=(), text=text, done=done)]
