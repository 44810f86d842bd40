"""The result of making a problem file from a table."""

from __future__ import annotations

from pydantic import Field

from driftgate.results.base import Frozen, ProblemResult


class InitDoubt(Frozen):
    """Something about the table that a person should check, and what was done about it."""

    code: str = Field(description="Kind of the doubt, such as `gives_target_away`.")
    columns: tuple[str, ...] = Field(description="The columns that it is about; empty where it is about the rows.")
    text: str = Field(description="What was found, in one sentence.")
    done: str = Field(description="What was done about it, in one sentence.")


class InitClass(Frozen):
    """One class of the target."""

    name: str = Field(description="Value of the target.")
    rows: int = Field(description="Rows of this class.")


class InitTarget(Frozen):
    """The column to predict."""

    column: str = Field(description="Name of the column.")
    classes: tuple[InitClass, ...] = Field(description="Its classes, in the order of the model's probabilities.")
    positive: str | None = Field(description="The positive class; null for three classes or more.")
    unlabelled: int = Field(description="Rows without a label.")


class InitColumn(Frozen):
    """One column of the table, and its role."""

    name: str = Field(description="Name of the column.")
    role: str = Field(description="`feature`, `target`, `row id`, `timestamp`, `group` or `left out`.")
    type: str = Field(description="Type in the contract; of a column that is no feature, the type in the table.")
    why: str = Field(description="What was assumed, or why the column was left out.")


class InitLimit(Frozen):
    """One limit of the gate, and the baseline that it comes from."""

    metric: str = Field(description="Name of the metric.")
    limit: float = Field(description="The limit in the problem file.")
    baseline: float = Field(
        description="Value of the quick baseline model, cross-validated on rows before the holdout."
    )
    bound: float = Field(
        description="The unfavourable end of the baseline's 95 % interval, for as many rows as the holdout has."
    )
    constant: float | None = Field(description="Value of a model that always predicts the shares of the classes.")


class InitResult(ProblemResult):
    """A problem file that was made from a table, what was assumed, and what is doubted."""

    source: str = Field(description="Where the table was read from, without a password.")
    config: str = Field(description="The problem file.")
    data: str = Field(description="The data file.")
    written: bool = Field(description="Whether the problem file and the data were written; false with --check.")
    md5: str | None = Field(description="Version of the data; null where nothing was written.")
    rows: int = Field(description="Rows of the source.")
    read: int = Field(description="Rows that were read; fewer than `rows` where only a sample was read.")
    target: InitTarget = Field(description="The target: its classes, the positive one, and rows without a label.")
    columns: tuple[InitColumn, ...] = Field(description="All columns of the table, with their roles.")
    split: str = Field(description="How the rows are split, in one sentence.")
    search: str = Field(description="Which models are tried, in one sentence.")
    limits: tuple[InitLimit, ...] = Field(description="Limits of the gate that come from the baseline.")
    assumed: tuple[str, ...] = Field(description="What was assumed, one sentence each.")
    doubts: tuple[InitDoubt, ...] = Field(description="What a person should check.")
    kept: tuple[str, ...] = Field(description="What a person had edited in the problem file, and was kept.")
    next: str = Field(description="The next command.")
