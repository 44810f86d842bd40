"""A noiseless set of 1,000 rows: the target follows from the features without error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROWS = 1_000


def build() -> pd.DataFrame:
    """Draw the rows with NumPy's legacy generator, seed 42.

    Returns:
        `ROWS` rows: `row_id`; `f1`, `f2`, `f3` standard normal; `f4` uniform on 0–100; `f5` integers 1–9; `target` 1
        where at least two of f1 > 0, f2 > 0.5, f4 > 50 hold.
    """
    import numpy as np
    import pandas as pd

    draw = np.random.RandomState(42)
    frame = pd.DataFrame({name: draw.standard_normal(ROWS) for name in ("f1", "f2", "f3")})
    frame["f4"] = draw.uniform(0, 100, ROWS)
    frame["f5"] = draw.randint(1, 10, ROWS)
    held = (frame.f1 > 0).astype(int) + (frame.f2 > 0.5).astype(int) + (frame.f4 > 50).astype(int)
    frame["target"] = (held >= 2).astype("int8")
    frame.insert(0, "row_id", [f"r{number:04d}" for number in range(ROWS)])
    return frame
