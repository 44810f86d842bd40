"""The contract of each feature: type, range with headroom, closed or open categories."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from driftgate.contract import MAXIMUM_CATEGORY_LENGTH, MAXIMUM_INTEGER, MAXIMUM_NUMBER, Column, normal_text
from driftgate.init.names import NATURAL, PERCENT, SHARE, plain
from driftgate.init.roles import is_prose
from driftgate.init.sources.table import TypedColumn, TypedTable
from driftgate.results.init import InitDoubt

if TYPE_CHECKING:
    import pandas as pd

CLOSED = 20  # a category with more values may get new ones
SEEN = 5  # rows of each value of a closed list
MANY = 50  # values of a high-cardinality category
NEARLY_UNIQUE = 0.5  # values by rows
LEAST_PATTERN = 10  # values that a pattern is made from
ONE_VALUE, FEW_OTHERS = 0.99, 10
HEADROOM = 0.5
TINY = 1e-300  # a smaller number has no scale of two digits
RUNS = re.compile(r"[A-Z]+|[a-z]+|[0-9]+|[^A-Za-z0-9]")
CLASSES = {"A": "[A-Z]", "a": "[a-z]", "0": "[0-9]"}


@dataclass(frozen=True)
class FeaturePlan:
    """One feature: its rules in the contract, and a comment on what was assumed."""

    name: str
    rules: dict[str, Any]
    comment: str = ""
    doubts: tuple[InitDoubt, ...] = field(default=())


def plan_column(column: TypedColumn, table: TypedTable, *, text: bool) -> FeaturePlan | str:
    """The contract of a feature, or the reason why it can't be one.

    Args:
        column: The column.
        table: Its table.
        text: Whether the person asked for n-grams of this column.
    """
    if column.kind == "empty":
        return "it has no value in any row"
    if text:
        return _plan_text(column)
    known = column.values.dropna()
    if known.nunique() == 1 and not column.missing:
        return f"it has the same value, {_shown(known.iloc[0])}, in every row"
    plan = _PLANS[column.kind](column, known, table)
    if isinstance(plan, str):
        return plan
    nullable = column.missing or table.read < table.rows  # rows that weren't read may lack values
    rules = {"type": plan.rules["type"], **({"nullable": True} if nullable else {}), **plan.rules}
    return FeaturePlan(plan.name, rules, plan.comment, (*plan.doubts, *_near_constant(column, known)))


def _plan_text(column: TypedColumn) -> FeaturePlan | str:
    if column.kind != "category":
        return f"--text is for a column of text, and this one is {column.kind}"
    nullable = {"nullable": True} if column.missing else {}
    return FeaturePlan(column.name, {"type": "text", **nullable}, "free text; the model gets counts of its words")


def _plan_boolean(column: TypedColumn, known: pd.Series, table: TypedTable) -> FeaturePlan | str:
    words = f"{column.words[0]} and {column.words[1]} in the source" if column.words else ""
    return FeaturePlan(column.name, {"type": "boolean"}, words)


def _plan_number(column: TypedColumn, known: pd.Series, table: TypedTable) -> FeaturePlan | str:
    import numpy as np

    values = known.to_numpy(dtype=float)
    if not np.isfinite(values).all() or (np.abs(values) > MAXIMUM_NUMBER).any():
        return "it has values that are infinite, or too large for a float32"
    whole = column.kind == "integer"
    if whole and (np.abs(values) > MAXIMUM_INTEGER).any():
        return "it has whole numbers beyond 2^53, which would be rounded"
    low, high = headroom(float(values.min()), float(values.max()), column.name, whole=whole)
    comment = f"{_shown(values.min())} to {_shown(values.max())} in the data"
    kind = "integer" if whole else "number"
    if table.read < table.rows:  # rows that weren't read may lie outside
        return FeaturePlan(column.name, {"type": "number"}, comment)
    return FeaturePlan(column.name, {"type": kind, "minimum": low, "maximum": high}, comment)


def headroom(low: float, high: float, name: str, *, whole: bool) -> tuple[float | int, float | int]:
    """A range that leaves room for values that the data doesn't have yet, and stays physically sensible.

    A range that is never negative stays so; percentages end at 100, shares at 1, hours at 23.
    """
    text = plain(name)
    natural = NATURAL.get(text)
    if natural and natural[0] <= low and high <= natural[1]:
        return natural
    if low >= 0 and high <= 100 and high > 1 and PERCENT.search(text):
        return 0, 100
    if low >= 0 and high <= 1 and not whole and (PERCENT.search(text) or SHARE.search(text) or high > 1 / 2):
        return 0, 1
    if text in ("year", "yr"):
        return int(low) - 20, int(high) + 50
    room = max(HEADROOM * max(high - low, abs(high) / 2), 1 if whole else 0)
    under, over = _rounded(low - room, math.floor), _rounded(high + room, math.ceil)
    if low >= 0:
        under = max(0, under)
    if high <= 0:
        over = min(0, over)
    bound = MAXIMUM_INTEGER if whole else MAXIMUM_NUMBER
    under, over = max(under, -bound), min(over, bound)
    if whole or (under % 1 == 0 and over % 1 == 0 and max(abs(under), abs(over)) < MAXIMUM_INTEGER):
        return int(under), int(over)
    return under, over


def _rounded(value: float, direction: Any) -> float:
    """A number rounded outwards to two significant digits."""
    if not value:
        return 0.0
    if abs(value) < TINY:
        return math.copysign(TINY, value) if (direction is math.ceil) == (value > 0) else 0.0
    scale = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = direction(value / scale) * scale
    return float(f"{rounded:.10g}")


def _plan_category(column: TypedColumn, known: pd.Series, table: TypedTable) -> FeaturePlan | str:
    if float(known.str.len().max()) > MAXIMUM_CATEGORY_LENGTH or (
        len(known) and is_prose(known) and known.nunique() > CLOSED
    ):
        return f"it is free text; --text '{column.name}' makes a model use its words"
    counts = known.map(normal_text).value_counts()
    if len(counts) > NEARLY_UNIQUE * len(known) and len(counts) > CLOSED:
        return f"it has {len(counts):,} different values in {len(known):,} rows, so a model can't learn from them"
    if column.unread and len(counts) > CLOSED:
        return f"it is text that looks like numbers or dates, with {len(counts):,} different values"
    if len(counts) <= CLOSED and int(counts.min()) >= SEEN and table.read == table.rows:
        return FeaturePlan(column.name, {"type": "category", "categories": sorted(counts.index)}, "")
    pattern = find_pattern(list(counts.index)) if table.read == table.rows else None
    rules = {"type": "category", **({"pattern": pattern} if pattern else {})}
    comment = f"{len(counts):,} values; new ones are allowed"
    doubts: tuple[InitDoubt, ...] = ()
    if len(counts) > MANY:
        doubts = (
            InitDoubt(
                code="high_cardinality", columns=(column.name,),
                text=f"{column.name!r} has {len(counts):,} different values in {len(known):,} rows.",
                done="It is kept as an open category: values that occur rarely or first after training count as average.",
            ),
        )  # fmt: skip
    return FeaturePlan(column.name, rules, comment, doubts)


def _plan_date(column: TypedColumn, known: pd.Series, table: TypedTable) -> FeaturePlan | str:
    rules: dict[str, Any] = {"type": "date"}
    if column.date_format:
        rules["format"] = column.date_format
    midnight = bool((known == known.dt.normalize()).all())
    parts = ["year", "month", "day", "weekday"] + ([] if midnight else ["hour"])
    if not midnight or (known.max() - known.min()).days > 2:
        rules["parts"] = [part for part in parts if _varies(known, part)] or ["day"]
    return FeaturePlan(column.name, rules, f"{known.min():%Y-%m-%d} to {known.max():%Y-%m-%d} in the data")


def _varies(known: pd.Series, part: str) -> bool:
    return bool(getattr(known.dt, part).nunique() > 1)


_PLANS = {
    "boolean": _plan_boolean, "number": _plan_number, "integer": _plan_number, "category": _plan_category,
    "date": _plan_date,
}  # fmt: skip


def find_pattern(values: list[str]) -> str | None:
    """A pattern that all values match, made of letters, digits and fixed signs; None if they have no common form.

    Args:
        values: Different values.
    """
    if len(values) < LEAST_PATTERN:
        return None
    forms = Counter(tuple(_kind(run) for run in RUNS.findall(value)) for value in values)
    if len(forms) > 1 or len(next(iter(forms))) > 12 or not all(value.isascii() for value in values):
        return None
    form = next(iter(forms))
    if any(pair == ("A", "a") for pair in pairwise(form)):
        return None  # words with a capital
    parts = []
    for at, kind in enumerate(form):
        lengths = sorted({len(RUNS.findall(value)[at]) for value in values})
        if kind not in CLASSES:
            parts.append(kind if kind.isspace() or kind in "_,:;/@#%&'\"<>=!~`" else f"\\{kind}")
        elif lengths[-1] > 2 * lengths[0] + 2 or (kind != "0" and len(lengths) > 1):
            return None  # words, not codes
        else:
            size = f"{{{lengths[0]}}}" if len(lengths) == 1 else f"{{{lengths[0]},{lengths[-1]}}}"
            parts.append(CLASSES[kind] + (size if size != "{1}" else ""))
    pattern = "".join(parts)
    try:
        Column(type="category", pattern=pattern)
    except ValidationError:
        return None
    return pattern if all(re.fullmatch(pattern, value) for value in values) else None


def _kind(run: str) -> str:
    return "A" if "A" <= run[0] <= "Z" else "a" if "a" <= run[0] <= "z" else "0" if "0" <= run[0] <= "9" else run


def _near_constant(column: TypedColumn, known: pd.Series) -> tuple[InitDoubt, ...]:
    counts = known.value_counts()
    others = len(known) - int(counts.iloc[0])
    if others > FEW_OTHERS and int(counts.iloc[0]) < ONE_VALUE * len(known):
        return ()
    if not others and column.missing > FEW_OTHERS:
        return ()
    doubt = InitDoubt(
        code="near_constant", columns=(column.name,),
        text=f"{column.name!r} is {_shown(counts.index[0])} in all rows but {others + (column.missing if not others else 0):,}.",
        done="It is kept; it hardly helps a model, and its rare values may be errors.",
    )  # fmt: skip
    return (doubt,)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    return f"{value:,.6g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
