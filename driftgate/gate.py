"""The gate: measured values against the limits of the problem file. It decides; it enforces nothing."""

from __future__ import annotations

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.production.proof import Proof
from driftgate.results.production import ServiceState
from driftgate.training.evaluation import Evaluation
from driftgate.training.leakage import ColumnLeak
from driftgate.training.metrics import constant_metrics
from driftgate.training.parity import ParityResult
from driftgate.verdict import Check, make_check
from driftgate.words import plural

SHOWN_CLASSES = 5
# A floor of recall alone is reached by predicting one class for every row, and a ceiling of the calibration error by
# predicting the shares of the classes. Other limits beside them rule such a model out.
ONE_SIDED = frozenset({"recall", "expected_calibration_error"})


def leakage_checks(leaks: list[ColumnLeak], problem: Problem) -> list[Check]:
    """The column that alone says most, and every one over the limit; the same of missingness."""
    limit = problem.gate.leakage
    checks = []
    strongest = max(leaks, key=lambda leak: leak.auc)
    for leak in [found for found in leaks if found.auc > limit.single_column_auc] or [strongest]:
        passed = leak.auc <= limit.single_column_auc
        what = f"{leak.column} alone predicts the label"
        if leak.of_class is not None:
            what = f"{leak.column} alone separates {_class_name(problem, leak.of_class)} from all other classes"
        why = f"{what} with a ROC AUC of {leak.auc:.3f}"
        why += ", the highest of all columns" if passed else ". Check that its value is known at prediction time"
        checks.append(make_check("leakage.single_column", "warn", leak.auc, limit.single_column_auc, passed, why))
    return checks + _missing_checks(leaks, limit.missing_purity)


def _missing_checks(leaks: list[ColumnLeak], limit: float) -> list[Check]:
    checks = []
    gaps = [
        (leak, leak.missing_purity, _purity_limit(leak, limit)) for leak in leaks if leak.missing_purity is not None
    ]
    for leak, purity, least in gaps:
        if purity > least:
            why = f"nearly all of the {leak.missing:,} rows without {leak.column} have the same label. Check why it is missing"
            checks.append(make_check("leakage.missing", "warn", purity, least, False, why))
    if not checks:
        _, worst, least = max(gaps, key=lambda gap: gap[1] - gap[2], default=(None, None, limit))
        why = "in no column do missing values predict the label"
        why = why if gaps else "no column has enough missing values to check"
        checks.append(make_check("leakage.missing", "warn", worst, least, True, why))
    return checks


def _purity_limit(leak: ColumnLeak, limit: float) -> float:
    """The limit of the purity, or where one class has nearly all rows anyway: half of the others' usual share."""
    return max(limit, 1 - (1 - leak.missing_base) / 2)


def _class_name(problem: Problem, code: int) -> str:
    return repr(problem.target.class_names[code])


def performance_checks(evaluation: Evaluation, problem: Problem) -> list[Check]:
    """The interval's unfavourable end of each named metric against its floor (or ceiling, where lower is better)."""
    checks = []
    for name, limit in problem.gate.performance.items():
        found = evaluation.metrics[name]
        lower_is_better = name in LOWER_IS_BETTER
        bound = found.high if lower_is_better else found.low
        passed = bound <= limit if lower_is_better else bound >= limit
        end = "upper" if lower_is_better else "lower"
        why = (
            f"{name} is {found.value:.4f} on {evaluation.rows:,} holdout rows. "
            f"The check compares the {end} end of its {evaluation.confidence:.0%} confidence interval with the limit"
        )
        checks.append(make_check(f"performance.{name}", "block", bound, limit, passed, why))
    return [*checks, *_useless_limits(evaluation, problem), *_absent_classes(evaluation)]


