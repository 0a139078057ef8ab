"""How each TensorFlow operator is said in ONNX. TensorFlow computes on NHWC images, ONNX's convolutions on NCHW: those
are wrapped in transposes, which onnxruntime cancels against each other when it loads the model."""

import math

import numpy as np

from weights.convert.graph_model import GraphModel, Rule, TfNode, as_int64
from weights.convert.onnx_graph import INT32, INT64

_TO_NCHW, _TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
_ACTIVATIONS = {"Relu": "Relu", "Elu": "Elu", "Sigmoid": "Sigmoid", "Tanh": "Tanh"}
RULES: dict[str, Rule] = {}


def _to_nchw(model: GraphModel, tensor: str) -> str:
    return model.onnx.node("Transpose", tensor, perm=_TO_NCHW)


def _to_nhwc(model: GraphModel, tensor: str) -> str:
    return model.onnx.node("Transpose", tensor, perm=_TO_NHWC)


def _relu6(model: GraphModel, tensor: str) -> str:
    low, high = (model.onnx.constant(np.array(limit, np.float32)) for limit in (0, 6))
    return model.onnx.node("Clip", tensor, low, high)


def _fused(model: GraphModel, node: TfNode, tensor: str) -> str:
    """Bias and activation that TensorFlow.js fused into a convolution or matrix product (NHWC)."""
    extra = iter(node.inputs[2:])
    for op in node.texts("fused_ops"):
        if op == "BiasAdd":
            tensor = model.onnx.node("Add", tensor, model.tensor(next(extra)))
        elif op == "Relu6":
            tensor = _relu6(model, tensor)
        elif op == "Prelu":
            tensor = model.onnx.node("PRelu", tensor, model.tensor(next(extra)))
        else:
            tensor = model.onnx.node(_ACTIVATIONS[op], tensor)
    return tensor


def _convolution(model: GraphModel, node: TfNode) -> str:
    kernel = model.value(node.inputs[1])  # (h, w, in, out), depthwise: (h, w, in, multiplier)
    height, width, channels, _ = kernel.shape
    depthwise = "epthwise" in node.op
    oihw = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, height, width) if depthwise else kernel.transpose(3, 2, 0, 1)
    made = model.onnx.node(
        "Conv",
        _to_nchw(model, model.tensor(node.inputs[0])),
        model.onnx.constant(np.ascontiguousarray(oihw)),
        strides=node.integers("strides")[1:3],
        dilations=(node.integers("dilations") or [1] * 4)[1:3],
        auto_pad={"SAME": "SAME_UPPER", "VALID": "VALID"}[node.text("padding")],
        group=channels if depthwise else 1,
    )
    return _fused(model, node, _to_nhwc(model, made))


def _transposed_convolution(model: GraphModel, node: TfNode) -> str:
    """Conv2DBackpropInput(output shape, kernel (h, w, out, in), image); only strides that divide evenly are needed."""
    kernel = model.value(node.inputs[1])
    strides = node.integers("strides")[1:3]
    if list(kernel.shape[:2]) != strides:
        raise NotImplementedError(f"{node.name}: kernel {kernel.shape[:2]} with strides {strides}")
    weight = model.onnx.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
    image = _to_nchw(model, model.tensor(node.inputs[2]))
    return _to_nhwc(model, model.onnx.node("ConvTranspose", image, weight, strides=strides))


def _pool(onnx_op: str) -> Rule:
    def rule(model: GraphModel, node: TfNode) -> str:
        made = model.onnx.node(
            onnx_op,
            _to_nchw(model, model.tensor(node.inputs[0])),
            kernel_shape=node.integers("ksize")[1:3],
            strides=node.integers("strides")[1:3],
            auto_pad={"SAME": "SAME_UPPER", "VALID": "VALID"}[node.text("padding")],
        )
        return _to_nhwc(model, made)

    return rule


def _resize_bilinear(model: GraphModel, node: TfNode) -> str:
    image = _to_nchw(model, model.tensor(node.inputs[0]))
    batch_and_channels = model.onnx.node("Shape", image, start=0, end=2)
    size = model.onnx.node("Cast", model.tensor(node.inputs[1]), to=INT64)
    sizes = model.onnx.node("Concat", batch_and_channels, size, axis=0)
    grid = "align_corners" if node.flag("align_corners") else "asymmetric"
    grid = "half_pixel" if node.flag("half_pixel_centers") else grid
    made = model.onnx.node("Resize", image, "", "", sizes, mode="linear", coordinate_transformation_mode=grid)
    return _to_nhwc(model, made)


