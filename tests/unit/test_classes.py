"""Three to fifty classes, from the release to the service, its log and the tables that are read from it."""

import io
import json
import math
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from openapi_spec_validator import validate

from bentos.api.application import SHOWN_CLASSES, Service
from bentos.api.settings import Settings
from bentos.proof import differing
from cli.output.predictions import print_counts
from driftgate.errors import DriftgateError
from driftgate.production.log_lines import BadLine, parse_prediction
from driftgate.production.prediction_log import PREDICTIONS, segments
from driftgate.production.predictions import class_probabilities, count_predictions, read_predictions, write_predictions
from driftgate.production.proof import answered_probability, largest_gap
from driftgate.production.release import Card, Golden, Release, read_release, write_release
from driftgate.production.scoring import Scorer
from driftgate.results.predictions import PredictionsResult
from driftgate.training import export
from tests.unit import log_files
from tests.unit.classes import NUMBER, THREE, card_of, drawn, fitted
from tests.unit.test_api import TOKEN, ask
from tests.unit.test_release import CARD

FIFTY = (
    *(f"class {number}" for number in range(40)), "json", "__class__", "$ref", 'a "quote"', "größe", "two\nlines", "😀",
    "x" * 200, "probability", "Infinity",
)  # fmt: skip


@pytest.fixture(scope="module", params=[THREE, FIFTY], ids=["3", "50"])
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Release:
    return fitted(tmp_path_factory.mktemp("release") / "1", request.param, rows=600)


@pytest.fixture
def service(release: Release, tmp_path: Path) -> Iterator[Service]:
    running = serve(release, tmp_path / "log")
    yield running
    running.close()


def serve(release: Release, log: Path) -> Service:
    return Service(Settings(token=TOKEN, log=log, channel=None, release=release.folder))


