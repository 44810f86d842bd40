"""Columns that give the target away: alone or by missingness, wholly or nearly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftgate.contract import Column, Contract
from driftgate.init.names import AFTER, plain
from driftgate.init.roles import later_dates
from driftgate.init.sources.table import TypedColumn, TypedTable
from driftgate.init.target import TargetPlan
from driftgate.results.init import InitDoubt
from driftgate.training.leakage import codes_of, column_leaks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SURE_AUC, STRONG_AUC, NAMED_AUC = 0.98, 0.95, 0.85
SURE_RATE = 0.97  # of three classes or more, by one column, of the rows that the commonest class leaves
COPY_RATE, COPY_GAIN = 0.95, 0.8
PURE, ODDS, LEAST_PURE, CHANCE = 0.98, 20.0, 15, 1e-6
MOST_ROWS, LEAST_ROWS, WORK = 20_000, 2_000, 12_000_000
LEAST_OF_CLASS = 10
ENOUGH = 50  # rows of each class from which on a strong feature is no accident


@dataclass(frozen=True)
class Suspect:
    """A column that seems to give the target away.

    `left_out`: whether it is left out of the features; if not, it is only reported.
    """

    column: str
    text: str
    left_out: bool
    code: str = "gives_target_away"

    @property
    def why(self) -> str:
        """The text without its full stop, to follow the name of the column."""
        name = f"{self.column!r} "
        text = self.text.rstrip(".")
        return f"it {text.removeprefix(name)}" if text.startswith(name) else text

    def doubt(self) -> InitDoubt:
        done = "It is left out of the features. Add it to the contract if its value is known before the outcome."
        kept = "It is kept. Check that its value is known before the outcome; if not, remove it from the contract."
        return InitDoubt(code=self.code, columns=(self.column,), text=self.text, done=done if self.left_out else kept)


def find_suspects(table: TypedTable, target: TargetPlan, names: list[str], *, timestamp: str | None) -> list[Suspect]:
    """Find the features that give the target away.

    Args:
        table: The table.
        target: Its target.
        names: The columns that may become features.
        timestamp: The column that says when a row was observed.

    Returns:
        At most one suspicion for each column.
    """
    import numpy as np

    found = {
        name: Suspect(
            name,
            f"{name!r} lies after {timestamp!r}, so it is known only after the fact.",
            True,
            "known_after_the_fact",
        )
        for name in later_dates(table, timestamp, names)
    }
    known = np.flatnonzero(target.codes >= 0)
    codes = target.codes[known]
    rest = [name for name in names if name not in found]
    for name in rest:
        column = table.columns[name]
        values = column.values.iloc[known]
        if suspect := _copy(column, values, codes, target) or _by_missingness(column, values, codes, target):
            found[name] = suspect
    rest = [name for name in rest if name not in found]
    return [*found.values(), *_alone(table, target, rest, known)]


def _copy(column: TypedColumn, values: pd.Series, codes: np.ndarray, target: TargetPlan) -> Suspect | None:
    """A column of few values that names the class in nearly every row."""
    import numpy as np
    import pandas as pd

    places, distinct = pd.factorize(values, use_na_sentinel=False)
    classes = len(target.values)
    if not 2 <= len(distinct) <= max(classes + 2, 3):
        return None
    counts = np.zeros((len(distinct), classes))
    np.add.at(counts, (places, codes), 1)
    hits, base = counts.max(axis=1).sum() / len(codes), counts.sum(axis=0).max() / len(codes)
    if len(set(counts.argmax(axis=1).tolist())) < classes or (hits - base) / (1 - base) < COPY_GAIN or hits < COPY_RATE:
        return None
    how = "every row" if hits == 1 else f"{hits:.1%} of the rows"
    return Suspect(
        column.name,
        f"{column.name!r} names the class in {how}: it is {'' if hits == 1 else 'nearly '}a copy of the target.",
        True,
    )


def _by_missingness(column: TypedColumn, values: pd.Series, codes: np.ndarray, target: TargetPlan) -> Suspect | None:
    """A column that is empty, or filled, nearly only for rows of one class."""
    import numpy as np

    empty = values.isna().to_numpy()
    if not empty.any() or empty.all():
        return None
    shares = np.bincount(codes, minlength=len(target.values)) / len(codes)
    for rows, how in ((empty, "empty"), (~empty, "filled")):
        counts = np.bincount(codes[rows], minlength=len(target.values))
        commonest, number = int(counts.argmax()), int(rows.sum())
        hits, base = int(counts[commonest]), float(shares[commonest])
        odds = (hits + 0.5) / (number - hits + 0.5) / (base / (1 - base))
        # By chance, all these rows would be of one class with a probability of base ** hits.
        likely = hits * math.log(base) > math.log(CHANCE)
        if number < LEAST_PURE or hits < PURE * number or odds < ODDS or likely:
            continue
        share = "all" if hits == number else f"{hits / number:.1%}"
        text = f"{share} of the {number:,} rows where {column.name!r} is {how} are {target.values[commonest]!r}: whether it has a value gives the target away."
        return Suspect(column.name, text[0].upper() + text[1:], True)
    return None


def _alone(table: TypedTable, target: TargetPlan, names: list[str], known: np.ndarray) -> list[Suspect]:
    """Columns whose value alone predicts the class."""
    import pandas as pd

    if not names:
        return []
    classes = len(target.values)
    work = WORK // (len(names) * (classes if classes > 2 else 1))
    rows = known[_sample(target.codes[known], max(LEAST_ROWS, min(MOST_ROWS, work)))]
    inputs = {name: _as_input(table.columns[name], rows) for name in names}
    frame = pd.DataFrame({name: values for name, (values, _) in inputs.items()})
    contract = Contract.model_construct(columns={name: column for name, (_, column) in inputs.items()})
    codes = target.codes[rows]
    found = []
    scores = {name: _score(frame, contract, codes, target, name) for name in names}
    for name, score in scores.items():
        sure = SURE_AUC if target.binary else SURE_RATE
        what = f"a ROC AUC of {score:.3f}" if target.binary else f"an accuracy of {score:.3f}"
        if score >= sure:
            found.append(Suspect(name, f"{name!r} alone predicts the target with {what}.", True))
        elif AFTER.search(plain(name)) and score >= NAMED_AUC:
            text = f"{name!r} alone predicts the target with {what}, and its name is that of an outcome."
            found.append(Suspect(name, text, True, "known_after_the_fact"))
        elif score >= STRONG_AUC and target.binary and min(target.counts) >= ENOUGH:
            found.append(Suspect(name, f"{name!r} alone predicts the target with {what}.", False, "strong_feature"))
    return found


def _score(frame: pd.DataFrame, contract: Contract, codes: np.ndarray, target: TargetPlan, name: str) -> float:
    """How well one column alone predicts the class: ROC AUC; of three classes or more, the accuracy on other rows."""
    import numpy as np

    one = Contract.model_construct(columns={name: contract.columns[name]})
    if target.binary:
        if min(np.bincount(codes, minlength=2)) < LEAST_OF_CLASS:
            return 0.5
        auc = column_leaks(frame[[name]], codes.astype("int8"), one, confidence=0.95, seed=0)[0].auc
        return max(auc, 0.5)
    return _accuracy(frame[name], codes, len(target.values), category=contract.columns[name].is_category)


def _accuracy(values: pd.Series, codes: np.ndarray, classes: int, *, category: bool) -> float:
    """Of a rule that is learned on one half of the rows, one class for each value or interval, on the other half."""
    import numpy as np

    places = codes_of(values, category=category)
    half = np.random.default_rng(0).permutation(len(codes)) % 2 == 0
    counts = np.zeros((places.max() + 1, classes))
    np.add.at(counts, (places[half], codes[half]), 1)
    commonest = np.bincount(codes[half], minlength=classes).argmax()
    rule = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), commonest)
    hits = rule[places[~half]] == codes[~half]
    base = (codes[~half] == commonest).mean()
    return float(hits.mean()) if (hits.mean() - base) >= COPY_GAIN * (1 - base) else 0.0


def _as_input(column: TypedColumn, rows: np.ndarray) -> tuple[Any, Column]:
    """A column as models take it, and its type."""
    values = column.values.iloc[rows]
    if column.kind == "category":
        return values.fillna("").astype(object).to_numpy(), Column(type="category")
    if column.kind == "date":
        return values.to_numpy().astype("datetime64[s]").astype("float64"), Column(type="number")
    return values.astype("float64").to_numpy(), Column(type="number")


def _sample(codes: np.ndarray, most: int) -> np.ndarray:
    """Positions of at most so many rows; of rare classes, all rows."""
    import numpy as np

    if len(codes) <= most:
        return np.arange(len(codes))
    draw = np.random.default_rng(0)
    parts = []
    counts = np.bincount(codes)
    share = most // max(1, (counts > 0).sum())
    for code in np.flatnonzero(counts):
        rows = np.flatnonzero(codes == code)
        parts.append(draw.choice(rows, share, replace=False) if len(rows) > share else rows)
    return np.sort(np.concatenate(parts))
