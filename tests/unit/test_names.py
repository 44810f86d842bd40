"""Any printable name of a column works, from the problem file to the served answer."""

import json
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from pydantic import ValidationError

from bentos.api.application import Service
from bentos.api.openapi import REFERENCE
from bentos.api.settings import Settings
from driftgate.config import Problem
from driftgate.contract import Column, Contract, normal_text, request_fields, request_model
from driftgate.data.table import features_of, labels_of
from driftgate.evidence.tracking import allowed
from driftgate.production.predictions import features_of_log, read_predictions
from driftgate.production.release import Release
from driftgate.production.scoring import Scorer
from driftgate.training import export, modelling
from tests.families import FAMILIES
from tests.unit.classes import NUMBER, THREE, drawn
from tests.unit.test_api import TOKEN, ask
from tests.unit.test_release import make

NAMES = (
    "json", "model_config", "schema", "copy", "__class__", "__dict__", "model_dump", "model_fields", "self", "class",
    "f0", "f1", "_axis", "__axis", "order amount (€)", "größe", "a.b", "2nd %", "$x$", "<b>", "a/b", "label encoder", "変数", " padded ",
    "no\u00a0break",
    "$ref", "$defs", "Größe", "GRÖSSE", "F2", 'say "hi"', "it's", "back\\slash", "{x}", "%s", "😀", "a: b", "null", "Row", "at",
    "version", "feature_at", "probability: yes", "instances", "l" * 200, "é" * 200,
)  # fmt: skip


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, pd.DataFrame]:
    from driftgate.config import load_problem
    from driftgate.datasets import rules
    from driftgate.workspace import PROJECT

    problem, rows = load_problem(PROJECT / "configs" / "rules.yaml"), rules.build()
    columns = dict(problem.contract.columns)
    for at, name in enumerate(NAMES):
        rows[name] = rows["f2"] * (at + 1)
        columns[name] = Column(type="number")
    rows["Stadt des Käufers"] = np.where(rows["f1"] > 0, "Zürich", "NA")
    columns["Stadt des Käufers"] = Column(type="category", nullable=True, categories=("Zu\u0308rich", "NA"))
    rows["signed up"] = pd.Timestamp("2024-02-29 18:30") + pd.to_timedelta(rows["f4"] * 10, unit="D").dt.floor("s")
    rows.loc[::7, "signed up"] = pd.NaT
    columns["signed up"] = Column(type="date", nullable=True, parts=("month", "weekday", "hour", "days"))
    rows["review"] = np.where(rows["f1"] > 0, "Sehr gut, größe paßt", None)
    columns["review"] = Column(type="text", nullable=True, buckets=4)
    return problem.model_copy(update={"contract": Contract(columns=columns)}), rows


