"""The checks of a verdict and the columns of a drift check as tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from driftgate.drift.limits import STATES
from driftgate.evidence.page import number, state_of
from driftgate.verdict import Verdict

COLOURS = {"pass": "green", "warn": "yellow", "block": "bold red"}
STATE_COLOURS = {"stable": "green", "drifted": "yellow", "severe": "bold red"}
CLOSEST = 5
BAR_CELLS = 24


def print_checks(verdict: Verdict, console: Any) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("", "left"), ("check", "left"), ("observed", "right"), ("limit", "right"), ("why", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for check in verdict.checks:
        state = state_of(check)
        table.add_row(
            Text(state, style=COLOURS[state]), check.name, number(check.observed), number(check.limit), Text(check.why)
        )
    console.print(table)


def print_columns(columns: Sequence[Mapping[str, Any]], console: Any) -> None:
    """Print the columns that drifted, or those that came closest to it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    ordered = sorted(columns, key=lambda found: (-STATES.index(found["state"]), -_nearness(found)))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (
        ("column", "left"), ("distance", "right"), ("limit", "right"), ("", "left"), ("missing", "right"), ("state", "left")
    ):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    shown = [found for found in ordered if found["state"] != "stable"] or ordered[:CLOSEST]
    for found in shown:
        colour = STATE_COLOURS[found["state"]]
        table.add_row(
            found["name"], f"{found['distance']:.3f}", f"{found['limit']:.3f}", Text(_bar(found), style=colour),
            f"{found['missing']:.1%}", Text(found["state"], style=colour),
        )  # fmt: skip
    console.print(table)
    rest = len(ordered) - len(shown)
    if rest:
        console.print(f"{rest} more columns are stable")


def _nearness(found: Mapping[str, Any]) -> float:
    """How close a column comes to a limit: the nearest one where it is over any, else that of its distance."""
    measures = found["measures"].values() if found["state"] != "stable" else [found["measures"]["distance"]]
    return max(float(measure["value"] / measure["limit"]) for measure in measures)


def _bar(found: Mapping[str, Any]) -> str:
    """The distance as a bar, its limit as a mark: ████▌   │ is stable, ██████│███ is over."""
    length = round(found["distance"] * BAR_CELLS)
    at = min(BAR_CELLS - 1, round(found["limit"] * BAR_CELLS))
    cells = ["█" if cell < length else " " for cell in range(BAR_CELLS)]
    cells[at] = "│"
    return "".join(cells)
