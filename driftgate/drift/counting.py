"""Count the values of columns in cells. The counts are all that a drift check needs, however many rows there are."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from driftgate.contract import normal_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import pandas as pd

BINS = 64
OUTSIDE = 16
NAMED_CATEGORIES = 128


class Layout(BaseModel):
    """The cells in which the values of one column are counted.

    Numbers: cell i counts the values above `edges[i - 1]` and up to `edges[i]`; the next cell those above all edges.
    Categories: one cell for each of `named`, one for the rest of `known`, and one for categories that are not in the
    reference. The last cell of either kind counts missing values. `rare` is the share of the reference's rows whose category
    occurs once; it estimates the expected share of unseen categories (Good 1953).
    `moving` values move on with the calendar, so that only their missing share is compared.
    """

    model_config = ConfigDict(frozen=True)

    edges: tuple[float, ...] = ()
    named: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    rare: float = 0.0
    category: bool
    moving: bool = False

    @property
    def cells(self) -> int:
        return (len(self.named) + 3) if self.category else (len(self.edges) + 2)

    def cells_of(self, values: pd.Series[Any]) -> np.ndarray:
        """The cell of each value; int64 of shape (n,)."""
        return self._category_cells(values) if self.category else self._number_cells(values)

    def _number_cells(self, values: pd.Series[Any]) -> np.ndarray:
        import numpy as np
        import pandas as pd

        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        cells = np.searchsorted(np.array(self.edges), numbers, side="left")
        return np.where(np.isnan(numbers), self.cells - 1, cells)

    def _category_cells(self, values: pd.Series[Any]) -> np.ndarray:
        import numpy as np
        import pandas as pd

        codes, unlike = pd.factorize(values, use_na_sentinel=True)
        place = {normal_text(name): at for at, name in enumerate(self.named)}
        rest, unseen, missing = len(self.named), len(self.named) + 1, len(self.named) + 2
        known = {normal_text(name) for name in self.known}
        texts = [normal_text(str(value)) for value in unlike]
        of_code = [place.get(text, rest if text in known else unseen) if text else missing for text in texts]
        return np.append(np.array(of_code, dtype=np.int64), missing)[codes]


def layout_of(values: pd.Series[Any], *, category: bool) -> Layout:
    """Choose the cells of a column from its values in the reference.

    Numbers get bins with equal shares of the rows, and on both sides of their range bins of equal width, which together are
    as wide as the range. Categories get a cell for each of the most common ones.

    Args:
        values: The reference's values, of shape (n,).
        category: Whether the column is a category or a number.
    """
    import numpy as np
    import pandas as pd

    if category:
        counts = values.dropna().value_counts()  # before the conversion to text, which is slow for many rows
        counts = counts.groupby([normal_text(str(name)) for name in counts.index]).sum()
        counts = counts.drop("", errors="ignore")  # a missing value
        # Categories with equal counts are sorted by name, so that the same rows always give the same layout.
        names = sorted(counts.index, key=lambda name: (-counts[name], name))
        rare = float((counts == 1).sum() / max(counts.sum(), 1))
        return Layout(category=True, named=tuple(names[:NAMED_CATEGORIES]), known=tuple(sorted(names)), rare=rare)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return Layout(category=False)
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1), method="lower"))
    # Add cells outside the range of the reference, so that new values there, such as in a new season, stay distinct.
    # A single value has no range, but values below and above it must still be counted apart.
    step = (edges[-1] - edges[0] or max(abs(edges[-1]), 1.0)) / OUTSIDE
    beyond = step * np.arange(1, OUTSIDE + 1)
    edges = np.unique(np.concatenate([edges[0] - beyond[::-1], edges, edges[-1] + beyond]))
    return Layout(category=False, edges=tuple(float(edge) for edge in edges))


Counts = dict[str, "np.ndarray"]


def count(frame: pd.DataFrame, layouts: Mapping[str, Layout]) -> Counts:
    """Count the rows of a frame in the cells of each column.

    Args:
        frame: The rows; a column that it lacks counts as missing in every row.
        layouts: The cells of each column.

    Returns:
        int64 of shape (cells,) for each column.
    """
    import numpy as np

    found: Counts = {}
    for name, layout in layouts.items():
        if name in frame:
            found[name] = np.bincount(layout.cells_of(frame[name]), minlength=layout.cells)
        else:
            found[name] = np.zeros(layout.cells, dtype=np.int64)
            found[name][-1] = len(frame)
    return found


def count_batches(batches: Iterable[pd.DataFrame], layouts: Mapping[str, Layout]) -> tuple[Counts, int]:
    """Count the rows of several frames, with only one frame in memory at a time.

    Returns:
        The total counts, int64 of shape (cells,) for each column, and the number of rows.
    """
    import numpy as np

    total: Counts = {name: np.zeros(layout.cells, dtype=np.int64) for name, layout in layouts.items()}
    rows = 0
    for batch in batches:
        rows += len(batch)
        for name, counts in count(batch, layouts).items():
            total[name] += counts
    return total, rows


def count_column(values: pd.Series[Any], layout: Layout, days: np.ndarray, *, span: int) -> np.ndarray:
    """Count the values of one column for each day separately.

    Args:
        values: The values, of shape (n,).
        layout: The cells of the column.
        days: The day of each row, from 0; int64 of shape (n,).
        span: How many days there are.

    Returns:
        int64 of shape (span, cells).
    """
    import numpy as np

    flat = days * layout.cells
    flat += layout.cells_of(values)
    return np.bincount(flat, minlength=span * layout.cells).reshape(span, layout.cells)


class Packed(BaseModel):
    """Counts as compressed bytes: most cells of most days are 0, and a wide table has many million of them.

    `data` is the zlib-compressed array in base64, little-endian, with `width` bytes a number.
    """

    model_config = ConfigDict(frozen=True)

    shape: tuple[int, int]
    width: Literal[1, 2, 4, 8]
    data: str


def pack(counts: np.ndarray) -> Packed:
    """Compress counts of shape (days, cells)."""
    import numpy as np

    width = np.min_scalar_type(int(counts.max(initial=0))).itemsize
    raw = np.ascontiguousarray(counts, dtype=f"<u{width}").tobytes()
    data = base64.b64encode(zlib.compress(raw, level=1)).decode()
    return Packed.model_validate({"shape": counts.shape, "width": width, "data": data})


def unpack(counts: Packed | list[list[int]]) -> np.ndarray:
    """Counts as int64 of shape (days, cells). Profiles of earlier releases have them as lists."""
    import numpy as np

    if not isinstance(counts, Packed):
        return np.array(counts, dtype=np.int64)
    raw = zlib.decompress(base64.b64decode(counts.data))
    return np.frombuffer(raw, dtype=f"<u{counts.width}").reshape(counts.shape).astype(np.int64)
