"""Find the types of columns that are text: numbers, booleans, dates, categories, and words for a missing value.

A column gets a type only if the readers of the product read all of its values as this type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from driftgate.config import Csv
from driftgate.contract import MAXIMUM_INTEGER
from driftgate.data.convert import NUMBER, WHOLE, Rule, from_texts, without_missing
from driftgate.data.faults import shown
from driftgate.errors import DriftgateError
from driftgate.init.sources.base import AmbiguousDates, SourceOptions
from driftgate.init.sources.date_formats import Dates, all_match, compact_dates, find_dates, looks_like_dates
from driftgate.init.sources.table import Kind, TypedColumn

# Compared in lower case without spaces around.
MISSING = frozenset(
    ("", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "nil", "none", "?", "-", "--", "---", ".",
     "..", "\\n", "missing", "undefined", "#value!", "#div/0!", "#null!", "inf", "-inf", "+inf", "infinity", "-infinity")
)  # fmt: skip
# Words that rarely are a category; a category column that has one gets a note.
DOUBTFUL = frozenset(("na", "n/a", "#n/a", "<na>", "nan", "null", "?", "missing"))
BOOLEANS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))
MOSTLY = 0.9
SHOWN = 3

UNIT = r"(?:%|[$€£¥]|[kcm]?[mg]|ml|EUR|USD|GBP)"
DECORATED = (
    rf"^\s*\(?[-+]?\s?(?:{UNIT}\s?)?[-+]?[0-9]{{1,3}}(?:[0-9]*|(?:(?:[,.' ]|\x{{00a0}}|\x{{202f}})[0-9]{{3}})*)"
    rf"(?:[.,][0-9]*)?\s?{UNIT}?\)?\s*$"
)
MOST_SPELLINGS = 50  # distinct values; with more, some differ in capitals rightly
FEWEST_DECORATED = 10  # distinct values; fewer are rather names of classes


class DistinctTexts:
    """A column of text as its distinct texts, which are much fewer than its rows in most tables.

    Args:
        values: Strings, null or "" where missing.

    Attributes:
        distinct: The distinct texts in composed form, as a pyarrow array.
        gaps: Whether a row is null or "".
    """

    def __init__(self, values: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        encoded = values.dictionary_encode()
        self.distinct = pc.fill_null(without_missing(encoded.dictionary, Rule("", "category", Csv())), "")
        self.gaps = values.null_count > 0 or pc.any(pc.equal(self.distinct, "")).as_py() is True
        self._codes = pc.fill_null(encoded.indices, len(self.distinct)).to_numpy()

    def spread(self, values: Any, missing: Any) -> Any:
        """The value of each row, from the value of each distinct text; a numpy array."""
        import numpy as np

        return np.append(values, np.array([missing], dtype=values.dtype))[self._codes]


@dataclass(frozen=True)
class Facts:
    """What is known about a column of text before words for a missing value of other columns apply to it."""

    kind: Kind
    missing: tuple[str, ...] = ()
    dates: Dates | None = None
    words: tuple[str, str] | None = None
    doubtful: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unread: bool = False


def decimal_of(columns: Mapping[str, DistinctTexts], delimiter: str) -> Literal[".", ","]:
    """The decimal separator with which most columns are numbers.

    Args:
        columns: The texts of each column.
        delimiter: Of the file; a comma can't be both.
    """
    if delimiter == ",":
        return "."
    votes: dict[Literal[".", ","], int] = {".": 0, ",": 0}
    for texts in columns.values():
        known, _ = _apart(texts.distinct)
        if len(known) and not all_match(known, WHOLE):
            for sign in votes:
                votes[sign] += all_match(known, _number(sign))
    return "," if votes[","] > votes["."] else "."


def type_texts(
    columns: Mapping[str, DistinctTexts], how: Csv, options: SourceOptions, *, numbers: bool = True
) -> tuple[list[TypedColumn], tuple[str, ...]]:
    """Find the types of columns of text.

    Args:
        columns: The texts of each column.
        how: Gives the decimal separator.
        options: What a person said.
        numbers: Whether texts may be numbers; false for sources with types of their own, in which readers take text as text.

    Returns:
        The columns, and the words that mean a missing value, which apply to all columns.

    Raises:
        AmbiguousDates: If the dates of a column can be read in two ways.
        DriftgateError: If a date format that a person gave fits no column.
    """
    facts = {name: _facts(name, texts, how, options, numbers=numbers) for name, texts in columns.items()}
    facts = {name: _one_format(name, found, facts) for name, found in facts.items()}
    _require_given_formats(facts, options)
    words = dict.fromkeys([*options.missing, *(word for found in facts.values() for word in found.missing)])
    missing = tuple(word for word in words if word)
    typed = [_typed(name, texts, facts[name], how, options, missing) for name, texts in columns.items()]
    return typed, missing


def _typed(
    name: str, texts: DistinctTexts, facts: Facts, how: Csv, options: SourceOptions, missing: tuple[str, ...]
) -> TypedColumn:
    """The column with its values, as the product's own reader reads them."""
    import pyarrow as pa

    form = facts.dates.formats[0] if facts.dates else None
    if facts.kind == "category":
        facts = replace(facts, notes=(*facts.notes, *_word_notes(texts, facts, options, missing)))
    rule = Rule(
        name,
        {"date": "timestamp", "empty": "category", "boolean": "category"}.get(facts.kind, facts.kind),  # type: ignore[arg-type]
        Csv(
            date_format=form, time_zone=options.time_zone, missing=missing, delimiter=how.delimiter, decimal=how.decimal
        ),
        how.decimal,
    )
    found, faults = from_texts(pa.chunked_array([texts.distinct]), rule)
    found = found.combine_chunks()
    assert not faults, (name, faults)
    return TypedColumn(
        name,
        facts.kind,
        _values(found, facts, texts),
        date_format=form,
        words=facts.words,
        notes=tuple(map(sentence, facts.notes)),
        unread=facts.unread,
    )


