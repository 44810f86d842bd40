"""The gate's checks pass and fail where their limits say."""

import numpy as np
import pytest

from driftgate import gate
from driftgate.config import Problem
from driftgate.data.table import features_of, labels_of
from driftgate.training.evaluation import ChampionScores, Evaluation, evaluate
from driftgate.training.leakage import ColumnLeak, column_leaks
from driftgate.training.parity import ParityResult
from driftgate.verdict import Check, Severity, Verdict


def _judge(problem: Problem, *, rows: object, skill: float, champion_skill: float | None = None) -> Evaluation:
    frame = rows
    labels = labels_of(frame, problem)  # type: ignore[arg-type]
    draw = np.random.default_rng(0)
    noise = draw.normal(size=len(labels))

    def scores(strength: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(strength * (labels - 0.5) + noise)))

    champion = None
    if champion_skill is not None:
        probability = tuple(float(value) for value in scores(champion_skill))
        champion = ChampionScores(name="rules 1", threshold=0.5, probability=probability, seen_rows=0)
    return evaluate(labels, scores(skill), frame, problem, threshold=0.5, champion=champion)  # type: ignore[arg-type]


def _check(severity: Severity, *, passed: bool) -> Check:
    return Check(name="x", severity=severity, observed=1, limit=1, passed=passed, why="")


@pytest.mark.parametrize(
    ("failed", "outcome"), [([], "pass"), (["warn"], "warn"), (["block"], "block"), (["warn", "block"], "block")]
)
def test_outcome_follows_the_worst_failed_check(failed: list[Severity], outcome: str) -> None:
    checks = [_check("block", passed=True), *(_check(severity, passed=False) for severity in failed)]
    assert Verdict(problem="p", checks=tuple(checks)).outcome == outcome


@pytest.mark.parametrize(("skill", "passed"), [(12.0, True), (0.5, False)])
def test_performance_needs_the_bound_above_the_floor(
    skill: float, passed: bool, problem: Problem, rows: object
) -> None:
    evaluation = _judge(problem, rows=rows, skill=skill)
    assert all(check.passed is passed for check in gate.performance_checks(evaluation, problem))


def test_value_above_the_floor_is_not_enough_if_its_bound_is_below(problem: Problem, rows: object) -> None:
    evaluation = _judge(problem, rows=rows, skill=3.0)
    found = evaluation.metrics["accuracy"]
    floor = (found.low + found.value) / 2
    limits = problem.model_copy(update={"gate": problem.gate.model_copy(update={"performance": {"accuracy": floor}})})
    assert not gate.performance_checks(evaluation, limits)[0].passed


@pytest.mark.parametrize(("champion_skill", "passed"), [(2.0, True), (3.0, True), (6.0, False)])
def test_champion(champion_skill: float, passed: bool, problem: Problem, rows: object) -> None:
    evaluation = _judge(problem, rows=rows, skill=3.0, champion_skill=champion_skill)
    assert gate.champion_check(evaluation, problem).passed is passed


def test_a_value_that_cannot_be_computed_does_not_pass(problem: Problem) -> None:
    assert not gate.latency_check(float("nan"), problem).passed


@pytest.mark.parametrize(("differ", "gap", "blocked"), [(0, 1e-7, False), (1, 1e-7, True), (0, 1e-3, True)])
def test_parity(differ: int, gap: float, blocked: bool, problem: Problem) -> None:
    checks = gate.parity_checks(ParityResult(rows=9, labels_differ=differ, largest_difference=gap), problem)
    assert (Verdict(problem="p", checks=tuple(checks)).outcome == "block") is blocked


def test_leaking_column_is_found_and_honest_ones_are_not(problem: Problem, rows: object) -> None:
    labels = labels_of(rows, problem)  # type: ignore[arg-type]
    features = features_of(rows, problem.contract)  # type: ignore[arg-type]
    honest = column_leaks(features, labels, problem.contract, confidence=0.95, seed=1)
    assert all(check.passed for check in gate.leakage_checks(honest, problem))
    # Not monotone: both ends are positive, as an AUC of the raw value would not see.
    leaking = features.assign(f3=np.where(labels == 1, np.where(np.arange(len(labels)) % 2, 9.0, -9.0), 0.0))
    found = column_leaks(leaking, labels, problem.contract, confidence=0.95, seed=1)
    assert [check.passed for check in gate.leakage_checks(found, problem)] == [False, True]


def test_telling_missingness_is_found(problem: Problem, rows: object) -> None:
    labels = labels_of(rows, problem)  # type: ignore[arg-type]
    features = features_of(rows, problem.contract)  # type: ignore[arg-type]
    features["f1"] = features["f1"].mask(labels == 1)
    found: list[ColumnLeak] = column_leaks(features, labels, problem.contract, confidence=0.95, seed=1)
    failed = [check for check in gate.leakage_checks(found, problem) if not check.passed]
    assert "f1" in " ".join(check.why for check in failed)
