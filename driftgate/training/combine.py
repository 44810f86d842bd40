"""Averages and calibrated models as one ONNX file: the members' graphs side by side, then the mean, then the calibrator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from driftgate.contract import Contract
from driftgate.training.calibration import (
    LOWEST,
    LOWEST_REST,
    CalibratedModel,
    Calibrator,
    Sigmoid,
    Temperature,
)
from driftgate.training.ensemble import AverageOfModels

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LABEL, PROBABILITIES = "label", "probabilities"


def is_combined(model: Any) -> bool:
    """Whether a model is an average or has a calibrator outside its pipeline."""
    return isinstance(model, AverageOfModels | CalibratedModel)


def to_onnx(model: Any, contract: Contract, *, convert: Callable[[Any, Contract], bytes]) -> bytes:
    """Convert an average, a calibrated model, or a calibrated average.

    Args:
        model: Fitted.
        contract: Its inputs.
        convert: Converts a pipeline. Its outputs are label, and probabilities of shape (n, classes).

    Returns:
        The bytes of a model with the same inputs and outputs as one of `convert`.
    """
    from onnx import load_from_string

    calibrator = model.calibrator if isinstance(model, CalibratedModel) else None
    inner = model.model if isinstance(model, CalibratedModel) else model
    pipelines = inner.models if isinstance(inner, AverageOfModels) else [inner]
    members = [load_from_string(convert(pipeline, contract)) for pipeline in pipelines]
    combined = _combine(members, calibrator)
    data: bytes = combined.SerializeToString(deterministic=True)
    return data


def _combine(members: list[ModelProto], calibrator: Calibrator | None) -> ModelProto:
    """One graph with the inputs and outputs of the first member."""
    from onnx import ModelProto

    first = members[0]
    inputs = {value.name for value in first.graph.input}
    own = "_"  # names inside begin as no input's does
    while any(name.startswith(own) for name in inputs):
        own += "_"
    combined = ModelProto()
    combined.CopyFrom(first)
    for field in ("node", "initializer", "value_info"):
        combined.graph.ClearField(field)
    for number, member in enumerate(members):
        _add_graph(combined, member, inputs, prefix=f"{own}{number}_")
    found = [f"{own}{number}_{member.graph.output[1].name}" for number, member in enumerate(members)]
    label, probabilities = (value.name for value in first.graph.output)
    nodes = _Nodes(combined, prefix=f"{own}mean_")
    scores = nodes.add("Mean", *found) if len(found) > 1 else found[0]
    if calibrator is not None:
        scores = _calibrated(nodes, nodes.to_double(scores), calibrator)
        scores = nodes.to_float(scores)
    nodes.add("ArgMax", scores, axis=1, keepdims=0, output=label)  # classes are the codes 0, 1 and so on
    nodes.add("Identity", scores, output=probabilities)
    return combined


def _add_graph(combined: ModelProto, member: ModelProto, inputs: set[str], *, prefix: str) -> None:
    """Add a member's nodes with a prefix to all names except those of the inputs."""

    def named(name: str) -> str:
        return name if name in inputs or not name else prefix + name

    versions = {opset.domain: opset.version for opset in combined.opset_import}
    for opset in member.opset_import:
        if opset.domain not in versions:
            combined.opset_import.add(domain=opset.domain, version=opset.version)
        elif versions[opset.domain] < opset.version:
            next(one for one in combined.opset_import if one.domain == opset.domain).version = opset.version
    for initializer in member.graph.initializer:
        added = combined.graph.initializer.add()
        added.CopyFrom(initializer)
        added.name = named(initializer.name)
    for node in member.graph.node:
        copied = combined.graph.node.add()
        copied.CopyFrom(node)
        copied.name = prefix + node.name
        copied.input[:] = [named(name) for name in node.input]
        copied.output[:] = [named(name) for name in node.output]


class _Nodes:
    """Adds nodes and constants to the graph of a model."""

    def __init__(self, model: ModelProto, *, prefix: str) -> None:
        self._graph, self._prefix, self._count = model.graph, prefix, 0

    def add(self, kind: str, *inputs: str | np.ndarray, output: str | None = None, **attributes: Any) -> str:
        """Add a node; arrays among the inputs become constants. Returns the name of its output."""
        from onnx import helper, numpy_helper

        names = []
        for given in inputs:
            if isinstance(given, str):
                names.append(given)
            else:
                names.append(self._name("constant"))
                self._graph.initializer.append(numpy_helper.from_array(np.asarray(given), names[-1]))
        output = output or self._name(kind.lower())
        node: NodeProto = helper.make_node(kind, names, [output], name=self._name("node"), **attributes)
        self._graph.node.append(node)
        return output

    def to_double(self, name: str) -> str:
        from onnx import TensorProto

        return self.add("Cast", name, to=TensorProto.DOUBLE)

    def to_float(self, name: str) -> str:
        from onnx import TensorProto

        return self.add("Cast", name, to=TensorProto.FLOAT)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}{kind}_{self._count}"


def _calibrated(nodes: _Nodes, probability: str, calibrator: Calibrator) -> str:
    """Add the nodes of a calibrator; `probability` has shape (n, classes) and is float64."""
    if isinstance(calibrator, Temperature):
        bounded = nodes.add("Max", probability, np.array(LOWEST))
        return nodes.add("Softmax", nodes.add("Mul", nodes.add("Log", bounded), np.array(calibrator.inverse)), axis=1)
    classes = len(calibrator.slope) if isinstance(calibrator, Sigmoid) else len(calibrator.starts)
    if classes == 1:
        probability = nodes.add("Gather", probability, np.array([1]), axis=1)
    line = _sigmoid if isinstance(calibrator, Sigmoid) else _isotonic
    scores = line(nodes, probability, calibrator)
    if classes == 1:
        return nodes.add("Concat", nodes.add("Sub", np.array(1.0), scores), scores, axis=1)
    return nodes.add("Div", scores, nodes.add("ReduceSum", scores, np.array([1]), keepdims=1))


def _sigmoid(nodes: _Nodes, probability: str, calibrator: Any) -> str:
    bounded = nodes.add("Log", nodes.add("Max", probability, np.array(LOWEST)))
    rest = nodes.add("Max", nodes.add("Sub", np.array(1.0), probability), np.array(LOWEST_REST))
    logit = nodes.add("Sub", bounded, nodes.add("Log", rest))
    score = nodes.add("Add", nodes.add("Mul", logit, calibrator.slope), calibrator.intercept)
    return nodes.add("Sigmoid", score)


def _isotonic(nodes: _Nodes, probability: str, calibrator: Any) -> str:
    """The sum over the pieces of the part of each that lies below the probability, times its slope."""
    above = nodes.add("Sub", nodes.add("Unsqueeze", probability, np.array([2])), calibrator.starts)
    covered = nodes.add("Min", nodes.add("Max", above, np.array(0.0)), calibrator.widths)
    line = nodes.add("ReduceSum", nodes.add("Mul", covered, calibrator.slopes), np.array([2]), keepdims=0)
    return nodes.add("Min", nodes.add("Max", line, np.array(LOWEST)), np.array(1 - LOWEST))
