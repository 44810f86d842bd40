"""Drift of three classes to fifty: few checks that name the classes, and performance without labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.config import Data, Problem, Target, load_problem
from driftgate.contract import LABEL, PREDICTION, Column, Contract
from driftgate.data.contract_check import find_batch_violations
from driftgate.drift.check import DriftAnalysis, DriftPages, check_drift
from driftgate.drift.compare import History
from driftgate.drift.counting import count
from driftgate.drift.draws import Draws
from driftgate.drift.estimate import estimated_metrics, expect, simulate
from driftgate.drift.outputs import CONFIDENCE, prediction_values, target_values
from driftgate.drift.profile import Profile, fit_profile
from driftgate.probability import as_columns
from driftgate.training.metrics import point_metrics
from driftgate.workspace import PROJECT

Rows = pd.DataFrame


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"kind {code}" for code in range(classes))


class TrueModel:
    """Stands for the release's model, with the probabilities that the labels were drawn from."""

    def __init__(self, classes: int) -> None:
        self.weights = np.linspace(-1, 1, classes)

    def probability(self, frame: Rows) -> np.ndarray:
        score = np.exp(np.outer(frame["x"].to_numpy(dtype=float), self.weights))
        return score / score.sum(axis=1, keepdims=True)


def made(rows: int, classes: int, *, seed: int, shift: float = 0.0, days: int | None = None) -> Rows:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": 2 * draw.normal(size=rows) + shift, "y": draw.normal(size=rows)})
    steps = TrueModel(classes).probability(frame).cumsum(axis=1)
    codes = (steps < draw.random(rows)[:, None]).sum(axis=1).clip(max=classes - 1)
    frame = frame.assign(target=np.array(names(classes), dtype=object)[codes])
    if days is None:
        return frame
    return frame.assign(
        at=pd.Timestamp("2021-01-01") + pd.to_timedelta(np.arange(rows) * days / rows, unit="D").floor("s")
    )


def problem_of(classes: int, *, timestamp: str | None = None) -> Problem:
    rules = load_problem(PROJECT / "configs" / "rules.yaml")
    return rules.model_copy(
        update={
            "contract": Contract(columns={"x": Column(type="number"), "y": Column(type="number")}),
            "target": Target.model_validate({"column": "target", "classes": names(classes)}),
            "data": Data.model_validate({"path": "none.parquet", "timestamp": timestamp}),
            "gate": rules.gate.model_copy(update={"performance": {"f1": 0.001, "log_loss": 9.0}}),
        }
    )


def fitted(rows: Rows, problem: Problem) -> Profile:
    classes = len(problem.target.class_names)
    codes = rows["target"].map({name: code for code, name in enumerate(names(classes))}).to_numpy()
    said = pd.DataFrame({**as_columns(TrueModel(classes).probability(rows)), LABEL: codes})
    if problem.data.timestamp:
        said = said.assign(at=rows["at"])
    return fit_profile(rows, problem, out_of_fold=said, effects={"x": 0.1, "y": 0.1}, threshold=0.5)


def check(rows: Rows, problem: Problem, profile: Profile) -> tuple[DriftAnalysis, DriftPages]:
    scorer = TrueModel(len(problem.target.class_names))
    return check_drift(rows, problem, profile=profile, scorer=scorer, threshold=0.5)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[3, 50])
def world(request: pytest.FixtureRequest) -> tuple[Problem, Profile]:
    problem = problem_of(request.param)
    return problem, fitted(made(5_000, request.param, seed=0), problem)


def test_any_number_of_classes_is_three_columns(world: tuple[Problem, Profile]) -> None:
    problem, profile = world
    assert set(profile.layouts) == {"x", "y", "target", PREDICTION, CONFIDENCE}
    assert profile.classes == problem.target.classes
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


def test_rows_of_the_same_kind_are_ordinary_and_pages_name_the_classes(world: tuple[Problem, Profile]) -> None:
    problem, profile = world
    analysis, pages = check(made(3_000, len(profile.classes), seed=1), problem, profile)
    assert {column.name: column.state for column in analysis.drift.columns} == dict.fromkeys(profile.layouts, "stable")
    assert all(found.passed for found in analysis.checks(problem) if not found.name.startswith("concept"))
    assert set(analysis.expected) == set(estimated_metrics(len(profile.classes)))
    assert "kind 0" in pages.static
    assert "kind 0" in pages.interactive
    assert "log_loss" in pages.static


