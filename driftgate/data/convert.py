"""Convert a column of text to the type that the problem declares for it; invalid values become faults.

A number may have digits, a sign, the decimal separator and an exponent, but no thousands separators, hexadecimal digits,
underscores, words, digits of other scripts, or spaces around it. Whole numbers are within ±2^53. A boolean is true or
false, yes or no, t or f, y or n in any case, or 1 or 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from driftgate.config import Csv, Problem, Texts
from driftgate.contract import MAXIMUM_INTEGER, normal_text
from driftgate.data.dates import read_dates
from driftgate.data.faults import Fault

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["number", "integer", "boolean", "category", "identifier", "timestamp", "date", "text"]

NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
WHOLE = r"^[+-]?[0-9]+(?:\.0*)?$"
BOOLEAN = r"^(?i:true|false|yes|no|t|f|y|n|1|0)$"
TRUE = r"^(?i:true|yes|t|y|1)$"

BEYOND = "is a whole number beyond ±2^53 and would be rounded"
BEYOND_REMEDY = "Declare the column as a category if it is an identifier, or as a number if rounding does no harm."


@dataclass(frozen=True)
class Rule:
    """How to read one column: its kind, and the format of its values as text."""

    name: str
    kind: Kind
    texts: Texts
    decimal: str = "."

    @property
    def dated(self) -> bool:
        """Whether the values are dates or times."""
        return self.kind in ("timestamp", "date")

    @property
    def format_key(self) -> str:
        """The key of the problem file that sets the format of the dates."""
        return f"contract.{self.name}.format" if self.kind == "date" else "data.date_format"


def rule_of(name: str, problem: Problem, *, csv: bool) -> Rule:
    """How to read a column that the problem names."""
    how: Csv = problem.data.csv
    texts, decimal = problem.data.texts(csv=csv), how.decimal if csv else "."
    if name == problem.data.timestamp:
        return Rule(name, "timestamp", texts, decimal)
    if name == problem.target.column:
        value = problem.target.value
        kind: Kind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "category"
        return Rule(name, kind, texts, decimal)
    if name in problem.contract.columns:
        column = problem.contract.columns[name]
        if column.missing is not None:
            texts = texts.model_copy(update={"missing": column.missing})
        if column.type == "date":
            zone = column.time_zone or texts.time_zone
            texts = texts.model_copy(update={"date_format": column.format, "time_zone": zone})
        return Rule(name, column.type, texts, decimal)
    return Rule(name, "identifier", texts, decimal)


def from_texts(values: pa.ChunkedArray, rule: Rule) -> tuple[Any, list[Fault]]:
    """Convert a column of text.

    Args:
        values: Strings; empty strings and the words for a missing value become null.
        rule: The rule of the column.

    Returns:
        The typed column, null where a value is invalid; and the faults, empty if all values are valid.
    """
    values = without_missing(values, rule)
    convert: Callable[[Any, Rule], tuple[Any, list[Fault]]] = {
        "number": _numbers, "integer": _integers, "boolean": _booleans, "category": _categories,
        "identifier": _categories, "timestamp": _timestamps, "date": _timestamps, "text": _categories,
    }[rule.kind]  # fmt: skip
    return convert(values, rule)


def without_missing(values: Any, rule: Rule) -> Any:
    """Strings in composed form (NFC), null where one is empty or a word for a missing value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = _composed(values)
    absent = pc.is_in(values, value_set=pa.array(["", *rule.texts.missing], pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), values)


def _composed(values: Any) -> Any:
    """Strings in composed form (NFC). pyarrow's utf8_normalize is not used, because it decomposes them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.string_is_ascii(values)).as_py() in (True, None):
        return values
    unlike = pc.unique(values)
    texts = [None if text is None else normal_text(text) for text in unlike.to_pylist()]
    return pa.array(texts, pa.string()).take(pc.index_in(values, value_set=unlike))


def wrong_values(values: Any, wrong: Any, rule: Rule, cause: str, remedy: str) -> list[Fault]:
    """The fault of the values that a mask marks; empty if it marks none.

    Args:
        values: Values of shape (n,).
        wrong: Booleans of shape (n,); null counts as false.
        rule: The rule of the column.
        cause: What is wrong.
        remedy: What to do.
    """
    import numpy as np
    import pyarrow.compute as pc

    rows = np.flatnonzero(pc.fill_null(wrong, False).to_numpy())
    if not len(rows):
        return []
    return [Fault(rule.name, rows.tolist(), str(values[int(rows[0])].as_py()), cause, remedy)]


def beyond_integers(values: Any, rule: Rule) -> list[Fault]:
    """The fault of whole numbers that a float64 can't represent exactly.

    Args:
        values: Integers of any width.
        rule: The rule of the column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_decimal(values.type):
        if values.type.precision - values.type.scale < len(str(MAXIMUM_INTEGER)):
            return []
        values = values.cast(pa.decimal256(76, values.type.scale)) if values.type.scale <= 60 else values
    beyond = pc.greater(values, pa.scalar(MAXIMUM_INTEGER, values.type))
    if not pa.types.is_unsigned_integer(values.type):
        beyond = pc.or_(beyond, pc.less(values, pa.scalar(-MAXIMUM_INTEGER, values.type)))
    return wrong_values(values, beyond, rule, BEYOND, BEYOND_REMEDY)


