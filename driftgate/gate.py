"""The gate: measured values against limits, and the verdict that follows. It decides; it enforces nothing."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.training.evaluation import Evaluation
from driftgate.training.leakage import ColumnLeak

Severity = Literal["block", "warn"]
Outcome = Literal["pass", "warn", "block"]


class Check(BaseModel):
    """One measured value against one limit. `why` says in words what was compared."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: Severity
    observed: float | int | str | None
    limit: float | int | str | None
    passed: bool
    why: str


class Verdict(BaseModel):
    """All checks of one decision, and what follows from them."""

    model_config = ConfigDict(frozen=True)

    problem: str
    decided_at: dt.datetime = Field(default_factory=lambda: dt.datetime.now(dt.UTC))
    checks: tuple[Check, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """`block` if any check of that severity failed, `warn` if any other did."""
        failed = {check.severity for check in self.checks if not check.passed}
        return "block" if "block" in failed else "warn" if "warn" in failed else "pass"

    @property
    def summary(self) -> str:
        """The outcome, and how many checks passed."""
        return f"{self.outcome}: {len(self.checks) - len(self.failed)} of {len(self.checks)} checks passed"

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]


class Violation(BaseModel):
    """One rule of the contract that some rows break."""

    model_config = ConfigDict(frozen=True)

    column: str
    rule: str
    rows: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = f", such as {', '.join(self.examples)}" if self.examples else ""
        return f"{self.column}: {self.rule}" + (f" ({self.rows:,} rows{shown})" if self.rows else "")


class ParityResult(BaseModel):
    """How far the exported model is from the one it was made of, over all rows compared."""

    model_config = ConfigDict(frozen=True)

    rows: int
    labels_differ: int
    largest_difference: float


class Proof(BaseModel):
    """What a service on staging showed.

    `golden_differ` of `golden_rows` probabilities differ from those at training. `probes_failed` are bad requests that
    got another answer than they should. `p99_ms` is of single rows, one after the other, over HTTP. Under load
    `answered` requests were answered, `failed` were not, and `lost` of all answered rows are missing in the log.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    golden_rows: int
    golden_differ: int
    probes: int
    probes_failed: tuple[str, ...]
    p99_ms: float
    answered: int
    failed: int
    lost: int


def contract_checks(violations: list[Violation], *, rows: int) -> list[Check]:
    """One check for each broken rule, or a single passed one."""
    if not violations:
        return [_check("contract", "block", 0, 0, True, f"all {rows:,} rows keep every rule of the contract")]
    return [
        _check(f"contract.{found.column}", "block", found.rows or found.rule, 0, False, str(found))
        for found in violations
    ]


def contract_verdict(violations: list[Violation], problem: Problem, *, rows: int) -> Verdict:
    """The verdict on the contract alone."""
    return Verdict(problem=problem.name, checks=tuple(contract_checks(violations, rows=rows)))


def leakage_checks(leaks: list[ColumnLeak], problem: Problem) -> list[Check]:
    """The column that alone says most, and every one over the limit; the same of missingness."""
    limit = problem.gate.leakage
    checks = []
    strongest = max(leaks, key=lambda leak: leak.auc)
    for leak in [found for found in leaks if found.auc > limit.single_column_auc] or [strongest]:
        passed = leak.auc <= limit.single_column_auc
        why = f"{leak.column} alone reaches ROC AUC {leak.auc:.3f}"
        why += ", the most of any column" if passed else ": is it known at the time of prediction?"
        checks.append(_check("leakage.single_column", "warn", leak.auc, limit.single_column_auc, passed, why))
    gaps = [leak for leak in leaks if leak.missing_purity is not None]
    worst = max((leak.missing_purity or 0.0 for leak in gaps), default=None)
    pure = [leak for leak in gaps if (leak.missing_purity or 0.0) > limit.missing_purity]
    for leak in pure:
        why = f"the {leak.missing:,} rows without {leak.column} are nearly all of one class: why is it missing?"
        checks.append(_check("leakage.missing", "warn", leak.missing_purity, limit.missing_purity, False, why))
    if not pure:
        why = "missing values don't give the class away" if gaps else "no column misses enough values to tell"
        checks.append(_check("leakage.missing", "warn", worst, limit.missing_purity, True, why))
    return checks


def performance_checks(evaluation: Evaluation, problem: Problem) -> list[Check]:
    """The interval's unfavourable end of each named metric against its floor (or ceiling, where lower is better)."""
    checks = []
    for name, limit in problem.gate.performance.items():
        found = evaluation.metrics[name]
        lower_is_better = name in LOWER_IS_BETTER
        bound = found.high if lower_is_better else found.low
        passed = bound <= limit if lower_is_better else bound >= limit
        side = "upper" if lower_is_better else "lower"
        why = f"{side} {evaluation.confidence:.0%} bound of {found.value:.4f} on {evaluation.rows:,} holdout rows"
        checks.append(_check(f"performance.{name}", "block", bound, limit, passed, why))
    return checks


