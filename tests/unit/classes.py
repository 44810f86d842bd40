"""Releases of three classes or more for tests, without a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from driftgate.contract import Column, Contract
from driftgate.data.table import features_of, rows_of
from driftgate.production.ranges import ranges_of
from driftgate.production.release import Card, Release, write_release
from driftgate.training import export
from tests.unit.test_release import CARD

NUMBER, CATEGORY = Column(type="number"), Column(type="category", nullable=True)
OPSET = 18  # of the models that are exported
THREE = ("setosa", "versicolor", "virginica")


def card_of(classes: Sequence[str], *, version: str = "1") -> Card:
    known = CARD.model_dump(exclude={"positive_name", "negative_name", "classes"})
    return Card(**{**known, "version": version, "classes": tuple(classes)})


def fitted(
    folder: Path,
    classes: Sequence[str],
    *,
    version: str = "1",
    rows: int = 600,
    seed: int = 0,
    columns: Sequence[str] = (),
) -> Release:
    """A release of a logistic regression that was fitted on drawn rows; it has numbers and a category."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    draw = np.random.default_rng(seed)
    labels = np.arange(rows) % len(classes)
    numbers = tuple(columns) or ("petal length (cm)", "petal width (cm)")
    frame = pd.DataFrame({name: labels * (0.1 + at) + draw.normal(size=rows) for at, name in enumerate(numbers)})
    frame["garden"] = np.array(["north", "south", "Zürich"])[draw.integers(0, 3, rows)]
    contract = Contract(columns={**dict.fromkeys(numbers, NUMBER), "garden": CATEGORY})
    parts = ColumnTransformer(
        [("n", StandardScaler(), list(numbers)), ("c", OneHotEncoder(handle_unknown="ignore"), ["garden"])]
    )
    model = make_pipeline(parts, LogisticRegression(max_iter=200)).fit(features_of(frame, contract), labels)
    return write_release(
        folder, model=export.to_onnx(model, contract), contract=contract, card=card_of(classes, version=version),
        ranges=ranges_of(frame, contract), rows=rows_of(frame.head(64), contract), profile=b"{}", sbom=b"{}",
    )  # fmt: skip


def drawn(
    folder: Path, columns: Mapping[str, Column], classes: Sequence[str], *, rows: int = 8, version: str = "1"
) -> Release:
    """A release of a linear model with drawn weights, for any number of columns and classes; it is made without fitting."""
    contract = Contract(columns=dict(columns))
    frame = pd.DataFrame(
        {name: _values(column, rows, at) for at, (name, column) in enumerate(contract.columns.items())}
    )
    return write_release(
        folder, model=linear(contract, classes=len(classes)), contract=contract, card=card_of(classes, version=version),
        ranges=ranges_of(frame, contract), rows=rows_of(frame, contract), profile=b"{}", sbom=b"{}",
    )  # fmt: skip


def linear(contract: Contract, *, classes: int) -> bytes:
    """An ONNX model with the inputs and outputs of an exported one: softmax of the numbers; it takes no notice of texts."""
    from onnx import TensorProto, helper

    numbers, draw = contract.numeric, np.random.default_rng(0)
    weights = draw.normal(size=(len(numbers), classes)).astype(np.float32)
    nodes = [
        helper.make_node("Concat", numbers, ["\n all"], axis=1),
        helper.make_node("MatMul", ["\n all", "\n weights"], ["\n scores"]),
        helper.make_node("Softmax", ["\n scores"], ["\n probabilities"], axis=1),
        helper.make_node("ArgMax", ["\n scores"], ["\n label"], axis=1, keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.STRING if column.is_category else TensorProto.FLOAT, [None, 1])
        for name, column in contract.inputs.items()
    ]
    outputs = [
        helper.make_tensor_value_info("\n label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("\n probabilities", TensorProto.FLOAT, [None, classes]),
    ]
    weight = helper.make_tensor("\n weights", TensorProto.FLOAT, weights.shape, weights.ravel())
    graph = helper.make_graph(nodes, "linear", inputs, outputs, [weight])
    model: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", export.OPSETS[""])], ir_version=9
    ).SerializeToString()
    return model


def _values(column: Column, rows: int, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    if column.is_category:
        return np.array(column.categories or ("a", "b"))[draw.integers(0, 2, rows)]
    return draw.integers(0, 2, rows) if column.type == "integer" else draw.normal(size=rows)
