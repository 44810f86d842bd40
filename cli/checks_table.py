"""The checks of a verdict and the columns of a drift check as tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.tables import COLOURS, is_verbose, print_line, print_table
from driftgate.bars import bar_of
from driftgate.drift.compare import MEASURE_NAMES
from driftgate.drift.limits import STATES
from driftgate.verdict import Verdict
from driftgate.words import number, plural

STATE_COLOURS = {"stable": "green", "drifted": "yellow", "severe": "bold red"}
CLOSEST = 5


def print_checks(verdict: Verdict, console: Any) -> None:
    """Print the checks by group, the failed ones first. A group whose checks all passed takes one line."""
    groups = verdict.groups
    width = max((len(group.name) for group in groups), default=0)
    hidden = [] if is_verbose() else [group for group in groups if group.state == "pass"]
    for group in groups:
        print_line(
            console, (f"{group.state:<5}", COLOURS[group.state]), "  ", (f"{group.name:<{width}}", "bold"),
            f"  {group.summary}",
        )  # fmt: skip
        if group in hidden:
            continue
        bars = any(check.bar for check in group.checks)
        print_table(
            console,
            [
                [
                    check.state, check.name, number(check.observed),
                    *([check.bar.text if check.bar else ""] if bars else []), check.limit_text, check.why,
                ]
                for check in group.checks
            ],
            right=(2,),
            styles={
                (row, at): COLOURS[check.state]
                for row, check in enumerate(group.checks)
                for at in ((0, 3) if bars else (0,))
            },
            indent=2,
        )  # fmt: skip
    if hidden:
        print_line(console, ("       --verbose shows the checks of the groups that passed", "dim"))


def print_columns(columns: Sequence[Mapping[str, Any]], console: Any) -> None:
    """Print the columns that drifted, the worst first. If none drifted, print those closest to their limit.

    Each column is shown with the measure that decides its state.

    Args:
        columns: The columns in the JSON document of a drift check.
        console: The console of `make_console`.
    """
    ordered = sorted(columns, key=lambda column: (-STATES.index(column["state"]), -_ratio(deciding(column)[1])))
    shown = [column for column in ordered if column["state"] != "stable"] or ordered[:CLOSEST]
    shown = ordered if is_verbose() else shown
    rows = []
    for column in shown:
        measure, values = deciding(column)
        bar = bar_of(values["value"], values["limit"], side="ceiling")
        rows.append(
            [
                column["state"], column["name"], f"{values['value']:.3f}", bar.text if bar else "",
                f"≤ {values['limit']:.3f}", f"{column['missing']:.1%}", MEASURE_NAMES.get(measure, measure),
            ]
        )  # fmt: skip
    if rows:
        styles = {(row, at): STATE_COLOURS[column["state"]] for row, column in enumerate(shown) for at in (0, 3)}
        head = ("", "column", "value", "", "limit", "missing", "measure")
        print_table(console, rows, head=head, right=(2, 5), styles=styles)
    if rest := len(ordered) - len(shown):
        verb = "is" if rest == 1 else "are"
        print_line(console, f"{plural(rest, 'more column')} {verb} stable; --verbose shows all columns")


def deciding(column: Mapping[str, Any]) -> tuple[str, Mapping[str, float]]:
    """Find the measure that decides a column's state: the one furthest over its limit, or the distance if none is over.

    Returns:
        The measure's name, and its `value`, `limit` and `severe_limit`.
    """
    measures: Mapping[str, Mapping[str, float]] = column["measures"]
    if column["state"] == "stable":
        return "distance", measures["distance"]
    name = max(measures, key=lambda name: (_severity(measures[name]), _ratio(measures[name])))
    return name, measures[name]


def _severity(measure: Mapping[str, float]) -> int:
    return (measure["value"] > measure["limit"]) + (measure["value"] > measure["severe_limit"])


def _ratio(measure: Mapping[str, float]) -> float:
    return measure["value"] / max(measure["limit"], 1e-9)