def test_a_shift_is_told_with_the_class_that_changed_most(world: tuple[Problem, Profile]) -> None:
    problem, profile = world
    rows = made(3_000, len(profile.classes), seed=2, shift=3.0)
    found = {item.name: item for item in check(rows, problem, profile)[0].checks(problem)}
    last = profile.classes[-1]
    assert f"the share of {last} changed most" in found[f"drift.{PREDICTION}"].why
    assert found[f"drift.{PREDICTION}"].severity == "warn"
    assert found["drift.x"].severity == "block"


def test_chance_alarms_do_not_grow_with_the_classes(world: tuple[Problem, Profile]) -> None:
    problem, profile = world
    history, model, over = History(profile, days=1), TrueModel(len(profile.classes)), 0
    for seed in range(100):
        rows = made(150, len(profile.classes), seed=100 + seed)
        outputs = {"target": target_values(rows, problem), **prediction_values(model.probability(rows), problem)}
        counts = count(pd.DataFrame(outputs), {name: profile.layouts[name] for name in outputs})
        over += any(column.state != "stable" for column in history.compare(counts, rows=150).columns)
    assert over <= 3


def test_rows_without_labels_and_labels_of_no_class(world: tuple[Problem, Profile]) -> None:
    problem, profile = world
    rows = made(2_000, len(profile.classes), seed=3)
    unlabelled = check(rows.assign(target=None), problem, profile)[0]
    assert "target" not in {column.name for column in unlabelled.drift.columns}
    assert all(found.realised is None for found in unlabelled.expected.values())
    strange = rows.assign(target=rows["target"].where(rows.index >= 200, "no such class"))
    analysis = check(strange, problem, profile)[0]
    assert "drift.target.unseen" in {found.name for found in analysis.checks(problem) if not found.passed}
    assert analysis.expected["accuracy"].labelled == 1_800
    (violation,) = find_batch_violations(strange, problem, classes=profile.classes)
    assert (violation.column, violation.rows) == ("target", 200)


def test_windows_widen_the_interval_where_estimates_were_wrong() -> None:
    problem = problem_of(4, timestamp="at")
    rows = made(4_000, 4, seed=4, days=40)
    honest = fitted(rows, problem).spread
    wrong = fitted(rows.assign(target=rows["target"].where(rows.index // 700 % 2 == 0, "kind 0")), problem).spread
    assert honest["accuracy"].windows == 6
    assert wrong["accuracy"].error > 0.04 > honest["accuracy"].error
    assert set(honest) == set(estimated_metrics(4))


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 8), st.integers(1, 40), st.integers(0, 10_000), st.integers(1, 9))
def test_drawn_metrics_are_the_metrics_of_training(classes: int, rows: int, seed: int, steps: int) -> None:
    """Also with equal scores, with one row, and where classes have no row."""
    draw = np.random.default_rng(seed)
    probability = draw.integers(0, steps + 1, (rows, classes)) + 0.5
    probability = probability / probability.sum(axis=1, keepdims=True)
    labels = draw.integers(0, classes, rows)
    found, expected = Draws(probability).metrics(labels), point_metrics(labels, probability, threshold=0.5)
    assert list(found) == list(estimated_metrics(classes))
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-9, nan_ok=True), name


def test_simulation_gives_mean_and_spread_of_many_draws() -> None:
    probability = np.random.default_rng(5).dirichlet(np.full(5, 0.4), 1_500)
    steps = probability.cumsum(axis=1)
    drawn = []
    for seed in range(200):
        labels = (steps < np.random.default_rng(seed).random(1_500)[:, None]).sum(axis=1).clip(max=4)
        drawn.append(point_metrics(labels, probability, threshold=0.5))
    mean, chance = simulate(probability, threshold=0.5, seed=0)
    for name in estimated_metrics(5):
        values = [metrics[name] for metrics in drawn]
        assert mean[name] == pytest.approx(np.mean(values), abs=np.std(values) / 2), name
        assert chance[name] == pytest.approx(np.std(values), rel=0.35), name


def test_interval_holds_the_realised_value_and_concept_drift_leaves_it() -> None:
    probability = np.random.default_rng(6).dirichlet(np.full(4, 0.4), 800)
    steps = probability.cumsum(axis=1)
    inside = 0
    for seed in range(10):
        labels = (steps < np.random.default_rng(seed).random(800)[:, None]).sum(axis=1).clip(max=3)
        found = expect(probability, labels=labels.astype(float), threshold=0.5, spread={}, confidence=0.95, seed=0)
        inside += found["f1"].inside
    assert inside >= 7  # of 10 at 95 %; fewer has probability 0.001
    turned = expect(probability, labels=(labels + 1.0) % 4, threshold=0.5, spread={}, confidence=0.95, seed=0)["f1"]
    assert not turned.inside
