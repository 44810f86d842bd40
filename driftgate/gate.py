"""The gate: measured values against the limits of the problem file. It decides; it enforces nothing."""

from __future__ import annotations

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.production.proof import Proof
from driftgate.results.production import ServiceState
from driftgate.training.evaluation import Evaluation
from driftgate.training.leakage import ColumnLeak
from driftgate.training.parity import ParityResult
from driftgate.verdict import Check, make_check


def leakage_checks(leaks: list[ColumnLeak], problem: Problem) -> list[Check]:
    """The column that alone says most, and every one over the limit; the same of missingness."""
    limit = problem.gate.leakage
    checks = []
    strongest = max(leaks, key=lambda leak: leak.auc)
    for leak in [found for found in leaks if found.auc > limit.single_column_auc] or [strongest]:
        passed = leak.auc <= limit.single_column_auc
        why = f"{leak.column} alone reaches ROC AUC {leak.auc:.3f}"
        why += ", the most of any column" if passed else ": is it known at the time of prediction?"
        checks.append(make_check("leakage.single_column", "warn", leak.auc, limit.single_column_auc, passed, why))
    gaps = [leak for leak in leaks if leak.missing_purity is not None]
    worst = max((leak.missing_purity or 0.0 for leak in gaps), default=None)
    pure = [leak for leak in gaps if (leak.missing_purity or 0.0) > limit.missing_purity]
    for leak in pure:
        why = f"the {leak.missing:,} rows without {leak.column} are nearly all of one class: why is it missing?"
        checks.append(make_check("leakage.missing", "warn", leak.missing_purity, limit.missing_purity, False, why))
    if not pure:
        why = "missing values don't give the class away" if gaps else "no column misses enough values to tell"
        checks.append(make_check("leakage.missing", "warn", worst, limit.missing_purity, True, why))
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
        checks.append(make_check(f"performance.{name}", "block", bound, limit, passed, why))
    return checks


def champion_check(evaluation: Evaluation, problem: Problem) -> Check:
    """Not worse than the champion by more than the margin: the interval's lower end of the gain says so."""
    rule, found = problem.gate.champion, evaluation.comparison
    if found is None:
        return make_check("champion", "block", None, -rule.margin, True, "there is no champion to compare with yet")
    why = (
        f"{found.metric} gain over {found.champion}: {found.gain.value:+.4f}, "
        f"{evaluation.confidence:.0%} interval {found.gain.low:+.4f} to {found.gain.high:+.4f}, paired on the same rows"
    )
    if found.seen_rows:
        why += f"; the champion was trained on {found.seen_rows:,} of them, which favours it"
    return make_check("champion", "block", found.gain.low, -rule.margin, found.gain.low >= -rule.margin, why)


def slice_check(evaluation: Evaluation, problem: Problem) -> Check:
    """How far the worst large slice lies below all rows."""
    rule = problem.gate.slices
    whole = evaluation.metrics[rule.metric].value
    sign = -1.0 if rule.metric in LOWER_IS_BETTER else 1.0
    known = [(sign * (whole - part.metric), part) for part in evaluation.slices if part.metric is not None]
    if not known:
        why = f"no slice of {rule.min_rows:,} rows or more to look at"
        return make_check("slices", "warn", None, rule.max_gap, True, why)
    gap, worst = max(known, key=lambda pair: pair[0])
    why = (
        f"worst of {len(known)} slices: {worst.column}={worst.value}, {rule.metric} {worst.metric:.4f} on "
        f"{worst.rows:,} rows against {whole:.4f} on all"
    )
    return make_check("slices", "warn", gap, rule.max_gap, gap <= rule.max_gap, why)


def calibration_checks(evaluation: Evaluation, problem: Problem) -> list[Check]:
    """Expected calibration error and Brier score against their ceilings."""
    limits = problem.gate.calibration
    return [
        make_check(
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
        make_check("parity.labels", "block", parity.labels_differ, 0, same, f"labels that differ from ONNX, of {rows}"),
        make_check("parity.probability", "block", parity.largest_difference, limit, close, f"largest gap over {rows}"),
    ]


def latency_check(p99_ms: float, problem: Problem) -> Check:
    """Single-row p99 of the exported model under its budget."""
    limit = problem.gate.latency_ms
    return make_check("latency", "block", p99_ms, limit, p99_ms <= limit, "p99 in ms of one row in the exported model")


def proof_checks(proof: Proof, problem: Problem) -> list[Check]:
    """What the service showed on staging; each must hold before production moves."""
    golden = f"of {proof.golden_rows} golden probabilities, served, differ from those at training"
    probes = ", ".join(proof.probes_failed) or f"all {proof.probes} bad requests got the status that they should"
    limit, asked = problem.gate.service_latency_ms, proof.answered + proof.failed
    quick = proof.p99_ms <= limit
    return [
        make_check("staging.golden", "block", proof.golden_differ, 0, proof.golden_differ == 0, golden),
        make_check("staging.probes", "block", len(proof.probes_failed), 0, not proof.probes_failed, probes),
        make_check("staging.latency", "block", proof.p99_ms, limit, quick, "p99 in ms of one row over HTTP"),
        make_check(
            "staging.load",
            "block",
            proof.failed,
            0,
            proof.failed == 0 < proof.answered,
            f"requests failed, of {asked:,} by several callers at once",
        ),
        make_check("staging.log", "block", proof.lost, 0, proof.lost == 0, "answered predictions missing in the log"),
    ]


def production_checks(*, rows: int, differ: int, said: ServiceState | None) -> list[Check]:
    """What a service that follows production showed.

    Args:
        rows: Golden rows that the version in production answered.
        differ: How many of their probabilities differ from those at training.
        said: What a running service said about the version that it serves.
    """
    why = f"of {rows} golden probabilities, served as production is, differ from those at training"
    checks = [make_check("production.golden", "block", differ, 0, differ == 0 < rows, why)]
    if said:
        right = said.answers and said.error is None
        told = said.error or ("it serves the version" if right else "it does not answer")
        why = f"{said.address}: {told}"
        checks.append(
            Check(name="production.service", severity="block", observed=said.version, limit=None, passed=right, why=why)
        )
    return checks
