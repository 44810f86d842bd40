"""Write benchmarks/README.md, every goal with its measured figure: `python -m benchmarks.table`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.goals import GOALS, Goal, Result
from benchmarks.record import load

FILE = Path(__file__).resolve().parent / "README.md"
COMMAND = "python -m benchmarks.table"
HEAD = f"""# Goals and measurements

`{COMMAND}` generates this page from the last results (`benchmarks/results`) and `benchmarks/goals.py`. A test fails if it is
out of date. If a goal has several values, the table shows their range, and the goal is reached if the worst value reaches it.

| what | goal | measured | reached | data | when | command |
| --- | --- | --- | --- | --- | --- | --- |
"""
FOOT = """
*When* is the day, the commit and the number of cores. A `+` after a commit means that the run had changes that were committed
later. Some rates come from few samples, so the pages on [drift limits](../docs/explanation/drift-experiment.md) and
[experiments](../docs/explanation/experiments.md) give their intervals. [What the gate cannot
detect](../docs/explanation/what-the-gate-cannot-detect.md) explains the drift goals that are not reached.
"""


def table(read: Callable[[str], Result] = load) -> str:
    """The page as Markdown."""
    return HEAD + "".join(_row_of(goal, read) for goal in GOALS) + FOOT


def _row_of(goal: Goal, read: Callable[[str], Result]) -> str:
    try:
        return _row(goal, read(goal.result))
    except FileNotFoundError:
        limit = f"{_number(goal.limit, goal.unit)} {goal.unit}".rstrip()
        sign = "≤" if goal.most else "≥"
        return f"| {goal.text} | {sign} {limit} | no stored result | – | {goal.rows} | – | `{goal.command}` |\n"


def _row(goal: Goal, result: Result) -> str:
    values, missed, when = goal.values(result), goal.missed(result), result["measured"]
    bounds = sorted({_number(value, goal.unit) for value in (min(values.values()), max(values.values()))}, key=float)
    unit = f" {goal.unit}".rstrip()
    reached = "yes"
    if missed:
        named = ", ".join(f"{name} {_number(value, goal.unit)}{unit}".strip() for name, value in missed.items())
        reached = f"**no**: {named}" if any(missed) else "**no**"
    cells = (
        goal.text,
        f"{'≤' if goal.most else '≥'} {_number(goal.limit, goal.unit)}{unit}",
        " to ".join(bounds) + unit,
        reached,
        goal.rows,
        f"{when['day']}, {when['commit']}, {when['cores']} cores",
        f"`{goal.command}`",
    )
    return f"| {' | '.join(cells)} |\n"


def _number(value: float, unit: str) -> str:
    """Format a number with three digits, and a share with one decimal. Values near 0 or 1 get more digits."""
    if unit == "%":
        value, digits = value * 100, 2 if 0.99 < value < 1 else 1
    elif 0 < abs(value) < 0.001:
        return f"{value:.1g}"
    else:
        digits = 6 if 0.99 < value < 1 else 3 if abs(value) < 0.1 else max(0, 3 - len(str(int(abs(value)))))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def main() -> None:
    FILE.write_text(table())


if __name__ == "__main__":
    main()