def _useless_limits(evaluation: Evaluation, problem: Problem) -> list[Check]:
    """A warning for each limit that a model reaches which predicts the same for every row; such a limit stops nothing."""
    rows = [found.rows for found in evaluation.classes]
    if min(rows, default=0) == 0:
        return []
    constant, checks = constant_metrics(rows), []
    limits = problem.gate.performance
    judged = {name: limit for name, limit in limits.items() if name not in ONE_SIDED} or limits
    for name, limit in judged.items():
        best = constant[name]
        if best <= limit if name in LOWER_IS_BETTER else best >= limit:
            end, side = ("ceiling", "below") if name in LOWER_IS_BETTER else ("floor", "above")
            why = (
                f"a model that predicts the same for every row reaches {name} {best:.4f}, so the {end} of {limit:g} can't tell "
                f"a useful model from it. Set gate.performance.{name} {side} {best:.4f}"
            )
            checks.append(make_check(f"performance.{name}.constant", "warn", limit, best, False, why))
    return checks


def _absent_classes(evaluation: Evaluation) -> list[Check]:
    """A warning if the holdout lacks classes: nothing is known about them."""
    absent = [found.name for found in evaluation.classes if not found.rows]
    if not absent:
        return []
    known, of = len(evaluation.classes) - len(absent), len(evaluation.classes)
    listed = ", ".join(repr(name) for name in absent[:SHOWN_CLASSES]) + ", …" * (len(absent) > SHOWN_CLASSES)
    why = f"the holdout has no row of {listed}, so the model isn't evaluated on {'it' if len(absent) == 1 else 'them'}"
    return [make_check("performance.classes", "warn", known, of, False, why)]


def champion_check(evaluation: Evaluation, problem: Problem) -> Check:
    """Not worse than the champion by more than the margin: the interval's lower end of the gain says so."""
    rule, found = problem.gate.champion, evaluation.comparison
    if evaluation.not_compared:
        why = f"the champion can't be compared, because it has other classes: {evaluation.not_compared}"
        return make_check("champion", "warn", None, -rule.margin, False, why)
    if found is None:
        return make_check("champion", "block", None, -rule.margin, True, "there is no champion yet to compare with")
    why = (
        f"gain in {found.metric} over the champion {found.champion}, on the same rows: {found.gain.value:+.4f}, "
        f"{evaluation.confidence:.0%} confidence interval {found.gain.low:+.4f} to {found.gain.high:+.4f}. "
        "The check compares the lower end with the limit"
    )
    if found.seen_rows:
        why += f". The champion was trained on {found.seen_rows:,} of these rows, which favours it"
    return make_check("champion", "block", found.gain.low, -rule.margin, found.gain.low >= -rule.margin, why)


def slice_check(evaluation: Evaluation, problem: Problem) -> Check:
    """How far the worst large slice lies below all rows."""
    rule = problem.gate.slices
    whole = evaluation.metrics[rule.metric].value
    sign = -1.0 if rule.metric in LOWER_IS_BETTER else 1.0
    known = [(sign * (whole - part.metric), part) for part in evaluation.slices if part.metric is not None]
    if not known:
        why = f"no slice has {rule.min_rows:,} rows or more"
        return make_check("slices", "warn", None, rule.max_gap, True, why)
    gap, worst = max(known, key=lambda pair: pair[0])
    why = (
        f"the worst of {plural(len(known), 'slice')} is {worst.column}={worst.value}: {rule.metric} is {worst.metric:.4f} "
        f"on its {worst.rows:,} rows, and {whole:.4f} on all rows"
    )
    return make_check("slices", "warn", gap, rule.max_gap, gap <= rule.max_gap, why)


def calibration_checks(evaluation: Evaluation, problem: Problem) -> list[Check]:
    """Expected calibration error and Brier score against their ceilings; with three classes or more, also of the worst class."""
    limits = problem.gate.calibration
    of = "" if problem.target.binary else ", averaged over the classes,"
    checks = [
        make_check(
            f"calibration.{name}",
            "warn",
            evaluation.metrics[name].value,
            limit,
            evaluation.metrics[name].value <= limit,
            f"{text} on {evaluation.rows:,} holdout rows",
        )
        for name, limit, text in (
            (
                "expected_calibration_error",
                limits.expected_calibration_error,
                f"mean gap between the predicted probability and the observed frequency{of}",
            ),
            (
                "brier",
                limits.brier,
                "mean squared error of the predicted probability"
                if problem.target.binary
                else "half of the mean squared error of the predicted probabilities, summed over the classes",
            ),
        )
    ]
    return checks if problem.target.binary else [*checks, _worst_class(evaluation, limits.expected_calibration_error)]


