#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes long_double_reference.hpp: softmax, log-softmax and log-sum-exp of slices of dyadic rationals, exact in every type,
computed by mpmath with 60 digits and printed with 40.
Run: python3 make_long_double_reference.py > long_double_reference.hpp"""

import mpmath as mp

mp.mp.dps = 60
LENGTH = 12
SLICES = [
    [mp.mpf((i * 37) % 101 - 50) / 16 for i in range(LENGTH)],  # spread over 6
    [mp.mpf((i * 53) % 97) * 3 for i in range(LENGTH)],  # spread over 280
    [mp.mpf(0 if i == 5 else -40) for i in range(LENGTH)],  # dominated
    [mp.mpf(-3) / 4 for _ in range(LENGTH)],  # all equal
    [mp.mpf(100000000 + i % 7) for i in range(LENGTH)],  # far from 0
]


def digits(v):
    return mp.nstr(v, 40, min_fixed=0, max_fixed=0) + "L"


def table(name, rows):
    print(f"inline constexpr long double {name}[slices][length] = {{")
    for row in rows:
        print("    {" + ", ".join(digits(v) for v in row) + "},")
    print("};")


def log_z(x):
    top = max(x)
    first = x.index(top)
    return top, mp.log1p(mp.fsum(mp.exp(v - top) for i, v in enumerate(x) if i != first))


print("// SPDX-License-Identifier: MIT")
print("// Written by make_long_double_reference.py: mpmath, 60 digits, printed with 40.")
print("#pragma once\n")
print("namespace long_double_reference {\n")
print("// clang-format off")
print(f"inline constexpr int slices = {len(SLICES)};")
print(f"inline constexpr int length = {LENGTH};")
table("x", SLICES)
table("softmax", [[mp.exp(v - log_z(x)[0] - log_z(x)[1]) for v in x] for x in SLICES])
table("log_softmax", [[(v - log_z(x)[0]) - log_z(x)[1] for v in x] for x in SLICES])
print("inline constexpr long double logsumexp[slices] = {" + ", ".join(digits(sum(log_z(x))) for x in SLICES) + "};")
print("// clang-format on\n")
print("}  // namespace long_double_reference")
