#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Results of other libraries on the slices that `accuracy --grid peers --write-inputs DIR` has written: PyTorch, SciPy,
and NumPy by the formulas a user would write. Nothing here calls logz.

    tests/accuracy/peers.py DIR

A library that cannot be imported is left out, with a line that says so. Files: files.hpp.
"""
import csv
import os
import sys

import numpy as np

UPSTREAM = -3.0
SMOOTHING = 0.125
COPIES = 8  # of an interleaved slice, side by side in memory


def numpy_functions():
    def parts(x, axis):
        top = x.max(axis=axis, keepdims=True)
        e = np.exp(x - top)
        return top, e, e.sum(axis=axis, keepdims=True)

    def softmax(s, axis):
        _, e, total = parts(s["x"], axis)
        return e / total

    def logsumexp(s, axis):
        top, _, total = parts(s["x"], axis)
        return (top + np.log(total)).sum(axis=axis)

    def log_softmax(s, axis):
        top, _, total = parts(s["x"], axis)
        return s["x"] - (top + np.log(total))

    def gradient(s, axis):
        p = softmax(s, axis)
        p[(slice(None), s["target"]) if axis == 1 else (s["target"],)] -= 1
        return p

    def softmax_backward(s, axis):
        g, p = s["g"], s["p"]
        return p * (g - (g * p).sum(axis=axis, keepdims=True))

    def log_softmax_backward(s, axis):
        g = s["g"]
        return g - np.exp(s["log_p"]) * g.sum(axis=axis, keepdims=True)

    return np.__version__, {
        "softmax": softmax,
        "log_softmax": log_softmax,
        "logsumexp": logsumexp,
        "softmax_backward": softmax_backward,
        "log_softmax_backward": log_softmax_backward,
        "cross_entropy": lambda s, axis: logsumexp(s, axis) - s["x"].take(s["target"], axis=axis),
        "cross_entropy gradient": gradient,
        "softplus": lambda s, axis: np.logaddexp(s["x"].dtype.type(0), s["x"]),
    }


def scipy_functions():
    import scipy
    from scipy import special

    return scipy.__version__, {
        "softmax": lambda s, axis: special.softmax(s["x"], axis=axis),
        "log_softmax": lambda s, axis: special.log_softmax(s["x"], axis=axis),
        "logsumexp": lambda s, axis: special.logsumexp(s["x"], axis=axis),
        "log_sigmoid": lambda s, axis: special.log_expit(s["x"]),
    }


def torch_functions():
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(1)
    tensor = torch.from_numpy

    def of_logits(loss):
        """The gradient of a sum of losses, taken by autograd."""

        def run(s, axis):
            x = tensor(s["x"]).requires_grad_()
            loss(x, s, axis).sum().backward()
            return x.grad.numpy()

        return run

    def samples(x, axis):  # cross_entropy's classes lie along dimension 1
        return x if axis == 1 else x.t()

    def cross_entropy(smoothing):
        def run(x, s, axis):
            x = samples(x, axis)
            targets = torch.full((x.shape[0],), s["target"], dtype=torch.long)
            return F.cross_entropy(x, targets, reduction="none", label_smoothing=smoothing)

        return run

    def value(f):
        return lambda s, axis: f(tensor(s["x"]), s, axis).numpy()

    def backward_data(f, output):
        return lambda s, axis: f(tensor(s["g"]), tensor(s[output]), axis, tensor(s["g"]).dtype).numpy()

    aten = torch.ops.aten
    plain, smoothed = cross_entropy(0.0), cross_entropy(SMOOTHING)
    return torch.__version__.split("+")[0], {
        "softmax": value(lambda x, s, axis: x.softmax(axis)),
        "log_softmax": value(lambda x, s, axis: x.log_softmax(axis)),
        "logsumexp": value(lambda x, s, axis: x.logsumexp(axis)),
        "softmax_backward": backward_data(aten._softmax_backward_data, "p"),
        "log_softmax_backward": backward_data(aten._log_softmax_backward_data, "log_p"),
        "logsumexp_backward": of_logits(lambda x, s, axis: UPSTREAM * x.logsumexp(axis)),
        "cross_entropy": value(plain),
        "cross_entropy gradient": of_logits(plain),
        "cross_entropy, smoothed": value(smoothed),
        "cross_entropy gradient, smoothed": of_logits(smoothed),
        "entropy": value(lambda x, s, axis: torch.distributions.Categorical(logits=samples(x, axis)).entropy()),
        "kl_div": lambda s, axis: F.kl_div(tensor(s["log_p"]), tensor(s["t"]), reduction="none").sum(axis).numpy(),
        "softplus": value(lambda x, s, axis: F.softplus(x)),
        "log_sigmoid": value(lambda x, s, axis: F.logsigmoid(x)),
        "binary_cross_entropy_with_logits": value(
            lambda x, s, axis: F.binary_cross_entropy_with_logits(x, tensor(s["t"]), reduction="none")),
    }


def slices(directory, dtype):
    """Each slice's arrays and target."""
    files = {name: np.fromfile(os.path.join(directory, name + ".bin"), dtype)
             for name in ("x", "g", "p", "log_p", "t")}
    position = 0
    with open(os.path.join(directory, "slices.csv"), encoding="ascii") as file:
        for row in csv.DictReader(file):
            length = int(row["length"])
            yield {name: numbers[position:position + length] for name, numbers in files.items()}, int(row["target"])
            position += length


def write(directory, dtype, peer, version, functions):
    for layout in ("contiguous", "interleaved"):
        folder = os.path.join(directory, f"{peer} {version}", layout)
        os.makedirs(folder, exist_ok=True)
        files = {name: open(os.path.join(folder, name + ".bin"), "wb") for name in functions}
        for arrays, target in slices(directory, dtype):
            if layout == "contiguous":
                given, axis = {name: v[None, :].copy() for name, v in arrays.items()}, 1
            else:
                given, axis = {name: np.repeat(v[:, None], COPIES, axis=1) for name, v in arrays.items()}, 0
            given["target"] = target
            for name, function in functions.items():
                result = np.asarray(function(given, axis), dtype=dtype)
                # Of interleaved slices the first: a column, or the first of one number a slice.
                one = result.reshape(-1) if axis == 1 else result[:, 0] if result.ndim == 2 else result[:1]
                files[name].write(np.ascontiguousarray(one).tobytes())
        for file in files.values():
            file.close()


def main():
    for peer, functions_of in (("NumPy", numpy_functions), ("SciPy", scipy_functions), ("PyTorch", torch_functions)):
        try:
            version, functions = functions_of()
        except ImportError as error:
            print(f"{peer} is left out: {error}")
            continue
        for scalar, dtype in (("float", np.float32), ("double", np.float64)):
            write(os.path.join(sys.argv[1], scalar), dtype, peer, version, functions)
        print(f"{peer} {version}")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
