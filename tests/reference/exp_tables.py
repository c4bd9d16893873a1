#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes include/logz/simd/exp_tables.hpp: tables and polynomials of the kernels' exp.

    python3 tests/reference/exp_tables.py > include/logz/simd/exp_tables.hpp

exp(x) = 2^(n / N) · exp(r), n = round(x · N / ln 2), |r| <= ln 2 / (2 N).
2^(j / N) is kept as T · (1 + low), T rounded to the scalar; exp(r) = 1 + r + c2 r² + ..., its relative error
minimised by iteratively reweighted least squares over Chebyshev points. Needs mpmath.
"""
import struct

import mpmath as mp

mp.mp.dps = 60


def rounded(v, digits):
    if v == 0:
        return 0.0
    m, e = mp.frexp(v)
    return float(mp.nint(m * 2**digits) * mp.mpf(2) ** (e - digits))


def bits(v, single):
    return struct.unpack("<I", struct.pack("<f", v))[0] if single else struct.unpack("<Q", struct.pack("<d", v))[0]


def polynomial(half_width, degree):
    count = degree - 1
    points = 400
    xs = [half_width * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / points) for i in range(points)]
    weights = [mp.mpf(1)] * points
    best = None
    for _ in range(60):
        a, b = mp.matrix(points, count), mp.matrix(points, 1)
        for i, x in enumerate(xs):
            s = mp.sqrt(weights[i]) / mp.exp(x)
            for k in range(count):
                a[i, k] = s * x ** (k + 2)
            b[i] = s * (mp.exp(x) - 1 - x)
        c = mp.lu_solve(a.T * a, a.T * b)
        errors = [
            abs((mp.exp(x) - 1 - x - sum(c[k] * x ** (k + 2) for k in range(count))) / mp.exp(x)) for x in xs
        ]
        worst = max(errors)
        if best is None or worst < best[0]:
            best = (worst, list(c))
        total = sum(w * e for w, e in zip(weights, errors))
        weights = [w * e / total * points + mp.mpf(10) ** -12 for w, e in zip(weights, errors)]
    return best


def hexadecimal(v, single):
    text = float(v).hex()
    if "." in text:
        mantissa, exponent = text.split("p")
        text = mantissa.rstrip("0").rstrip(".") + "p" + exponent
    return text + ("f" if single else "")


def listing(name, kind, values, per_line):
    print(f"  static constexpr {kind} {name}[{len(values)}] = {{")
    for i in range(0, len(values), per_line):
        print("      " + ", ".join(values[i : i + per_line]) + ("," if i + per_line < len(values) else "};"))


def emit(name, note, entries, degree, single, slack, paired=False, high_digits=None, repeat=1):
    digits = 24 if single else 53
    high_digits = high_digits or digits
    kind = "float" if single else "double"
    half_width = mp.log(2) / (2 * entries) * slack
    worst, c = polynomial(half_width, degree)
    step = mp.log(2) / entries
    print(f"/// {note}")
    print(f"/// Polynomial: relative error 2^{mp.nstr(mp.log(worst, 2), 4)} for |r| <= {mp.nstr(half_width, 4)}.")
    print(f"struct {name} {{")
    print(f"  static constexpr int entries = {entries};")
    print(f"  static constexpr {kind} inverse_step = {hexadecimal(rounded(entries / mp.log(2), digits), single)};")
    high = rounded(step, high_digits)
    print(f"  static constexpr {kind} step_high = {hexadecimal(high, single)};")
    print(f"  static constexpr {kind} step_low = {hexadecimal(rounded(step - high, digits), single)};")
    for k, v in enumerate(c):
        print(f"  static constexpr {kind} c{k + 2} = {hexadecimal(rounded(v, digits), single)};")
    if entries > 1:
        shift = digits - 1 - entries.bit_length() + 1
        exact = [mp.mpf(2) ** (mp.mpf(j) / entries) for j in range(entries)]
        tops = [rounded(v, digits) for v in exact]
        lows = [rounded((v - t) / t, digits) for v, t in zip(exact, tops)]
        high_bits = [f"0x{bits(t, single) - (j << shift):x}" + ("" if single else "") for j, t in enumerate(tops)]
        low_values = [hexadecimal(v, single) for v in lows]
        if paired:
            both = [
                s for h, l in zip(high_bits, lows) for s in (h, f"0x{bits(l, False):x}")
            ]
            listing("pairs", "std::uint64_t", both, 4)
        else:
            listing("high", "std::uint32_t" if single else "std::uint64_t", high_bits * repeat, 8 if single else 4)
            listing("low", kind, low_values * repeat, 6 if single else 4)
    print("};\n")


print("""// SPDX-License-Identifier: MIT
//
// Written by tests/reference/exp_tables.py; not edited by hand.
//
// exp(x) = 2^(n / entries) * exp(r) with n = round(x * inverse_step) and r = x - n * step, |r| <= step / 2.
// 2^(j / entries) = T * (1 + low); `high` holds T's bits less the index j where a shift of n by the width of the
// fraction leaves it, so that adding the shifted n sets the exponent and clears the index.
#pragma once

#include <cstdint>

#include "../config.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace simd {
""")
emit("exp_float_4", "Float, 4 entries, in both halves of two registers of 8 floats.", 4, 5, True, mp.mpf("1.02"), repeat=2)
emit("exp_float_16", "Float, 16 entries: two registers of 16 floats.", 16, 3, True, mp.mpf("1.03"))
emit("exp_float_in_double", "Float computed in double, no table and no fma: 28 bits are enough.", 1, 6, False, mp.mpf("1.001"))
emit("exp_double_16", "Double, 16 entries: four registers of 8 doubles.", 16, 6, False, mp.mpf("1.001"))
emit("exp_double_128",
     "Double, 128 entries in memory, T's bits and low side by side. step_high has 33 bits: its product with\n"
     "/// |n| < 2^20 is exact without fma.", 128, 5, False, mp.mpf("1.001"), paired=True, high_digits=33)
print("""}  // namespace simd
}  // namespace detail
LOGZ_NAMESPACE_END""")
