"""Convert the trained pipeline to ONNX, measure whether both predict the same, and time the prediction of one row."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from driftgate.contract import Contract
from driftgate.production.scoring import Scorer
from driftgate.training import combine
from driftgate.training.families.converters import exact_trees, quick_lookup, register_converters
from driftgate.training.modelling import predict_probability
from driftgate.training.parity import ParityResult

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OPSETS = {"": 18, "ai.onnx.ml": 3}
WARM_UP_CALLS = 100
TIMED_CALLS = 1000
BATCH_ROWS = 1000
BATCH_CALLS = 30
BATCH_SECONDS = 2.0
TIE = 1e-6  # two probabilities that are closer are a tie: float32 can't tell which is higher


def to_onnx(model: Any, contract: Contract) -> bytes:
    """Convert a fitted pipeline.

    Args:
        model: Takes a DataFrame of the contract's columns.
        contract: Each column becomes one input of shape (n, 1): float32, or string for a category.

    Returns:
        The bytes of a model with two outputs: label, and probabilities of shape (n, classes), float32.
    """
    if combine.is_combined(model):
        return combine.to_onnx(model, contract, convert=to_onnx)
    from skl2onnx import to_onnx as convert
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    inputs = [
        (name, (StringTensorType if column.is_category else FloatTensorType)([None, 1]))
        for name, column in contract.inputs.items()
    ]
    register_converters(model, converter=getattr(model, "onnx_converter", None))
    with exact_trees(), quick_lookup():
        exported = convert(model, initial_types=inputs, options={"zipmap": False}, target_opset=OPSETS)
    _name_inputs(exported.graph, list(contract.inputs))
    exported.graph.doc_string = ""
    # They come in the order of a set, which differs from process to process: the same model must have the same bytes.
    opsets = sorted(exported.opset_import, key=lambda opset: opset.domain)
    del exported.opset_import[:]
    exported.opset_import.extend(opsets)
    data: bytes = exported.SerializeToString(deterministic=True)
    return data


def _name_inputs(graph: Any, names: list[str]) -> None:
    """Give the inputs the columns' own names: the converter changes those that are no identifiers.

    Any other value of the graph that has the name of a column, such as its output `label`, gets another name.
    """
    given = {value.name: name for value, name in zip(graph.input, names, strict=True)}
    inner = [part.name for part in graph.initializer] + [name for node in graph.node for name in node.output]
    wanted, used = set(names), {*inner, *names}
    for taken in dict.fromkeys(name for name in inner if name in wanted):
        given[taken] = f"{taken}_"
        while given[taken] in used:
            given[taken] += "_"
        used.add(given[taken])
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = given.get(value.name, value.name)
    for node in graph.node:
        for values in (node.input, node.output):
            for at, name in enumerate(values):
                values[at] = given.get(name, name)


def for_tables(onnx: bytes, contract: Contract, classes: Sequence[str]) -> bytes:
    """The same model in the form that MLflow's own scoring expects, which gives a table with one column for each output.

    MLflow's pyfunc flavour passes each column of a DataFrame as a flat array, or the only column as an array of shape
    (n, 1). It flattens every output. So there is an output of shape (n,) for each class.

    Args:
        onnx: A model of `to_onnx`.
        contract: Its columns.
        classes: The names of the classes, in the order of the model's probabilities.

    Returns:
        The bytes of a model whose outputs `table_outputs` names.
    """
    from onnx import TensorProto, compose, helper, load_from_string

    # Names of its own begin as no column's does.
    own = "_"
    while any(name.startswith(own) for name in (*contract.inputs, *classes)):
        own += "_"
    inner = f"{own}model_"
    model = compose.add_prefix(load_from_string(onnx), inner)
    probabilities = model.graph.output[1].name
    opsets, ir_version = list(model.opset_import), model.ir_version
    kind = {
        name: TensorProto.STRING if column.is_category else TensorProto.FLOAT
        for name, column in contract.inputs.items()
    }
    flat = len(contract.inputs) > 1
    shape, turned = ([None], ["Unsqueeze", f"{own}axis"]) if flat else ([None, 1], ["Identity"])
    columns = helper.make_graph(
        [helper.make_node(turned[0], [name, *turned[1:]], [f"{own}column_{name}"]) for name in contract.inputs],
        "columns",
        [helper.make_tensor_value_info(name, kind[name], shape) for name in contract.inputs],
        [helper.make_tensor_value_info(f"{own}column_{name}", kind[name], [None, 1]) for name in contract.inputs],
        [helper.make_tensor(f"{own}axis", TensorProto.INT64, [1], [1])] if flat else [],
    )
    # Of two classes, only the probability of the second one.
    outputs = table_outputs(contract, classes)
    codes = [1] if len(classes) == 2 else range(len(classes))
    places = [f"{own}positive"] if len(classes) == 2 else [f"{own}class_{code}" for code in codes]
    selected = helper.make_graph(
        [
            helper.make_node("Gather", [f"{own}both", place], [name], axis=1)
            for place, name in zip(places, outputs, strict=True)
        ],
        "positive",
        [helper.make_tensor_value_info(f"{own}both", TensorProto.FLOAT, [None, len(classes)])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in outputs],
        [helper.make_tensor(place, TensorProto.INT64, [], [code]) for place, code in zip(places, codes, strict=True)],
    )
    before, after = (
        helper.make_model(graph, opset_imports=opsets, ir_version=ir_version) for graph in (columns, selected)
    )
    whole = compose.merge_models(before, model, [(f"{own}column_{name}", f"{inner}{name}") for name in contract.inputs])
    whole = compose.merge_models(whole, after, [(probabilities, f"{own}both")], outputs=outputs)
    data: bytes = whole.SerializeToString(deterministic=True)
    return data


def table_outputs(contract: Contract, classes: Sequence[str]) -> list[str]:
    """The names of the outputs of `for_tables`: `probability` of the positive class, or one for each of more classes."""
    if len(classes) == 2:
        return ["probability"]
    start = "probability"
    while any(name.startswith(f"{start}: ") for name in contract.inputs):
        start += "_"
    return [f"{start}: {name}" for name in classes]


def parity(model: Any, onnx: bytes, features: pd.DataFrame, *, contract: Contract, threshold: float) -> ParityResult:
    """Compare the labels and probabilities of both models on all given rows."""
    import numpy as np

    expected = predict_probability(model, features)
    found = Scorer(onnx, contract).probability(features)
    return ParityResult(
        rows=len(features),
        labels_differ=_labels_differ(expected, found, threshold),
        largest_difference=float(np.abs(expected - found).max()),
    )


def _labels_differ(expected: np.ndarray, found: np.ndarray, threshold: float) -> int:
    """Rows whose predicted class differs, other than by a tie of two classes."""
    import numpy as np

    if expected.ndim == 1:
        differ = ((expected >= threshold) != (found >= threshold)) & (np.abs(expected - threshold) > TIE)
        return int(differ.sum())
    chosen = np.take_along_axis(expected, found.argmax(axis=1)[:, None], axis=1)[:, 0]
    return int((expected.max(axis=1) - chosen > TIE).sum())


def batch_rows_per_second(onnx: bytes, features: pd.DataFrame, *, contract: Contract) -> float:
    """How many rows the model predicts in a second, if it gets `BATCH_ROWS` at once; the median of some calls."""
    import numpy as np

    scorer = Scorer(onnx, contract)
    batch = features.iloc[np.arange(BATCH_ROWS) % len(features)]
    scorer.probability(batch)
    durations: list[float] = []
    while len(durations) < BATCH_CALLS and sum(durations) < BATCH_SECONDS:
        started = time.perf_counter()
        scorer.probability(batch)
        durations.append(time.perf_counter() - started)
    return float(BATCH_ROWS / np.median(durations))


def single_row_p99_ms(onnx: bytes, features: pd.DataFrame, *, contract: Contract) -> float:
    """The 99th percentile of the CPU time of predicting one row, in milliseconds, over `TIMED_CALLS` calls after a warm-up.

    It is CPU time, because other processes on the machine must not decide whether a model passes. The model runs on the thread
    that calls it.
    """
    import numpy as np

    scorer = Scorer(onnx, contract)
    rows = [{name: [values[name]] for name in contract.inputs} for values in features.head(200).to_dict("records")]
    durations = []
    for call in range(WARM_UP_CALLS + TIMED_CALLS):
        row = rows[call % len(rows)]
        started = time.thread_time()
        scorer.probability(row)
        durations.append(time.thread_time() - started)
    return float(np.quantile(durations[WARM_UP_CALLS:], 0.99) * 1000)
