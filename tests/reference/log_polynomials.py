#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the polynomials of include/logz/simd/log_z-inl.hpp, and the errors of those in use.

    python3 tests/reference/log_polynomials.py

With f = (m - 1) / (m + 1) and z = f², log m = 2 f (1 + z p(z)); m from 2/3 to 3/2 makes z at most 1/25. p interpolates
(atanh(f) / f - 1) / z at Chebyshev's nodes. Errors are z |p - exact|, of log m. Needs mpmath.
"""
import mpmath as mp

mp.mp.dps = 50
TOP = mp.mpf(1) / 25
# Of floats: fitted with z as its weight, which Chebyshev's nodes miss by 2 bits.
IN_USE = ["0x1.55555423ee18ap-2", "0x1.999bd9b2a81d1p-3", "0x1.23e9fd463ccd6p-3", "0x1.ed82d878f6791p-4"]


def exact(z):
    f = mp.sqrt(z)
    return (mp.atanh(f) / f - 1) / z


def interpolate(degree):
    nodes = [(1 + mp.cos(mp.pi * (2 * k + 1) / (2 * (degree + 1)))) / 2 * TOP for k in range(degree + 1)]
    powers = mp.matrix([[z**j for j in range(degree + 1)] for z in nodes])
    return [float(c) for c in mp.lu_solve(powers, mp.matrix([exact(z) for z in nodes]))]


def report(name, coefficients):
    worst = max(
        abs(z * (sum(mp.mpf(c) * z**j for j, c in enumerate(coefficients)) - exact(z)))
        for z in (TOP * i / 2000 for i in range(1, 2001)))
    print(f"{name}: 2^{float(mp.log(worst, 2)):.1f} of the logarithm:", ", ".join(c.hex() for c in coefficients))


report("floats, in use", [float.fromhex(c) for c in IN_USE])
report("doubles", interpolate(7))
