"""Drift of tables whose rows belong to entities: whole entities arrive, and their rows resemble each other."""

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.contract import Column
from driftgate.drift.entities import design_effects
from tests.unit.test_drift_any_table import checked, fitted, problem_of

ENTITIES, ROWS = 60, 25
COLUMNS = {"of entity": Column(type="number"), "kind": Column(type="category"), "of row": Column(type="number")}


def rows_of(seed: int, entities: int = ENTITIES) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    entity = np.repeat(np.arange(entities), ROWS)
    return pd.DataFrame(
        {
            "who": [f"e{seed}-{number}" for number in entity],
            "of entity": draw.normal(size=entities)[entity],
            "kind": draw.choice(["a", "b", "c"], entities)[entity],
            "of row": draw.normal(size=len(entity)),
            "target": draw.choice(["a", "b"], len(entity)),
        }
    )


@pytest.fixture
def problem() -> Problem:
    plain = problem_of(COLUMNS, classes=2, timestamp=False)
    return plain.model_copy(update={"data": plain.data.model_copy(update={"group": "who"})})


def test_design_effect_is_the_rows_of_an_entity_where_they_are_alike() -> None:
    rows = rows_of(0)
    found = design_effects(rows, [*COLUMNS, "target"], rows["who"])
    assert found["of entity"] == pytest.approx(ROWS)
    assert found["kind"] == pytest.approx(ROWS)
    assert 1 <= found["of row"] < 1.5
    assert 1 <= found["target"] < 1.5


def test_design_effect_of_rows_alone_is_one() -> None:
    rows = rows_of(0)
    assert set(design_effects(rows, list(COLUMNS), pd.Series(range(len(rows)))).values()) == {1.0}
    assert set(design_effects(rows, list(COLUMNS), pd.Series(["one"] * len(rows))).values()) == {1.0}


def test_other_entities_are_no_drift(problem: Problem) -> None:
    """Without the design effect, nearly every batch of other entities drifts."""
    drifted = {True: 0, False: 0}
    for seed in range(10):
        reference, batch = rows_of(2 * seed), rows_of(2 * seed + 1, entities=15)
        profile = fitted(reference, problem, classes=2)
        for known in drifted:
            used = profile if known else profile.model_copy(update={"design": {}})
            analysis, _ = checked(batch, problem, used, classes=2)
            drifted[known] += any(column.state != "stable" for column in analysis.drift.columns)
    assert drifted[True] <= 1
    assert drifted[False] >= 5


def test_shift_of_every_row_is_found(problem: Problem) -> None:
    reference, batch = rows_of(0), rows_of(1, entities=20)
    batch["of row"] += 1
    batch["of entity"] += 4
    analysis, _ = checked(batch, problem, fitted(reference, problem, classes=2), classes=2)
    states = {column.name: column.state for column in analysis.drift.columns}
    assert states["of row"] != "stable"
    assert states["of entity"] != "stable"
