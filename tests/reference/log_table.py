#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes include/logz/detail/log_table.hpp: reciprocals and their logarithms for log1p in twice the precision.

    python3 tests/reference/log_table.py > include/logz/detail/log_table.hpp

Entry i serves m near i / 128, m in [sqrt(1/2), sqrt(2)]: c = round(512 · 128 / i) / 512 has 10 bits, so its product
with the upper half of m is exact, and |m c - 1| < 1 / 128. -log c is kept as high + low. Needs mpmath.
"""
import mpmath as mp

mp.mp.dps = 60
FIRST, LAST = 90, 182


def hexadecimal(v):
    text = float(v).hex()
    mantissa, exponent = text.split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent if "." in mantissa else text


print("""// SPDX-License-Identifier: MIT
//
// Written by tests/reference/log_table.py; not edited by hand.
#pragma once

#include "../config.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// A reciprocal c of 10 bits near 128 / i, and -log c = high + low.
struct log_entry {
  double c;
  double high;
  double low;
};
""")
print(f"inline constexpr int first_log_entry = {FIRST};")
print(f"inline constexpr log_entry log_table[{LAST - FIRST + 1}] = {{")
for i in range(FIRST, LAST + 1):
    c = mp.nint(mp.mpf(512 * 128) / i) / 512
    for edge in (i - mp.mpf("0.5"), i + mp.mpf("0.5")):
        assert abs(edge / 128 * c - 1) < mp.mpf(1) / 128
    exact = -mp.log(c)
    high = float(exact)
    low = float(exact - high)
    print(f"    {{{hexadecimal(c)}, {hexadecimal(high)}, {hexadecimal(low)}}},")
print("""};

}  // namespace detail
LOGZ_NAMESPACE_END""")
