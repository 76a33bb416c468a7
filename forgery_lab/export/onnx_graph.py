"""The networks as ONNX graphs, written layer by layer.

TensorFlow's exporter turns dilated convolutions into shuffles of the whole map and sorts every
block to find the highest few; a graph of ONNX's own operators takes half the time and memory. It
is for whole images: the padding with NaN that training knows is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from forgery_lab.errors import DataError
from forgery_lab.training import networks

OPSET = 18
IR_VERSION = 9


def convert(model: keras.Model) -> onnx.ModelProto:
    """Return the graph of a network: input `features`, outputs named as the model's.

    Raises:
        DataError: the network has a layer that this module does not know.
    """
    graph = _Graph()
    shape = [size or name for size, name in zip(model.input_shape, "Nhwc", strict=True)]
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)
    graph.names[id(model.input)] = graph.add("Transpose", "features", perm=[0, 3, 1, 2])
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        emit = _EMITTERS.get(type(layer))
        if emit is None:
            raise DataError(
                f"layer {layer.name} ({type(layer).__name__}) cannot be expressed in ONNX"
            )
        graph.names[id(layer.output)] = emit(graph, layer)
    outputs = []
    for name, tensor in model.output.items():
        found = graph.names[id(tensor)]
        if len(tensor.shape) == 4:
            found = graph.add("Transpose", found, perm=[0, 2, 3, 1])
        graph.nodes.append(helper.make_node("Identity", [found], [name]))
        shape = ["N", "h", "w", 1] if len(tensor.shape) == 4 else ["N", 1]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    body = helper.make_graph(graph.nodes, model.name, [given], outputs, graph.constants)
    proto = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(proto, full_check=True)
    return proto


class _Graph:
    """Nodes and constants so far; `names` says what a Keras tensor is called.

    Maps are [N, C, h, w] here, and [N, h, w, C] in Keras.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.names: dict[int, str] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output; return its name."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        """Add a constant; return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """Add a vector of whole numbers, as axes and shapes are; return its name."""
        return self.constant(values, np.int64)

    def inputs(self, layer: layers.Layer) -> list[str]:
        """Return the names of what a layer takes, without the validity of blocks."""
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        return [self.names[id(tensor)] for tensor in tensors if self.names[id(tensor)]]


def _validity(graph: _Graph, layer: layers.Layer) -> str:
    return ""  # all blocks of a whole image are valid: whatever reads this leaves it out


def _same(graph: _Graph, layer: layers.Layer) -> str:
    return graph.inputs(layer)[0]


def _standardize(graph: _Graph, layer: networks.Standardize) -> str:
    mean, scale = (np.asarray(w).reshape(-1, 1, 1) for w in (layer.mean, layer.scale))
    scaled = graph.add("Mul", graph.inputs(layer)[0], graph.constant(scale))
    centred = graph.add("Sub", scaled, graph.constant(mean * scale))
    return graph.add("Clip", centred, graph.constant(-layer.limit), graph.constant(layer.limit))


def _read_levels(graph: _Graph, layer: networks.ReadLevels) -> str:
    first, last = graph.integers(layer.first), graph.integers(layer.first + layer.count)
    chosen = graph.add("Slice", graph.inputs(layer)[0], first, last, graph.integers(1))
    rounded = graph.add("Round", chosen)
    total = ""
    for value, kernel in zip(layer.values, np.asarray(layer.kernel), strict=True):
        same = graph.add("Equal", rounded, graph.constant(value))
        plane = graph.add("Cast", same, to=TensorProto.FLOAT)
        product = graph.add("Conv", plane, graph.constant(_filters(kernel)))
        total = graph.add("Add", total, product) if total else product
    return total


def _against_mean(graph: _Graph, layer: networks.AgainstMean) -> str:
    features = graph.inputs(layer)[0]
    of_features, of_deviations = np.split(np.asarray(layer.kernel), 2)
    mean = graph.add("ReduceMean", features, graph.integers(2, 3), keepdims=1)
    offset = graph.add(
        "Conv", mean, graph.constant(_filters(-of_deviations)), graph.constant(layer.bias)
    )
    local = graph.add("Conv", features, graph.constant(_filters(of_features + of_deviations)))
    return graph.add("Add", local, offset)


def _dense(graph: _Graph, layer: layers.Dense) -> str:
    kernel = np.asarray(layer.kernel)
    source = graph.inputs(layer)[0]
    bias = [graph.constant(layer.bias)] if layer.use_bias else []
    if len(layer.input.shape) == 2:
        return _activated(graph, layer, graph.add("Gemm", source, graph.constant(kernel), *bias))
    answer = graph.add("Conv", source, graph.constant(_filters(kernel)), *bias)
    return _activated(graph, layer, answer)


def _filters(kernel: np.ndarray) -> np.ndarray:
    """Return a dense kernel [C, K] as a 1×1 convolution's [K, C, 1, 1]."""
    return kernel.T[:, :, np.newaxis, np.newaxis]