@pytest.fixture(scope="module")
def service(named: tuple[Problem, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Any:
    problem, rows = named
    folder = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.unit.test_release.rules.build", lambda: rows)
        release: Release = make(folder / "1", problem)
    running = Service(Settings(token=TOKEN, log=folder / "log", channel=None, release=release.folder))
    yield running
    running.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_takes_the_columns_by_their_names(
    family: str, named: tuple[Problem, pd.DataFrame], tmp_path: Path
) -> None:
    import mlflow
    from onnx import load_from_string

    problem, rows = named
    features, labels = features_of(rows, problem.contract), labels_of(rows, problem)
    model = modelling.fit(modelling.build_model(problem, family=family, settings={}), features, labels)
    onnx = export.to_onnx(model, problem.contract)
    assert {value.name for value in load_from_string(onnx).graph.input} == set(problem.contract.inputs)
    found = export.parity(model, onnx, features, contract=problem.contract, threshold=0.5)
    assert found.largest_difference <= problem.gate.parity
    mlflow.onnx.save_model(
        load_from_string(export.for_tables(onnx, problem.contract, problem.target.class_names)), str(tmp_path / "model")
    )
    told = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(features)
    expected = Scorer(onnx, problem.contract).probability(features)
    assert np.abs(told["probability"] - expected).max() <= problem.gate.parity


def test_the_service_answers_and_logs_by_the_names(service: Service) -> None:
    release = service._now().release
    row = release.golden.rows[0]
    answer = ask(service, "/predict", json.dumps(row).encode())
    assert answer.status == 200, answer.json
    # A row alone and in a batch may differ in the last bit of a float32.
    assert answer.json["probability"] == pytest.approx(release.golden.probability[0], abs=1e-6)
    assert ask(service, "/predict/batch", json.dumps({"instances": [row, row]}).encode()).status == 200
    logged = read_predictions(service.settings.log, since=None, until=None)  # type: ignore[arg-type]
    assert features_of_log(logged, row).iloc[0].to_dict() == row


def test_the_description_shows_the_names(service: Service) -> None:
    document = ask(service, "/openapi.json", method="GET").json
    validate(document)
    properties = document["components"]["schemas"]["Row"]["properties"]
    assert set(NAMES) - {REFERENCE} <= set(properties)
    assert list(document["components"]["schemas"]["Row"]["patternProperties"]) == [r"^\$ref$"]
    assert properties["größe"]["title"] == "größe"


@pytest.mark.parametrize("name", NAMES)
def test_errors_name_the_column(name: str, service: Service) -> None:
    row = service._now().release.golden.rows[0]
    answer = ask(service, "/predict", json.dumps({**row, name: "text"}).encode())
    assert (answer.status, [fault["field"] for fault in answer.json["error"]["fields"]]) == (422, [name])


def test_inner_names_are_not_taken(service: Service) -> None:
    row = dict(service._now().release.golden.rows[0])
    inner = request_fields(service._now().release.contract)["größe"]
    value = row.pop("größe")
    assert ask(service, "/predict", json.dumps({**row, "f999": value}).encode()).status == 422
    assert inner not in ("größe",)


def test_two_spellings_of_a_text_are_one_to_the_service(service: Service) -> None:
    row = service._now().release.golden.rows[0]
    answers = [
        ask(service, "/predict", json.dumps({**row, "Stadt des Käufers": spelling}).encode()).json["probability"]
        for spelling in ("Zürich", unicodedata.normalize("NFD", "Zürich"))
    ]
    assert answers[0] == answers[1]


def test_an_empty_text_is_a_missing_value_to_the_service(service: Service) -> None:
    row = service._now().release.golden.rows[0]
    answers = [
        ask(service, "/predict", json.dumps({**row, "Stadt des Käufers": value}).encode()).json["probability"]
        for value in ("", None)
    ]
    assert answers[0] == answers[1]
    strict = request_model(Contract(columns={"c": Column(type="category")}))
    with pytest.raises(ValidationError, match="at least 1 character"):
        strict(c="")
    open_one = request_model(Contract(columns={"c": Column(type="category", nullable=True)}))
    assert open_one(c="").model_dump() == {"c": None}


def test_words_are_values_to_the_service() -> None:
    model = request_model(Contract(columns={"c": Column(type="category", nullable=True)}))
    for word in ("NA", "None", "null", "nan"):
        assert model(c=word).model_dump() == {"c": word}


def test_equal_contracts_have_the_same_fields_in_any_order(named: tuple[Problem, pd.DataFrame]) -> None:
    contract = named[0].contract
    turned = Contract(columns=dict(reversed(contract.columns.items())))
    assert turned == contract
    assert request_fields(turned) == request_fields(contract)


@pytest.mark.parametrize("name", ["", "  ", "a\tb", "a\nb", "a\0b", "x" * 201])
def test_name_that_can_not_be_written_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="printable characters"):
        Contract(columns={name: Column(type="number")})


def test_two_spellings_of_a_name_are_one_column() -> None:
    decomposed = unicodedata.normalize("NFD", "größe")
    assert Contract(columns={decomposed: Column(type="number")}).features == ["größe"]
    with pytest.raises(ValidationError, match="occurs twice"):
        Contract(columns={decomposed: Column(type="number"), "größe": Column(type="number")})


@pytest.mark.parametrize(
    ("categories", "words"),
    [([False, "DE"], "put it in quotes"), ([None], "put it in quotes"), (["", "DE"], "nullable: true"),
     (["é", "e\u0301"], "occurs twice"), ([1.5], "put it in quotes")],
)  # fmt: skip
def test_category_that_is_no_text_is_refused(categories: list[Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Column.model_validate({"type": "category", "categories": categories})


def test_mlflow_takes_every_name() -> None:
    from mlflow.utils.validation import _validate_metric_name

    made = [allowed(f"distance.{name}") for name in (*NAMES, "a/../b", "x" * 300)]
    for name in made:
        _validate_metric_name(name)
    assert len(set(made)) == len(made)
    assert allowed("distance.wx_temp") == "distance.wx_temp"


PRINTABLE = st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Zs")), min_size=1, max_size=200)


@settings(max_examples=25, deadline=None)
@given(names=st.lists(PRINTABLE.map(normal_text), min_size=1, max_size=4, unique=True), classes=st.sampled_from([2, 3]))
def test_any_printable_name_is_served_logged_and_refused_by_name(names: list[str], classes: int) -> None:
    names = [name for name in names if len(name) <= 200]
    assume(names)
    with tempfile.TemporaryDirectory() as folder:
        made = drawn(Path(folder) / "1", {"x": NUMBER, **dict.fromkeys(names, NUMBER)}, THREE[:classes], rows=2)
        service = Service(Settings(token=TOKEN, log=Path(folder) / "log", channel=None, release=made.folder))
        try:
            row = made.golden.rows[0]
            body = {unicodedata.normalize("NFD", name): value for name, value in row.items()}
            answer = ask(service, "/predict", json.dumps(body).encode())
            assert answer.status == 200, answer.body
            wrong = ask(service, "/predict", json.dumps({**row, "x": 1e30, **dict.fromkeys(names, True)}).encode())
            # Each of the names has a wrong type, also where one is "x".
            assert (wrong.status, {fault["field"] for fault in wrong.json["error"]["fields"]}) == (422, set(names))
            warned = ask(service, "/predict", json.dumps(dict.fromkeys(row, 1e30)).encode()).json["warnings"]
            assert warned == [f"{name}: a value that was not in the training data" for name in row]
            validate(ask(service, "/openapi.json", method="GET").json)
            logged = read_predictions(Path(folder) / "log")
            assert features_of_log(logged, row).iloc[0].to_dict() == row
        finally:
            service.close()


def test_two_spellings_of_a_name_in_one_row_are_refused(service: Service) -> None:
    row = service._now().release.golden.rows[0]
    twice = {**row, unicodedata.normalize("NFD", "größe"): 1.0}
    answer = ask(service, "/predict", json.dumps(twice).encode())
    assert (answer.status, answer.json["error"]["fields"][0]["field"]) == (422, "body")


def test_names_that_differ_in_case_are_different_columns(service: Service) -> None:
    row = dict(service._now().release.golden.rows[0])
    row["GRÖSSE"] = "text"
    answer = ask(service, "/predict", json.dumps(row).encode())
    assert [fault["field"] for fault in answer.json["error"]["fields"]] == ["GRÖSSE"]


def test_a_long_list_of_categories_is_cut_in_an_error(tmp_path: Path) -> None:
    many = Column(type="category", categories=tuple(f"category {number}" for number in range(2000)))
    made = drawn(tmp_path / "1", {"x": NUMBER, "c": many}, ("no", "yes"))
    service = Service(Settings(token=TOKEN, log=None, channel=None, release=made.folder))
    answer = ask(service, "/predict", b'{"x": 1, "c": "none of them"}')
    assert answer.status == 422
    assert len(answer.body) < 2000
    assert "category 0" in answer.json["error"]["fields"][0]["cause"]


def test_two_thousand_columns_are_served(tmp_path: Path) -> None:
    """Rows of more than 64 KiB; the names alone need as much."""
    columns = {f"{number:>4} {'column' * 10}".strip(): NUMBER for number in range(2000)}
    made = drawn(tmp_path / "1", columns, THREE, rows=2)
    service = Service(Settings(token=TOKEN, log=tmp_path / "log", channel=None, release=made.folder))
    row = made.golden.rows[0]
    body = json.dumps(row).encode()
    assert len(body) > 2**17
    answer = ask(service, "/predict", body)
    assert list(answer.json["probabilities"].values()) == made.scorer().probability_of_rows([row])[0].tolist()
    service.close()
    assert features_of_log(read_predictions(tmp_path / "log"), row).iloc[0].to_dict() == row
