"""How estimators and preprocessing that skl2onnx doesn't know, or knows only in part, convert to ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from driftgate.errors import DriftgateError
from driftgate.training.families.own import load_converter

Convert = Callable[[Any, Any, Any], None]


def register_converters(model: Any, *, converter: str | None = None) -> None:
    """Register with skl2onnx the converters of all parts of a fitted pipeline.

    Args:
        model: A pipeline of `build_model`.
        converter: The dotted path of the converter of the user's own estimator, if it needs one.

    Raises:
        DriftgateError: If an estimator has no converter.
    """
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    _register_transformers()
    estimator = base_estimator(model)
    kind = type(estimator)
    convert = load_converter(converter) if converter else _converter_of(kind)
    if convert is not None:
        options: dict[str, list[Any]] = {"zipmap": [True, False], "nocl": [True, False]}
        update_registered_converter(
            kind,
            f"Driftgate{kind.__name__}",
            calculate_linear_classifier_output_shapes,
            convert,
            parser=_parser,
            options=options | ({"raw_scores": [True, False]} if hasattr(kind, "decision_function") else {}),
        )
    elif not _is_known(kind):
        raise DriftgateError(
            f"skl2onnx can't convert the estimator {kind.__module__}.{kind.__name__} to ONNX.",
            "Name a function that converts it in the candidate's `converter`.",
        )


def _parser(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """The outputs of a classifier: label and probabilities."""
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    operator = scope.declare_local_operator(f"Driftgate{type(model).__name__}", model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", FloatTensorType()))
    return list(operator.outputs)


def base_estimator(model: Any) -> Any:
    """The estimator at the end of a pipeline, without its calibration."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    calibrated = getattr(last, "calibrated_classifiers_", None)
    return calibrated[0].estimator if calibrated else last


def _is_known(kind: type[Any]) -> bool:
    from skl2onnx._supported_operators import sklearn_operator_name_map

    return kind in sklearn_operator_name_map


def _converter_of(kind: type[Any]) -> Convert | None:
    """The converter of a built-in family for which skl2onnx's own, if there is one, doesn't do."""
    return {
        "LogisticRegression": _logistic_regression,
        "ExtraTreesClassifier": _extra_trees,
        "MultilayerPerceptron": _perceptron,
        "XGBoost": _xgboost,
        "LGBMClassifier": _lightgbm,
        "CatBoostClassifier": _catboost,
    }.get(kind.__name__)


def _extra_trees(scope: Any, operator: Any, container: Any) -> None:
    """skl2onnx's own with its default options; calibration would ask for raw scores, which extra trees don't have."""
    from skl2onnx.operator_converters.random_forest import convert_sklearn_random_forest_classifier

    with _replaced(container, "get_options", lambda model, default, **_: default):
        convert_sklearn_random_forest_classifier(scope, operator, container)


def _xgboost(scope: Any, operator: Any, container: Any) -> None:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    convert_xgboost(scope, operator, container)


def _lightgbm(scope: Any, operator: Any, container: Any) -> None:
    """onnxmltools' own, with thresholds rounded down, as LightGBM's are float64, and with raw scores for calibration."""
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    add_node = container.add_node
    raw = container.get_options(operator.raw_operator, {"raw_scores": False})["raw_scores"]

    def changed(*arguments: Any, **attributes: Any) -> Any:
        if "nodes_values" in attributes:
            attributes["nodes_values"] = [float(value) for value in below(attributes["nodes_values"])]
            attributes["post_transform"] = "NONE" if raw else attributes["post_transform"]
        return add_node(*arguments, **attributes)

    with _replaced(container, "add_node", changed):
        convert_lightgbm(scope, operator, container)


def _catboost(scope: Any, operator: Any, container: Any) -> None:
    """The trees of CatBoost's own export."""
    from catboost.utils import convert_to_onnx_object
    from onnx import helper

    trees = convert_to_onnx_object(operator.raw_operator).graph.node[0]
    attributes = {item.name: helper.get_attribute_value(item) for item in trees.attribute}
    attributes["classlabels_int64s"] = [int(label) for label in operator.raw_operator.classes_]
    container.add_node(
        "TreeEnsembleClassifier",
        [operator.inputs[0].full_name],
        [output.full_name for output in operator.outputs],
        op_domain="ai.onnx.ml",
        op_version=1,
        name=scope.get_unique_operator_name("CatBoost"),
        **attributes,
    )