def _word_notes(texts: DistinctTexts, facts: Facts, options: SourceOptions, missing: tuple[str, ...]) -> list[str]:
    """What to say about words in a category that may mean a missing value."""
    import pyarrow.compute as pc

    borrowed = [word for word in missing if word not in options.missing and word not in facts.missing]
    here = [shown(word) for word in borrowed if pc.any(pc.equal(texts.distinct, word)).as_py()]
    kept = [shown(word) for word in facts.doubtful if word not in missing]
    notes = []
    if here:
        notes.append(f"{', '.join(here)} counts as a missing value here too, because it does in another column")
    if kept:
        notes.append(f"{', '.join(kept)} is read as a category; if it means a missing value, give it with --missing")
    return notes


def _values(found: Any, facts: Facts, texts: DistinctTexts) -> Any:
    """A pandas Series of the type that TypedColumn promises, from the value of each distinct text."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if facts.kind in ("number", "integer"):
        return pd.Series(texts.spread(found.cast(pa.float64()).to_numpy(zero_copy_only=False), np.nan))
    if facts.kind == "date":
        return pd.Series(texts.spread(found.to_numpy(zero_copy_only=False), np.datetime64("NaT")))
    if facts.words:
        found = pc.equal(pc.utf8_lower(found), facts.words[0].lower())
    values = np.array([*found.to_pylist(), None], dtype=object)[:-1]  # None makes numpy keep them as they are
    return pd.Series(texts.spread(values, None), dtype=object)


def _facts(name: str, texts: DistinctTexts, how: Csv, options: SourceOptions, *, numbers: bool) -> Facts:
    rule = Rule(name, "category", Csv(missing=options.missing))
    values = without_missing(texts.distinct, rule)
    known, absent = _apart(values.drop_null())
    words = tuple(absent.to_pylist())
    if not len(known):
        return Facts("empty", missing=words)
    own = options.date_formats.get(name)
    given = [own] if own else [options.date_format] if options.date_format else []
    if own is None:
        gaps = texts.gaps or values.null_count > 0
        if numbers and (found := _number_facts(known, how.decimal, words, gaps=gaps)):
            return found
        if pair := _boolean(known):
            return Facts("boolean", missing=words, words=pair)
    if dates := find_dates(known, given=given, time_zone=options.time_zone):
        return Facts("date", missing=words, dates=dates, notes=dates.notes)
    blank = tuple(word for word in words if not word.strip())
    doubtful = tuple(word for word in words if word.strip().lower() in DOUBTFUL)
    unread = _unread(known, how.decimal)
    notes = ([unread] if unread else []) + _notes_on_spelling(known)
    return Facts("category", missing=blank, doubtful=doubtful, notes=tuple(notes), unread=unread is not None)


def _number_facts(known: Any, decimal: str, words: tuple[str, ...], *, gaps: bool) -> Facts | None:
    """The facts of a column whose known texts are all numbers; None if they aren't."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not all_match(known, _number(decimal)):
        return None
    infinities = [word for word in words if "inf" in word.lower()]
    notes: tuple[str, ...] = ()
    if infinities:
        notes = (f"infinite values such as {shown(infinities[0])} count as missing",)
    if all_match(known, _whole(decimal)):
        if _any(known, r"^[+-]?0[0-9]+$"):
            return Facts("category", notes=("its numbers have leading zeros, so it is read as text, as codes are",))
        if compact_dates(known):
            return Facts("date", missing=words, dates=Dates(("%Y%m%d",)), notes=("its numbers are days, yyyymmdd",))
        digits = pc.replace_substring_regex(pc.utf8_ltrim(known, "+"), rf"[{decimal}]0*$", "")
        long = _any(digits, r"[0-9]{19}")
        if long or pc.any(pc.greater(pc.abs(digits.cast(pa.int64())), MAXIMUM_INTEGER)).as_py():
            return Facts("category", notes=("its numbers exceed ±2^53, so it is read as text, as identifiers are",))
        pointed = _any(known, rf"[{decimal}]")
        # pandas writes whole numbers as 3.0 if some are missing.
        if not pointed or gaps or words:
            if sorted(digits.to_pylist()) == ["0", "1"]:
                notes += ("0 and 1 are read as whole numbers, not as false and true",)
            return Facts("integer", missing=words, notes=notes)
        return Facts("number", missing=words, notes=notes)
    if pc.any(pc.is_inf(pc.cast(pc.replace_substring(known, decimal, "."), pa.float64()))).as_py():
        return Facts("category", notes=("some of its numbers are too large for a float64, so it is read as text",))
    return Facts("number", missing=words, notes=notes)


