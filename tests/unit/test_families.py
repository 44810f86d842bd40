"""Every family predicts the same before and after its conversion to ONNX: classes, kinds of columns, weights, calibration."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.config import Candidate, Problem, load_problem
from driftgate.contract import Column, Contract
from driftgate.data.table import features_of
from driftgate.errors import DriftgateError
from driftgate.production.scoring import Scorer
from driftgate.training import export, modelling
from driftgate.training.families.converters import below
from driftgate.training.families.estimators import ROUNDS, TREES
from driftgate.workspace import PROJECT
from tests.families import FAMILIES

QUICK: dict[str, modelling.Settings] = {
    "random_forest": {"n_estimators": 20},
    "extra_trees": {"n_estimators": 20},
    "hist_gradient_boosting": {"max_iter": 12, "min_samples_leaf": 5},
    "multilayer_perceptron": {"hidden_units": "16x8", "max_iter": 20},
    "xgboost": {"n_estimators": 12},
    "lightgbm": {"n_estimators": 12},
    "catboost": {"iterations": 12},
}


def quick(family: str, classes: int) -> modelling.Settings:
    """Settings of a small model. Boosting makes a tree for each class in each round."""
    return {
        name: 2 if classes == 50 and name == ROUNDS.get(family) else value
        for name, value in QUICK.get(family, {}).items()
    }


NUMBERS = {"n1": Column(type="number"), "n 2": Column(type="number", nullable=True), "day": Column(type="integer")}
CATEGORIES = {"c1": Column(type="category", nullable=True), "C 2": Column(type="category")}
BOOLEANS = {"b1": Column(type="boolean"), "b2": Column(type="boolean", nullable=True)}
KINDS = {"numbers": NUMBERS, "categories": NUMBERS | CATEGORIES, "booleans": BOOLEANS | {"n1": Column(type="number")}}


def made(classes: int, columns: dict[str, Column], *, rows: int = 600) -> tuple[Problem, pd.DataFrame, np.ndarray]:
    """A problem, its features and labels. The values of `day` are so large that neighbours differ in float32's last bit."""
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    fields = {"column": "y", "classes": [f"k{code}" for code in range(classes)]}
    target = type(problem.target)(**(fields if classes > 2 else {"column": "y", "positive": 1}))
    problem = problem.model_copy(update={"contract": Contract(columns=columns), "target": target})
    draw = np.random.default_rng(classes)
    labels = np.arange(rows) % classes
    frame = pd.DataFrame(
        {
            "n1": labels / classes + draw.normal(size=rows) * 0.3,
            "n 2": np.where(draw.random(rows) < 0.2, np.nan, draw.normal(size=rows) - labels % 3),
            "day": 20_240_100 + 2 * draw.integers(0, 15, rows) + 2 * (labels % 7),
            "c1": pd.Series(draw.integers(0, 40, rows) + labels % 5).map(
                lambda code: f"v {code}" if code % 6 else None
            ),
            "C 2": pd.Series(labels % 4 + draw.integers(0, 2, rows)).map(str),
            "b1": draw.random(rows) < 0.3 + 0.4 * (labels % 2),
            "b2": pd.Series(draw.random(rows) < 0.5, dtype="boolean").mask(draw.random(rows) < 0.1),
        }
    )
    return problem, features_of(frame, problem.contract), labels.astype("int8")


def require_same(model: Any, problem: Problem, features: pd.DataFrame) -> bytes:
    """Check probabilities and labels of all rows at once, and of rows one at a time.

    They are the same to the last bit, except after the calibration of three classes or more, whose exponential isn't.
    """
    onnx = export.to_onnx(model, problem.contract)
    found = export.parity(model, onnx, features, contract=problem.contract, threshold=0.5)
    assert found.labels_differ == 0
    assert found.largest_difference <= problem.gate.parity
    scorer = Scorer(onnx, problem.contract)
    at_once = scorer.probability(features)
    singly = [scorer.probability(features.iloc[row : row + 1])[0] for row in range(20)]
    exact = at_once.ndim == 1 or not hasattr(model.steps[-1][1], "calibrated_classifiers_")
    assert np.allclose(at_once[:20], np.stack(singly), rtol=0, atol=0 if exact else 3e-7)
    return onnx


