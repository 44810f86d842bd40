"""The contract as a pandera schema, which finds all violations of a data set in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from driftgate.config import Problem
from driftgate.contract import (
    MAXIMUM_CATEGORY_LENGTH,
    MAXIMUM_INTEGER,
    MAXIMUM_NUMBER,
    MAXIMUM_TEXT_LENGTH,
    Column,
)
from driftgate.data.quick_check import surely_keeps_rules
from driftgate.data.table import DataVersion
from driftgate.data.violations import Violation
from driftgate.inputs import moments_of

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = 3
MISSING_TIMESTAMPS = "missing_timestamps"

Rule = tuple[str, Callable[[Any], Any]]


def find_violations(frame: pd.DataFrame, problem: Problem, *, version: DataVersion) -> list[Violation]:
    """Check every rule of every column, and the rules that hold for any training data.

    Args:
        frame: The rows as read.
        problem: Gives the contract, the target, the row id and the timestamp.
        version: Gives how many rows have no timestamp, and how many are dated after the as-of date.

    Returns:
        One violation for each broken rule, in the contract's order; empty if there is none. A column with only one value
        is a warning.
    """
    return [
        *_broken_rules(frame, problem, rules_of=_rules_for_training, optional=()),
        *_broken_target(frame, problem),
        *_missing_timestamps(problem, version),
        *_impossible_dates(problem, version),
        *_constant_columns(frame, problem),
    ]


def find_batch_violations(
    frame: pd.DataFrame, problem: Problem, *, classes: Sequence[bool | int | float | str] = ()
) -> list[Violation]:
    """Check new rows. They may lack target, row id, timestamp and group; the columns that they have must satisfy their rules.

    Args:
        frame: The rows.
        problem: Gives contract, row id, timestamp and target.
        classes: The values of the target at training; every label must be one of them.
    """
    if frame.empty:
        return []
    data = problem.data
    optional = tuple(name for name in (data.row_id, data.timestamp, data.group) if name)
    timestamp = problem.data.timestamp
    undated = int(frame[timestamp].isna().sum()) if timestamp and timestamp in frame else 0
    return [
        *_broken_rules(frame, problem, rules_of=_rules, optional=optional),
        *_undated(timestamp, undated, rule="has no value, so the time of these rows is unknown"),
        *_unknown_labels(frame, problem, classes),
    ]


def _unknown_labels(
    frame: pd.DataFrame, problem: Problem, classes: Sequence[bool | int | float | str]
) -> list[Violation]:
    name = problem.target.column
    if not classes or name not in frame:
        return []
    labels = frame[name].dropna()
    unknown = labels[~labels.isin(list(classes))]
    if unknown.empty:
        return []
    shown = tuple(repr(value) for value in list(dict.fromkeys(unknown.tolist()))[:EXAMPLES])
    known = " or ".join(repr(value) for value in classes[:8]) + (" or another class" if len(classes) > 8 else "")
    rule = f"a label must be {known}, as at training"
    return [Violation(column=name, rule=rule, rows=len(unknown), examples=shown)]


def _broken_rules(
    frame: pd.DataFrame, problem: Problem, *, rules_of: Callable[[Column], list[Rule]], optional: tuple[str, ...]
) -> list[Violation]:
    import pandera.pandas as pa

    data, contract = problem.data, problem.contract.columns
    columns = {
        name: [] if name in frame and surely_keeps_rules(frame[name], column) else rules_of(column)
        for name, column in contract.items()
    }
    if data.row_id:
        known = data.row_id in frame and frame[data.row_id].is_unique and frame[data.row_id].notna().all()
        columns[data.row_id] = [] if known else [("must not be missing", _present), ("must be unique", _unique)]
    if data.timestamp:
        columns[data.timestamp] = [("must be a date", _is_date)]
    if data.group and data.group != data.row_id:
        whose = ("has no value, so the group of these rows is unknown", _present)
        columns[data.group] = [*columns.get(data.group, []), whose]
    missing = [name for name in columns if name not in frame and name not in optional]
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(checks=[pa.Check(test, error=text, ignore_na=False) for text, test in rules], nullable=True)
            for name, rules in columns.items()
            if rules and name in frame
        }
    )
    found = [Violation(column=name, rule="the data has no such column", rows=0, examples=()) for name in missing]
    if not schema.columns:
        return found
    try:
        schema.validate(frame[list(schema.columns)], lazy=True, inplace=True)
    except pa.errors.SchemaErrors as error:
        found += [_violation(fault) for fault in error.schema_errors]
    return found


def _violation(fault: Any) -> Violation:
    """Read pandera's record of one broken check: column, rule, and the values that broke it."""
    cases = fault.failure_cases
    values = (
        cases["failure_case"] if hasattr(cases, "columns") and "index" in cases and cases["index"].notna().any() else []
    )
    unlike = list(dict.fromkeys(repr(value) for value in values))[:EXAMPLES]
    name = str(fault.schema.name)
    return Violation(column=name, rule=str(fault.check.error), rows=len(values), examples=tuple(unlike))


