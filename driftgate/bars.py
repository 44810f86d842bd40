"""A measured value beside its limit as a small bar; the pages, the terminal and the Markdown summary draw the same one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Side = Literal["ceiling", "floor"]

LIMIT_AT = 2 / 3  # of the bar's length: what lies beyond the limit needs room too
CELLS = 12  # of a bar made of characters
FULL, REST, MARK = "█", "░", "│"


@dataclass(frozen=True)
class Bar:
    """A value as a fraction of its limit, from 0 to infinity. A ceiling passes up to 1, a floor from 1 on."""

    fraction: float
    side: Side

    @property
    def length(self) -> float:
        """The share of the bar that is filled; the limit is marked at `LIMIT_AT`."""
        return min(1.0, self.fraction * LIMIT_AT)

    @property
    def text(self) -> str:
        """The bar as characters. What is over the limit shows so, and what is below it never touches the mark."""
        before = round(CELLS * LIMIT_AT)
        after = CELLS - before - 1
        if self.fraction <= 1:
            inside = before if self.fraction == 1 else min(before - 1, math.ceil(self.fraction * before))
            beyond = 0
        else:
            inside = before
            beyond = min(after, max(1, math.ceil((min(self.fraction, 9) - 1) * before)))
        return FULL * inside + REST * (before - inside) + MARK + FULL * beyond + REST * (after - beyond)


def bar_of(observed: object, limit: object, *, side: Side) -> Bar | None:
    """A value as a fraction of its limit.

    - No number on either side, NaN, or an infinite limit: there is nothing to draw.
    - A limit of 0: a value on the right side of it is an empty bar, any other a full one.
    - A floor of 0 or below is what may be lost at most: the loss is drawn, as a ceiling.
    - A ceiling below 0 has no length to compare with: as for 0, right or wrong is all that shows.
    """
    if not _drawable(observed) or not _drawable(limit) or math.isinf(limit):  # type: ignore[arg-type]
        return None
    value, end = float(observed), float(limit)  # type: ignore[arg-type]
    if side == "floor" and end <= 0:
        value, end, side = -value, -end, "ceiling"
    if end > 0:
        return Bar(fraction=max(0.0, value / end), side=side)
    return Bar(fraction=0.0 if value <= end else math.inf, side=side)


def _drawable(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