@pytest.mark.parametrize("columns", KINDS)
@pytest.mark.parametrize("classes", [2, 3, 50])
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_predicts_the_same(family: str, classes: int, columns: str) -> None:
    problem, features, labels = made(classes, KINDS[columns], rows=300)
    model = modelling.build_model(problem, family=family, settings=quick(family, classes))
    modelling.fit(model, features, labels)
    assert modelling.predict_probability(model, features).shape == ((300,) if classes == 2 else (300, classes))
    unseen = features.assign(**{"c1": "never seen"}) if "c1" in features else features
    require_same(model, problem, pd.concat([features, unseen], ignore_index=True))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_calibrated_onnx_predicts_the_same(family: str, classes: int) -> None:
    problem, features, labels = made(classes, KINDS["categories"], rows=300)
    settings = {"class_weight": "balanced", **quick(family, classes)}
    model = modelling.build_model(problem, family=family, settings=settings, calibrated=True)
    require_same(modelling.fit(model, features, labels), problem, features)


OWN = "tests.unit.own_models:NearestCentre"
CONVERTER = "tests.unit.own_models:convert_nearest_centre"


def with_candidate(problem: Problem, **fields: object) -> Problem:
    candidate = Candidate.model_validate({"trials": 1, **fields})
    return problem.model_copy(update={"tuning": problem.tuning.model_copy(update={"candidates": (candidate,)})})


@pytest.mark.parametrize("classes", [2, 5])
def test_own_estimator_is_trained_and_exported_by_its_converter(classes: int) -> None:
    problem, features, labels = made(classes, KINDS["categories"])
    problem = with_candidate(problem, family=OWN, converter=CONVERTER)
    modelling.require_families(problem)
    for calibrated in (False, True):
        model = modelling.build_model(problem, family=OWN, settings={"sharpness": 0.5}, calibrated=calibrated)
        modelling.fit(model, features, labels)
        # As a step of the pipeline would get it.
        require_same(pickle.loads(pickle.dumps(model)), problem, features)  # noqa: S301
    assert modelling.family_name(OWN) == "NearestCentre"


def test_estimator_of_scikit_learn_needs_no_converter() -> None:
    problem, features, labels = made(3, NUMBERS)
    family = "sklearn.naive_bayes:GaussianNB"
    model = modelling.build_model(with_candidate(problem, family=family), family=family, settings={})
    require_same(modelling.fit(model, features, labels), problem, features)


def test_own_estimator_without_a_converter_is_refused_at_the_export() -> None:
    problem, features, labels = made(2, NUMBERS)
    model = modelling.build_model(problem, family="tests.unit.own_models:Unconverted", settings={})
    modelling.fit(model, features, labels)
    with pytest.raises(DriftgateError, match=r"can't convert the estimator tests.unit.own_models.Unconverted"):
        export.to_onnx(model, problem.contract)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"family": "no_such_module:Model"},
            "can't be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ({"family": "tests.unit.own_models:Missing"}, "has no 'Missing'"),
        ({"family": "tests.unit.own_models:convert_nearest_centre"}, "not a class of scikit-learn estimators"),
        ({"family": "tests.unit.own_models:NoClassifier"}, "not a classifier"),
        ({"family": "tests.unit.own_models:NoProbabilities"}, "no predict_proba"),
        ({"family": "tests.unit.own_models:NeedsArguments"}, "can't be made without arguments"),
        ({"family": OWN, "converter": "tests.unit.own_models:missing"}, "has no 'missing'"),
        ({"family": OWN, "converter": "tests.unit.own_models:__name__"}, "is not a function"),
    ],
)
def test_unusable_estimator_is_an_error_that_says_why(fields: dict[str, str], message: str) -> None:
    problem = with_candidate(made(2, NUMBERS)[0], **fields)
    with pytest.raises(DriftgateError, match=message):
        modelling.require_families(problem)


@pytest.mark.parametrize("family", ["xgboost", "lightgbm", "catboost"])
def test_missing_library_is_an_error_that_says_what_to_install(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = with_candidate(made(2, NUMBERS)[0], family=family)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DriftgateError, match=f"'{family}' needs a library.*uv sync --extra boosting"):
        modelling.require_families(problem)


@pytest.mark.parametrize("family", [one for one in FAMILIES if one.values[0] in TREES])
def test_trees_take_categories_by_their_place_too(family: str) -> None:
    problem, features, labels = made(3, KINDS["categories"], rows=200)
    settings = {"categories": "ordinal", **QUICK.get(family, {})}
    model = modelling.fit(modelling.build_model(problem, family=family, settings=settings), features, labels)
    unseen = features.assign(c1="never seen")
    require_same(model, problem, pd.concat([features, unseen], ignore_index=True))


