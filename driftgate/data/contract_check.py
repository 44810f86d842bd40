"""The contract as a pandera schema, which finds all violations of a data set in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from driftgate.config import Problem
from driftgate.contract import MAXIMUM_CATEGORY_LENGTH, MAXIMUM_INTEGER, MAXIMUM_NUMBER, Column
from driftgate.data.table import DataVersion
from driftgate.data.violations import Violation

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
        *_impossible_dates(frame, problem, version),
        *_constant_columns(frame, problem),
    ]


def find_batch_violations(
    frame: pd.DataFrame, problem: Problem, *, classes: Sequence[bool | int | float | str] = ()
) -> list[Violation]:
    """Check new rows. They may lack target, row id and timestamp; the columns that they have must satisfy their rules.

    Args:
        frame: The rows.
        problem: Gives contract, row id, timestamp and target.
        classes: The values of the target at training; every label must be one of them.
    """
    if frame.empty:
        return []
    optional = (problem.data.row_id, problem.data.timestamp or "")
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
    rule = f"a label must be {' or '.join(repr(value) for value in classes)}, as at training"
    return [Violation(column=name, rule=rule, rows=len(unknown), examples=shown)]


def _broken_rules(
    frame: pd.DataFrame, problem: Problem, *, rules_of: Callable[[Column], list[Rule]], optional: tuple[str, ...]
) -> list[Violation]:
    import pandera.pandas as pa

    columns = {name: rules_of(column) for name, column in problem.contract.columns.items()}
    columns[problem.data.row_id] = [("must not be missing", _present), ("must be unique", _unique)]
    if problem.data.timestamp:
        columns[problem.data.timestamp] = [("must be a date", _is_date)]
    missing = [name for name in columns if name not in frame and name not in optional]
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(checks=[pa.Check(test, error=text, ignore_na=False) for text, test in rules], nullable=True)
            for name, rules in columns.items()
            if name in frame
        }
    )
    found = [Violation(column=name, rule="the data has no such column", rows=0, examples=()) for name in missing]
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        found += [_violation(fault, frame) for fault in error.schema_errors]
    return found


def _violation(fault: Any, frame: pd.DataFrame) -> Violation:
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
    if column.type == "boolean":
        return [*rules, ("must be true or false", lambda values: values.isna() | values.isin([True, False]))]
    rules += [("must be a number, not text", _is_number), ("must be finite", _finite)]
    if column.type == "integer":
        rules.append(("must be a whole number", lambda values: _number_rule(values, lambda known: known % 1 == 0)))
        rules.append(
            ("must lie within ±2^53", lambda values: _number_rule(values, lambda known: abs(known) <= MAXIMUM_INTEGER))
        )
    if column.minimum is not None:
        low = column.minimum
        rules.append((f"must be at least {low:g}", lambda values: _number_rule(values, lambda known: known >= low)))
    if column.maximum is not None:
        high = column.maximum
        rules.append((f"must be at most {high:g}", lambda values: _number_rule(values, lambda known: known <= high)))
    return rules


def _category_rules(column: Column) -> list[Rule]:
    rules: list[Rule] = [("must be text", lambda values: values.isna() | values.map(lambda v: isinstance(v, str)))]
    if column.categories is not None:
        allowed = column.categories
        text = f"must be one of {', '.join(allowed[:8])}{' …' if len(allowed) > 8 else ''}"
        return [*rules, (text, lambda values: values.isna() | values.isin(allowed))]
    if column.pattern is not None:
        pattern = column.pattern
        rules.append(
            (f"must match {pattern}", lambda values: values.isna() | values.astype(str).str.fullmatch(pattern))
        )
    long = f"must have at most {MAXIMUM_CATEGORY_LENGTH} characters"
    rules.append((long, lambda values: values.isna() | (values.astype(str).str.len() <= MAXIMUM_CATEGORY_LENGTH)))
    return rules


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
    name = problem.target.column
    target = frame[name]
    found = []
    if target.isna().any():
        found.append(
            Violation(column=name, rule="the target must not be missing", rows=int(target.isna().sum()), examples=())
        )
    values = sorted(target.dropna().unique().tolist(), key=str)
    shown = tuple(repr(value) for value in values[:EXAMPLES])
    if problem.target.positive not in values:
        rule = f"the positive class {problem.target.positive!r} never occurs; the target has {', '.join(shown) or 'no value'}"
        found.append(Violation(column=name, rule=rule, rows=0, examples=()))
    elif len(values) != 2:
        rule = "the target has only one class" if len(values) == 1 else f"the target has {len(values)} classes, not two"
        found.append(Violation(column=name, rule=f"{rule}: {', '.join(shown)}", rows=0, examples=()))
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


def _impossible_dates(frame: pd.DataFrame, problem: Problem, version: DataVersion) -> list[Violation]:
    if problem.data.timestamp and version.later_rows and not version.as_of_given:
        rule = "must not lie in the future"
        return [Violation(column=problem.data.timestamp, rule=rule, rows=version.later_rows, examples=())]
    return []