def _worst_class(evaluation: Evaluation, limit: float) -> Check:
    worst = max(evaluation.classes, key=lambda found: found.expected_calibration_error or 0.0)
    error = worst.expected_calibration_error
    why = (
        f"{worst.name!r} is calibrated worst of {len(evaluation.classes):,} classes: mean gap between its predicted "
        f"probability and its observed frequency; {worst.rows:,} holdout rows have this class"
    )
    return make_check("calibration.worst_class", "warn", error, limit, (error or 0.0) <= limit, why)


def parity_checks(parity: ParityResult, problem: Problem) -> list[Check]:
    """The exported model predicts as the trained one does: no label differs, probabilities within the limit."""
    rows, limit = f"{parity.rows:,} holdout rows", problem.gate.parity
    same = parity.labels_differ == 0
    close = parity.largest_difference <= limit
    return [
        make_check(
            "parity.labels",
            "block",
            parity.labels_differ,
            0,
            same,
            f"how many of {rows} get another label from the ONNX model than from the trained model",
        ),
        make_check(
            "parity.probability",
            "block",
            parity.largest_difference,
            limit,
            close,
            f"largest difference between the probabilities of the ONNX model and the trained model, on {rows}",
        ),
    ]


def latency_check(p99_ms: float, problem: Problem) -> Check:
    """Single-row p99 of the exported model under its budget."""
    limit = problem.gate.latency_ms
    why = "CPU time that the ONNX model takes to predict one row: 99th percentile, in milliseconds"
    return make_check("latency", "block", p99_ms, limit, p99_ms <= limit, why)


def proof_checks(proof: Proof, problem: Problem) -> list[Check]:
    """What the service showed on staging; each must hold before production moves."""
    limit, sent = problem.gate.service_latency_ms, proof.answered + proof.failed
    log = "how many answered predictions are missing from the prediction log"
    probes = f"all {plural(proof.probes, 'invalid request')} got the expected error status"
    if proof.probes_failed:
        probes = f"these invalid requests did not get the expected error status: {', '.join(proof.probes_failed)}"
    load = f"how many of {plural(sent, 'request')} failed, sent by several clients at once"
    quick = proof.p99_ms <= limit
    latency = "time that the service takes to predict one row over HTTP: 99th percentile, in milliseconds"
    return [
        make_check(
            "staging.golden", "block", proof.golden_differ, 0, proof.golden_differ == 0, _golden(proof.golden_rows)
        ),
        make_check("staging.probes", "block", len(proof.probes_failed), 0, not proof.probes_failed, probes),
        make_check("staging.latency", "block", proof.p99_ms, limit, quick, latency),
        make_check("staging.load", "block", proof.failed, 0, proof.failed == 0 < proof.answered, load),
        make_check("staging.log", "block", proof.lost, 0, proof.lost == 0, log),
    ]


def production_checks(*, rows: int, differ: int, said: ServiceState | None) -> list[Check]:
    """What a service that follows production showed.

    Args:
        rows: Golden rows that the version in production answered.
        differ: How many of their probabilities differ from those at training.
        said: The state that a running service reported; None if no service runs.
    """
    checks = [make_check("production.golden", "block", differ, 0, differ == 0 < rows, _golden(rows))]
    if said:
        right = said.answers and said.error is None
        state = said.error or ("serves this version" if right else "does not answer")
        why = f"{said.address}: {state}"
        checks.append(
            Check(name="production.service", severity="block", observed=said.version, limit=None, passed=right, why=why)
        )
    return checks


def _golden(rows: int) -> str:
    if not rows:
        return "no golden prediction could be compared"
    return f"how many of {plural(rows, 'golden prediction')}, stored at training, differ when this service makes them"