def test_many_classes_and_columns_get_a_narrow_encoding() -> None:
    columns = {f"c{at}": Column(type="category") for at in range(45)}
    problem, _, labels = made(50, NUMBERS, rows=200)
    problem = problem.model_copy(update={"contract": Contract(columns=columns)})
    draw = np.random.default_rng(0)
    features = pd.DataFrame({name: draw.choice([f"v{code}" for code in range(20)], 200) for name in columns}).astype(
        object
    )
    for family in ("logistic_regression", "random_forest"):
        settings = {"max_iter": 50} if family == "logistic_regression" else {"n_estimators": 5}
        model = modelling.fit(modelling.build_model(problem, family=family, settings=settings), features, labels)
        assert model[:-1].transform(features.head(1)).shape[1] <= 45 * 10
        require_same(model, problem, features)


def test_unknown_encoding_is_refused() -> None:
    problem = made(2, NUMBERS)[0]
    with pytest.raises(ValueError, match="categories must be target"):
        modelling.build_model(problem, family="logistic_regression", settings={"categories": "ordinal"})


SHALLOW = {family: {"max_depth": 3} for family in ("random_forest", "extra_trees", "xgboost", "lightgbm", "catboost")}


@pytest.mark.parametrize("family", FAMILIES)
def test_balanced_weights_raise_the_probability_of_a_rare_class(family: str) -> None:
    problem, features, labels = made(2, NUMBERS, rows=2000)
    keep = (labels == 0) | (np.arange(len(labels)) % 50 == 1)
    features, labels = features[keep], labels[keep]
    assert labels.mean() < 0.04
    fitted = []
    for weight in (None, "balanced"):
        settings = {**QUICK.get(family, {}), "class_weight": weight, **SHALLOW.get(family, {})}
        model = modelling.build_model(problem, family=family, settings=settings)
        fitted.append(
            modelling.predict_probability(modelling.fit(model, features, labels), features)[labels == 1].mean()
        )
    assert fitted[1] > fitted[0] + 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_fold_without_a_class_gives_it_the_probability_0(family: str) -> None:
    problem, features, labels = made(4, NUMBERS, rows=200)
    some = labels != 1
    model = modelling.build_model(problem, family=family, settings=QUICK.get(family, {}))
    modelling.fit(model, features[some], labels[some])
    probability = modelling.predict_probability(model, features, classes=4)
    assert probability.shape == (200, 4)
    assert (probability[:, 1] == 0).all()
    assert np.allclose(probability.sum(axis=1), 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_two_fits_give_the_same_bytes(family: str) -> None:
    problem, features, labels = made(3, KINDS["categories"], rows=200)
    made_twice = []
    for _ in range(2):
        model = modelling.build_model(problem, family=family, settings=QUICK.get(family, {}))
        made_twice.append(export.to_onnx(modelling.fit(model, features, labels), problem.contract))
    assert made_twice[0] == made_twice[1]


@given(st.lists(st.floats(-1e30, 1e30), min_size=1))
def test_threshold_rounded_down_splits_float32_as_the_exact_one(thresholds: list[float]) -> None:
    exact = np.array(thresholds)
    near = exact.astype(np.float32)
    for value in (near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))):
        assert np.array_equal(value <= exact, value <= below(exact))


def test_high_cardinality_stays_small_and_exact() -> None:
    problem, features, labels = made(2, NUMBERS | CATEGORIES, rows=40_000)
    features["c1"] = [f"customer {row % 20_000}" for row in range(len(features))]
    model = modelling.build_model(problem, family="hist_gradient_boosting", settings={"max_iter": 10})
    modelling.fit(model, features, labels)
    onnx = export.to_onnx(model, problem.contract)
    assert export.parity(model, onnx, features, contract=problem.contract, threshold=0.5).labels_differ == 0
    assert len(onnx) < 1_000_000


def test_wide_table() -> None:
    columns = {f"column {at}": Column(type="number") for at in range(1000)}
    problem = made(2, NUMBERS)[0].model_copy(update={"contract": Contract(columns=columns)})
    values = np.random.default_rng(0).normal(size=(200, 1000)).astype("float32")
    features = pd.DataFrame(values, columns=list(columns))
    labels = (values[:, 0] > 0).astype("int8")
    model = modelling.build_model(problem, family="logistic_regression", settings={})
    modelling.fit(model, features, labels)
    require_same(model, problem, features)


@pytest.mark.parametrize("family", FAMILIES)
def test_column_without_a_value_in_the_training_rows(family: str) -> None:
    """The newest column of a table may be empty in all rows of an early fold."""
    problem, features, labels = made(2, NUMBERS, rows=300)
    early = features.assign(n1=np.float32("nan"))
    model = modelling.fit(modelling.build_model(problem, family=family, settings=quick(family, 2)), early, labels)
    known, unknown = (modelling.predict_probability(model, rows) for rows in (features, early))
    assert np.isfinite(known).all()
    if family != "multilayer_perceptron":  # its random weights use the column
        assert np.allclose(known, unknown, atol=1e-6)
