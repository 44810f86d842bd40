"""From a typed table to a problem file: roles, doubts, features, split, search, limits."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from driftgate.config import Problem, is_reserved
from driftgate.contract import Column, Contract
from driftgate.errors import DriftgateError, first_line
from driftgate.init.baseline import Baseline, calibration_limits, champion_margin, measure, performance_limits
from driftgate.init.choices import NONE, Ask, Choices
from driftgate.init.columns import FeaturePlan, plan_column
from driftgate.init.duplicates import find_duplicates
from driftgate.init.file_text import file_text
from driftgate.init.plan import (
    SplitPlan,
    plan_calibration,
    plan_slices,
    plan_split,
    plan_threshold,
    plan_tuning,
    plan_window,
)
from driftgate.init.roles import Roles, find_roles
from driftgate.init.sources.table import TypedColumn, TypedTable
from driftgate.init.suspects import find_suspects
from driftgate.init.target import IMBALANCED, TargetPlan, find_target
from driftgate.results.init import InitClass, InitColumn, InitDoubt, InitLimit, InitTarget

log = logging.getLogger("driftgate.init")

MANY_COLUMNS = 500


@dataclass(frozen=True)
class Made:
    """A problem that was made from a table.

    Attributes:
        text: The problem file.
        target, columns, split, search, limits, assumed, doubts: As in `InitResult`.
    """

    text: str
    target: InitTarget
    columns: tuple[InitColumn, ...]
    split: str
    search: str
    limits: tuple[InitLimit, ...]
    assumed: tuple[str, ...]
    doubts: tuple[InitDoubt, ...]


def make(table: TypedTable, choices: Choices, *, name: str, path: str, source: str, ask: Ask) -> Made:
    """Make the problem file of a table.

    Args:
        table: The table.
        choices: What the person chose.
        name: Name of the problem.
        path: `data.path` of the problem file.
        source: Where the table came from, for the description.
        ask: Called where the table allows several answers.

    Raises:
        DriftgateError: If no model can be trained on the table.
    """
    try:
        return _made(table, choices, name=name, path=path, source=source, ask=ask)
    except _Unsplit as error:
        made = _made(table, replace(choices, group=NONE), name=name, path=path, source=source, ask=ask)
        return replace(made, doubts=(error.doubt, *made.doubts))


class _Unsplit(Exception):
    """The rows can't be split by the entities that were found; `doubt` says so."""

    def __init__(self, group: str, cause: str) -> None:
        super().__init__(cause)
        self.doubt = InitDoubt(
            code="entities_not_split", columns=(group,),
            text=f"{group!r} seems to name the entity of a row, but the rows can't be split by it: {cause}",
            done="Rows of one entity may be on both sides of the split.",
        )  # fmt: skip


def _made(table: TypedTable, choices: Choices, *, name: str, path: str, source: str, ask: Ask) -> Made:
    target, doubts = find_target(table, choices)
    _require_free_name(target.column)
    roles = find_roles(table, target, choices, ask)
    log.info("looking for columns that give the target away")
    features, left_out, found = _features(table, target, roles, choices)
    split = plan_split(table, target, roles)
    if not split.timestamp:
        assert roles.timestamp
        left_out[roles.timestamp] = "its time can't be used for the split"
        roles = replace(roles, timestamp=None, as_of=None)
    doubts += [*roles.doubts, *found, *split.doubts, *find_duplicates(table, roles.row_id)]
    content, search = _content(table, target, roles, choices, features, split, name=name, path=path, source=source)
    problem = _as_problem(content)
    log.info("cross-validating a quick baseline")
    try:
        baseline = measure(table, problem, holdout=split.holdout)
    except DriftgateError as error:
        if roles.group and choices.group is None:
            raise _Unsplit(roles.group, error.cause) from error
        raise
    limits = performance_limits(baseline, binary=target.binary, rare=target.rarest < IMBALANCED)
    if not baseline.informative:
        doubts.append(_no_signal(baseline, target))
    content["gate"] = _gate(content["gate"], limits, baseline, len(problem.contract.inputs))
    _as_problem(content)
    doubted = {name for doubt in found if doubt.code == "unread_values" for name in doubt.columns}
    assumed = (*table.notes, *_column_notes(table, doubted), _about_target(target), *roles.assumed)
    calibrated = content["calibration"]["method"] != "none"
    notes = _notes(table, target, features, left_out, split, search, limits, baseline, calibrated=calibrated)
    return Made(
        text=file_text(content, notes, source=source),
        target=_target_result(target, table),
        columns=_column_results(table, target, roles, features, left_out),
        split=split.sentence,
        search=search,
        limits=tuple(limits),
        assumed=assumed,
        doubts=tuple(doubts),
    )