def _rules_for_training(column: Column) -> list[Rule]:
    """The rules of a column, and that it has a value: a model can't learn from a column without any.

    A small batch of new rows may lack all values of a column.
    """
    return [("all its values are missing", lambda values: bool(values.notna().any())), *_rules(column)]


def _rules(column: Column) -> list[Rule]:
    rules: list[Rule] = []
    if not column.nullable:
        rules.append(("must not be missing", _present))
    if column.type == "category":
        return rules + _category_rules(column)
    if column.type == "date":
        return rules + _date_rules(column)
    if column.type == "text":
        return [*rules, ("must be text", _is_text), _length_rule(MAXIMUM_TEXT_LENGTH)]
    if column.type == "boolean":
        return [*rules, ("must be true or false", lambda values: values.isna() | values.isin([True, False]))]
    rules += [("must be a number, not text", _is_number), ("must be finite", _finite)]
    if column.type == "integer":
        rules.append(("must be a whole number", lambda values: _number_rule(values, lambda known: known % 1 == 0)))
        rules.append(
            ("must lie within ±2^53", lambda values: _number_rule(values, lambda known: abs(known) <= MAXIMUM_INTEGER))
        )
    if column.low is not None:
        low = column.low
        rules.append((f"must be at least {low:g}", lambda values: _number_rule(values, lambda known: known >= low)))
    if column.high is not None:
        high = column.high
        rules.append((f"must be at most {high:g}", lambda values: _number_rule(values, lambda known: known <= high)))
    return rules


def _category_rules(column: Column) -> list[Rule]:
    rules: list[Rule] = [("must be text", _is_text)]
    if column.categories is not None:
        allowed = column.categories
        text = f"must be one of {', '.join(allowed[:8])}{' …' if len(allowed) > 8 else ''}"
        return [*rules, (text, lambda values: values.isna() | values.isin(allowed))]
    if column.pattern is not None:
        pattern = column.pattern
        rules.append(
            (f"must match {pattern}", lambda values: values.isna() | values.astype(str).str.fullmatch(pattern))
        )
    return [*rules, _length_rule(MAXIMUM_CATEGORY_LENGTH)]


def _length_rule(most: int) -> Rule:
    long = f"must have at most {most:,} characters"
    return long, lambda values: values.isna() | (values.astype(str).str.len() <= most)


def _date_rules(column: Column) -> list[Rule]:
    """Dates are timestamps, or texts in ISO 8601 as in requests."""
    zone, earliest, latest = column.time_zone, column.earliest, column.latest
    rules: list[Rule] = [("must be a date", lambda values: _date_rule(values, zone, lambda known: known == known))]
    if earliest:
        text = f"must be {column.minimum} or later"
        rules.append((text, lambda values: _date_rule(values, zone, lambda known: known >= earliest, broken=True)))
    if latest:
        text = f"must be {column.maximum} or earlier"
        rules.append((text, lambda values: _date_rule(values, zone, lambda known: known <= latest, broken=True)))
    return rules


def _date_rule(values: Any, zone: str | None, rule: Callable[[Any], Any], *, broken: bool = False) -> Any:
    """A rule about dates.

    Args:
        values: Dates, or texts in ISO 8601.
        zone: The time zone of texts with an offset.
        rule: A function of moments that says which are good.
        broken: Whether a value that is not a date is good: another rule reports it.
    """
    import pandas as pd

    moments = pd.Series(moments_of(values, time_zone=zone), index=values.index)
    good = rule(moments)
    return values.isna() | (good | moments.isna() if broken else good)


def _is_text(values: Any) -> Any:
    return values.isna() | values.map(lambda value: isinstance(value, str))


def _present(values: Any) -> Any:
    return values.notna()


def _unique(values: Any) -> Any:
    return ~values.duplicated(keep=False)


