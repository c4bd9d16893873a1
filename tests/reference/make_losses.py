#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes losses.hpp: cross-entropy and nll_loss with every option and their combinations, by mpmath with 80 digits, from
the formulas of torch.nn.functional.cross_entropy's documentation, printed with 25 digits.

    python3 tests/reference/make_losses.py > tests/reference/losses.hpp

Every input is exact in float. Per case: the reduced loss, each sample's loss, the gradient by the logits, and the second
derivative times `direction`, each with its largest term (of the plain loss's gradient, the entry itself); for nll_loss the loss and the gradient by the log-probabilities.
"""
import itertools

import mpmath as mp

mp.mp.dps = 80
LOGITS = [
    ["1.5", "-0.25", "3", "0.125", "-2"],
    ["40", "0.5", "-1", "2", "-30"],
    ["-7", "-7.5", "-6.75", "-7.25", "-6.5"],
    ["0", "0", "0", "-64", "0"],
]
TARGETS = [2, 0, 3, 1]
PROBABILITIES = [
    ["0.5", "0.25", "0", "0.125", "0.125"],
    ["1", "0", "0", "0", "0"],
    ["0.25", "0.25", "0.25", "0.125", "0.125"],
    ["0", "0.75", "0", "0.25", "0"],
]
DIRECTION = [
    ["1", "-2", "0.5", "0.25", "3"],
    ["-1", "1", "2", "-0.5", "0.75"],
    ["0.125", "0.5", "-0.5", "1", "-1"],
    ["2", "-3", "1", "-1", "0.5"],
]
# The logits serve nll_loss as log-probabilities, which need not sum to 1.
WEIGHT = ["0.5", "2", "1.25", "0", "3"]
IGNORED = 3
N, C = 4, 5


def numbers(table):
    return [[mp.mpf(v) for v in row] for row in table]


def text(v):
    return mp.nstr(v, 25, min_fixed=0, max_fixed=0) + "L"


def shares(kind, weight, eps, n):
    """The share of each class in -Σ share · lp."""
    w = weight or [mp.mpf(1)] * C
    if kind == "probabilities":
        t = numbers(PROBABILITIES)[n]
        return [w[c] * ((1 - eps) * t[c] + eps / C) for c in range(C)]
    y = TARGETS[n]
    return [(1 - eps) * (w[y] if c == y else 0) + eps / C * w[c] for c in range(C)]


def factors(kind, weight, ignore, mean):
    """Which samples count, and the factors of their losses and of their z_loss."""
    counted = [not (kind == "indices" and ignore and TARGETS[n] == IGNORED) for n in range(N)]
    count = sum(counted)
    if not mean:
        return counted, mp.mpf(1), mp.mpf(1)
    if kind == "probabilities":
        return counted, mp.mpf(1) / N, mp.mpf(1) / N
    over = mp.fsum((weight[TARGETS[n]] if weight else mp.mpf(1)) for n in range(N) if counted[n])
    return counted, 1 / over, mp.mpf(1) / count


def cross_entropy(kind, weight, ignore, eps, mean, z_loss):
    counted, factor, z_factor = factors(kind, weight, ignore, mean)
    x = numbers(LOGITS)
    v = numbers(DIRECTION)
    loss, each, gradient, hvp, gradient_term, hvp_term = mp.mpf(0), [], [], [], [], []
    for n in range(N):
        z = mp.log(mp.fsum(mp.exp(a) for a in x[n]))
        p = [mp.exp(a - z) for a in x[n]]
        u = shares(kind, weight, eps, n)
        plain = mp.fsum(u[c] * (z - x[n][c]) for c in range(C))
        on = 1 if counted[n] else 0
        each.append(on * (plain + z_loss * z * z))
        loss += on * (factor * plain + z_factor * z_loss * z * z)
        total = mp.fsum(u)
        dot = mp.fsum(p[c] * v[n][c] for c in range(C))
        for c in range(C):
            curl = 2 * z_factor * z_loss
            # 1 - p from the others would be the same here: there are 80 digits.
            gradient.append(on * (factor * (p[c] * total - u[c]) + curl * z * p[c]))
            spread = p[c] * (v[n][c] - dot)
            hvp.append(on * (factor * total * spread + curl * (z * spread + p[c] * dot)))
            plain_index = kind == "indices" and eps == 0 and z_loss == 0
            largest = max(abs(factor * p[c] * total), abs(factor * u[c]), abs(curl * z * p[c]))
            gradient_term.append(abs(gradient[-1]) if plain_index else on * largest)
            size = p[c] * max(abs(v[n][c]), abs(dot))
            hvp_term.append(on * max(factor * total * size, curl * abs(z) * size, curl * p[c] * abs(dot)))
    return [loss], each, gradient, gradient_term, hvp, hvp_term


def nll_loss(weight, ignore, eps, mean):
    counted, factor, _ = factors("indices", weight, ignore, mean)
    lp = numbers(LOGITS)
    loss, gradient = mp.mpf(0), []
    for n in range(N):
        u = shares("indices", weight, eps, n)
        on = factor if counted[n] else 0
        loss += on * mp.fsum(-u[c] * lp[n][c] for c in range(C))
        gradient += [-on * u[c] for c in range(C)]
    return [loss], gradient


def listing(values):
    return "{" + ", ".join(text(v) for v in values) + "}"


def short_listing(values):
    return "{" + ", ".join(mp.nstr(v, 5) for v in values) + "}"


def table(name, rows):
    print(f"inline constexpr double {name}[] = {{{', '.join(v for row in rows for v in row)}}};")


print("// SPDX-License-Identifier: MIT")
print("// Written by make_losses.py: mpmath, 80 digits, printed with 25.")
print("#pragma once\n")
print("namespace losses {\n")
print("// clang-format off")
print(f"inline constexpr int samples = {N}, classes = {C}, ignored = {IGNORED};")
table("logits", LOGITS)
table("probabilities", PROBABILITIES)
table("direction", DIRECTION)
table("weight", [WEIGHT])
print(f"inline constexpr int targets[] = {{{', '.join(map(str, TARGETS))}}};")
print(
    "struct cross_entropy_case { bool indices, weights, ignores; double smoothing; bool mean; double z_loss; "
    f"long double loss[1], each[{N}], gradient[{N * C}]; double gradient_term[{N * C}]; "
    f"long double hvp[{N * C}]; double hvp_term[{N * C}]; }};"
)
print("inline constexpr cross_entropy_case cross_entropy[] = {")
flag = {True: "true", False: "false"}
for kind, weights, ignore, eps, mean, z_loss in itertools.product(
    ["indices", "probabilities"], [False, True], [False, True], ["0", "0.125", "1"], [True, False], ["0", "0.25"]
):
    if kind == "probabilities" and ignore:
        continue
    w = [mp.mpf(v) for v in WEIGHT] if weights else None
    results = cross_entropy(kind, w, ignore, mp.mpf(eps), mean, mp.mpf(z_loss))
    print(
        f"    {{{flag[kind == 'indices']}, {flag[weights]}, {flag[ignore]}, {eps}, {flag[mean]}, {z_loss}, "
        + ", ".join(listing(r) if i not in (3, 5) else short_listing(r) for i, r in enumerate(results))
        + "},"
    )
print("};")
print(
    "struct nll_case { bool weights, ignores; double smoothing; bool mean; "
    f"long double loss[1], gradient[{N * C}]; }};"
)
print("inline constexpr nll_case nll[] = {")
for weights, ignore, eps, mean in itertools.product([False, True], [False, True], ["0", "0.125", "1"], [True, False]):
    w = [mp.mpf(v) for v in WEIGHT] if weights else None
    results = nll_loss(w, ignore, mp.mpf(eps), mean)
    print(
        f"    {{{flag[weights]}, {flag[ignore]}, {eps}, {flag[mean]}, " + ", ".join(listing(r) for r in results) + "},"
    )
print("};")
print("// clang-format on\n")
print("}  // namespace losses")
