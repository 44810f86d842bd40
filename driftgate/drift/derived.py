"""What a drift check watches of dates and texts. The inputs that the model gets from them say little one by one.

A date moves on with the calendar: the months of a week are never those of a year. So its age is watched, the days from the
date to the timestamp of the row. If rows have no timestamp, only the share of missing dates is watched.

A text has many inputs, each a count of hashed words: one check for each would be many chances of a false alarm, and none of
them means anything to a reader. So its length and its share of unseen words are watched.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from driftgate.contract import Contract, normal_text
from driftgate.drift.counting import Layout, layout_of
from driftgate.inputs import WORD, slot_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SLOTS = 2**20  # of a vocabulary; words share a slot by chance
MAXIMUM_TEXTS = 20_000
SHARE_EDGES = tuple(number / 20 for number in range(21))

What = Literal["age", "date", "length", "unseen words"]


class Derived(BaseModel):
    """A value computed from a column. `vocabulary` has one bit for each slot of a word in the reference, compressed."""

    model_config = ConfigDict(frozen=True)

    column: str
    what: What
    vocabulary: str = ""


@dataclass(frozen=True)
class Reference:
    """What is watched of a column, its cells, and its values in the reference, indexed by the position of their row."""

    derived: Derived
    layout: Layout
    values: pd.Series[Any]


def derive_reference(frame: pd.DataFrame, contract: Contract, *, timestamp: str | None) -> dict[str, Reference]:
    """Choose what is watched of dates and texts, by name.

    Args:
        frame: The reference rows.
        contract: Its dates and texts are used.
        timestamp: Of the rows; None if they have none.
    """
    found: dict[str, Reference] = {}
    for column, rules in contract.columns.items():
        if rules.type == "date" and timestamp is None:
            layout = Layout(category=False, edges=(0.0,), moving=True)
            found[column] = Reference(Derived(column=column, what="date"), layout, _dates(frame[column]))
        elif rules.type == "date":
            ages = _ages(frame, column, str(timestamp))
            layout = layout_of(ages, category=False)
            found[f"{column}: age in days"] = Reference(Derived(column=column, what="age"), layout, ages)
        elif rules.type == "text":
            lengths = _lengths(frame[column])
            layout = layout_of(lengths, category=False)
            found[f"{column}: length"] = Reference(Derived(column=column, what="length"), layout, lengths)
            rows = _rows_with_words(frame[column])
            uses = _uses(rows)
            words = Derived(column=column, what="unseen words", vocabulary=_packed(uses > 0))
            layout = Layout(category=False, edges=SHARE_EDGES)
            # A word is known to a row of the reference only if another row has it: a new row isn't in the reference either.
            found[f"{column}: unseen words"] = Reference(words, layout, _unseen(rows, uses > 1))
    return found


def derive(frame: pd.DataFrame, derived: Derived, *, timestamp: str | None) -> pd.Series[Any] | None:
    """Compute a value for each row; a column that the rows lack counts as missing.

    Args:
        frame: The rows.
        derived: What to compute.
        timestamp: Of the rows; None if it isn't the same time as in the reference.

    Returns:
        float64, indexed by the position of the row. The shares of unseen words are those of a seeded sample of
        `MAXIMUM_TEXTS` rows that have words. None if the value can't be known, because rows have no timestamp.
    """
    import numpy as np
    import pandas as pd

    if derived.what == "age" and (timestamp is None or timestamp not in frame):
        return None
    if derived.column not in frame:
        return pd.Series(np.full(0 if derived.what == "unseen words" else len(frame), np.nan))
    values = frame[derived.column]
    if derived.what == "age":
        return _ages(frame, derived.column, str(timestamp))
    if derived.what == "date":
        return _dates(values)
    return (
        _lengths(values)
        if derived.what == "length"
        else _unseen(_rows_with_words(values), _unpacked(derived.vocabulary))
    )


def effect_of(derived: Derived, contract: Contract, effects: dict[str, float]) -> float:
    """The effect of the column on the probability: at most the sum of the effects of its inputs."""
    inputs = [
        effects[name] for name, found in contract.inputs.items() if found.column == derived.column and name in effects
    ]
    return sum(inputs) if inputs else effects.get(derived.column, 1.0)


def _dates(values: pd.Series[Any]) -> pd.Series[Any]:
    """0 where there is a date, NaN where it is missing."""
    import numpy as np
    import pandas as pd

    return pd.Series(np.where(values.isna(), np.nan, 0.0))


def _ages(frame: pd.DataFrame, column: str, timestamp: str) -> pd.Series[Any]:
    """Whole days from the date to the timestamp of each row; negative if the date is later."""
    import numpy as np
    import pandas as pd

    dates, moments = (pd.to_datetime(frame[name], errors="coerce") for name in (column, timestamp))
    known = (moments.notna() & dates.notna()).to_numpy()
    # In seconds: a difference in nanoseconds reaches only 292 years.
    then, now = (values.to_numpy().astype("datetime64[s]").astype("int64") for values in (dates, moments))
    days = (np.where(known, now, 0) - np.where(known, then, 0)) // 86_400
    return pd.Series(np.where(known, days.astype(float), np.nan))


def _lengths(texts: pd.Series[Any]) -> pd.Series[Any]:
    """The number of characters; missing for an empty text."""
    import pandas as pd

    missing = texts.isna().tolist()
    lengths = [
        float("nan") if gone or text == "" else float(len(str(text))) for text, gone in zip(texts, missing, strict=True)
    ]
    return pd.Series(lengths, dtype=float)


def _rows_with_words(texts: pd.Series[Any]) -> dict[int, np.ndarray]:
    """The slots of the words of each text that has any, by the position of its row; of a seeded sample of rows."""
    import numpy as np

    at = np.flatnonzero(texts.notna())
    if len(at) > MAXIMUM_TEXTS:
        at = np.sort(np.random.default_rng(0).choice(at, MAXIMUM_TEXTS, replace=False))
    rows = {}
    for position, text in zip(at.tolist(), texts.iloc[at], strict=True):
        words = set(WORD.findall(normal_text(str(text)).casefold()))
        if words:
            slots = {slot_of(word, SLOTS) for word in words}
            rows[position] = np.array(sorted(slots))
    return rows


def _uses(rows: dict[int, np.ndarray]) -> np.ndarray:
    """How many rows have a word in each slot; int64 of shape (SLOTS,)."""
    import numpy as np

    return np.bincount(np.concatenate([np.zeros(0, dtype=np.int64), *rows.values()]), minlength=SLOTS)


def _unseen(rows: dict[int, np.ndarray], known: np.ndarray) -> pd.Series[Any]:
    """The share of the words of each row that are not known."""
    import pandas as pd

    shares = {at: 1 - float(known[slots].mean()) for at, slots in rows.items()}
    return pd.Series(shares, dtype=float)


def _packed(known: np.ndarray) -> str:
    import numpy as np

    return base64.b64encode(zlib.compress(np.packbits(known).tobytes())).decode()


def _unpacked(vocabulary: str) -> np.ndarray:
    import numpy as np

    bits = np.frombuffer(zlib.decompress(base64.b64decode(vocabulary)), dtype=np.uint8)
    return np.unpackbits(bits).astype(bool)