def _is_date(values: Any) -> Any:
    import pandas as pd

    return bool(pd.api.types.is_datetime64_any_dtype(values))


def _is_number(values: Any) -> Any:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values):
        return True
    return values.isna() | values.map(lambda value: isinstance(value, int | float) and not isinstance(value, bool))


def _number_rule(values: Any, rule: Callable[[Any], Any]) -> Any:
    """A rule about the known finite numbers; other rules check the other values."""
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    return ~np.isfinite(numbers.astype(float)) | rule(numbers)


def _finite(values: Any) -> Any:
    import numpy as np
    import pandas as pd

    # A model takes numbers as float32; a larger number would become infinite.
    return ~(np.abs(pd.to_numeric(values, errors="coerce").astype(float)) > MAXIMUM_NUMBER)


def _broken_target(frame: pd.DataFrame, problem: Problem) -> list[Violation]:
    """Rules of the target: labelled rows, and exactly the classes that the problem file names."""
    name, target = problem.target.column, frame[problem.target.column]
    missing, found = int(target.isna().sum()), []
    if missing and problem.target.unlabelled == "refuse":
        found.append(Violation(column=name, rule="the target must not be missing", rows=missing, examples=()))
    values = sorted(target.dropna().unique().tolist(), key=str)
    if not values and len(target):
        return [*found, Violation(column=name, rule="no row has a label", rows=missing, examples=())]
    of = _broken_pair if problem.target.binary else _broken_classes
    return found + of(target, values, problem)


def _broken_pair(target: pd.Series[Any], values: list[Any], problem: Problem) -> list[Violation]:
    name, positive = problem.target.column, problem.target.positive
    shown = ", ".join(repr(value) for value in values[:EXAMPLES]) + (" …" if len(values) > EXAMPLES else "")
    if positive not in values:
        rule = f"the positive class {positive!r} never occurs; the target has {shown or 'no value'}"
        return [Violation(column=name, rule=rule, rows=0, examples=())]
    if len(values) == 2:
        return []
    rule = "the target has only one class" if len(values) == 1 else f"the target has {len(values)} classes, not two"
    return [Violation(column=name, rule=f"{rule}: {shown}", rows=0, examples=())]


def _broken_classes(target: pd.Series[Any], values: list[Any], problem: Problem) -> list[Violation]:
    name, classes = problem.target.column, problem.target.classes or ()
    unknown = [value for value in values if value not in classes]
    found = []
    if unknown:
        rule = "a label must be one of target.classes"
        rows = int(target.isin(unknown).sum())
        examples = tuple(repr(value) for value in unknown[:EXAMPLES])
        found.append(Violation(column=name, rule=rule, rows=rows, examples=examples))
    absent = [repr(value) for value in classes if value not in values]
    if absent:
        rule = f"these classes never occur: {', '.join(absent[:EXAMPLES])}{' …' if len(absent) > EXAMPLES else ''}"
        found.append(Violation(column=name, rule=rule, rows=0, examples=()))
    return found


def _missing_timestamps(problem: Problem, version: DataVersion) -> list[Violation]:
    rule = "has no value: rows without a timestamp are left out, because their time is unknown"
    return _undated(problem.data.timestamp, version.no_timestamp, rule=rule)


def _undated(timestamp: str | None, rows: int, *, rule: str) -> list[Violation]:
    if not timestamp or not rows:
        return []
    return [Violation(column=timestamp, rule=rule, rows=rows, examples=(), name=MISSING_TIMESTAMPS)]


def _constant_columns(frame: pd.DataFrame, problem: Problem) -> list[Violation]:
    """Columns with the same value in all rows: a model learns nothing from them, but they do no harm."""
    found = []
    for name in problem.contract.columns:
        if name not in frame or len(frame) < 2 or frame[name].isna().any():
            continue
        first = frame[name].iloc[0]
        if bool((frame[name] == first).all()):
            value = first.item() if hasattr(first, "item") else first  # numpy would show its type too
            rule = f"has the same value, {value!r}, in every row: the model learns nothing from it"
            found.append(
                Violation(column=name, rule=rule, rows=0, examples=(), name=f"constant.{name}", severity="warn")
            )
    return found


def _impossible_dates(problem: Problem, version: DataVersion) -> list[Violation]:
    if problem.data.timestamp and version.later_rows and not version.as_of_given:
        rule = "must not lie in the future"
        return [Violation(column=problem.data.timestamp, rule=rule, rows=version.later_rows, examples=())]
    return []
