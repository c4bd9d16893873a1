#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes companions.hpp: directional derivatives, divergences and the binary functions of numbers that floats hold
exactly, computed by mpmath with 60 digits and printed with 25. Run: python3 make_companions.py > companions.hpp"""

import mpmath as mp

mp.mp.dps = 60

LENGTH = 6
LOGITS = [[0, -40, -41, -60, -80, -50], [1, 2, 3, 4, 5, 6], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
          [-30, 12, 11.875, 12.125, -3, 0], [100, -100, 99.5, 98, 3, 64]]
DIRECTIONS = [[1, -2, 0.5, 3, -0.125, 7], [-1, -1, -1, 2, 5, -3.5], [0.75, 0, 1, -8, 2.5, 1],
              [3, -0.5, 6, 1, 1, -2], [0.0625, 40, -40, 1, 0.25, -6]]
PROBABILITIES = [[0.5, 0.25, 0.125, 0.0625, 0.0625, 0], [1, 0, 0, 0, 0, 0], [0.1875, 0.1875, 0.125, 0.25, 0.125, 0.125],
                 [0.03125, 0.90625, 0.015625, 0.015625, 0.0078125, 0.0234375], [0, 0.5, 0, 0.5, 0, 0]]
POINTS = [-700, -100, -80, -40, -20, -10, -3.5, -1, -0.125, -2.0 ** -20, 0, 2.0 ** -20, 0.125, 1, 3.5, 10, 20, 40, 80, 700]
TARGETS = [0, 0.125, 0.5, 0.9375, 1]
WEIGHT, POS_WEIGHT = 0.75, 2.5


def number(v):
    return mp.nstr(v, 25, min_fixed=0, max_fixed=0) + "L"


def inputs(name, rows):
    print(f"inline constexpr double {name}[][length] = {{")
    for row in rows:
        print("    {" + ", ".join(repr(float(v)) for v in row) + "},")
    print("};")


def matrix(name, rows):
    print(f"inline constexpr long double {name}[][length] = {{")
    for row in rows:
        print("    {" + ", ".join(number(v) for v in row) + "},")
    print("};")


def row(name, values, kind="long double"):
    text = [number(v) if kind == "long double" else repr(float(v)) for v in values]
    print(f"inline constexpr {kind} {name}[] = {{" + ", ".join(text) + "};")


def exact(values):
    return [mp.mpf(v) for v in values]


def softmax(x):
    e = [mp.exp(v) for v in x]
    return [v / mp.fsum(e) for v in e]


def entropy(x):
    return -mp.fsum(p * mp.log(p) for p in softmax(x))


def divergence(log_q, p):
    return mp.fsum(a * (mp.log(a) - b) for a, b in zip(p, log_q) if a != 0)


def log_divergence(log_q, t):
    return mp.fsum(mp.exp(a) * (a - b) for a, b in zip(t, log_q))


def softplus(x):
    return mp.log1p(mp.exp(x))


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def loss(x, y, weight, pos_weight):
    return weight * ((1 - y) * softplus(x) + pos_weight * y * softplus(-x))


def slope(x, y, weight, pos_weight):
    return weight * ((1 - y) * sigmoid(x) - pos_weight * y * sigmoid(-x))


print("// SPDX-License-Identifier: MIT")
print("// Written by make_companions.py: mpmath, 60 digits, printed with 25.")
print("#pragma once\n")
print("namespace companions {\n")
print("// clang-format off")
print(f"inline constexpr int length = {LENGTH};")
print(f"inline constexpr int slices = {len(LOGITS)};")
inputs("x", LOGITS)
inputs("v", DIRECTIONS)
inputs("p", PROBABILITIES)
X, V, P = ([exact(r) for r in rows] for rows in (LOGITS, DIRECTIONS, PROBABILITIES))
dots = [mp.fsum(a * b for a, b in zip(v, p)) for v, p in zip(V, P)]
matrix("softmax_jvp", [[b * (a - d) for a, b in zip(v, p)] for v, p, d in zip(V, P, dots)])
row("logsumexp_jvp", dots)
# Slice 0 of x stands in for log-probabilities.
falls = [mp.fsum(mp.exp(b) * a for a, b in zip(v, x)) for v, x in zip(V[:1], X[:1])]
matrix("log_softmax_jvp", [[a - f for a in v] for v, f in zip(V[:1], falls)])
row("entropy", [entropy(x) for x in X])
matrix("entropy_gradient", [[-p * (mp.log(p) + entropy(x)) for p in softmax(x)] for x in X])
row("kl_div", [divergence(x, p) for x, p in zip(X, P)])
row("kl_div_of_logs", [log_divergence(x, v) for x, v in zip(X, V)])
matrix("exp_v", [[mp.exp(a) for a in v] for v in V])
print(f"inline constexpr int points = {len(POINTS)};")
row("point", POINTS, "double")
row("softplus", [softplus(mp.mpf(x)) for x in POINTS])
row("sigmoid", [sigmoid(mp.mpf(x)) for x in POINTS])
print(f"inline constexpr int targets = {len(TARGETS)};")
row("target", TARGETS, "double")
print(f"inline constexpr double weight = {WEIGHT};")
print(f"inline constexpr double pos_weight = {POS_WEIGHT};")
pairs = [(mp.mpf(x), mp.mpf(y)) for x in POINTS for y in TARGETS]
row("binary_loss", [loss(x, y, 1, 1) for x, y in pairs])
row("binary_slope", [slope(x, y, 1, 1) for x, y in pairs])
row("weighted_loss", [loss(x, y, mp.mpf(WEIGHT), mp.mpf(POS_WEIGHT)) for x, y in pairs])
row("weighted_slope", [slope(x, y, mp.mpf(WEIGHT), mp.mpf(POS_WEIGHT)) for x, y in pairs])
print("// clang-format on\n")
print("}  // namespace companions")
