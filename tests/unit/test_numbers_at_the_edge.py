"""What a number may be in a request: no more than the model and every reader of the log take."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bentos.api.application import Service
from bentos.api.settings import Settings
from driftgate.config import load_problem
from driftgate.contract import MAXIMUM_INTEGER, MAXIMUM_NUMBER, Column, Contract, request_model
from driftgate.production.predictions import read_predictions, write_predictions
from driftgate.workspace import PROJECT
from tests.unit.test_api import TOKEN, ask
from tests.unit.test_release import make

ROW = {"f1": 0.1, "f2": 1.0, "f3": -2.0, "f4": 50.0, "f5": 3}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def service(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Of a contract that bounds its whole number nowhere."""
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    contract = Contract(columns={**problem.contract.columns, "f5": Column(type="integer")})
    release = make(tmp_path_factory.mktemp("open") / "1", problem.model_copy(update={"contract": contract}))
    started = Service(Settings(token=TOKEN, log=log, channel=None, release=release.folder))
    yield started
    started.close()


BEYOND = {
    "integer of 30 digits": ("f5", "1" + "0" * 29),
    "negative integer of 30 digits": ("f5", "-1" + "0" * 29),
    "integer just beyond": ("f5", str(MAXIMUM_INTEGER + 1)),
    "negative integer just beyond": ("f5", str(-MAXIMUM_INTEGER - 1)),
    "integer of 64 bits": ("f5", str(2**63)),
    "integer of 400 digits": ("f5", "9" * 400),
    "integer of 5,000 digits": ("f5", "9" * 5000),
    "integer with an exponent": ("f5", "1e3"),
    "integer with a point": ("f5", "3.0"),
    "integer as text": ("f5", '"3"'),
    "integer as boolean": ("f5", "true"),
    "number beyond float32": ("f1", "3.5e38"),
    "negative number beyond float32": ("f1", "-3.5e38"),
    "number of 40 digits": ("f1", "9" * 40),
    "number of 400 digits": ("f1", "9" * 400),
    "number of 5,000 digits": ("f1", "9" * 5000),
    "huge exponent": ("f1", "1e400"),
    "exponent of 400 digits": ("f1", "1e" + "9" * 400),
    "NaN": ("f1", "NaN"),
    "infinity": ("f1", "-Infinity"),
    "number as text": ("f1", '"0.5"'),
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_number_that_no_reader_takes_is_refused_and_not_kept(name: str, service: Service, log: Path) -> None:
    column, value = BEYOND[name]
    row = json.dumps({**ROW, column: "VALUE"}).replace('"VALUE"', value)
    kept = {path: path.stat().st_size for path in log.glob("predictions-*")}
    for path, body in (("/predict", row), ("/predict/batch", f'{{"instances": [{row}]}}')):
        answer = ask(service, path, body.encode())
        assert answer.status in (400, 422), answer.body
        assert answer.json["error"]["code"] in ("bad_json", "invalid")
    assert {path: path.stat().st_size for path in log.glob("predictions-*")} == kept


EXTREMES: dict[str, Any] = {
    "greatest integer": {"f5": MAXIMUM_INTEGER}, "least integer": {"f5": -MAXIMUM_INTEGER},
    "greatest number": {"f1": MAXIMUM_NUMBER}, "least number": {"f1": -MAXIMUM_NUMBER}, "tiny": {"f1": 1e-320},
    "number without a point": {"f1": 10**30},
}  # fmt: skip


def test_the_extremes_are_answered_and_read(service: Service, log: Path, tmp_path: Path) -> None:
    before = len(read_predictions(log))
    for name, change in EXTREMES.items():
        assert ask(service, "/predict", json.dumps({**ROW, **change}).encode()).status == 200, name
    assert len(read_predictions(log)) == before + len(EXTREMES)
    for ending in ("parquet", "csv"):
        out = tmp_path / f"all.{ending}"
        assert write_predictions(log, out, since=None, until=None, label="last").bad_lines == 0


@pytest.mark.parametrize(
    ("column", "taken", "refused"),
    [
        (Column(type="integer", minimum=-1e30, maximum=1e30), MAXIMUM_INTEGER, MAXIMUM_INTEGER + 1),
        (Column(type="integer", minimum=0.5, maximum=7.5), 7, 8),
        (Column(type="integer", minimum=0.5), 1, 0),
        (Column(type="number", maximum=1e300), MAXIMUM_NUMBER, 1e39),
        (Column(type="number", minimum=-1e300), -MAXIMUM_NUMBER, -1e39),
    ],
)
def test_a_contract_can_narrow_the_range_and_not_widen_it(column: Column, taken: float, refused: float) -> None:
    model = request_model(Contract(columns={"a": column}))
    model.model_validate({"a": taken})
    with pytest.raises(ValidationError):
        model.model_validate({"a": refused})


@pytest.mark.parametrize("bound", [float("nan"), float("inf"), float("-inf")])
def test_a_bound_is_a_number(bound: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Column(type="integer", maximum=bound)
