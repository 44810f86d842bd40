"""Fits in parallel: the same bytes whatever the number of processes, and no process left behind."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
from threadpoolctl import threadpool_info

from driftgate.config import Problem
from driftgate.data.table import features_of, labels_of
from driftgate.errors import DriftgateError
from driftgate.training import tuning, workers
from driftgate.training.importance import importances
from driftgate.training.workers import SETTING, processes, run_tasks
from driftgate.workspace import PROJECT

FAMILIES = (
    {"family": "logistic_regression", "trials": 1, "search": {"C": {"low": 0.1, "high": 10.0}}},
    {"family": "hist_gradient_boosting", "trials": 13, "fixed": {"max_iter": 5}, "search": {"max_leaf_nodes": {"low": 2, "high": 8}}},
)  # fmt: skip


def small(problem: Problem, **changes: object) -> Problem:
    content = problem.model_dump()
    content["tuning"] |= {"candidates": FAMILIES, **changes}
    content["split"]["folds"] = 2
    return Problem.model_validate(content)


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info()}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_setting_or_the_cpus_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "3")
    assert processes() == 3
    monkeypatch.delenv(SETTING)
    assert 1 <= processes() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5"])
def test_wrong_setting_is_told(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, wrong)
    with pytest.raises(DriftgateError, match=SETTING):
        processes()


def test_each_task_has_one_thread_and_small_work_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "2")
    assert list(run_tasks(os.getpid, [()] * 2, work=1)) == [os.getpid()] * 2
    ids = set(run_tasks(os.getpid, [()] * 8, work=workers.SMALL))
    assert os.getpid() not in ids
    assert list(run_tasks(threads, [()], work=1)) == [{1}]
    assert list(run_tasks(threads, [()] * 2, work=workers.SMALL)) == [{1}, {1}]


STARTED = """
import os
from driftgate.training import workers
workers.start_workers(work=workers.SMALL - 1)
assert workers._starting is None
workers.start_workers(work=workers.SMALL)
workers._starting.join()
def children():
    import psutil
    return {child.pid for child in psutil.Process().children()}
early = children()
used = set(workers.run_tasks(os.getpid, [()] * 4, work=workers.SMALL))
assert used <= early == children(), (used, early)
"""


def test_workers_that_were_started_early_are_those_that_are_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED], env={**os.environ, SETTING: "2"}, cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_killed_worker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "2")
    with pytest.raises(DriftgateError, match="was killed"):
        list(run_tasks(die, [()] * 2, work=workers.SMALL))


def test_one_process_and_two_make_the_same_bytes(problem: Problem, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Tuning past the random trials, calibration, the refit, and importances."""
    problem = small(problem)
    monkeypatch.setattr(workers, "SMALL", 0)
    made = []
    for number in ("1", "2", "3"):
        monkeypatch.setenv(SETTING, number)
        tuned = tuning.tune(rows, problem)
        model, trained, out_of_fold = tuning.train(rows, problem, tuned=tuned)
        features, labels = features_of(rows, problem.contract), labels_of(rows, problem)
        found = importances(model, features, labels, problem, threshold=0.5)
        alike = tuned.model_dump()
        for trial in alike["trials"]:
            del trial["seconds"]
        made.append((alike, trained, out_of_fold.to_numpy().tobytes(), found, model.predict_proba(features).tobytes()))
        assert len(tuned.trials) == 14 + len(FAMILIES)  # the drawn ones, and each family's defaults
        assert [fold.fold for fold in tuned.cross_validation] == ["fold 1", "fold 2"]
    assert made[0] == made[1] == made[2]


def test_first_trials_are_those_of_a_search_one_by_one(problem: Problem, rows: pd.DataFrame) -> None:
    """Asking for a batch at once changes nothing while the sampler draws at random."""
    import optuna

    from driftgate.training.modelling import suggest

    (search,) = (one for one in small(problem).tuning.candidates if one.family == "hist_gradient_boosting")
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=problem.seed))
    drawn = []
    study.optimize(lambda trial: drawn.append(suggest(trial, search)) or 0.0, n_trials=tuning.RANDOM_TRIALS)
    tuned = tuning.tune(rows, small(problem))
    found = [trial.settings for trial in tuned.trials if trial.family == search.family and not trial.untuned]
    assert found[: tuning.RANDOM_TRIALS] == drawn


def test_time_limit_lets_one_trial_of_each_family_run(problem: Problem, rows: pd.DataFrame) -> None:
    tuned = tuning.tune(rows, small(problem, time_limit_seconds=1e-6))
    assert [(trial.family, trial.number) for trial in tuned.trials] == [
        ("logistic_regression", 0),
        ("hist_gradient_boosting", 0),
    ]
    assert all(trial.untuned for trial in tuned.trials)
    assert tuned.cut == ("logistic_regression", "hist_gradient_boosting")


BUSY = """
import time
from driftgate.training.workers import SMALL, run_tasks
list(run_tasks(time.sleep, [(60,)] * 2, work=SMALL))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", BUSY], env={**os.environ, SETTING: "2"}, cwd=PROJECT, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    found: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while len([child for child in found if "loky" in " ".join(child.cmdline())]) < 3:  # two workers, one tracker
        assert time.monotonic() < deadline
        time.sleep(0.1)
        found = psutil.Process(parent.pid).children(recursive=True)
    time.sleep(1)  # both sleep now
    parent.send_signal(how)
    parent.wait(30)
    _, left = psutil.wait_procs(found, timeout=20)
    assert not left
