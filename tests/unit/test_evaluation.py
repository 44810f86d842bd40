"""The evaluation of three classes or more, and the comparison with champions that know other classes."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix as sk_confusion

from driftgate import gate
from driftgate.config import Problem
from driftgate.training.champion import different_classes, score_champion
from driftgate.training.evaluation import (
    LEAST_RESAMPLES,
    MOST_CELLS,
    ChampionScores,
    Evaluation,
    bootstrap_metrics,
    evaluate,
    resamples_of,
)
from driftgate.training.leakage import column_leaks
from driftgate.training.metrics import constant_metrics, metric_names, point_metrics
from tests.tables import shop_content
from tests.unit.classes import NUMBER, THREE, drawn

NAMES = ("$low$", "mid dle", "中")


def three(**changes: Any) -> Problem:
    limits = {
        "performance": {"f1": 0.5}, "champion": {"metric": "log_loss", "margin": 0.01}, "bootstrap": 100,
        "slices": {"columns": ["country"], "metric": "accuracy", "min_rows": 20},
    }  # fmt: skip
    target = {"column": "bought", "positive": None, "classes": list(changes.pop("classes", NAMES))}
    return Problem.model_validate(shop_content(target=target, gate={**limits, **changes}))


def made(rows: int = 600, *, skill: float = 0.5, seed: int = 1, shares: Any = (0.6, 0.3, 0.1)) -> Any:
    draw = np.random.default_rng(seed)
    labels = draw.choice(len(shares), rows, p=shares).astype("int8")
    probability = draw.dirichlet(np.ones(len(shares)), rows) * (1 - skill) + np.eye(len(shares))[labels] * skill
    return labels, probability, pd.DataFrame({"country": np.where(labels == 2, "FR", "DE")})


def judge(problem: Problem, champion: ChampionScores | None = None, **changes: Any) -> Evaluation:
    return evaluate(*made(**changes), problem, threshold=0.5, champion=champion)


def test_every_metric_has_an_interval_and_every_class_its_own() -> None:
    labels, probability, _ = made()
    found = judge(three())
    assert tuple(found.metrics) == metric_names(3)
    assert all(one.low <= one.value <= one.high for name, one in found.metrics.items() if name != "expected_calibration_error")  # fmt: skip
    assert [one.name for one in found.classes] == list(NAMES)
    assert np.array_equal(found.confusion_matrix, sk_confusion(labels, probability.argmax(axis=1)))
    assert found.positives is None
    assert {part.value for part in found.slices} == {"DE", "FR"}


def test_two_classes_have_the_same_extras() -> None:
    labels, probability, frame = made(shares=(0.7, 0.3))
    problem = Problem.model_validate(shop_content(gate={"performance": {"f1": 0.5}, "champion": {"margin": 0.1}, "bootstrap": 100}))  # fmt: skip
    found = evaluate(labels, probability[:, 1], frame, problem, threshold=0.5)
    counts = found.confusion
    assert found.confusion_matrix == (
        (counts["true_negative"], counts["false_positive"]),
        (counts["false_negative"], counts["true_positive"]),
    )
    assert found.classes[1].recall == pytest.approx(found.metrics["recall"].value)
    assert found.classes[1].precision == pytest.approx(found.metrics["precision"].value)


def test_a_slice_without_a_positive_row_is_not_the_worst() -> None:
    labels, probability, frame = made(shares=(0.9, 0.1))
    frame["country"] = np.where(labels == 1, "DE", np.where(np.arange(len(labels)) % 2, "DE", "FR"))
    slices = {"columns": ["country"], "metric": "recall", "min_rows": 20}
    limits = {"performance": {"f1": 0.5}, "champion": {"margin": 0.1}, "bootstrap": 100, "slices": slices}
    found = evaluate(labels, probability[:, 1], frame, Problem.model_validate(shop_content(gate=limits)), threshold=0.5)
    assert {part.value: part.metric is None for part in found.slices} == {"DE": False, "FR": True}


def test_bootstrap_of_classes_is_that_of_the_evaluation() -> None:
    labels, probability, _ = made()
    problem = three()
    alone = bootstrap_metrics(labels, probability, threshold=0.5, resamples=100, confidence=0.95, seed=problem.seed)
    assert alone == judge(problem).metrics


def test_a_metric_that_no_resample_defines_makes_no_warning() -> None:
    probability = made(20)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bootstrap_metrics(np.zeros(20, int), probability, threshold=0.5, resamples=100, confidence=0.9, seed=1)
    assert np.isnan(found["roc_auc"].low)


@pytest.mark.parametrize(
    ("shape", "wanted", "expected"),
    [
        ((20_000, 50), 1000, 1000),
        ((400_000, 50), 1000, MOST_CELLS // 20_000_000),
        ((10_000_000, 50), 1000, LEAST_RESAMPLES),
        ((2_000_000,), 1000, MOST_CELLS // 4_000_000),
        ((30_000,), 1000, 1000),
        ((10_000_000, 50), 120, LEAST_RESAMPLES),
    ],
)
def test_fewer_resamples_where_so_many_would_take_minutes(shape: tuple[int, ...], wanted: int, expected: int) -> None:
    assert resamples_of(np.broadcast_to(0.5, shape), wanted=wanted) == expected


def champion(**changes: Any) -> ChampionScores:
    probability = tuple(map(tuple, made(skill=0.9)[1].tolist()))
    known: dict[str, Any] = {"name": "shop 1", "threshold": 0.5, "probability": probability, "seen_rows": 0}
    return ChampionScores(**{**known, **changes})


def test_a_better_champion_blocks() -> None:
    evaluation = judge(three(), champion())
    found = evaluation.comparison
    assert found
    labels, probability, _ = made(skill=0.9)
    assert found.metrics == pytest.approx(point_metrics(labels, probability, threshold=0.5))
    check = gate.champion_check(evaluation, three())
    assert (check.passed, check.severity) == (False, "block")


def test_a_champion_with_other_classes_is_not_compared_and_that_is_told() -> None:
    other = champion(probability=(), other_classes=different_classes(NAMES, ("$low$", "mid dle", "old")))
    evaluation = judge(three(), other)
    assert evaluation.comparison is None
    check = gate.champion_check(evaluation, three())
    assert (check.passed, check.severity) == (False, "warn")
    assert "doesn't know the class '中' and also knows the class 'old'" in check.why


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (("a", "b", "c"), ("c", "a", "b"), None),
        (("no", "yes"), ("fails", "holds"), None),
        (("a", "b", "c"), ("a", "b"), "doesn't know the class 'c'"),
        (tuple("abcdefghij"), tuple("abc"), "doesn't know the classes 'd', 'e', 'f', 'g', 'h' and 2 more"),
    ],
)
def test_other_classes_in_words(ours: tuple[str, ...], theirs: tuple[str, ...], words: str | None) -> None:
    assert different_classes(ours, theirs) == words


def test_the_worst_class_is_named_in_the_check_of_calibration() -> None:
    check = next(
        one for one in gate.calibration_checks(judge(three()), three()) if one.name == "calibration.worst_class"
    )
    worst = max(judge(three()).classes, key=lambda one: one.expected_calibration_error or 0)
    assert check.observed == worst.expected_calibration_error
    assert repr(worst.name) in check.why
    assert not check.passed


def test_a_class_that_the_holdout_lacks_is_named() -> None:
    evaluation = judge(three(), shares=(0.7, 0.3, 0.0))
    checks = gate.performance_checks(evaluation, three())
    assert [(check.name, check.severity, check.passed) for check in checks[1:]] == [
        ("performance.classes", "warn", False)
    ]
    assert "'中'" in checks[1].why


CONSTANT: dict[str, tuple[dict[str, float], list[str]]] = {
    "accuracy below the majority": ({"accuracy": 0.55}, ["accuracy"]),
    "accuracy above it": ({"accuracy": 0.7}, []),
    "average precision below the mean share": ({"pr_auc": 0.3}, ["pr_auc"]),
    "log loss above the entropy": ({"log_loss": 1.0}, ["log_loss"]),
    "log loss below it": ({"log_loss": 0.5}, []),
    "roc auc of chance": ({"roc_auc": 0.5}, ["roc_auc"]),
    "calibration alone": ({"expected_calibration_error": 0.2}, ["expected_calibration_error"]),
    "calibration beside another": ({"expected_calibration_error": 0.2, "roc_auc": 0.8}, []),
    "top 2": ({"top_2_accuracy": 0.85}, ["top_2_accuracy"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CONSTANT)
def test_a_limit_that_a_constant_model_reaches_is_told(case: str) -> None:
    limits, told = CONSTANT[case]
    problem = three(performance=limits)
    checks = [check for check in gate.performance_checks(judge(problem), problem) if check.name.endswith(".constant")]
    assert [check.name for check in checks] == [f"performance.{name}.constant" for name in told]
    assert all(check.severity == "warn" and not check.passed for check in checks)


@pytest.mark.parametrize("rows", [[90, 10], [999, 1], [60, 30, 10], [1] * 50])
def test_constant_metrics_are_those_of_the_best_constant_model(rows: list[int]) -> None:
    labels = np.repeat(np.arange(len(rows)), rows)
    share = np.tile(np.array(rows) / sum(rows), (len(labels), 1))
    found = constant_metrics(rows)
    if len(rows) > 2:
        assert found == pytest.approx(point_metrics(labels, share, threshold=0.5))
        return
    each = [point_metrics(labels, share[:, 1], threshold=cut) for cut in (0.0, 2.0)]
    for name, value in found.items():
        assert value == pytest.approx(max(one[name] for one in each)), name


def _leaks(values: np.ndarray, labels: np.ndarray) -> Any:
    problem = three()
    rows = len(labels)
    features = pd.DataFrame(
        {
            "country": ["DE"] * rows, "amount": values.astype("float32"), "visits": np.arange(rows) % 7,
            "member": np.ones(rows, "float32"),
        }
    )  # fmt: skip
    found = column_leaks(features, labels, problem.contract, confidence=0.95, seed=9, classes=3)
    return gate.leakage_checks(found, problem)


def test_a_column_that_tells_one_class_is_found_and_the_class_named() -> None:
    labels = made(2_000)[0]
    noise = np.random.default_rng(2).normal(size=len(labels))
    assert all(check.passed for check in _leaks(noise, labels))
    leak = _leaks(np.where(labels == 1, 50 + noise, noise), labels)[0]
    assert not leak.passed
    assert leak.why.startswith("amount alone separates 'mid dle' from all other classes")


def test_a_class_of_few_rows_does_not_look_like_a_leak() -> None:
    labels = np.repeat(np.array([0, 1, 2]), [400, 300, 3])
    values = np.where(labels == 2, 99.0, np.random.default_rng(2).normal(size=len(labels)))
    assert _leaks(values, labels)[0].passed


def test_missing_values_that_tell_one_of_three_classes_are_found() -> None:
    labels = made(2_000)[0]
    noise = np.random.default_rng(2).normal(size=len(labels))
    checks = _leaks(np.where(labels == 2, np.nan, noise), labels)
    assert [check.name for check in checks if not check.passed] == ["leakage.single_column", "leakage.missing"]


def test_top_k_that_is_always_one_is_refused() -> None:
    with pytest.raises(ValueError, match="'top_3_accuracy' is always 1 with 3 classes"):
        three(performance={"top_3_accuracy": 0.9})


def test_a_champion_of_three_classes_is_scored_in_the_order_of_the_problem(tmp_path: Path) -> None:
    release = drawn(tmp_path / "1", {"amount": NUMBER, "visits": NUMBER}, THREE)
    holdout = pd.DataFrame({"amount": [0.5, -1.0], "visits": [2.0, 0.1], "at": pd.Timestamp("2024-01-01")})
    same = score_champion(holdout, three(classes=THREE), release=release)
    reverse = score_champion(holdout, three(classes=THREE[::-1]), release=release)
    expected = release.scorer().probability(holdout)
    assert np.array_equal(same.probability, expected)
    assert np.array_equal(reverse.probability, expected[:, ::-1])
    other = score_champion(holdout, three(classes=(*THREE, "new")), release=release)
    assert (other.other_classes, other.probability) == ("doesn't know the class 'new'", ())