def _boolean(known: Any) -> tuple[str, str] | None:
    """The words for true and false as they are written; None if the texts are others."""
    if len(known) > 2 * 2**3:  # in all combinations of upper and lower case that people write
        return None
    texts = known.to_pylist()
    for true, false in BOOLEANS:
        if {text.lower() for text in texts} == {true, false}:
            return next(t for t in texts if t.lower() == true), next(t for t in texts if t.lower() == false)
    return None


def _unread(known: Any, decimal: str) -> str | None:
    """Why a column whose values look like numbers or dates is read as a category; None if they don't."""
    import pyarrow.compute as pc

    numbers = pc.match_substring_regex(known, _number(decimal))
    share = pc.mean(numbers).as_py()
    if share >= MOSTLY:
        others = ", ".join(shown(text) for text in known.filter(pc.invert(numbers)).to_pylist()[:SHOWN])
        return (f"nearly all of its values are numbers, but not {others}, so it is read as text; correct these, or "
                "give them with --missing")  # fmt: skip
    if len(known) >= FEWEST_DECORATED and all_match(known, DECORATED):
        sign = known.filter(pc.invert(numbers))[0].as_py()
        return (f"its values look like numbers with separators, units or spaces, such as {shown(sign)}, and are read "
                "as text; write plain numbers such as 1234.5 to use it as a number")  # fmt: skip
    if looks_like_dates(known):
        return "its values look like dates, but no format fits all of them; give it with --date-format, or correct them"
    return None


def _notes_on_spelling(known: Any) -> list[str]:
    """What a person should know about values that differ only in spaces or capitals."""

    notes = []
    if _any(known, r"^\s|\s$"):
        notes.append("some of its values begin or end with a space, and differ from those that don't")
    spellings: dict[str, list[str]] = {}
    for text in known.to_pylist() if len(known) <= MOST_SPELLINGS else []:
        spellings.setdefault(text.casefold(), []).append(text)
    if alike := next((texts for texts in spellings.values() if len(texts) > 1), None):
        listed = " and ".join(map(shown, alike[:2]))
        notes.append(f"some of its values differ only in capitals, such as {listed}, and are different categories")
    return notes


def _one_format(name: str, found: Facts, facts: Mapping[str, Facts]) -> Facts:
    """The same facts with one date format: an ambiguous column follows the others, if these all have one of its formats.

    Raises:
        AmbiguousDates: If both formats fit, and no other column decides.
    """
    dates = found.dates
    if dates is None or len(dates.formats) == 1:
        return found
    others = {other.dates.formats[0] for other in facts.values() if other.dates and len(other.dates.formats) == 1}
    days = {
        str(form)[:2] for form in others if form and form[:2] in ("%d", "%m") and form[2:3] == str(dates.formats[0])[2]
    }
    chosen = [form for form in dates.formats if form and form[:2] in days]
    if len(chosen) != 1:
        raise AmbiguousDates(name, tuple(str(form) for form in dates.formats), dates.example)
    note = f"its dates are read as {chosen[0]!r}, as those of the other columns"
    return replace(found, dates=Dates((chosen[0],)), notes=(*found.notes, note))


def _require_given_formats(facts: Mapping[str, Facts], options: SourceOptions) -> None:
    for name, form in options.date_formats.items():
        if name not in facts:
            raise DriftgateError(
                f"There is no column {name!r} of text, for which the date format {form!r} is given.",
                f"Its columns of text are: {', '.join(map(repr, facts))}.",
            )
        dates = facts[name].dates
        if dates is None or form not in dates.formats:
            raise DriftgateError(
                f"Not all dates of column {name!r} have the format {form!r}.", "Correct --date-format, or the dates."
            )
    general = options.date_format
    if general and not any(found.dates and general in found.dates.formats for found in facts.values()):
        raise DriftgateError(
            f"There is no column whose dates all have the format {general!r}.", "Correct --date-format, or the dates."
        )


def sentence(note: str) -> str:
    """A note as a sentence."""
    return f"{note[0].upper()}{note[1:]}".rstrip(".") + "."


def _apart(distinct: Any) -> tuple[Any, Any]:
    """The texts that are values, and those that may mean a missing value; without the empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    absent = pc.is_in(
        pc.utf8_lower(pc.utf8_trim_whitespace(distinct)), value_set=pa.array(sorted(MISSING), pa.string())
    )
    return distinct.filter(pc.invert(absent)), distinct.filter(pc.and_(absent, pc.not_equal(distinct, "")))


def _number(decimal: str) -> str:
    return NUMBER.replace(r"\.", ",") if decimal == "," else NUMBER


def _whole(decimal: str) -> str:
    return WHOLE.replace(r"\.", ",") if decimal == "," else WHOLE


def _any(known: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(known, pattern)).as_py())