def _numbers(values: Any, rule: Rule) -> tuple[Any, list[Fault]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts, faults = _matching(values, rule, NUMBER, "is not a number")
    numbers = pc.cast(texts, pa.float64())
    infinite = pc.is_inf(numbers)
    faults += wrong_values(
        values, infinite, rule, "is too large for a float64", "Correct the value, or leave it empty."
    )
    return pc.if_else(infinite, pa.scalar(None, pa.float64()), numbers), faults


def _integers(values: Any, rule: Rule) -> tuple[Any, list[Fault]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts, faults = _matching(values, rule, WHOLE, "is not a whole number")
    texts = pc.replace_substring_regex(pc.utf8_ltrim(texts, characters="+"), r"\.0*$", "")
    # Compare the lengths of the texts first: no integer type can hold more digits.
    long = pc.greater(pc.utf8_length(pc.utf8_ltrim(texts, characters="-0")), 18)
    numbers = pc.cast(pc.if_else(long, pa.scalar(None, pa.string()), texts), pa.int64())
    beyond = pc.or_(long, pc.greater(pc.abs(pc.fill_null(numbers, 0)), MAXIMUM_INTEGER))
    faults += wrong_values(values, beyond, rule, BEYOND, BEYOND_REMEDY)
    return pc.if_else(beyond, pa.scalar(None, pa.int64()), numbers), faults


def _booleans(values: Any, rule: Rule) -> tuple[Any, list[Fault]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    good = pc.match_substring_regex(values, BOOLEAN)
    remedy = "Write true or false, yes or no, or 1 or 0. If it means a missing value, add it to data.missing."
    faults = wrong_values(values, pc.invert(good), rule, "is neither true nor false", remedy)
    found = pc.match_substring_regex(values, TRUE)
    return pc.if_else(good, found, pa.scalar(None, pa.bool_())), faults


def _categories(values: Any, rule: Rule) -> tuple[Any, list[Fault]]:
    return values, []


def _timestamps(values: Any, rule: Rule) -> tuple[Any, list[Fault]]:
    return read_dates(values, rule.texts, column=rule.name, key=rule.format_key)


def _matching(values: Any, rule: Rule, pattern: str, cause: str) -> tuple[Any, list[Fault]]:
    """Numbers as strings with a decimal point, null where one doesn't match the pattern; and the fault of these values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if rule.decimal == ",":
        pattern = pattern.replace(r"\.", ",")
    good = pc.match_substring_regex(values, pattern)
    faults = wrong_values(values, pc.invert(good), rule, cause, "")
    if faults:
        fault = faults[0]
        faults = [Fault(fault.column, fault.rows, fault.value, cause, _remedy(fault.value, rule))]
    texts = pc.if_else(good, values, pa.scalar(None, pa.string()))
    return pc.replace_substring(texts, ",", ".") if rule.decimal == "," else texts, faults


def _remedy(value: str, rule: Rule) -> str:
    """What to do about a value that is not a number."""
    if value.lower() in ("true", "false", "yes", "no"):
        return "Write 1 and 0, or declare the column as a boolean; for a target, set target.positive: true."
    other = "," if rule.decimal == "." else "."
    if value != value.strip():
        return "Remove the spaces around the value."
    if rule.kind == "integer" and value.replace(".", "").replace("-", "").isdigit():
        return "Declare the column as a number, or correct the value."
    if value.count(other) == 1 and rule.decimal not in value:
        return f"Write numbers such as 1234{rule.decimal}5, or set data.csv.decimal: '{other}'."
    if any(sign.isdigit() for sign in value):
        return f"Write numbers such as 1234{rule.decimal}5, without thousands separators, units or other signs."
    return f"Correct the value. If it means a missing value, set data.missing: ['{value[:20]}']."
