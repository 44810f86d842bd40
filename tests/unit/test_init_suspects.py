"""Columns that give the target away, and those that only seem to."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from driftgate.init.choices import Choices
from driftgate.init.suspects import Suspect, find_suspects
from driftgate.init.target import find_target
from tests.typed import typed

ROWS = 2000


def suspects(y: Any, **columns: Any) -> dict[str, Suspect]:
    table = typed(pd.DataFrame({"y": y, **columns}))
    target = find_target(table, Choices("y"))[0]
    timestamp = "at" if "at" in columns else None
    names = [name for name in columns if name != timestamp]
    return {found.column: found for found in find_suspects(table, target, names, timestamp=timestamp)}


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(1)


def flipped(y: np.ndarray, draw: np.random.Generator, share: float) -> np.ndarray:
    return np.where(draw.random(len(y)) < share, 1 - y, y)


@pytest.mark.parametrize("positives", [0.5, 0.1, 0.01])
def test_copy_is_left_out_however_rare_the_class(draw: np.random.Generator, positives: float) -> None:
    y = (np.arange(ROWS) < positives * ROWS).astype(int)
    found = suspects(y, copy=np.where(y, "Y", "N"), noise=draw.normal(size=ROWS))
    assert set(found) == {"copy"}
    assert found["copy"].left_out
    assert "every row" in found["copy"].text


def test_nearly_a_copy_is_left_out(draw: np.random.Generator) -> None:
    y = draw.integers(0, 2, ROWS)
    found = suspects(y, copy=flipped(y, draw, 0.03), shifted=y * 2.0 + draw.normal(scale=0.45, size=ROWS))
    assert found["copy"].left_out
    assert "nearly a copy" in found["copy"].text
    assert found["shifted"].left_out
    assert "ROC AUC" in found["shifted"].text


def test_copy_of_several_classes_is_left_out(draw: np.random.Generator) -> None:
    y = draw.choice(["a", "b", "c"], ROWS)
    code = pd.Series(y).map({"a": 7, "b": 1, "c": 3})
    fine = code * 10 + draw.integers(0, 5, ROWS)
    found = suspects(y, code=code, fine=fine, half=np.where(y == "a", "a", draw.choice(["b", "c"], ROWS)))
    assert {name for name, suspect in found.items() if suspect.left_out} == {"code", "fine"}


def test_town_that_decides_the_county_is_left_out(draw: np.random.Generator) -> None:
    town = draw.integers(0, 150, ROWS)
    assert suspects(np.where(town % 3, "north", "south"), town=[f"town {number}" for number in town])["town"].left_out


def test_strong_feature_is_kept_and_told(draw: np.random.Generator) -> None:
    y = draw.integers(0, 2, ROWS)
    found = suspects(y, score=y + draw.normal(scale=0.38, size=ROWS))["score"]
    assert (found.left_out, found.code) == (False, "strong_feature")


def test_outcome_by_its_name_is_left_out(draw: np.random.Generator) -> None:
    y = draw.integers(0, 2, ROWS)
    values = y + draw.normal(scale=0.6, size=ROWS)
    found = suspects(y, final_status=values, score=values)
    assert set(found) == {"final_status"}
    assert found["final_status"].code == "known_after_the_fact"


@pytest.mark.parametrize("positives", [0.5, 0.1])
def test_value_of_one_class_alone_is_left_out(draw: np.random.Generator, positives: float) -> None:
    y = (draw.random(ROWS) < positives).astype(int)
    amount = pd.Series(draw.normal(size=ROWS)).where((y == 1) & (draw.random(ROWS) < 0.4))
    found = suspects(y, refund=amount, gaps=pd.Series(draw.normal(size=ROWS)).where(draw.random(ROWS) < 0.4))
    assert set(found) == {"refund"}
    assert "whether it has a value" in found["refund"].text


def test_date_after_the_timestamp_is_left_out(draw: np.random.Generator) -> None:
    at = pd.Series(pd.date_range("2023-01-01", periods=ROWS, freq="h"))
    found = suspects(draw.integers(0, 2, ROWS), at=at, closed=at + pd.Timedelta(days=3))
    assert found["closed"].code == "known_after_the_fact"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows", [60, 300])
def test_noise_of_a_small_table_is_not_suspected(seed: int, rows: int) -> None:
    draw = np.random.default_rng(seed)
    y = (np.arange(rows) % 6 == 0).astype(int)
    columns: dict[str, Any] = {f"n{number}": draw.normal(size=rows) for number in range(20)}
    columns |= {f"c{number}": draw.choice(list("abcdefgh"), rows) for number in range(10)}
    columns |= {f"m{number}": pd.Series(draw.normal(size=rows)).where(draw.random(rows) < 0.7) for number in range(10)}
    assert suspects(y, **columns) == {}


def test_petals_of_iris_are_not_suspected() -> None:
    from sklearn.datasets import load_iris

    data = load_iris(as_frame=True)
    columns = {name: data.data[name] for name in data.data}
    assert suspects(data.target, **columns) == {}


def test_cells_of_breast_cancer_are_kept() -> None:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    found = suspects(data.target, **{name: data.data[name] for name in data.data})
    assert found
    assert not any(suspect.left_out for suspect in found.values())