def batch(service: Service, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = ask(service, "/predict/batch", json.dumps({"instances": rows}).encode())
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["predictions"]
    return found


def test_a_release_is_read_as_it_was_written(release: Release) -> None:
    assert read_release(release.folder) == release
    assert (release.card.positive_name, release.card.negative_name) == (None, None)
    assert release.scorer().probability_of_rows(release.golden.rows).tolist() == release.golden.probability


def test_every_answer_equals_the_offline_one(service: Service, release: Release) -> None:
    answers = batch(service, release.golden.rows)
    assert differing(answers, release) == 0
    for answer, expected in zip(answers, release.golden.probability, strict=True):
        assert list(answer["probabilities"].items()) == list(zip(release.card.classes, expected, strict=True))  # type: ignore[arg-type]
        best = int(np.argmax(expected))
        assert (answer["prediction"], answer["probability"]) == (release.card.classes[best], expected[best])  # type: ignore[index]
    row = release.golden.rows[0]
    alone = ask(service, "/predict", json.dumps(row).encode()).json
    assert list(alone["probabilities"].values()) == release.scorer().probability_of_rows([row])[0].tolist()


def test_a_wrong_golden_probability_or_class_is_found(service: Service, release: Release) -> None:
    answers = batch(service, release.golden.rows)
    first = release.card.classes[0]
    answers[0]["probabilities"][first] = math.nextafter(answers[0]["probabilities"][first], 1)
    answers[1]["probabilities"] = dict(reversed(answers[1]["probabilities"].items()))
    answers[2]["probabilities"]["other"] = answers[2]["probabilities"].pop(first)
    assert differing(answers, release) == 3


def test_the_log_has_every_class(service: Service, release: Release, tmp_path: Path) -> None:
    answers = batch(service, release.golden.rows)
    kept, classes = read_predictions(tmp_path / "log"), release.card.classes
    assert "probability" not in kept
    assert class_probabilities(kept, classes).tolist() == release.golden.probability
    assert kept["prediction_id"].tolist() == [answer["prediction_id"] for answer in answers]
    for name in ("table.parquet", "table.csv"):
        written = write_predictions(tmp_path / "log", tmp_path / name, since=None, until=None, label="last")
        assert written.rows == len(answers)
    table = pd.read_parquet(tmp_path / "table.parquet")
    assert class_probabilities(table, classes).tolist() == release.golden.probability
    header = pd.read_csv(tmp_path / "table.csv", nrows=0).columns
    assert {f"probability: {name}" for name in classes} <= set(header)


def test_a_label_is_one_of_the_classes(service: Service, release: Release, tmp_path: Path) -> None:
    row = release.golden.rows[0]
    names = [ask(service, "/predict", json.dumps(row).encode()).json["prediction_id"] for _ in release.card.classes]
    for name, label in zip(names, release.card.classes, strict=True):
        told = {"prediction_id": name, "label": unicodedata.normalize("NFD", label)}
        answer = ask(service, "/feedback", json.dumps(told).encode())
        assert (answer.status, answer.json["label"]) == (202, label)
    kept = read_predictions(tmp_path / "log").set_index("prediction_id")
    assert kept.loc[names, "label"].tolist() == list(release.card.classes)
    counts = count_predictions(tmp_path / "log")
    assert counts.by_label == dict.fromkeys(release.card.classes, 1)
    out = io.StringIO()
    print_counts(PredictionsResult.model_validate(counts), tmp_path, out)
    assert ("and 40 more" in out.getvalue()) == (len(release.card.classes) == 50)


def test_another_label_is_refused_with_few_names(service: Service, release: Release) -> None:
    told = {"prediction_id": "0190f3c1a2b-0123456789abcdef-0", "label": "none of them"}
    answer = ask(service, "/feedback", json.dumps(told).encode())
    (fault,) = answer.json["error"]["fields"]
    assert (answer.status, fault["field"]) == (422, "label")
    shown = fault["cause"].count(" or ") + 1
    few = len(release.card.classes) <= SHOWN_CLASSES
    assert shown == (len(release.card.classes) if few else SHOWN_CLASSES + 1)
    assert few or fault["cause"].endswith("one of 30 more classes")


def test_metrics_have_no_more_labels_than_classes(service: Service, release: Release) -> None:
    draw = np.random.default_rng(0)
    numbers = release.contract.numeric
    rows = [{**dict.fromkeys(numbers, float(value)), "garden": None} for value in draw.normal(0, 40, 500)]
    predicted = {answer["prediction"] for answer in batch(service, rows)}
    page = ask(service, "/metrics", method="GET").body.decode()
    counted = [line for line in page.splitlines() if line.startswith("driftgate_predictions_total")]
    assert len(predicted) <= len(counted) <= len(FIFTY) + len(THREE)


def test_the_description_names_every_class(service: Service, release: Release) -> None:
    document = ask(service, "/openapi.json", method="GET").json
    validate(document)
    found = document["components"]["schemas"]["Prediction"]["properties"]
    assert found["prediction"]["enum"] == list(found["probabilities"]["properties"]) == list(release.card.classes)
    assert ask(service, "/model/info", method="GET").json["classes"] == list(release.card.classes)


def test_mlflow_gives_a_column_for_each_class(release: Release, tmp_path: Path) -> None:
    import mlflow
    from onnx import load_from_string

    contract, classes = release.contract, release.card.classes
    model = load_from_string(export.for_tables(release.model, contract, classes))
    mlflow.onnx.save_model(model, str(tmp_path / "model"))
    rows = pd.DataFrame(release.golden.rows).astype(dict.fromkeys(contract.numeric, "float32"))
    told = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(rows)
    assert list(told) == export.table_outputs(contract, classes) == [f"probability: {name}" for name in classes]
    assert told.to_numpy().tolist() == release.golden.probability


@pytest.mark.parametrize("classes", [THREE, ("no", "yes")])
def test_mlflow_takes_a_single_column_and_any_of_its_names(classes: tuple[str, ...], tmp_path: Path) -> None:
    import mlflow
    from onnx import load_from_string

    made = drawn(tmp_path / "1", {"probability: setosa": NUMBER}, classes)
    model = load_from_string(export.for_tables(made.model, made.contract, classes))
    mlflow.onnx.save_model(model, str(tmp_path / "model"))
    told = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(pd.DataFrame(made.golden.rows))
    assert told.to_numpy().squeeze().tolist() == made.golden.probability
    assert list(told) == (["probability"] if len(classes) == 2 else [f"probability_: {name}" for name in classes])


def test_cards_of_older_releases_have_two_names() -> None:
    old = {key: value for key, value in CARD.model_dump(mode="json").items() if key != "classes"}
    assert Card.model_validate(old) == CARD
    assert CARD.classes == ("fails", "holds")
    assert card_of(("fails", "holds")) == CARD
    for wrong in (
        {"classes": ("a",)},
        {"classes": ("a", "b", "a")},
        {"classes": ("holds", "fails")},
        {"classes": THREE},
    ):
        with pytest.raises(ValueError, match="classes"):
            Card.model_validate({**old, **wrong})
    with pytest.raises(ValueError, match="classes"):
        Card.model_validate({**old, "positive_name": None})


def test_a_model_of_other_classes_than_its_card_is_refused(release: Release, tmp_path: Path) -> None:
    parts = {
        "model": release.model, "contract": release.contract, "ranges": release.ranges, "rows": release.golden.rows,
        "profile": b"{}", "sbom": b"{}",
    }  # fmt: skip
    for classes in (("no", "yes"), (*release.card.classes, "more")):
        with pytest.raises(DriftgateError, match=f"its card names {len(classes)}"):
            write_release(tmp_path / "1", card=card_of(classes), **parts)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_versions_with_other_classes_are_never_mixed(tmp_path: Path) -> None:
    """A log of a version with two classes, one with three, and one with a class more in another order."""
    four = ("virginica", "setosa", "new", "versicolor")
    columns = {"x": NUMBER}
    releases = [
        drawn(tmp_path / "two", columns, ("no", "yes"), version="1"), drawn(tmp_path / "three", columns, THREE, version="2"),
        drawn(tmp_path / "four", columns, four, version="3"),
    ]  # fmt: skip
    for release in releases:
        service = serve(release, tmp_path / "log")
        batch(service, release.golden.rows)
        service.close()
    kept = read_predictions(tmp_path / "log")
    for release in releases:
        rows = kept[kept["version"] == release.card.version]
        assert class_probabilities(rows, release.card.classes).tolist() == release.golden.probability
        others = kept[kept["version"] != release.card.version]
        assert np.isnan(class_probabilities(others, release.card.classes)).all()
    write_predictions(tmp_path / "log", tmp_path / "all.parquet", since=None, until=None, label="last")
    written = pd.read_parquet(tmp_path / "all.parquet")
    named = ["probability", *(f"probability: {name}" for name in (*THREE, "new"))]
    assert written.groupby("version")[named].count().gt(0).to_numpy().tolist() == [
        [True, False, False, False, False], [False, True, True, True, False], [False, True, True, True, True],
    ]  # fmt: skip


GOOD: dict[str, Any] = {**log_files.GOOD, "classes": list(THREE), "probability": [[0.2, 0.3, 0.5]]}
BAD: dict[str, dict[str, Any]] = {
    "lists without classes": {"classes": None},
    "classes without lists": {"probability": [0.5]},
    "two classes": {"classes": ["no", "yes"], "probability": [[0.5, 0.5]]},
    "class twice": {"classes": ["a", "b", "a"]},
    "class number": {"classes": ["a", "b", 3]},
    "class empty": {"classes": ["a", "b", ""]},
    "classes text": {"classes": "abc"},
    "too few": {"probability": [[0.5, 0.5]]},
    "too many": {"probability": [[0.25, 0.25, 0.25, 0.25]]},
    "text": {"probability": [[0.2, 0.3, "0.5"]]},
    "boolean": {"probability": [[True, 0, 0]]},
    "null": {"probability": [[0.2, None, 0.5]]},
    "above 1": {"probability": [[0.2, 0.3, 1.5]]},
    "below 0": {"probability": [[0.2, 0.3, -0.5]]},
    "mixed": {"probability": [[0.2, 0.3, 0.5], 0.5], "columns": {"x": [1, 2]}},
    "no rows": {"probability": [], "columns": {}},
    "columns of another length": {"probability": [[0.2, 0.3, 0.5]] * 2},
}


def test_bad_lines_of_classes_are_left_out_and_counted(tmp_path: Path) -> None:
    assert parse_prediction(json.dumps(GOOD).encode()).classes == THREE
    lines = [json.dumps({**GOOD, **wrong}).encode() for wrong in BAD.values()]
    without = {key: value for key, value in GOOD.items() if key != "classes"}
    for line in (*lines, json.dumps(without).encode()):
        with pytest.raises(BadLine, match=r"probabilit|classes|column"):
            parse_prediction(line)
    log_files.segment(tmp_path / "log", PREDICTIONS, [*lines, json.dumps(GOOD).encode()])
    counts = count_predictions(tmp_path / "log")
    assert (counts.predictions, counts.bad_lines) == (1, len(BAD))


def test_a_line_of_two_classes_is_as_before(tmp_path: Path) -> None:
    """To the byte: readers of other versions read these lines too."""
    made = drawn(tmp_path / "1", {"x": NUMBER}, ("no", "yes"))
    service = serve(made, tmp_path / "log")
    answer = ask(service, "/predict", b'{"x": 0.5}').json
    service.close()
    (segment,) = segments(tmp_path / "log", PREDICTIONS)
    name, p = answer["prediction_id"].removesuffix("-0"), answer["probability"]
    assert segment.read_text() == (
        f'{{"at":{int(name[:11], 16)},"request":"{name}","model":"rules","version":"1","arm":"champion",'
        f'"probability":[{p}],"columns":{{"x":[0.5]}}}}\n'
    )
    assert answer == {
        "prediction": "yes" if p >= 0.5 else "no", "probability": p, "probabilities": {"no": 1 - p, "yes": p},
        "model_version": "1", "prediction_id": f"{name}-0", "warnings": answer["warnings"],
    }  # fmt: skip


@pytest.mark.parametrize("classes", [THREE, ("no", "yes")])
def test_a_row_without_a_probability_is_refused(classes: tuple[str, ...], tmp_path: Path) -> None:
    """Numbers near the limit of float32 overflow in the model; an answer would be null, and its line unreadable."""
    made = drawn(tmp_path / "1", {f"x{at}": NUMBER for at in range(500)}, classes)
    service = serve(made, tmp_path / "log")
    good, huge = made.golden.rows[0], dict.fromkeys(made.contract.columns, 3e38)
    alone = ask(service, "/predict", json.dumps(huge).encode())
    several = ask(service, "/predict/batch", json.dumps({"instances": [good, huge, good]}).encode())
    service.close()
    for answer, place in ((alone, "body"), (several, "instances.1")):
        assert answer.status == 422, answer.body
        assert [fault["field"] for fault in answer.json["error"]["fields"]] == [place]
    assert segments(tmp_path / "log", PREDICTIONS) == []


def test_gaps_of_probabilities() -> None:
    assert largest_gap(0.25, 0.5) == 0.25
    assert largest_gap([0.5, 0.5, 0.0], [0.25, 0.5, 0.25]) == 0.25
    assert largest_gap([0.5, 0.5], [1.0]) == largest_gap(0.5, [0.5]) == math.inf
    answer = {"probability": 0.75, "probabilities": {"no": 0.25, "yes": 0.75}}
    assert answered_probability(answer, ("no", "yes")) == 0.75
    assert answered_probability(answer, ("yes", "no")) is None
    assert Golden(rows=[{}], probability=[0.75]).differing([None]) == 1


def test_a_scorer_of_three_classes_gives_a_row_for_each(release: Release) -> None:
    found = Scorer(release.model, release.contract).probability_of_rows(release.golden.rows[:2])
    assert found.shape == (2, len(release.card.classes))
    assert found.sum(axis=1) == pytest.approx(1)
