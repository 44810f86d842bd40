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
    """Print the checks by group: what failed first, a group whose checks all passed as one line."""
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
    """Print the columns that drifted, the worst first, or those that came closest to it; each by the measure that decides.

    Args:
        columns: As the document of a drift check has them.
        console: Of `make_console`.
    """
    ordered = sorted(columns, key=lambda found: (-STATES.index(found["state"]), -_ratio(deciding(found)[1])))
    shown = [found for found in ordered if found["state"] != "stable"] or ordered[:CLOSEST]
    shown = ordered if is_verbose() else shown
    rows = []
    for found in shown:
        measure, values = deciding(found)
        bar = bar_of(values["value"], values["limit"], side="ceiling")
        rows.append(
            [
                found["state"], found["name"], f"{values['value']:.3f}", bar.text if bar else "",
                f"≤ {values['limit']:.3f}", f"{found['missing']:.1%}", MEASURE_NAMES.get(measure, measure),
            ]
        )  # fmt: skip
    if rows:
        styles = {(row, at): STATE_COLOURS[found["state"]] for row, found in enumerate(shown) for at in (0, 3)}
        head = ("", "column", "value", "", "limit", "missing", "measure")
        print_table(console, rows, head=head, right=(2, 5), styles=styles)
    if rest := len(ordered) - len(shown):
        verb = "is" if rest == 1 else "are"
        print_line(console, f"{plural(rest, 'more column')} {verb} stable; all: --verbose")


def deciding(found: Mapping[str, Any]) -> tuple[str, Mapping[str, float]]:
    """The measure that decides a column's state: the one furthest over its limit; the distance where none is over.

    Returns:
        Its name, and its `value`, `limit` and `severe_limit`.
    """
    measures: Mapping[str, Mapping[str, float]] = found["measures"]
    if found["state"] == "stable":
        return "distance", measures["distance"]
    name = max(measures, key=lambda name: (_severity(measures[name]), _ratio(measures[name])))
    return name, measures[name]


def _severity(measure: Mapping[str, float]) -> int:
    return (measure["value"] > measure["limit"]) + (measure["value"] > measure["severe_limit"])


def _ratio(measure: Mapping[str, float]) -> float:
    return measure["value"] / max(measure["limit"], 1e-9)