def _register_transformers() -> None:
    from skl2onnx import update_registered_converter

    from driftgate.training.families.transformers import ExactScaler, ExactTargetEncoder

    update_registered_converter(ExactTargetEncoder, "DriftgateTargetEncoder", _target_encoder_shape, _target_encoder)
    update_registered_converter(ExactScaler, "DriftgateScaler", _scaler_shape, _scaler)


def _scaler_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType(list(operator.inputs[0].type.shape))


def _scaler(scope: Any, operator: Any, container: Any) -> None:
    graph = _Nodes(scope, container)
    scaler = operator.raw_operator
    values = graph.cast(operator.inputs[0].full_name, "DOUBLE")
    values = graph.add("Sub", values, graph.constant(scaler.mean_))
    values = graph.add("Div", values, graph.constant(scaler.scale_))
    graph.cast(values, "FLOAT", output=operator.outputs[0].full_name)


def _logistic_regression(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    raw = container.get_options(model, {"raw_scores": False})["raw_scores"]
    last = "none" if raw else "logistic" if len(model.classes_) == 2 else "softmax"
    _layers(scope, operator, container, [(model.coef_.T, model.intercept_, last)])


def _perceptron(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    names = [model.activation] * (len(model.coefs_) - 1) + [model.out_activation_]
    _layers(scope, operator, container, list(zip(model.coefs_, model.intercepts_, names, strict=True)))


def _layers(scope: Any, operator: Any, container: Any, layers: list[tuple[Any, Any, str]]) -> None:
    """Layers of a network, computed in float64: sums then don't depend, in float32, on how many rows are predicted at once."""
    nodes = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}
    graph = _Nodes(scope, container)
    values = graph.cast(operator.inputs[0].full_name, "DOUBLE")
    activation = "none"
    for weights, biases, activation in layers:
        values = graph.add("Add", graph.add("MatMul", values, graph.constant(weights)), graph.constant(biases))
        if activation == "softmax":
            values = graph.add("Softmax", values, axis=1)
        elif activation in nodes:
            values = graph.add(nodes[activation], values)
    classes = operator.raw_operator.classes_
    if len(classes) == 2:  # the last layer has one unit, for the positive class
        other = (
            graph.add("Neg", values) if activation == "none" else graph.add("Sub", graph.constant(np.ones(1)), values)
        )
        values = graph.add("Concat", other, values, axis=1)
    graph.cast(values, "FLOAT", output=operator.outputs[1].full_name)
    _label(graph, values, classes, operator.outputs[0].full_name)


def _label(graph: _Nodes, scores: str, classes: Any, output: str) -> None:
    """The class with the highest score."""
    at = graph.add("ArgMax", scores, axis=1, keepdims=0)
    graph.add("Gather", graph.constant(np.asarray(classes).astype(np.int64)), at, output=output)


class _Nodes:
    """Adds nodes to a graph under construction, and names their outputs."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def constant(self, values: Any) -> str:
        """float64, or int64 if the values are."""
        from onnx import TensorProto

        values = np.asarray(values)
        kind = TensorProto.INT64 if values.dtype == np.int64 else TensorProto.DOUBLE
        name = str(self._scope.get_unique_variable_name("constant"))
        self._container.add_initializer(name, kind, values.shape, values.ravel().tolist())
        return name

    def cast(self, values: str, kind: str, *, output: str | None = None) -> str:
        """Cast to FLOAT or DOUBLE."""
        from onnx import TensorProto

        return self.add("Cast", values, output=output, to=getattr(TensorProto, kind))

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """A node with one output."""
        name = output or str(self._scope.get_unique_variable_name(kind.lower()))
        title = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, list(inputs), name, op_version=13, name=title, **attributes)
        return name


def _target_encoder_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType(
        [operator.inputs[0].get_first_dimension(), len(operator.raw_operator.encodings_)]
    )


def _target_encoder(scope: Any, operator: Any, container: Any) -> None:
    """skl2onnx's own for two classes. With more, each category is looked up once, and gives a row of encodings."""
    encoder = operator.raw_operator
    if encoder.target_type_ == "binary":
        from skl2onnx.operator_converters.target_encoder import convert_sklearn_target_encoder

        convert_sklearn_target_encoder(scope, operator, container)
        return
    classes = len(encoder.classes_)
    columns = _columns_of(scope, operator, container)
    parts = []
    for at, (column, categories) in enumerate(zip(columns, encoder.categories_, strict=True)):
        table = np.stack(encoder.encodings_[at * classes : (at + 1) * classes], axis=1)
        table = np.vstack([table, np.asarray(encoder.target_mean_)]).astype(
            np.float32
        )  # the last row: an unknown category
        parts.append(_looked_up(scope, container, column, categories, table))
    container.add_node("Concat", parts, operator.outputs[0].full_name, op_version=13, axis=1)


def _looked_up(scope: Any, container: Any, column: str, categories: Any, table: np.ndarray) -> str:
    from onnx import TensorProto

    code, row, flat, shape, result = (
        scope.get_unique_variable_name(f"encoding_{name}") for name in ("code", "table", "flat", "shape", "row")
    )
    container.add_node(
        "LabelEncoder",
        column,
        code,
        op_domain="ai.onnx.ml",
        op_version=2,
        name=scope.get_unique_operator_name("Category"),
        keys_strings=[str(category).encode() for category in categories],
        values_int64s=list(range(len(categories))),
        default_int64=len(categories),
    )
    container.add_initializer(row, TensorProto.FLOAT, table.shape, table.ravel())
    container.add_initializer(shape, TensorProto.INT64, [1], [-1])
    container.add_node("Reshape", [code, shape], flat, op_version=14, name=scope.get_unique_operator_name("Flat"))
    container.add_node(
        "Gather", [row, flat], result, op_version=13, axis=0, name=scope.get_unique_operator_name("Rows")
    )
    return str(result)


def _columns_of(scope: Any, operator: Any, container: Any) -> list[str]:
    """The name of a tensor of shape (n, 1) for each column of the inputs."""
    from onnx import TensorProto

    names: list[str] = []
    for given in operator.inputs:
        if given.get_second_dimension() == 1:
            names.append(given.full_name)
            continue
        for at in range(given.get_second_dimension()):
            place, column = scope.get_unique_variable_name("place"), scope.get_unique_variable_name("category")
            container.add_initializer(place, TensorProto.INT64, [1], [at])
            container.add_node("Gather", [given.full_name, place], column, op_version=13, axis=1)
            names.append(column)
    return names


def below(thresholds: Any) -> np.ndarray:
    """The largest float32 that is not above each threshold: x <= threshold then holds for the same float32 x."""
    exact = np.asarray(thresholds, dtype=np.float64)
    with np.errstate(over="ignore"):  # the threshold between a value and a missing one can be the largest float64
        rounded = exact.astype(np.float32)
    return np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)