def _require_free_name(column: str) -> None:
    if is_reserved(column, "target.column"):
        raise DriftgateError(
            f"The target is named {column!r}, which is reserved for the output of the model.", "Rename the column."
        )


def _features(
    table: TypedTable, target: TargetPlan, roles: Roles, choices: Choices
) -> tuple[list[FeaturePlan], dict[str, str], list[InitDoubt]]:
    """The features, the other columns with the reason why they are none, and doubts."""
    taken = {target.column, roles.row_id, roles.timestamp, roles.group}
    left_out = {name: why for name, why in roles.left_out.items() if name not in taken}
    names = [name for name in table.columns if name not in taken and name not in left_out]
    doubts: list[InitDoubt] = []
    plans: dict[str, FeaturePlan] = {}
    for name in names:
        found = _allowed(plan_column(table.columns[name], table, text=name in choices.texts), name)
        if isinstance(found, str):
            left_out[name] = found
            if table.columns[name].kind != "empty" and "same value" not in found:
                doubts.append(_left_out_doubt(table.columns[name], found))
        else:
            plans[name] = found
    for suspect in find_suspects(table, target, list(plans), timestamp=roles.timestamp):
        doubts.append(suspect.doubt())
        if suspect.left_out:
            left_out[suspect.column] = suspect.why
            del plans[suspect.column]
    doubts += [doubt for plan in plans.values() for doubt in plan.doubts]
    if not plans:
        raise DriftgateError(
            _why_none(left_out, roles), "Add columns that are known before the outcome and say something about it."
        )
    return list(plans.values()), left_out, doubts


def _allowed(plan: FeaturePlan | str, name: str) -> FeaturePlan | str:
    """The plan, unless the contract refuses a column of this name."""
    if isinstance(plan, str):
        return plan
    if is_reserved(name, "contract"):
        return "its name is reserved for the output of the model: rename it to use it"
    try:
        Contract(columns={name: Column(**plan.rules)})
    except ValidationError as error:
        return f"the contract can't describe it: {first_line(error).rpartition('Value error, ')[2]}"
    return plan


def _left_out_doubt(column: TypedColumn, why: str) -> InitDoubt:
    name = column.name
    if column.unread:
        text = f"{name!r}: {column.notes[0]}"
        return InitDoubt(code="unread_values", columns=(name,), text=text, done="It is left out of the features.")
    code = "free_text" if "free text" in why else "high_cardinality" if "different" in why else "unusable_column"
    return InitDoubt(code=code, columns=(name,), text=f"{name!r}: {why}.", done="It is left out of the features.")


def _why_none(left_out: dict[str, str], roles: Roles) -> str:
    used = {
        roles.row_id: "it identifies a row",
        roles.timestamp: "it says when a row was observed",
        roles.group: "it names an entity",
    }
    left_out = {name: why for name, why in used.items() if name is not None} | left_out
    few = "; ".join(f"{name!r}: {why}" for name, why in list(left_out.items())[:5])
    return f"No column is left that a model could learn from{f': {few}' if few else ''}."