def _matrix_product(model: GraphModel, node: TfNode) -> str:
    left, right = (model.tensor(name) for name in node.inputs[:2])
    if node.flag("transpose_a"):
        left = model.onnx.node("Transpose", left, perm=[1, 0])
    if node.flag("transpose_b"):
        right = model.onnx.node("Transpose", right, perm=[1, 0])
    return _fused(model, node, model.onnx.node("MatMul", left, right))


def _same(onnx_op: str) -> Rule:
    """The operator exists under ``onnx_op`` with the same inputs."""
    return lambda model, node: model.onnx.node(onnx_op, *(model.tensor(name) for name in node.inputs))


def _floor_divide(model: GraphModel, node: TfNode) -> str:
    made = _same("Div")(model, node)
    assert isinstance(made, str)  # noqa: S101 - one output
    # Integer division truncates in ONNX; the graphs divide flat indices, which are never negative.
    return made if node.is_integer() else model.onnx.node("Floor", made)


def _reduce(onnx_op: str) -> Rule:
    def rule(model: GraphModel, node: TfNode) -> str:
        axes = model.onnx.ints(*as_int64(model.value(node.inputs[1])))
        return model.onnx.node(onnx_op, model.tensor(node.inputs[0]), axes, keepdims=int(node.flag("keep_dims")))

    return rule


def _shape_tensor(model: GraphModel, reference: str) -> str:
    """A shape or count as the int64 that ONNX wants."""
    if model.is_constant(reference):
        return model.onnx.ints(*as_int64(model.value(reference)))
    return model.onnx.node("Cast", model.tensor(reference), to=INT64)


def _with_shape(onnx_op: str) -> Rule:
    return lambda model, node: model.onnx.node(
        onnx_op, model.tensor(node.inputs[0]), _shape_tensor(model, node.inputs[1])
    )


def _fill(model: GraphModel, node: TfNode) -> str:
    return model.onnx.node("Expand", model.tensor(node.inputs[1]), _shape_tensor(model, node.inputs[0]))


def _as_int32(onnx_op: str) -> Rule:
    return lambda model, node: model.onnx.node("Cast", model.onnx.node(onnx_op, model.tensor(node.inputs[0])), to=INT32)


def _arg_max(model: GraphModel, node: TfNode) -> str:
    axis = int(model.value(node.inputs[1]))
    made = model.onnx.node("ArgMax", model.tensor(node.inputs[0]), axis=axis, keepdims=0)
    return model.onnx.node("Cast", made, to=INT32)


def _top_k(model: GraphModel, node: TfNode) -> list[str]:
    count = model.onnx.ints(int(model.value(node.inputs[1])))
    values, indices = model.onnx.nodes("TopK", model.tensor(node.inputs[0]), count, outputs=2)
    return [values, model.onnx.node("Cast", indices, to=INT32)]


def _concat(model: GraphModel, node: TfNode) -> str:
    axis = int(model.value(node.inputs[-1]))
    return model.onnx.node("Concat", *(model.tensor(name) for name in node.inputs[:-1]), axis=axis)


def _split(model: GraphModel, node: TfNode) -> list[str]:
    axis, count = int(model.value(node.inputs[0])), node.integer("num_split")
    return model.onnx.nodes("Split", model.tensor(node.inputs[1]), outputs=count, axis=axis, num_outputs=count)


def _pack(model: GraphModel, node: TfNode) -> str:
    axis = model.onnx.ints(node.integer("axis"))
    layers = [model.onnx.node("Unsqueeze", model.tensor(name), axis) for name in node.inputs]
    return model.onnx.node("Concat", *layers, axis=node.integer("axis"))


def _unpack(model: GraphModel, node: TfNode) -> list[str]:
    axis, count = node.integer("axis"), node.integer("num")
    whole = model.tensor(node.inputs[0])
    return [
        model.onnx.node("Gather", whole, model.onnx.constant(np.array(index, np.int64)), axis=axis)
        for index in range(count)
    ]


def _expand_dims(model: GraphModel, node: TfNode) -> str:
    return model.onnx.node("Unsqueeze", model.tensor(node.inputs[0]), model.onnx.ints(int(model.value(node.inputs[1]))))


def _squeeze(model: GraphModel, node: TfNode) -> str:
    return model.onnx.node("Squeeze", model.tensor(node.inputs[0]), model.onnx.ints(*node.integers("squeeze_dims")))


def _cast(model: GraphModel, node: TfNode) -> str:
    return model.onnx.node("Cast", model.tensor(node.inputs[0]), to=node.dtype("DstT"))


def _gather(model: GraphModel, node: TfNode) -> str:
    table, indices = (model.tensor(name) for name in node.inputs[:2])
    return model.onnx.node("Gather", table, indices, axis=int(model.value(node.inputs[2])))


def _gather_nd(model: GraphModel, node: TfNode) -> str:
    table, indices = (model.tensor(name) for name in node.inputs)
    return model.onnx.node("GatherND", table, model.onnx.node("Cast", indices, to=INT64))


