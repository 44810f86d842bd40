"""The split, the search and the gate's limits that are chosen for a table."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from driftgate.config import Problem
from driftgate.init.baseline import Baseline, measure, performance_limits, with_periods
from driftgate.init.choices import Choices, refuse
from driftgate.init.make import Made, make
from driftgate.init.plan import SplitPlan, plan_calibration, plan_split, plan_threshold, plan_tuning
from driftgate.init.roles import Roles
from driftgate.init.target import TargetPlan, find_target
from driftgate.training.splitting import folds, split
from tests.typed import typed


def target(*counts: int) -> TargetPlan:
    codes = np.repeat(np.arange(len(counts)), counts)
    return TargetPlan("y", tuple(f"c{code}" for code in range(len(counts))), counts, codes)


def table(rows: int, *, positives: float = 0.4, seed: int = 0, signal: float = 1.5, **columns: Any) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    y = (draw.random(rows) < positives).astype(int)
    x = draw.normal(size=rows) + signal * y
    return pd.DataFrame({"y": np.where(y, "yes", "no"), "x": x, "c": draw.choice(list("abc"), rows), **columns})


def made(frame: pd.DataFrame, **choices: Any) -> tuple[Made, dict[str, Any]]:
    found = make(typed(frame), Choices("y", **choices), name="t", path="data/t.csv", source="t.csv", ask=refuse)
    content = yaml.safe_load(found.text)
    Problem.model_validate(content)
    return found, content


def by_time(frame: pd.DataFrame) -> SplitPlan:
    whole = typed(frame)
    last = frame["at"].max().date() + dt.timedelta(days=1)
    roles = Roles(None, "at", None, {}, (), (), last)
    return plan_split(whole, find_target(whole, Choices("y"))[0], roles)


@pytest.mark.parametrize(("rows", "days"), [(150, 90), (3000, 365), (20_000, 30), (1000, 4000)])
def test_split_by_time_leaves_rows_of_each_class_everywhere(rows: int, days: int) -> None:
    stamps = pd.Timestamp("2010-01-01") + pd.to_timedelta(np.linspace(0, days, rows), unit="D")
    found, content = made(table(rows, at=stamps))
    assert content["split"]["method"] == "time"
    problem = Problem.model_validate(content)
    frame = table(rows, at=stamps)
    before, holdout = split(frame, problem, as_of=dt.datetime.combine(content["data"]["as_of"], dt.time()))
    assert 0.1 * rows < len(holdout) < 0.4 * rows
    assert len(folds(before, problem)) == content["split"]["folds"]
    assert not [doubt for doubt in found.doubts if doubt.code == "time_split_impossible"]


def test_classes_one_after_the_other_are_split_at_random() -> None:
    stamps = pd.date_range("2022-01-01", periods=400)
    found = by_time(pd.DataFrame({"y": ["a"] * 200 + ["b"] * 200, "at": stamps}))
    assert (found.method, found.timestamp) == ("random", False)
    assert [doubt.code for doubt in found.doubts] == ["time_split_impossible"]


def test_entities_stay_on_one_side() -> None:
    frame = table(600, customer_id=np.arange(600) // 3)
    _, content = made(frame)
    assert (content["split"]["method"], content["data"]["group"]) == ("group", "customer_id")
    before, holdout = split(frame, Problem.model_validate(content), as_of=None)
    assert not set(before["customer_id"]) & set(holdout["customer_id"])


@pytest.mark.parametrize("counts", [(75, 75), (994, 6), (500, 8), (60, 6, 6), (10_000, 10)])
def test_rare_classes_get_fewer_folds(counts: tuple[int, ...]) -> None:
    plan = target(*counts)
    found = plan_split(typed(pd.DataFrame({"y": plan.codes})), plan, Roles(None, None, None, {}, (), ()))
    rest = min(counts) * (1 - found.content["holdout"]) - 1
    assert rest >= found.content["folds"]
    assert min(counts) * found.content["holdout"] >= 2 - 1e-9 or min(counts) < 7
    calibration = plan_calibration(plan, found)
    assert min(counts) > 20 or calibration == {"method": "none"} or calibration["folds"] <= 3


@pytest.mark.parametrize(
    ("rows", "columns", "classes"), [(150, 4, 2), (10_000_000, 18, 2), (5000, 2000, 2), (5000, 20, 50)]
)
def test_search_fits_the_size(rows: int, columns: int, classes: int) -> None:
    plan = target(*[rows // classes] * classes)
    split_plan = SplitPlan({"method": "random", "holdout": 0.2, "folds": 3}, "", rows // 5)
    content, _ = plan_tuning(plan, split_plan, columns)
    trials = sum(candidate["trials"] for candidate in content["candidates"])
    fitted = content.get("maximum_rows", rows)
    factor = classes if classes > 2 else 1
    assert trials >= 9
    assert fitted * max(columns, 5) * factor <= 20_000_000 or fitted == 1000
    assert (rows == 150) == (trials == 22)


@pytest.mark.parametrize(("classes", "rounds"), [(2, 200), (4, 200), (12, 66), (50, 40)])
def test_boosting_has_a_bounded_number_of_trees(classes: int, rounds: int) -> None:
    """Each round fits a tree for each class: 200 rounds of 50 classes took longer than the time limit of the whole search."""
    plan = target(*[3000 // classes] * classes)
    content, _ = plan_tuning(plan, SplitPlan({"method": "random", "holdout": 0.2, "folds": 5}, "", 600), 6)
    fixed = {candidate["family"]: candidate.get("fixed") for candidate in content["candidates"]}
    assert fixed["hist_gradient_boosting"] == {"max_iter": rounds}


def test_imbalance_brings_class_weights_and_a_threshold() -> None:
    _, content = made(table(5000, positives=0.03))
    assert content["tuning"]["metric"] == "log_loss"
    split = SplitPlan({"method": "random", "holdout": 0.2, "folds": 5}, "", 600)
    assert plan_tuning(target(19_900, 100), split, 6)[0]["metric"] == "pr_auc"
    assert all(
        candidate["search"]["class_weight"] == [None, "balanced"] for candidate in content["tuning"]["candidates"]
    )
    assert content["threshold"] == "max_f1"
    assert set(content["gate"]["performance"]) >= {"roc_auc", "pr_auc"}
    assert content["gate"]["performance"]["pr_auc"] > 0.03
    assert plan_threshold(target(50, 50)) == 0.5


@pytest.mark.parametrize("seed", range(4))
def test_limits_lie_between_the_constant_and_the_baseline(seed: int) -> None:
    found, content = made(table(1500, seed=seed))
    for limit in found.limits:
        assert limit.constant is not None
        if limit.metric == "log_loss":
            assert limit.baseline < limit.bound < limit.limit < limit.constant
        else:
            assert limit.baseline > limit.bound > limit.limit > limit.constant
    share = (table(1500, seed=seed)["y"] == "yes").mean()
    assert content["gate"]["calibration"]["brier"] < share * (1 - share)


def test_baseline_does_not_read_the_holdout() -> None:
    frame = table(800)
    _, content = made(frame)
    problem = Problem.model_validate(content)
    _, holdout = split(frame.rename_axis("at").reset_index(), problem, as_of=None)
    spoiled = frame.copy()
    spoiled.loc[holdout["at"], "x"] = 1e6
    one, other = (measure(typed(rows), problem, holdout=160) for rows in (frame, spoiled))
    assert one.metrics == other.metrics


def test_noise_is_told_and_gets_the_least_limit() -> None:
    found, content = made(table(400, signal=0.0, seed=3))
    assert "no_signal" in [doubt.code for doubt in found.doubts]
    assert content["gate"]["performance"] == {"roc_auc": 0.501}


def test_three_classes_have_macro_limits() -> None:
    frame = table(900)
    frame["y"] = np.select([frame["x"] < 0, frame["x"] < 1.2], ["low", "middle"], "high")
    frame["x"] += np.random.default_rng(5).normal(size=900)
    found, content = made(frame)
    assert content["target"]["classes"] == ["high", "low", "middle"]
    assert content["threshold"] == 0.5
    assert {limit.metric for limit in found.limits} == {"roc_auc", "log_loss"}


def test_perfect_baseline_has_limits() -> None:
    frame = table(600)
    frame["y"] = np.where(frame["x"] + np.random.default_rng(0).normal(size=600) * 0.3 > 1, "yes", "no")
    baseline = made(frame)[0].limits
    assert 0.5 < next(limit.limit for limit in baseline if limit.metric == "roc_auc") < 1
    assert performance_limits  # the same function decides for every table


def test_few_values_repeat_by_chance() -> None:
    draw = np.random.default_rng(0)
    frame = table(400)
    few = pd.DataFrame({"y": frame["y"], "x": draw.integers(0, 400, 400) / 10})
    few["y"] = np.where(few["x"] + draw.normal(0, 10, 400) > 20, "a", "b")
    found, _ = made(few)
    assert not [doubt for doubt in found.doubts if doubt.code == "duplicate_rows"]


def test_duplicates_are_told() -> None:
    frame = table(400)
    found, _ = made(pd.concat([frame, frame]))
    told = next(doubt for doubt in found.doubts if doubt.code == "duplicate_rows")
    assert told.text.startswith("400 of 800 rows (50%)")
    assert "Remove them" in told.done


def test_entities_make_the_limits_wider() -> None:
    """Rows of one entity resemble each other, so a holdout of a few entities varies more than one of as many rows."""
    draw = np.random.default_rng(1)
    entity = np.repeat(np.arange(60), 20)
    y = (draw.random(60) < 0.5)[entity]
    x = np.where(draw.random(60) < 0.8, 1.0, -1.0)[entity] * np.where(y, 1, -1) + draw.normal(size=len(entity))
    frame = pd.DataFrame({"y": np.where(y, "yes", "no"), "x": x, "customer_id": entity})
    grouped, _ = made(frame)
    alone, _ = made(frame, group="none")
    width = {
        id(found): next(limit.baseline - limit.bound for limit in found.limits if limit.metric == "roc_auc")
        for found in (grouped, alone)
    }
    assert width[id(grouped)] > 2 * width[id(alone)]


def test_shares_that_change_over_time_make_the_limits_wider() -> None:
    """The holdout is one more period: the limits hold for each period that the baseline saw."""
    truth = np.concatenate([np.repeat([0, 1], [950, 50]), np.repeat([0, 1], [600, 400])])
    probability = np.column_stack([np.full(2000, 0.775), np.full(2000, 0.225)])
    losses = [-np.log(0.775) * share - np.log(0.225) * (1 - share) for share in (0.95, 0.6)]
    whole = sum(losses) / 2
    found = with_periods({"log_loss": (whole, whole - 0.02, whole + 0.02)}, truth, probability, [1000, 1000])
    assert found["log_loss"] == pytest.approx((whole, losses[0], losses[1]))


def test_few_rows_of_the_baseline_make_the_limits_wider() -> None:
    """The baseline's own value has an error too. 20 of 64 good models were blocked where the limits didn't count it."""
    metrics = {"roc_auc": (0.9, 0.85, 0.95), "log_loss": (0.3, 0.25, 0.35)}
    constant = {"roc_auc": 0.5, "log_loss": 0.69}
    many, few = (
        {
            limit.metric: limit.limit
            for limit in performance_limits(Baseline(metrics, constant, 100, "x", error), binary=True, rare=False)
        }
        for error in (1.0, 1.4)
    )
    assert few["roc_auc"] < many["roc_auc"] < 0.8
    assert few["log_loss"] > many["log_loss"] > 0.4