@contextmanager
def exact_trees() -> Iterator[None]:
    """Convert the trees of scikit-learn exactly, and small: a leaf lists only the classes that it has.

    For histogram gradient boosting, skl2onnx 1.20 passes on the flag for missing values as a numpy boolean, which protobuf 7
    refuses in a list of integers, and rounds thresholds to the nearest float32, so that a value just above a threshold can
    be on its wrong side.
    """
    from skl2onnx.common import tree_ensemble

    original = tree_ensemble.add_node
    flag = "nodes_missing_value_tracks_true"

    def add_node(attributes: Any, classifier: bool, *given: Any, **keywords: Any) -> None:
        tree, weight, node, _, mode, value, _, _, leaf, first, counts = given
        if flag in keywords:  # only those of histogram gradient boosting come with it
            given = (*given[:5], float(below(value)), *given[6:])
            keywords[flag] = int(keywords[flag])
        many = classifier and mode == "LEAF" and np.size(leaf) > 2
        original(
            attributes, classifier, *given[:8], np.empty(0) if many else leaf, first, counts and not many, **keywords
        )
        if many:
            share = np.ravel(leaf) * (weight / (np.sum(leaf) or 1.0) if counts else weight)
            classes = np.flatnonzero(share).tolist() or [0]
            attributes["class_treeids"] += [tree] * len(classes)
            attributes["class_nodeids"] += [node] * len(classes)
            attributes["class_ids"] += [code + first for code in classes]
            attributes["class_weights"] += share[classes].tolist()

    with _replaced(tree_ensemble, "add_node", add_node):
        yield


@contextmanager
def quick_lookup() -> Iterator[None]:
    """Find the inputs of a ColumnTransformer by name at once; skl2onnx compares each name with all: n² for n columns."""
    from skl2onnx import _parse

    original = _parse.get_column_indices

    def get_column_indices(indices: Any, inputs: Any, multiple: bool) -> Any:
        place = {value.raw_name: at for at, value in enumerate(inputs)}
        if multiple and all(name in place for name in indices):
            return {place[name]: [0] for name in indices}
        return original(indices, inputs, multiple)

    with _replaced(_parse, "get_column_indices", get_column_indices):
        yield


@contextmanager
def _replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, original)
