"""Write benchmarks/README.md, every promised figure beside the measured one: `python -m benchmarks.table`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.goals import GOALS, Goal, Result
from benchmarks.record import load

FILE = Path(__file__).resolve().parent / "README.md"
COMMAND = "python -m benchmarks.table"
HEAD = f"""# Promised and measured

Made from the last results (`benchmarks/results`) and `benchmarks/goals.py` by `{COMMAND}`; a test holds it up to date.
Where there are several values, the range of them is shown, and a goal is reached if the worst of them reaches it.

| what | goal | measured | reached | on | when | command |
| --- | --- | --- | --- | --- | --- | --- |
"""
FOOT = """
*When* is the day, the commit and the number of cores; `+` after a commit: with changes that were committed later. Rates have
few draws behind them, so [the gate](../docs/gate.md) and [operations](../docs/operations.md) give their intervals, and
what lies behind the goals that are not reached: [what the gate does not see](../docs/gate.md#what-it-does-not-see).
"""


def table(read: Callable[[str], Result] = load) -> str:
    """The page."""
    return HEAD + "".join(_row_of(goal, read) for goal in GOALS) + FOOT


def _row_of(goal: Goal, read: Callable[[str], Result]) -> str:
    try:
        return _row(goal, read(goal.result))
    except FileNotFoundError:
        limit = f"{_number(goal.limit, goal.unit)} {goal.unit}".rstrip()
        sign = "≤" if goal.most else "≥"
        return f"| {goal.text} | {sign} {limit} | no result is kept | – | {goal.rows} | – | `{goal.command}` |\n"


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
    """Three digits, of shares one after the point; more where there is little to one, or to zero."""
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
