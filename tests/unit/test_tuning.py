"""The search: pruning, early stopping, samples, the untuned candidates and the average."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.data.table import features_of, labels_of
from driftgate.training import search, tuning
from driftgate.training.families.catalog import installed
from driftgate.training.families.estimators import ROUNDS
from driftgate.training.finished import FinishedFit, FinishedFits
from driftgate.training.metrics import point_metrics
from driftgate.training.rounds import find_rounds
from driftgate.training.selection import Done, Selection, rank
from driftgate.training.splitting import folds
from driftgate.training.trials import Fits, sampled
from driftgate.training.tuned import FoldScore, Member, Trial

BOOSTED = "hist_gradient_boosting"


def with_tuning(problem: Problem, *candidates: dict[str, object], folds: int = 3, **changes: object) -> Problem:
    content = problem.model_dump()
    content["tuning"] |= {"candidates": candidates, **changes}
    content["split"]["folds"] = folds
    content["calibration"] = {"method": "none"}
    return Problem.model_validate(content)


@pytest.fixture
def noisy(rows: pd.DataFrame) -> pd.DataFrame:
    """The rules with a fifth of the labels at random."""
    draw = np.random.default_rng(1)
    flipped = draw.random(len(rows)) < 0.2
    return rows.assign(target=rows["target"].where(~flipped, 1 - rows["target"]))


def forest(trials: int, **search: object) -> dict[str, object]:
    return {"family": BOOSTED, "trials": trials, "fixed": {"max_iter": 10}, "search": search}


def test_defaults_of_each_family_are_a_trial(noisy: pd.DataFrame, problem: Problem) -> None:
    problem = with_tuning(
        problem, {"family": "logistic_regression", "trials": 3}, forest(2, learning_rate={"low": 0.1, "high": 0.2})
    )
    tuned = tuning.tune(noisy, problem)
    assert [(trial.family, trial.number, trial.untuned) for trial in tuned.trials] == [
        ("logistic_regression", 0, True),  # without a search space, there is nothing else to try
        (BOOSTED, 0, True),
        (BOOSTED, 1, False),
        (BOOSTED, 2, False),
    ]
    assert tuned.trials[0].settings == {}
    assert tuned.trials[1].settings == {"max_iter": 10}


def test_untuned_is_taken_where_nothing_is_better(
    noisy: pd.DataFrame, problem: Problem, caplog: pytest.LogCaptureFixture
) -> None:
    problem = with_tuning(problem, forest(3, learning_rate={"low": 1e-4, "high": 1e-3}))
    with caplog.at_level("INFO", "driftgate.tune"):
        tuned = tuning.tune(noisy, problem)
    assert tuned.untuned
    assert tuned.gain_over_untuned is None
    assert tuned.settings == {"max_iter": 10}
    assert "untuned one, which is taken" in caplog.text


def test_winner_is_compared_with_the_best_untuned(noisy: pd.DataFrame, problem: Problem) -> None:
    bad = {
        "family": BOOSTED,
        "trials": 3,
        "fixed": {"max_iter": 1},
        "search": {"learning_rate": {"low": 0.5, "high": 0.9}},
    }
    tuned = tuning.tune(noisy, with_tuning(problem, bad))
    assert not tuned.untuned
    assert tuned.gain_over_untuned
    assert 0 < tuned.gain_over_untuned.low <= tuned.gain_over_untuned.value <= tuned.gain_over_untuned.high
    untuned = next(trial.score for trial in tuned.trials if trial.untuned)
    assert tuned.gain_over_untuned.value == pytest.approx(untuned - tuned.score)


def test_rank_puts_pruned_and_undefined_scores_aside() -> None:
    def done(score: float, **more: bool) -> Done:
        return Done(
            Trial(family="x", number=1, settings={}, score=score, seconds=1, **more), Member(family="x", settings={})
        )

    ranked = rank([done(0.7), done(math.nan), done(0.9, pruned=True), done(0.7, untuned=True), done(0.8)], "roc_auc")
    assert [one.trial.score for one in ranked[:3]] == [0.8, 0.7, 0.7]
    assert [one.trial.untuned for one in ranked[:3]] == [False, True, False]
    assert math.isnan(ranked[3].trial.score)
    assert [one.trial.score for one in rank([done(0.7), done(0.2)], "log_loss")] == [0.2, 0.7]


def test_pruning_ends_bad_trials_and_keeps_the_winner(noisy: pd.DataFrame, problem: Problem) -> None:
    space = forest(8, learning_rate={"low": 0.001, "high": 0.5, "log": True})
    whole = tuning.tune(noisy, with_tuning(problem, space, folds=5, pruning=False))
    tuned = tuning.tune(noisy, with_tuning(problem, space, folds=5))
    pruned = [trial for trial in tuned.trials if trial.pruned]
    assert 2 <= len(pruned) < 8
    assert not any(trial.untuned for trial in pruned)
    assert not any(trial.pruned for trial in whole.trials)
    assert (tuned.settings, tuned.score) == (whole.settings, whole.score)
    assert [trial.settings for trial in tuned.trials] == [trial.settings for trial in whole.trials]


def test_later_batches_are_pruned_by_earlier_ones(problem: Problem) -> None:
    """A batch of four that is better than all before it loses none."""
    candidate = with_tuning(problem, forest(20, learning_rate={"low": 0.1, "high": 0.2})).tuning.candidates[0]
    one = search._Search(candidate, problem)

    def fit(loss: float) -> FinishedFit:
        return FinishedFit(
            settings={}, score=FoldScore(fold="1", train_rows=1, test_rows=1, metrics={"log_loss": loss}), seconds=0
        )

    one.fits = [[fit(0.5)] * 5 for _ in range(10)]
    one.ask()
    batch = one.ask()
    assert len(batch) == search.BATCH
    better = {at: [fit(0.4 + at / 100)] for at in range(4)}
    assert search._worse_than_most(batch, better, "log_loss") == set()
    mixed = {at: [fit(0.4 + at / 5)] for at in range(4)}
    assert search._worse_than_most(batch, mixed, "log_loss") == {1, 2, 3}


def test_early_stopping_fixes_the_rounds(noisy: pd.DataFrame, problem: Problem) -> None:
    fixed = {"early_stopping": True, "max_iter": 400, "learning_rate": 0.3}
    space = {"family": BOOSTED, "trials": 2, "fixed": fixed, "search": {"max_leaf_nodes": [4, 8]}}
    problem = with_tuning(problem, space)
    tuned = tuning.tune(noisy, problem)
    for trial in tuned.trials:
        assert "early_stopping" not in trial.settings
        assert 1 <= int(str(trial.settings["max_iter"])) < 100  # of noise, it learns no more
    model, trained, _ = tuning.train(noisy, problem, tuned=tuned)
    assert trained.settings == tuned.settings
    assert model[-1].n_iter_ == tuned.settings["max_iter"]


@pytest.mark.parametrize("family", list(ROUNDS))
def test_rounds_of_every_boosted_family(family: str, noisy: pd.DataFrame, problem: Problem) -> None:
    if not installed(family):
        pytest.skip(f"{family} is not installed")
    member = Member(family=family, settings={"early_stopping": True, ROUNDS[family]: 300, "learning_rate": 0.3})
    features, labels = features_of(noisy, problem.contract), labels_of(noisy, problem)
    found = find_rounds(member, problem, features, labels, None)
    assert 2 <= found <= 150
    assert found == find_rounds(member, problem, features, labels, None)
    groups = np.arange(len(labels)) // 4
    assert 2 <= find_rounds(member, problem, features, labels, groups) <= 150


def test_rounds_without_enough_rows_are_the_largest(noisy: pd.DataFrame, problem: Problem) -> None:
    few = pd.concat([noisy[noisy["target"] == 0].head(50), noisy[noisy["target"] == 1].head(3)])
    member = Member(family=BOOSTED, settings={"early_stopping": True, "max_iter": 7})
    assert find_rounds(member, problem, features_of(few, problem.contract), labels_of(few, problem), None) == 7


def test_samples_keep_order_and_classes() -> None:
    labels = np.repeat([0, 1, 0], [600, 100, 300]).astype(np.int8)
    rows = np.arange(len(labels))
    found = sampled(rows, labels, maximum=100, seed=3)
    assert len(found) == 100
    assert (np.diff(found) > 0).all()
    assert labels[found].sum() == 10
    assert (found == sampled(rows, labels, maximum=100, seed=3)).all()
    assert sampled(rows, labels, maximum=1000, seed=3) is rows
    assert sampled(rows, labels, maximum=None, seed=3) is rows


def test_trials_on_samples_and_a_refit_on_all_rows(
    rows: pd.DataFrame, problem: Problem, caplog: pytest.LogCaptureFixture
) -> None:
    many = pd.concat([rows] * 2, ignore_index=True)
    problem = with_tuning(problem, {"family": "logistic_regression", "trials": 1}, maximum_rows=1000)
    with caplog.at_level("INFO", "driftgate.tune"):
        tuned = tuning.tune(many, problem)
        _, trained, _ = tuning.train(many, problem, tuned=tuned)
    assert tuned.sampled_rows == 1000
    assert {fold.train_rows for fold in tuned.cross_validation} == {1000}
    assert trained.train_rows == 2000
    assert "trials were fitted on samples of 1,000 rows" in caplog.text
    assert tuning.tune(rows, problem).sampled_rows is None


def test_average_wins_where_members_err_apart(noisy: pd.DataFrame, problem: Problem, tmp_path: Path) -> None:
    """Three models that each see one of the three features are better together."""
    problem = with_tuning(problem, {"family": "logistic_regression", "trials": 1}, average=3)
    fits = Fits(noisy, problem, FinishedFits(tmp_path))
    parts = folds(noisy, problem)
    selection = Selection(fits, parts, problem)
    draw = np.random.default_rng(0)
    done = []
    for number in range(4):
        member = Member(family="x", settings={"number": number})
        trial = Trial(family="x", number=number, settings=member.settings, score=0.6, seconds=0)
        done.append(Done(trial, member))
        seen = [fits.labels[part.test] * 0.2 + 0.4 + draw.normal(0, 0.15, len(part.test)) for part in parts]
        selection._known[id(done[-1])] = [np.clip(one, 0.01, 0.99) for one in seen]
    chosen, gain = selection.average(done)
    assert len(chosen) == 3
    assert gain
    assert 0 < gain.low < gain.value < gain.high
    chosen, gain = selection.average([done[0], done[0]])  # the same model twice is no average
    assert (chosen, gain) == ([], None)


def test_average_of_alike_models_is_not_taken(noisy: pd.DataFrame, problem: Problem) -> None:
    space = {"family": "logistic_regression", "trials": 3, "search": {"C": {"low": 1.0, "high": 1.001}}}
    tuned = tuning.tune(noisy, with_tuning(problem, space, average=3))
    assert tuned.average == ()
    assert len(tuned.members) == 1


def test_average_is_trained_and_cross_validated_as_one_model(noisy: pd.DataFrame, problem: Problem) -> None:
    problem = with_tuning(problem, {"family": "logistic_regression", "trials": 1}, forest(1))
    tuned = tuning.tune(noisy, problem)
    members = (Member(family="logistic_regression", settings={}), Member(family=BOOSTED, settings={"max_iter": 10}))
    tuned = tuned.model_copy(update={"average": members})
    model, trained, out_of_fold = tuning.train(noisy, problem, tuned=tuned)
    assert (trained.family, trained.settings, trained.members) == ("average", {}, members)
    features = features_of(noisy, problem.contract)
    singles = []
    for member in members:
        alone = tuned.model_copy(update={"average": (), "family": member.family, "settings": member.settings})
        singles.append(tuning.train(noisy, problem, tuned=alone))
    mean = (singles[0][0].predict_proba(features) + singles[1][0].predict_proba(features)) / 2
    assert np.abs(model.predict_proba(features) - mean).max() < 1e-15
    unseen = (singles[0][2]["prediction"] + singles[1][2]["prediction"]) / 2
    assert np.abs(out_of_fold["prediction"] - unseen).max() < 1e-15
    last = out_of_fold.tail(len(folds(noisy, problem)[-1].test))
    expected = point_metrics(last["label"].to_numpy(), last["prediction"].to_numpy(), threshold=0.5)
    assert trained.validation == expected