def champion_check(evaluation: Evaluation, problem: Problem) -> Check:
    """Not worse than the champion by more than the margin: the interval's lower end of the gain says so."""
    rule, found = problem.gate.champion, evaluation.comparison
    if found is None:
        return _check("champion", "block", None, -rule.margin, True, "there is no champion to compare with yet")
    why = (
        f"{found.metric} gain over {found.champion}: {found.gain.value:+.4f}, "
        f"{evaluation.confidence:.0%} interval {found.gain.low:+.4f} to {found.gain.high:+.4f}, paired on the same rows"
    )
    if found.seen_rows:
        why += f"; the champion was trained on {found.seen_rows:,} of them, which favours it"
    return _check("champion", "block", found.gain.low, -rule.margin, found.gain.low >= -rule.margin, why)


def slice_check(evaluation: Evaluation, problem: Problem) -> Check:
    """How far the worst large slice lies below all rows."""
    rule = problem.gate.slices
    whole = evaluation.metrics[rule.metric].value
    sign = -1.0 if rule.metric in LOWER_IS_BETTER else 1.0
    known = [(sign * (whole - part.metric), part) for part in evaluation.slices if part.metric is not None]
    if not known:
        why = f"no slice of {rule.min_rows:,} rows or more to look at"
        return _check("slices", "warn", None, rule.max_gap, True, why)
    gap, worst = max(known, key=lambda pair: pair[0])
    why = (
        f"worst of {len(known)} slices: {worst.column}={worst.value}, {rule.metric} {worst.metric:.4f} on "
        f"{worst.rows:,} rows against {whole:.4f} on all"
    )
    return _check("slices", "warn", gap, rule.max_gap, gap <= rule.max_gap, why)


def calibration_checks(evaluation: Evaluation, problem: Problem) -> list[Check]:
    """Expected calibration error and Brier score against their ceilings."""
    limits = problem.gate.calibration
    return [
        _check(
            f"calibration.{name}",
            "warn",
            evaluation.metrics[name].value,
            limit,
            evaluation.metrics[name].value <= limit,
            f"{text} on {evaluation.rows:,} holdout rows",
        )
        for name, limit, text in (
            ("expected_calibration_error", limits.expected_calibration_error, "probability against frequency"),
            ("brier", limits.brier, "mean squared error of the probability"),
        )
    ]


def parity_checks(parity: ParityResult, problem: Problem) -> list[Check]:
    """The exported model predicts as the trained one does: no label differs, probabilities within the limit."""
    rows, limit = f"{parity.rows:,} holdout rows", problem.gate.parity
    same = parity.labels_differ == 0
    close = parity.largest_difference <= limit
    return [
        _check("parity.labels", "block", parity.labels_differ, 0, same, f"labels that differ from ONNX, of {rows}"),
        _check("parity.probability", "block", parity.largest_difference, limit, close, f"largest gap over {rows}"),
    ]


def latency_check(p99_ms: float, problem: Problem) -> Check:
    """Single-row p99 of the exported model under its budget."""
    limit = problem.gate.latency_ms
    return _check("latency", "block", p99_ms, limit, p99_ms <= limit, "p99 in ms of one row in the exported model")


def proof_checks(proof: Proof, problem: Problem) -> list[Check]:
    """What the service showed on staging; each must hold before production moves."""
    golden = f"of {proof.golden_rows} golden probabilities, served, differ from those at training"
    probes = ", ".join(proof.probes_failed) or f"all {proof.probes} bad requests got the status that they should"
    limit, asked = problem.gate.service_latency_ms, proof.answered + proof.failed
    quick = proof.p99_ms <= limit
    return [
        _check("staging.golden", "block", proof.golden_differ, 0, proof.golden_differ == 0, golden),
        _check("staging.probes", "block", len(proof.probes_failed), 0, not proof.probes_failed, probes),
        _check("staging.latency", "block", proof.p99_ms, limit, quick, "p99 in ms of one row over HTTP"),
        _check(
            "staging.load",
            "block",
            proof.failed,
            0,
            proof.failed == 0 < proof.answered,
            f"requests failed, of {asked:,} by several callers at once",
        ),
        _check("staging.log", "block", proof.lost, 0, proof.lost == 0, "answered predictions missing in the log"),
    ]


def production_checks(*, rows: int, differ: int, said: Mapping[str, Any] | None) -> list[Check]:
    """What a service that follows production showed.

    Args:
        rows: Golden rows that the version in production answered.
        differ: How many of their probabilities differ from those at training.
        said: What a running service told of the version that it serves: `address`, `answers`, `version`, `error`.
    """
    why = f"of {rows} golden probabilities, served as production is, differ from those at training"
    checks = [_check("production.golden", "block", differ, 0, differ == 0 < rows, why)]
    if said:
        right = said["answers"] and said["error"] is None
        told = said["error"] or ("it serves the version" if right else "it does not answer")
        why = f"{said['address']}: {told}"
        checks.append(
            Check(
                name="production.service", severity="block", observed=said["version"], limit=None, passed=right, why=why
            )
        )
    return checks


def _check(
    name: str, severity: Severity, observed: float | int | str | None, limit: float, passed: bool, why: str
) -> Check:
    if isinstance(observed, float):
        # A value that could not be computed is no evidence that the limit holds.
        passed = passed and not math.isnan(observed)
        observed = None if math.isnan(observed) else observed
    return Check(name=name, severity=severity, observed=observed, limit=limit, passed=bool(passed), why=why)
