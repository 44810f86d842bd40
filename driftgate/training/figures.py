"""What the plots have in common: colours, axes, PNG files, and how names from the data are written in them."""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from driftgate.training.evaluation import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, SOFT = "#1f2937", "#2563eb", "#9ca3af"
LONGEST_NAME = 28
NO_GLYPH = "□"


def png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def new_axes(title: str, *, width: float = 4.8, height: float = 4.2) -> tuple[Figure, Axes]:
    """A figure with one plot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, color=INK, fontsize=11, loc="left", parse_math=False)
    style(axes)
    return figure, axes


def style(axes: Axes, *, size: float = 9) -> None:
    """Give a plot the look of all plots."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=size)


def draw_reliability(axes: Axes, truth: np.ndarray, probability: np.ndarray, *, bins: int) -> None:
    """Draw the observed frequency by predicted probability, with 95 % intervals, and the share of rows as bars."""
    import numpy as np

    at = np.minimum((probability * bins).astype(int), bins - 1)
    rows = np.bincount(at, minlength=bins)
    known = rows > 0
    predicted = np.bincount(at, weights=probability, minlength=bins)[known] / rows[known]
    actual = np.bincount(at, weights=truth, minlength=bins)[known] / rows[known]
    error = 1.96 * np.sqrt(np.maximum(actual * (1 - actual), 1e-9) / rows[known])
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":")
    axes.errorbar(predicted, actual, yerr=error, color=ACCENT, marker="o", markersize=4, linewidth=1, capsize=2)
    axes.bar((np.arange(bins) + 0.5) / bins, rows / rows.sum() * 0.5, width=0.9 / bins, color=SOFT, alpha=0.35)


def with_interval(evaluation: Evaluation, metric: str) -> str:
    """A metric with its confidence interval, as text."""
    found = evaluation.metrics[metric]
    return f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"


def shown_names(names: Sequence[str], *, longest: int = LONGEST_NAME) -> list[str]:
    """Names from the data for a plot: on one line, not too long, and different from each other.

    A character that the font lacks becomes a box. A name that would be unclear gets its position as a prefix. Write the
    names with `parse_math=False`: a `$` in a name begins no formula.
    """
    cut = [_shortened("".join(_drawable(char) for char in " ".join(name.split())), longest) for name in names]
    unclear = [NO_GLYPH in name or cut.count(name) > 1 for name in cut]
    return [f"{at} {name}" if unclear[at] else name for at, name in enumerate(cut)]


def _shortened(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _drawable(char: str) -> str:
    return char if char.isprintable() and ord(char) in _glyphs() else NO_GLYPH


@functools.cache
def _glyphs() -> frozenset[int]:
    """The characters of the font of the plots."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