def _pad(model: GraphModel, node: TfNode) -> str:
    before_after = model.value(node.inputs[1])  # (rank, 2)
    return model.onnx.node("Pad", model.tensor(node.inputs[0]), model.onnx.ints(*as_int64(before_after.T)))


def _softmax(model: GraphModel, node: TfNode) -> str:
    return model.onnx.node("Softmax", model.tensor(node.inputs[0]), axis=-1)


def _squared_difference(model: GraphModel, node: TfNode) -> str:
    difference = model.onnx.node("Sub", *(model.tensor(name) for name in node.inputs))
    return model.onnx.node("Mul", difference, difference)


def _strided_slice(model: GraphModel, node: TfNode) -> str:
    """x[begin:end:stride] with TensorFlow's bit masks: slice, drop the indexed axes, add the new ones."""
    begins, ends, strides = (as_int64(model.value(name)) for name in node.inputs[1:4])
    begin_mask, end_mask = node.integer("begin_mask"), node.integer("end_mask")
    new_mask, shrink_mask = node.integer("new_axis_mask"), node.integer("shrink_axis_mask")
    if node.integer("ellipsis_mask"):
        raise NotImplementedError(f"{node.name}: ellipsis in a slice")
    axis, new_axes, shrunk, sliced = 0, [], [], []
    for place, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        bit = 1 << place
        if new_mask & bit:
            new_axes.append(place)
            continue
        if shrink_mask & bit:
            shrunk.append(axis)
            sliced.append((axis, begin, begin + 1 if begin != -1 else math.inf, 1))
        elif not (begin_mask & bit and end_mask & bit and stride == 1):
            sliced.append((axis, 0 if begin_mask & bit else begin, math.inf if end_mask & bit else end, stride))
        axis += 1
    if shrunk and new_axes:
        raise NotImplementedError(f"{node.name}: new and dropped axes in one slice")
    made = model.tensor(node.inputs[0])
    if sliced:
        axes, first, last, step = zip(*sliced, strict=True)
        until = [np.iinfo(np.int32).max if stop == math.inf else int(stop) for stop in last]
        parts = (model.onnx.ints(*first), model.onnx.ints(*until), model.onnx.ints(*axes), model.onnx.ints(*step))
        made = model.onnx.node("Slice", made, *parts)
    if shrunk:
        made = model.onnx.node("Squeeze", made, model.onnx.ints(*shrunk))
    return model.onnx.node("Unsqueeze", made, model.onnx.ints(*new_axes)) if new_axes else made


RULES.update(
    {
        tf: _same(onnx)
        for tf, onnx in {
            "Identity": "Identity", "Add": "Add", "AddV2": "Add", "BiasAdd": "Add", "AddN": "Sum", "Sub": "Sub",
            "Mul": "Mul", "RealDiv": "Div", "FloorMod": "Mod", "Maximum": "Max", "Minimum": "Min", "Relu": "Relu",
            "Sigmoid": "Sigmoid", "Abs": "Abs", "Exp": "Exp", "Reciprocal": "Reciprocal", "Equal": "Equal",
            "Less": "Less", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "LogicalAnd": "And",
            "Select": "Where", "Range": "Range",
        }.items()
    }
)  # fmt: skip
RULES.update(
    dict.fromkeys(("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"), _convolution)
)
RULES.update(
    {
        "Conv2DBackpropInput": _transposed_convolution,
        "MaxPool": _pool("MaxPool"),
        "AvgPool": _pool("AveragePool"),
        "ResizeBilinear": _resize_bilinear,
        "MatMul": _matrix_product,
        "_FusedMatMul": _matrix_product,
        "Relu6": lambda model, node: _relu6(model, model.tensor(node.inputs[0])),
        "FloorDiv": _floor_divide,
        "Mean": _reduce("ReduceMean"),
        "Sum": _reduce("ReduceSum"),
        "Max": _reduce("ReduceMax"),
        "Reshape": _with_shape("Reshape"),
        "Tile": _with_shape("Tile"),
        "Fill": _fill,
        "Shape": _as_int32("Shape"),
        "Size": _as_int32("Size"),
        "ArgMax": _arg_max,
        "TopKV2": _top_k,
        "ConcatV2": _concat,
        "Split": _split,
        "Pack": _pack,
        "Unpack": _unpack,
        "ExpandDims": _expand_dims,
        "Squeeze": _squeeze,
        "Cast": _cast,
        "GatherV2": _gather,
        "GatherNd": _gather_nd,
        "Pad": _pad,
        "Softmax": _softmax,
        "SquaredDifference": _squared_difference,
        "StridedSlice": _strided_slice,
    }
)
