"""Which column is the row id, which the timestamp, and which names the entity of a row."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftgate.data.table import moment_of
from driftgate.errors import DriftgateError
from driftgate.init.choices import NONE, Ask, Choices, Question
from driftgate.init.names import (
    AFTER,
    BIRTH,
    ENTITY,
    ID,
    ROW_NUMBER,
    STRONG_ID,
    STRONG_TIME,
    TIME,
    plain,
    require_column,
)
from driftgate.init.sources.table import TypedColumn, TypedTable
from driftgate.init.target import TargetPlan
from driftgate.results.init import InitDoubt

if TYPE_CHECKING:
    import pandas as pd

OLDEST = dt.datetime(1902, 1, 1)  # 1900-01-01 and 1901-01-01 stand for an unknown date
MOST_PLACEHOLDERS = 0.05
LEAST_ENTITIES = 20
NEARLY_ALL = 0.95


@dataclass(frozen=True)
class Roles:
    """The columns that are no features, and why.

    Attributes:
        row_id: Identifies a row.
        timestamp: When a row was observed.
        group: Names the entity of a row, such as a customer; its rows repeat.
        left_out: Other columns that are no features, each with the reason.
        assumed: What was assumed, one sentence each.
        doubts: What a person should check.
        as_of: Rows dated on this day or later are not read; the day after the newest plausible row.
    """

    row_id: str | None
    timestamp: str | None
    group: str | None
    left_out: dict[str, str]
    assumed: tuple[str, ...]
    doubts: tuple[InitDoubt, ...]
    as_of: dt.date | None = None


def find_roles(table: TypedTable, target: TargetPlan, choices: Choices, ask: Ask) -> Roles:
    """Find row id, timestamp and group.

    Args:
        table: The table.
        target: Its target, which has no other role.
        choices: What the person chose.
        ask: Called where columns fit a role equally well.

    Raises:
        DriftgateError: If a chosen column doesn't fit its role, or nobody answers a question.
    """
    _require_chosen(table, choices)
    finder = _Finder(table, target, choices, ask)
    timestamp = finder.timestamp()
    as_of = finder.as_of(timestamp) if timestamp else None
    group = finder.group(timestamp)
    row_id = finder.row_id(group)
    finder.tell_years(timestamp)
    finder.leave_out_counted_times(row_id)
    return Roles(row_id, timestamp, group, finder.left_out, tuple(finder.assumed), tuple(finder.doubts), as_of)


def _require_chosen(table: TypedTable, choices: Choices) -> None:
    chosen = {"--id": choices.row_id, "--timestamp": choices.timestamp, "--group": choices.group}
    for option, name in chosen.items():
        if name is None or (name == NONE and NONE not in table.columns):
            continue
        require_column(name, list(table.columns), option=option)
        if name == choices.target:
            raise DriftgateError(f"{option} names the target {name!r}.", "Name another column.")
    for name in choices.texts:
        require_column(name, list(table.columns), option="--text")


class _Finder:
    def __init__(self, table: TypedTable, target: TargetPlan, choices: Choices, ask: Ask) -> None:
        self.table, self.target, self.choices, self.ask = table, target, choices, ask
        self.left_out: dict[str, str] = {}
        self.assumed: list[str] = []
        self.doubts: list[InitDoubt] = []
        self.columns = {name: column for name, column in table.columns.items() if name != target.column}

    def timestamp(self) -> str | None:
        """The column that says when a row was observed; None if there is none that can be used."""
        chosen = self.choices.timestamp
        if chosen == NONE and NONE not in self.columns:
            return None
        dates = {name: column for name, column in self.columns.items() if column.kind == "date"}
        if chosen is not None:
            if chosen not in dates:
                raise DriftgateError(
                    f"--timestamp {chosen!r} is not a date in every row: its type is {self.columns[chosen].kind}.",
                    "Name a column of dates, or say how they are written with --date-format.",
                )
            return self._usable(chosen)
        named = [name for name, column in dates.items() if not BIRTH.search(plain(name)) and not column.missing]
        best = (
            [name for name in named if STRONG_TIME.search(plain(name))]
            or [name for name in named if TIME.search(plain(name)) and not AFTER.search(plain(name))]
            or named
        )
        if len(best) > 1:
            text = f"Several columns may say when a row was observed: {', '.join(map(repr, best))}."
            return (
                self._usable(answer)
                if (answer := self.ask(Question(text, (*best, NONE), "--timestamp"))) != NONE
                else None
            )
        return self._usable(best[0]) if best else None

    def _usable(self, name: str) -> str | None:
        """The timestamp, unless its time stands still."""
        moments = self.columns[name].values.dropna()
        days = moments.dt.normalize()
        most = days.value_counts()
        if moments.empty:
            return None
        if len(most) > 1 and int(most.iloc[0]) <= len(moments) / 2:
            self.assumed.append(f"{name!r} says when a row was observed.")
            return name
        what = f"all rows are of {most.index[0]:%Y-%m-%d}" if len(most) == 1 else f"{int(most.iloc[0]):,} of {len(moments):,} rows are of {most.index[0]:%Y-%m-%d}"  # fmt: skip
        done = "The rows are split at random, and the column is left out; without times, drift can't be checked by calendar."
        self.doubt("time_stands_still", name, f"The time in {name!r} stands still: {what}.", done)
        self.left_out[name] = "its time stands still"
        return None

    def as_of(self, name: str) -> dt.date | None:
        """The day after the newest plausible row; None if rows arrive until today.

        Raises:
            DriftgateError: If many rows have a date that can't be right.
        """
        moments = self.columns[name].values.dropna()
        future, ancient = int((moments >= moment_of(None, time_zone=self.choices.time_zone)).sum()), moments < OLDEST
        odd = int(ancient.sum()) if bool((~ancient).mean() > 1 / 2) else 0
        span = f"they range from {moments.min():%Y-%m-%d} to {moments.max():%Y-%m-%d}"
        # The contract refuses rows of the future, however few they are.
        if future or odd > MOST_PLACEHOLDERS * len(moments):
            raise DriftgateError(
                f"{future + odd:,} of {len(moments):,} dates in {name!r} can't be right: {span}"
                f"{f', and {future:,} lie in the future' if future else ''}.",
                "Correct or empty them, name another column with --timestamp, or split at random with --timestamp none.",
            )
        if odd:
            text = f"{odd:,} of {len(moments):,} dates in {name!r} lie before {OLDEST:%Y} and can't be right: {span}."
            self.doubt("odd_dates", name, text, "Their rows count as the oldest.")
        last = moments.max().to_pydatetime().date() + dt.timedelta(days=1)
        return last if last <= dt.date.today() else None

    def group(self, timestamp: str | None) -> str | None:
        """The column that names the entity of a row; None if there is none."""
        chosen = self.choices.group
        if chosen is not None:
            return None if chosen == NONE and NONE not in self.columns else self._chosen_group(chosen)
        for name, column in self.columns.items():
            if name in (timestamp, self.choices.row_id) or column.kind not in ("integer", "category"):
                continue
            text = plain(name)
            if not (ENTITY.search(text) or STRONG_ID.search(text)) or column.missing:
                continue
            entities = column.values.nunique()
            if not LEAST_ENTITIES <= entities < self.table.read:
                continue
            if not self._enough(column):
                self.doubt(
                    "entities_of_one_class", name, f"{name!r} names entities, but too few of them have rows of each class to split by it.",
                    "The column is left out, and rows of one entity may be on both sides of the split.",
                )  # fmt: skip
                self.left_out[name] = "it names an entity"
                continue
            self._use_group(name, column, timestamp)
            return name
        return None

    def _chosen_group(self, name: str) -> str:
        column = self.columns[name]
        if column.missing:
            raise DriftgateError(
                f"--group {name!r} is empty in {column.missing:,} rows, so their entity is unknown.",
                "Name another column.",
            )
        if column.values.nunique() < 5 or not self._enough(column):
            raise DriftgateError(
                f"--group {name!r} has too few values ({column.values.nunique():,}) with rows of each class to split by it.",
                "Name another column, or none.",
            )
        self._use_group(name, column, None)
        return name

    def _enough(self, column: TypedColumn) -> bool:
        """Whether each class occurs in enough entities for a holdout and folds."""
        import numpy as np

        known = self.target.codes >= 0
        entities = column.values.to_numpy()[known]
        return all(
            len(np.unique(entities[self.target.codes[known] == code].astype(str))) >= 5
            for code in range(len(self.target.values))
        )

    def _use_group(self, name: str, column: TypedColumn, timestamp: str | None) -> None:
        entities = column.values.nunique()
        text = f"{name!r} names the entity of a row: {entities:,} values in {self.table.read:,} rows"
        self.assumed.append(f"{text}; rows of one entity stay on one side of the split.")
        self.left_out[name] = "it names an entity"
        if timestamp:
            self.doubt(
                "entities_over_time", name, f"{text}, and {timestamp!r} orders them by time; a split can follow only one of them.",
                "The split follows the entities. Use --group none to split by time, if you predict for known entities.",
            )  # fmt: skip

    def row_id(self, group: str | None) -> str | None:
        """The column that identifies a row; None if there is none."""
        chosen = self.choices.row_id
        if chosen is not None:
            if chosen == NONE and NONE not in self.columns:
                return None
            _require_unique(self.columns[chosen], chosen)
            self._leave_out_ids(chosen, group)
            return chosen
        ids = [name for name, column in self.columns.items() if name != group and self._identifies(name, column)]
        strong = [name for name in ids if STRONG_ID.search(plain(name))]
        named = [name for name in strong if not ROW_NUMBER.search(plain(name))]
        best = [name for name in named if plain(name) in ("id", "row_id")] or named or strong[:1] or ids[:1]
        if len(best) > 1:
            text = f"Several columns identify a row: {', '.join(map(repr, best))}."
            best = [self.ask(Question(text, tuple(best), "--id"))]
        found = best[0] if best else None
        self._leave_out_ids(found, group)
        if found:
            self.assumed.append(f"{found!r} identifies a row.")
        return found

    def _identifies(self, name: str, column: TypedColumn) -> bool:
        values = column.values
        if column.missing or column.kind not in ("integer", "category") or not values.is_unique:
            return False
        if name in self.choices.texts:
            return False
        if column.kind == "category":
            # Quantities and dates that can't be read differ in every row too.
            return not is_prose(values) and (not column.unread or bool(STRONG_ID.search(plain(name))))
        consecutive = bool(values.max() - values.min() + 1 == len(values))
        return consecutive or bool(ID.search(plain(name)))

    def _leave_out_ids(self, row_id: str | None, group: str | None) -> None:
        """Leave out what identifies a row, alone or within its entity."""
        for name, column in self.columns.items():
            if name in (row_id, group) or name in self.left_out:
                continue
            if self._identifies(name, column):
                text = f"{name!r} is different in every row, so it identifies rows and predicts nothing about new ones."
                self.doubt("identifier", name, text, "It is left out of the features.")
                self.left_out[name] = "it identifies a row"
            elif group and column.kind == "integer" and not column.missing and STRONG_ID.search(plain(name)):
                pairs = self.table.columns[group].values.astype(str) + "\0" + column.values.astype(str)
                if pairs.is_unique:
                    text = f"{name!r} identifies a row within its {group!r}."
                    self.doubt("identifier", name, text, "It is left out of the features.")
                    self.left_out[name] = f"it identifies a row within its {group}"

    def tell_years(self, timestamp: str | None) -> None:
        """Say that a column of years is not used as a timestamp."""
        for name, column in self.columns.items():
            if timestamp or column.kind != "integer" or plain(name) not in ("year", "yr"):
                continue
            self.doubt(
                "years", name, f"{name!r} orders rows by time, but it is no date.",
                "The split ignores it, so the gate doesn't measure how a model ages. Give a column of dates to split by time.",
            )  # fmt: skip

    def leave_out_counted_times(self, row_id: str | None) -> None:
        """Leave out times that are counts of seconds, or of days as in Excel: they grow beyond each range."""
        for name, column in self.columns.items():
            if name == row_id or name in self.left_out or column.kind != "integer" or not TIME.search(plain(name)):
                continue
            if found := counted_time(column.values.dropna()):
                self.doubt(
                    "counted_time", name, f"{name!r} seems to be a time, counted in {found}.",
                    "It is left out of the features. Write it as dates, such as 2024-01-31 12:00, to split by time.",
                )  # fmt: skip
                self.left_out[name] = "it is a time that is counted"

    def doubt(self, code: str, name: str, text: str, done: str) -> None:
        self.doubts.append(InitDoubt(code=code, columns=(name,), text=text, done=done))


def later_dates(table: TypedTable, timestamp: str | None, names: list[str]) -> list[str]:
    """Columns of dates that come after the timestamp: they are known only after the fact."""
    if timestamp is None:
        return []
    start, later = table.columns[timestamp].values, []
    for name in names:
        if table.columns[name].kind != "date":
            continue
        both = table.columns[name].values.notna() & start.notna()
        gaps = table.columns[name].values[both] - start[both]
        if len(gaps) and (gaps >= gaps * 0).mean() >= NEARLY_ALL and (gaps > gaps * 0).mean() >= 1 / 2:
            later.append(name)
    return later


def _require_unique(column: TypedColumn, name: str) -> None:
    twice = column.values[column.values.duplicated()]
    if column.missing or len(twice):
        what = f"is empty in {column.missing:,} rows" if column.missing else f"repeats {len(twice):,} times, for example {twice.iloc[0]!r}"  # fmt: skip
        raise DriftgateError(
            f"--id {name!r} {what}, so it identifies no row.", "Name a column that is unique, or none."
        )


COUNTED = {  # how many make a second, and the start
    "seconds since 1970": (1, dt.datetime(1970, 1, 1)),
    "milliseconds since 1970": (1000, dt.datetime(1970, 1, 1)),
    "days as in Excel": (1 / 86_400, dt.datetime(1899, 12, 30)),
}
SENSIBLE = (dt.datetime(1990, 1, 1), dt.datetime(2070, 1, 1))


def counted_time(values: pd.Series) -> str | None:
    """In which unit the values of a column are times, with the span; None if they seem to be none."""
    for unit, (rate, start) in COUNTED.items():
        low, high = ((moment - start).total_seconds() * rate for moment in SENSIBLE)
        if len(values) and low <= values.min() < values.max() <= high:
            first, last = (start + dt.timedelta(seconds=float(end) / rate) for end in (values.min(), values.max()))
            return f"{unit} ({first:%Y-%m-%d} to {last:%Y-%m-%d})"
    return None


def is_prose(values: pd.Series) -> bool:
    """Whether texts are sentences, not names or codes."""
    known = values.dropna()
    sample = known if len(known) <= 2000 else known.sample(2000, random_state=0)
    words = sample.str.count(r"\s+") + 1
    return bool(len(sample)) and (float(words.mean()) >= 5 or float(sample.str.len().quantile(0.99)) > 200)