def _convolution(graph: _Graph, layer: layers.Conv2D) -> str:
    kernel = np.asarray(layer.kernel).transpose(3, 2, 0, 1)
    dilation = layer.dilation_rate[0]
    reach = dilation * (kernel.shape[2] // 2) if layer.padding == "same" else 0
    answer = graph.add(
        "Conv",
        graph.inputs(layer)[0],
        graph.constant(kernel),
        graph.constant(layer.bias),
        dilations=[dilation] * 2,
        pads=[reach] * 4,
    )
    return _activated(graph, layer, answer)


def _activated(graph: _Graph, layer: layers.Layer, answer: str) -> str:
    activation = keras.activations.serialize(layer.activation)
    if activation not in ("linear", "relu"):
        raise DataError(f"layer {layer.name}: activation {activation} cannot be expressed in ONNX")
    return graph.add("Relu", answer) if activation == "relu" else answer


def _relu(graph: _Graph, layer: layers.ReLU) -> str:
    return graph.add("Relu", graph.inputs(layer)[0])


def _multiply(graph: _Graph, layer: layers.Multiply) -> str:
    factors = graph.inputs(layer)
    return graph.add("Mul", *factors) if len(factors) > 1 else factors[0]


def _add(graph: _Graph, layer: layers.Add) -> str:
    return graph.add("Add", *graph.inputs(layer))


def _concatenate(graph: _Graph, layer: layers.Concatenate) -> str:
    return graph.add("Concat", *graph.inputs(layer), axis=1)


def _top_means(graph: _Graph, layer: networks.TopMeans) -> str:
    logits = graph.add("Flatten", graph.inputs(layer)[0])
    blocks = graph.add("Cast", graph.add("Shape", logits, start=1), to=TensorProto.FLOAT)
    one, zero = graph.constant([1.0]), graph.constant([0.0])
    counts = [
        graph.add("Max", graph.add("Mul", blocks, graph.constant([fraction])), one)
        for fraction in layer.fractions
    ]
    most = graph.add("Cast", graph.add("Ceil", graph.add("Max", *counts)), to=TensorProto.INT64)
    highest = f"highest_{len(graph.nodes)}"
    graph.nodes.append(
        helper.make_node("TopK", [logits, most], [highest, f"{highest}_places"], axis=1)
    )
    rank = graph.add("Cast", _range(graph, most), to=TensorProto.FLOAT)
    means = []
    for count in counts:
        share = graph.add("Max", graph.add("Min", graph.add("Sub", count, rank), one), zero)
        total = graph.add("ReduceSum", graph.add("Mul", highest, share), graph.integers(1))
        means.append(graph.add("Div", total, count))
    result = graph.add("Concat", *means, axis=1)
    if layer.above_mean:
        result = graph.add("Sub", result, graph.add("ReduceMean", logits, graph.integers(1)))
    return result


def _range(graph: _Graph, end: str) -> str:
    """Whole numbers from 0 to before `end`, int64[1]."""
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    return graph.add("Range", zero, graph.add("Squeeze", end), one)


def _attention(graph: _Graph, layer: networks.AttentionPool) -> str:
    features, flat = graph.inputs(layer)[0], graph.integers(0, 0, -1)
    scores = graph.add("Conv", features, graph.constant(_filters(np.asarray(layer.query)[:, None])))
    weights = graph.add("Softmax", graph.add("Reshape", scores, flat), axis=2)
    upright = graph.add("Transpose", weights, perm=[0, 2, 1])
    pooled = graph.add("MatMul", graph.add("Reshape", features, flat), upright)
    return graph.add("Squeeze", pooled, graph.integers(2))


def _max_pooling(graph: _Graph, layer: layers.MaxPooling2D) -> str:
    size = list(layer.pool_size)
    return graph.add("MaxPool", graph.inputs(layer)[0], kernel_shape=size, strides=size)


def _flatten(graph: _Graph, layer: layers.Flatten) -> str:
    return graph.add("Flatten", graph.add("Transpose", graph.inputs(layer)[0], perm=[0, 2, 3, 1]))


_EMITTERS: Mapping[type, Callable[[_Graph, Any], str]] = {
    networks.Validity: _validity,
    networks.Standardize: _standardize,
    networks.ReadLevels: _read_levels,
    networks.AgainstMean: _against_mean,
    networks.TopMeans: _top_means,
    networks.AttentionPool: _attention,
    layers.Dense: _dense,
    layers.Conv2D: _convolution,
    layers.ReLU: _relu,
    layers.Multiply: _multiply,
    layers.Add: _add,
    layers.Concatenate: _concatenate,
    layers.Dropout: _same,
    layers.SpatialDropout2D: _same,
    layers.MaxPooling2D: _max_pooling,
    layers.Flatten: _flatten,
}
