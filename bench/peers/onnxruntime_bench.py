#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ONNX Runtime on one thread: Softmax, LogSoftmax, ReduceLogSumExp and SoftmaxCrossEntropyLoss, inputs and outputs bound
beforehand. Slices are contiguous in a matrix of slices x length and axis 1, interleaved in one of length x slices and
axis 0. Takes Google Benchmark's options and writes its JSON."""
import sys

import google_benchmark
import numpy
import onnx
import onnxruntime

SHAPES = [(1, 10), (64, 10), (8192, 10), (4096, 32), (1024, 100), (512, 1000), (64, 8192), (16, 32000), (4, 128256),
          (8192, 1000), (256, 128256)]
TYPES = {"float": (numpy.float32, onnx.TensorProto.FLOAT), "double": (numpy.float64, onnx.TensorProto.DOUBLE)}
OPSET = 13


def model(function, scalar, dims, axis):
    """A graph of the one operation, serialised, and the shape of its output."""
    make = onnx.helper
    kind = TYPES[scalar][1]
    inputs = [make.make_tensor_value_info("x", kind, dims)]
    initializers = []
    if function == "cross_entropy":
        # The classes are dimension 1: interleaved logits are one image of slices pixels and length channels.
        shape, images = [], dims if axis == 1 else [1, *dims]
        inputs = [make.make_tensor_value_info("x", kind, images)]
        samples, length = dims[1 - axis], dims[axis]
        targets = (numpy.arange(samples, dtype=numpy.int64) * 7919 % length).reshape([samples] if axis == 1 else [1, samples])
        initializers = [onnx.numpy_helper.from_array(targets, "targets")]
        node = make.make_node("SoftmaxCrossEntropyLoss", ["x", "targets"], ["y"], reduction="mean")
    elif function == "logsumexp":
        shape = [dims[1 - axis]]
        node = make.make_node("ReduceLogSumExp", ["x"], ["y"], axes=[axis], keepdims=0)
    else:
        shape = dims
        node = make.make_node({"softmax": "Softmax", "log_softmax": "LogSoftmax"}[function], ["x"], ["y"], axis=axis)
    graph = make.make_graph([node], function, inputs, [make.make_tensor_value_info("y", kind, shape)], initializers)
    whole = make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)], ir_version=8)
    return whole.SerializeToString(), [d.dim_value for d in inputs[0].type.tensor_type.shape.dim], shape


def logits(count, dtype):
    """Normal numbers, sigma 3, as the other benchmarks repeat them."""
    block = numpy.random.default_rng(1).normal(0, 3, 65521).astype(dtype)
    return numpy.resize(block, count)


def bind(function, scalar, dims, axis):
    """A session and its binding; and the output, for a look at it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    data, x_shape, y_shape = model(function, scalar, dims, axis)
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    x = logits(dims[0] * dims[1], TYPES[scalar][0]).reshape(x_shape)
    y = onnxruntime.OrtValue.ortvalue_from_numpy(numpy.ones(y_shape, TYPES[scalar][0]))
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
    binding.bind_ortvalue_output("y", y)
    return session, binding, x, y


def timed(function, scalar, dims, axis):
    def run(state):
        try:
            session, binding, _, _ = bind(function, scalar, dims, axis)
        except Exception as error:  # what the runtime does not implement, as the benchmark's result
            state.skip_with_error(str(error).splitlines()[0])
            return
        while state:
            session.run_with_iobinding(binding)

    return run


def main():
    google_benchmark.add_custom_context("library", f"ONNX Runtime {onnxruntime.__version__} (Python)")
    for function in ["softmax", "log_softmax", "logsumexp", "cross_entropy"]:
        for scalar in TYPES:
            for layout, axis in [("contiguous", 1), ("interleaved", 0)]:
                for slices, length in SHAPES:
                    dims = [slices, length] if axis == 1 else [length, slices]
                    name = f"BM_{function}<{scalar}>/{layout}/{slices}x{length}"
                    google_benchmark.register(timed(function, scalar, dims, axis), name=name)
    google_benchmark.main(sys.argv)


if __name__ == "__main__":
    main()