def _content(
    table: TypedTable, target: TargetPlan, roles: Roles, choices: Choices, features: list[FeaturePlan], split: SplitPlan, *, name: str,
    path: str, source: str,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    tuning, search = plan_tuning(target, split, len(features))
    gate = {
        "performance": {"roc_auc": 0.5},
        "champion": {"metric": "log_loss", "margin": 0.01},
        "slices": plan_slices(features, table, target, split),
        "calibration": {},
        "latency_ms": 10.0,
    }
    if window := plan_window(table, roles.timestamp):
        gate["drift"] = {"window_days": window}
    content: dict[str, Any] = {
        "name": name,
        "description": f"Predict {target.column} from {source}"[:200],
        "seed": 42,
        "data": _data(table, roles, choices, path),
        "target": _target(table, target),
        "contract": {plan.name: plan.rules for plan in features},
        "split": split.content,
        "tuning": tuning,
        "calibration": plan_calibration(target, split),
        "threshold": plan_threshold(target),
        "gate": gate,
    }
    return content, search


def _data(table: TypedTable, roles: Roles, choices: Choices, path: str) -> dict[str, Any]:
    data: dict[str, Any] = {"path": path}
    for key, value in (("row_id", roles.row_id), ("timestamp", roles.timestamp), ("group", roles.group)):
        if value is not None:
            data[key] = value
    if roles.as_of:
        data["as_of"] = roles.as_of
    if roles.timestamp and (written := table.columns[roles.timestamp].date_format):
        data["date_format"] = written
    if table.csv:
        # Without its date format: each date has its own.
        how = table.csv.model_copy(update={"date_format": None, "missing": table.missing or table.csv.missing})
        data["csv"] = {key: value for key, value in how.model_dump(exclude_none=True).items() if value != ()}
    else:
        data |= {"missing": list(table.missing)} if table.missing else {}
        data |= {"time_zone": choices.time_zone} if choices.time_zone else {}
    return data


def _target(table: TypedTable, target: TargetPlan) -> dict[str, Any]:
    found: dict[str, Any] = {"column": target.column}
    if target.binary:
        # Plain values, because labels come back from systems that know the column as it is.
        negative, positive = (_class_name(value) for value in target.values)
        found |= {"positive": target.values[1], "positive_name": positive, "negative_name": negative}
    else:
        found["classes"] = list(target.values)
    if target.labelled < table.read:
        found["unlabelled"] = "leave_out"
    return found


def _class_name(value: bool | int | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_problem(content: dict[str, Any]) -> Problem:
    try:
        return Problem.model_validate(content)
    except ValidationError as error:
        raise DriftgateError(
            f"This table makes no valid problem file: {first_line(error).rpartition('Value error, ')[2]}.",
            "Rename or remove the column, or write the file by hand.",
        ) from error


def _gate(gate: dict[str, Any], limits: list[InitLimit], baseline: Baseline, inputs: int) -> dict[str, Any]:
    champion = "log_loss"
    return {
        **gate,
        "performance": {limit.metric: limit.limit for limit in limits},
        "champion": {"metric": champion, "margin": champion_margin(baseline, champion)},
        "calibration": calibration_limits(baseline),
        "latency_ms": 10.0 if inputs <= 100 else 50.0,
    }


def _no_signal(baseline: Baseline, target: TargetPlan) -> InitDoubt:
    value, low, high = baseline.metrics["roc_auc"]
    return InitDoubt(
        code="no_signal", columns=(target.column,),
        text=f"A quick model is no better than guessing: its ROC AUC is {value:.3f}, 95 % interval {low:.3f} to {high:.3f}.",
        done="The gate's limit is the least that a constant predictor fails; a model may well be blocked.",
    )  # fmt: skip


def _about_target(target: TargetPlan) -> str:
    if not target.binary:
        return f"{target.column!r} is the target, with {len(target.values)} classes."
    negative, positive = target.values
    which = (
        "both classes have as many rows"
        if target.tied
        else f"{target.counts[1]:,} rows against {target.counts[0]:,} of {negative!r}"
    )
    return (
        f"{target.column!r} is the target; its positive class is {positive!r} ({which}); --positive chooses the other."
    )


def _column_notes(table: TypedTable, told: set[str]) -> list[str]:
    """The notes on columns; the first one of those that a doubt tells is left out."""
    return [
        f"{column.name!r}: {note}"
        for column in table.columns.values()
        for note in (column.notes[1:] if column.name in told else column.notes)
    ]


def _target_result(target: TargetPlan, table: TypedTable) -> InitTarget:
    classes = tuple(
        InitClass(name=str(value), rows=count) for value, count in zip(target.values, target.counts, strict=True)
    )
    positive = str(target.values[1]) if target.binary else None
    return InitTarget(column=target.column, classes=classes, positive=positive, unlabelled=table.read - target.labelled)


def _column_results(
    table: TypedTable, target: TargetPlan, roles: Roles, features: list[FeaturePlan], left_out: dict[str, str]
) -> tuple[InitColumn, ...]:
    plans = {plan.name: plan for plan in features}
    special = {target.column: "target", roles.row_id: "row id", roles.timestamp: "timestamp", roles.group: "group"}
    found = []
    for name, column in table.columns.items():
        if name in plans:
            plan = plans[name]
            found.append(InitColumn(name=name, role="feature", type=plan.rules["type"], why=plan.comment))
        else:
            role = special.get(name, "left out")
            found.append(InitColumn(name=name, role=role, type=column.kind, why=left_out.get(name, "")))
    return tuple(found)


def _notes(
    table: TypedTable, target: TargetPlan, features: list[FeaturePlan], left_out: dict[str, str], split: SplitPlan,
    search: str, limits: list[InitLimit], baseline: Baseline, *, calibrated: bool,
) -> dict[str, str]:  # fmt: skip
    """The comments of the problem file, by the dotted name of their key."""
    outside = "".join(f"\n{name!r} is left out: {why}." for name, why in list(left_out.items())[:MANY_COLUMNS])
    floors = "; ".join(
        f"{limit.metric} {limit.baseline:.3f}, {'at most' if limit.bound > limit.baseline else 'at least'} {limit.bound:.3f}, and {limit.constant:.3f} of a constant"
        for limit in limits
    )
    notes = {
        "data": f"{table.rows:,} rows" + (f", of which {table.read:,} were read" if table.read < table.rows else ""),
        "data.row_id": "identifies a row",
        "data.timestamp": "when a row was observed",
        "data.group": "names the entity of a row; an entity stays on one side of the split",
        "data.as_of": "a run reads only earlier rows; move it when you add rows, or remove it when rows arrive daily",
        "target": _about_target(target),
        "target.unlabelled": f"{table.read - target.labelled:,} rows have no label",
        "contract": "The features. Ranges leave room for values that the table doesn't have yet." + outside,
        "split": f"Split {split.sentence}.",
        "tuning": f"Trials by family: {search}.",
        "tuning.maximum_rows": "so that a trial takes seconds",
        "calibration": "auto: the method with the lowest log loss on the validation rows"
        if calibrated
        else "a class has too few rows to calibrate",
        "threshold": "chosen on the validation rows" if plan_threshold(target) == "max_f1" else "",
        "gate": f"Limits from a quick baseline ({baseline.model}), cross-validated on {baseline.rows:,} rows before the holdout: value, end of "
        f"the 95 % interval for as many rows as the holdout has, value of a constant prediction: {floors or 'none'}.\n"
        "Each limit lies further beyond the end of the interval than that end is from the value, and is better than the constant.",
        "gate.performance": "the unfavourable end of the holdout's interval must be better than each",
        "gate.champion": "may be worse than the champion by the half-width of the baseline's interval",
        "gate.calibration": "the Brier score is below that of a constant prediction",
        "gate.drift": "the shortest usual window that typically has 200 rows",
    }
    return notes | {f"contract.{plan.name}": plan.comment for plan in features}
