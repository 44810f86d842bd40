"""Tables of plain lines, for terminals of any width and for files. Names, numbers and paths are never truncated."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import IO, Any

import click

from driftgate.words import one_line

COLOURS = {"pass": "green", "warn": "yellow", "block": "bold red"}
GAP = 2  # spaces between two columns
PIPED_WIDTH = 120
LEAST_REST = 36  # characters that the last column needs; with less room it is printed below its row
VERBOSE = "driftgate.verbose"  # key in click's context

verbose_option = click.option(
    "--verbose",
    is_flag=True,
    expose_value=False,
    help="Show every check and every column, including those that passed.",
    callback=lambda context, _option, value: context.meta.update({VERBOSE: value}),
)


def is_verbose() -> bool:
    """Whether the user gave --verbose."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(VERBOSE))


def make_console(results: IO[str]) -> Any:
    """Make a console that uses colours only on a terminal."""
    from rich.console import Console

    return Console(file=results, width=None if results.isatty() else PIPED_WIDTH, highlight=False, markup=False)


def print_table(
    console: Any,
    rows: Sequence[Sequence[str]],
    *,
    head: Sequence[str] = (),
    right: Collection[int] = (),
    styles: Mapping[tuple[int, int], str] | None = None,
    indent: int = 0,
    wrap: bool = True,
) -> None:
    """Print rows in columns. The last column is printed below its row if it doesn't fit beside the others.

    Args:
        console: The console of `make_console`.
        rows: The texts; all rows have the same length.
        head: Titles of the columns.
        right: Indices of the columns to align to the right.
        styles: Style of each cell, by row and column.
        indent: Spaces before each row.
        wrap: Whether to wrap the last column at spaces. Set it to False for paths.
    """
    from rich.text import Text

    shown = [[one_line(cell) for cell in row] for row in rows]
    fixed = len(shown[0]) - 1 if shown else 0
    above = [head] if head else []
    widths = [max(len(row[at]) for row in [*above, *shown]) for at in range(fixed)]
    start = indent + sum(widths) + GAP * fixed
    longest = max((len(row[-1]) for row in [*above, *shown]), default=0)
    beside = console.width - start >= (min(longest, LEAST_REST) if wrap else longest)
    below = indent + (widths[0] + GAP if widths else 0)
    for number, row in enumerate([*above, *shown]):
        at_row = number - len(above)
        line = Text(" " * indent)
        for at, width in enumerate(widths):
            cell = row[at].rjust(width) if at in right else row[at].ljust(width)
            line.append(cell + " " * GAP, style=(styles or {}).get((at_row, at), "bold" if at_row < 0 else ""))
        room = max(LEAST_REST, console.width - (start if beside else below))
        rest = textwrap.wrap(row[-1], room, break_long_words=False, break_on_hyphens=False) if wrap else [row[-1]]
        style = (styles or {}).get((at_row, fixed), "bold" if at_row < 0 else "")
        if beside and rest:
            line.append(rest.pop(0), style=style)
        line.rstrip()
        _print_line(console, line)
        if at_row < 0:
            continue
        for more in rest:
            _print_line(console, Text(" " * (start if beside else below)).append(more, style=style))


def print_line(console: Any, *parts: str | tuple[str, str]) -> None:
    """Print one line of texts, each with or without a style. The terminal wraps a long line; nothing is truncated."""
    from rich.text import Text

    _print_line(console, Text.assemble(*parts))


def _print_line(console: Any, line: Any) -> None:
    console.print(line, soft_wrap=True)
