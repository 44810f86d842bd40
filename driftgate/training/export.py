"""Convert the trained pipeline to ONNX, measure whether both predict the same, and time the prediction of one row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from driftgate.contract import Contract
from driftgate.production.scoring import Scorer
from driftgate.training.modelling import predict_probability
from driftgate.training.parity import ParityResult

if TYPE_CHECKING:
    import pandas as pd

OPSET = 18
WARM_UP_CALLS = 100
TIMED_CALLS = 1000


def to_onnx(model: Any, contract: Contract) -> bytes:
    """Convert a fitted pipeline.

    Args:
        model: Takes a DataFrame of the contract's columns.
        contract: Each column becomes one input of shape (n, 1): float32, or string for a category.

    Returns:
        The bytes of a model with two outputs: label, and probabilities of shape (n, 2).
    """
    from skl2onnx import to_onnx as convert
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    inputs = [
        (name, (StringTensorType if column.is_category else FloatTensorType)([None, 1]))
        for name, column in contract.inputs.items()
    ]
    with _whole_number_missing_flags():
        exported = convert(model, initial_types=inputs, options={"zipmap": False}, target_opset=OPSET)
    _name_inputs(exported.graph, list(contract.inputs))
    exported.graph.doc_string = ""
    # They come in the order of a set, which differs from process to process: the same model must have the same bytes.
    opsets = sorted(exported.opset_import, key=lambda opset: opset.domain)
    del exported.opset_import[:]
    exported.opset_import.extend(opsets)
    data: bytes = exported.SerializeToString(deterministic=True)
    return data


def _name_inputs(graph: Any, names: list[str]) -> None:
    """Give the inputs the columns' own names: the converter changes those that are no identifiers."""
    given = {value.name: name for value, name in zip(graph.input, names, strict=True) if value.name != name}
    for value in graph.input:
        value.name = given.get(value.name, value.name)
    for node in graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = given.get(name, name)


def for_tables(onnx: bytes, contract: Contract) -> bytes:
    """The same model in the form that MLflow's own scoring expects: one input of shape (n,) per column, one output of shape (n,).

    MLflow's pyfunc flavour passes each column of a DataFrame as a flat array, and flattens every output.

    Args:
        onnx: A model of `to_onnx`.
        contract: Its columns.

    Returns:
        The bytes of a model with a single output, `probability`: that of the positive class.
    """
    from onnx import TensorProto, compose, helper, load_from_string

    # Names of its own begin as no column's does.
    own = "_"
    while any(name.startswith(own) for name in contract.inputs):
        own += "_"
    inner = f"{own}model_"
    model = compose.add_prefix(load_from_string(onnx), inner)
    probabilities = model.graph.output[1].name
    opsets, ir_version = list(model.opset_import), model.ir_version
    kind = {
        name: TensorProto.STRING if column.is_category else TensorProto.FLOAT
        for name, column in contract.inputs.items()
    }
    columns = helper.make_graph(
        [helper.make_node("Unsqueeze", [name, f"{own}axis"], [f"{own}column_{name}"]) for name in contract.inputs],
        "columns",
        [helper.make_tensor_value_info(name, kind[name], [None]) for name in contract.inputs],
        [helper.make_tensor_value_info(f"{own}column_{name}", kind[name], [None, 1]) for name in contract.inputs],
        [helper.make_tensor(f"{own}axis", TensorProto.INT64, [1], [1])],
    )
    positive = helper.make_graph(
        [helper.make_node("Gather", [f"{own}both", f"{own}positive"], ["probability"], axis=1)],
        "positive",
        [helper.make_tensor_value_info(f"{own}both", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None])],
        [helper.make_tensor(f"{own}positive", TensorProto.INT64, [], [1])],
    )
    before, after = (
        helper.make_model(graph, opset_imports=opsets, ir_version=ir_version) for graph in (columns, positive)
    )
    whole = compose.merge_models(before, model, [(f"{own}column_{name}", f"{inner}{name}") for name in contract.inputs])
    whole = compose.merge_models(whole, after, [(probabilities, f"{own}both")], outputs=["probability"])
    data: bytes = whole.SerializeToString(deterministic=True)
    return data


def parity(model: Any, onnx: bytes, features: pd.DataFrame, *, contract: Contract, threshold: float) -> ParityResult:
    """Compare the labels and probabilities of both models on all given rows."""
    import numpy as np

    expected = predict_probability(model, features)
    found = Scorer(onnx, contract).probability(features)
    return ParityResult(
        rows=len(features),
        labels_differ=int(((expected >= threshold) != (found >= threshold)).sum()),
        largest_difference=float(np.abs(expected - found).max()),
    )


def single_row_p99_ms(onnx: bytes, features: pd.DataFrame, *, contract: Contract) -> float:
    """The 99th percentile, in milliseconds, of predicting one row at a time, over `TIMED_CALLS` calls after a warm-up."""
    import numpy as np

    scorer = Scorer(onnx, contract)
    rows = [{name: [values[name]] for name in contract.inputs} for values in features.head(200).to_dict("records")]
    durations = []
    for call in range(WARM_UP_CALLS + TIMED_CALLS):
        row = rows[call % len(rows)]
        started = time.perf_counter()
        scorer.probability(row)
        durations.append(time.perf_counter() - started)
    return float(np.quantile(durations[WARM_UP_CALLS:], 0.99) * 1000)


@contextmanager
def _whole_number_missing_flags() -> Iterator[None]:
    """Pass the flag for missing values to ONNX as 0 or 1.

    skl2onnx 1.20 passes on the numpy booleans of histogram gradient boosting, which protobuf 7 refuses in
    a list of integers.
    """
    from skl2onnx.common import tree_ensemble

    original = tree_ensemble.add_node
    flag = "nodes_missing_value_tracks_true"

    def add_node(*args: Any, **keywords: Any) -> Any:
        return original(*args, **{**keywords, flag: int(keywords.get(flag, 0))})

    tree_ensemble.add_node = add_node
    try:
        yield
    finally:
        tree_ensemble.add_node = original
