"""The target: its classes, and which of two is the positive one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftgate.config import MAXIMUM_CLASSES
from driftgate.contract import normal_text
from driftgate.errors import DriftgateError
from driftgate.init.choices import Choices
from driftgate.init.names import require_column
from driftgate.init.sources.table import TypedColumn, TypedTable
from driftgate.results.init import InitDoubt
from driftgate.training.preflight import LEAST_ROWS
from driftgate.words import plural

if TYPE_CHECKING:
    import numpy as np

LEAST_CLASS = 6  # rows of a class: two for the holdout, two for each of two folds
FEW_OF_CLASS = 30
CONTINUOUS = 20  # a number with more values than this may be a quantity
IMBALANCED, RARE = 0.1, 0.01
SHOWN = 8


@dataclass(frozen=True)
class TargetPlan:
    """The target of a table.

    Attributes:
        column: Its name.
        values: The classes as the problem file writes them; for two: negative, positive.
        counts: Rows of each class.
        codes: The class of each row of the table, -1 for a row without a label; int64 of shape (rows,).
        tied: Whether both of two classes have the same number of rows.
    """

    column: str
    values: tuple[bool | int | str, ...]
    counts: tuple[int, ...]
    codes: np.ndarray
    tied: bool = False

    @property
    def binary(self) -> bool:
        return len(self.values) == 2

    @property
    def labelled(self) -> int:
        return sum(self.counts)

    @property
    def rarest(self) -> float:
        """Share of the rarest class."""
        return min(self.counts) / self.labelled

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(count / self.labelled for count in self.counts)


def find_target(table: TypedTable, choices: Choices) -> tuple[TargetPlan, list[InitDoubt]]:
    """Find the classes of the target.

    Raises:
        DriftgateError: If the table lacks the column, or no model can be trained on it: it has no or one value, is a
            quantity, or has too many or too small classes.
    """
    name = require_column(choices.target, list(table.columns), option="--target")
    column = table.columns[name]
    labels = as_classes(column)
    known = labels.dropna()
    if known.empty:
        raise DriftgateError(
            f"The target {name!r} has no value in any of {table.read:,} rows.", "Name the column that has the labels."
        )
    counts = known.value_counts()
    _require_classes(column, counts)
    if len(known) < LEAST_ROWS:
        raise DriftgateError(
            f"The table has {plural(len(known), 'row')} with a label; at least {LEAST_ROWS} are needed.",
            "Add more rows.",
        )
    values, tied = _ordered(counts, choices, name)
    plan = TargetPlan(name, values, tuple(int(counts[value]) for value in values), _codes(labels, values), tied)
    _require_one_spelling(plan)
    _require_sizes(plan)
    return plan, _doubts(plan, table)


def as_classes(column: TypedColumn) -> Any:
    """The values as the problem file writes them: true and false, whole numbers, or texts; None where one is missing."""
    values = column.values
    if column.kind == "boolean":
        kinds: dict[bool, Any] = {True: True, False: False}
        if column.words and not {word.lower() for word in column.words} <= {"true", "false"}:
            whole = all(word.lstrip("+-").isdigit() for word in column.words)
            kinds = {truth: int(word) if whole else normal_text(word) for truth, word in zip((True, False), column.words, strict=True)}  # fmt: skip
        return _objects([None if value is None or value != value else kinds[bool(value)] for value in values])
    if column.kind == "integer":
        return _objects([None if value != value else int(value) for value in values])
    if column.kind == "category":
        return _objects([None if value is None or value != value else normal_text(value) for value in values])
    if column.kind == "number" and _whole(values.dropna().unique()):  # written 1.0 and 2.0
        return _objects([None if value != value else int(value) for value in values])
    return values


def _whole(values: Any) -> bool:
    return all(float(value).is_integer() for value in values[: MAXIMUM_CLASSES + 1])


def _objects(values: list[Any]) -> Any:
    import pandas as pd

    return pd.Series(values, dtype=object)


def _require_classes(column: TypedColumn, counts: Any) -> None:
    name, number = column.name, len(counts)
    if number < 2:
        raise DriftgateError(
            f"The target {name!r} has the same value, {counts.index[0]!r}, in every row with a label.",
            "Name a column with two values or more, or add rows of another class.",
        )
    if column.kind == "date":
        raise DriftgateError(f"The target {name!r} is a date.", "Name a column with classes, such as yes and no.")
    if column.kind in ("number", "integer") and (number > MAXIMUM_CLASSES or not _whole(counts.index)):
        raise DriftgateError(
            f"The target {name!r} is a number with {number:,} different values, which are no classes.",
            "Make a column with two to fifty classes from it, as texts such as low and high, or as whole numbers.",
        )
    if number > MAXIMUM_CLASSES:
        listed = ", ".join(repr(value) for value in counts.index[:SHOWN])
        raise DriftgateError(
            f"The target {name!r} has {number:,} classes; at most {MAXIMUM_CLASSES} are possible. Its commonest are {listed}.",
            "Name a column with fewer classes, or merge the rare ones.",
        )


def _ordered(counts: Any, choices: Choices, name: str) -> tuple[tuple[bool | int | str, ...], bool]:
    values = sorted(counts.index, key=lambda value: (str(type(value)), value))
    if len(values) > 2:
        if choices.positive is not None:
            raise DriftgateError(
                f"--positive is for two classes, but the target {name!r} has {len(values)}.", "Leave --positive out."
            )
        return tuple(values), False
    first, last = int(counts[values[0]]), int(counts[values[1]])
    positive = values[1] if last <= first else values[0]
    if choices.positive is not None:
        wanted = choices.positive.strip()
        found = [value for value in values if str(value) == wanted] or [
            value for value in values if str(value).lower() == wanted.lower()
        ]
        if not found:
            raise DriftgateError(
                f"--positive {choices.positive!r} is not a value of the target {name!r}.",
                f"Its values are {values[0]!r} and {values[1]!r}.",
            )
        positive = found[0]
    negative = values[0] if positive is values[1] else values[1]
    return (negative, positive), first == last and choices.positive is None


def _codes(labels: Any, values: tuple[bool | int | str, ...]) -> np.ndarray:
    codes: np.ndarray = (
        labels.map({value: code for code, value in enumerate(values)}).fillna(-1).to_numpy().astype("int64")
    )
    return codes


def _require_sizes(plan: TargetPlan) -> None:
    small = [(value, count) for value, count in zip(plan.values, plan.counts, strict=True) if count < LEAST_CLASS]
    if small:
        listed = ", ".join(f"{value!r} ({plural(count, 'row')})" for value, count in small[:SHOWN])
        many = f" and {len(small) - SHOWN} more" if len(small) > SHOWN else ""
        raise DriftgateError(
            f"Classes of the target {plan.column!r} have fewer than {LEAST_CLASS} rows, too few to train on and to test with: "
            f"{listed}{many}.",
            "Add rows of these classes, merge them with others, or remove their rows.",
        )


def _require_one_spelling(plan: TargetPlan) -> None:
    """Refuse classes that differ only in spaces or capitals; single letters may differ in capitals."""
    spellings: dict[str, list[str]] = {}
    for value in plan.values:
        if isinstance(value, str):
            text = " ".join(value.split())
            spellings.setdefault(text.casefold() if len(text) > 1 else text, []).append(value)
    alike = [values for values in spellings.values() if len(values) > 1]
    if alike:
        listed = "; ".join(", ".join(map(repr, values)) for values in alike[:SHOWN])
        raise DriftgateError(
            f"Classes of the target {plan.column!r} differ only in spaces or capitals: {listed}.",
            "Write each class in one way.",
        )


def _doubts(plan: TargetPlan, table: TypedTable) -> list[InitDoubt]:
    found: list[InitDoubt] = []
    columns = (plan.column,)
    if table.columns[plan.column].kind in ("integer", "number") and len(plan.values) > CONTINUOUS:
        found.append(
            InitDoubt(
                code="many_numbers", columns=columns,
                text=f"The target {plan.column!r} has {len(plan.values)} whole numbers; a quantity is no class.",
                done="Each number is a class of its own, and their order isn't used.",
            )
        )  # fmt: skip
    unlabelled = table.read - plan.labelled
    if unlabelled:
        found.append(
            InitDoubt(
                code="unlabelled_rows", columns=columns,
                text=f"{unlabelled:,} of {table.read:,} rows have no label.",
                done="They are left out of training and evaluation, and counted (target.unlabelled: leave_out).",
            )
        )  # fmt: skip
    if plan.rarest < IMBALANCED:
        rarest = min(range(len(plan.counts)), key=lambda code: plan.counts[code])
        found.append(
            InitDoubt(
                code="imbalance", columns=columns,
                text=f"Only {plan.counts[rarest]:,} of {plan.labelled:,} labelled rows ({plan.rarest:.2%}) are {plan.values[rarest]!r}.",
                done="Class weights are part of the search, and the gate has metrics that suit rare classes.",
            )
        )  # fmt: skip
    few = [(value, count) for value, count in zip(plan.values, plan.counts, strict=True) if count < FEW_OF_CLASS]
    if few:
        listed = ", ".join(f"{value!r} ({count})" for value, count in few[:SHOWN])
        found.append(
            InitDoubt(
                code="small_classes", columns=columns,
                text=f"Classes with fewer than {FEW_OF_CLASS} rows: {listed}.",
                done="They are kept; what a model does with them is uncertain, and limits are wide.",
            )
        )  # fmt: skip
    return found
