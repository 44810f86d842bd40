"""How numbers and counts are written for people, the same on every page and in every table."""

from __future__ import annotations


def number(value: float | int | str | None) -> str:
    """A value for a table: four decimals, or two significant digits of something small."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1e}" if value and abs(value) < 5e-4 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def plural(count: int, noun: str) -> str:
    """A count and its noun: `1 window`, `2 windows`, `1,200 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def one_line(text: str) -> str:
    """A text that may come from the data, as one line without control characters."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in " ".join(text.split())
    )
