#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes known_example.hpp: softmax, log-softmax, log-sum-exp, cross-entropy and its gradient of two slices, computed by
mpmath with 60 digits and printed with 30. Run: python3 make_known_example.py > known_example.hpp"""

import mpmath as mp

mp.mp.dps = 60
SLICES = {"before": ["-999", "1", "2", "5", "6"], "after": ["-990", "1.5", "2.1", "5.6", "6.8"]}
TARGET = 4


def row(name, values):
    numbers = ", ".join(mp.nstr(v, 30, min_fixed=0, max_fixed=0) + "L" for v in values)
    print(f"inline constexpr long double {name}[] = {{{numbers}}};")


print("// SPDX-License-Identifier: MIT")
print("// Written by make_known_example.py: mpmath, 60 digits, printed with 30.")
print("#pragma once\n")
print("namespace known_example {\n")
print("// clang-format off")
print(f"inline constexpr int target = {TARGET};")
for name, texts in SLICES.items():
    x = [mp.mpf(t) for t in texts]
    z = mp.fsum(mp.exp(v) for v in x)
    p = [mp.exp(v) / z for v in x]
    others = mp.fsum(p[i] for i in range(len(x)) if i != TARGET)
    print(f"inline constexpr double {name}[] = {{{', '.join(texts)}}};")
    row(f"{name}_softmax", p)
    row(f"{name}_log_softmax", [v - mp.log(z) for v in x])
    row(f"{name}_logsumexp", [mp.log(z)])
    row(f"{name}_cross_entropy", [mp.log(z) - x[TARGET]])
    row(f"{name}_cross_entropy_gradient", [-others if i == TARGET else p[i] for i in range(len(x))])
print("// clang-format on\n")
print("}  // namespace known_example")
