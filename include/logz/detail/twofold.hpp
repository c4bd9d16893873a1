// SPDX-License-Identifier: MIT
//
// Numbers as unevaluated sums of two doubles, for the one logarithm and division per slice of doubles.
#pragma once

#include "arithmetic.hpp"
#include "log_table.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// high + low, |low| at most about an ulp of high.
struct twofold {
  double high;
  double low;
};

inline twofold sum_of(double a, double b) {
  const double sum = opaque(a + b);
  return {sum, sum_error(a, b, sum)};
}

/// a / b to about 2^-100; b's parts normal.
inline twofold quotient(const twofold& a, const twofold& b) {
  const double q = opaque(a.high / b.high);
  const double product = opaque(q * b.high);
  const double rest = opaque(a.high - product) - product_error(q, b.high, product);
  return {q, (rest + (a.low - q * b.low)) / b.high};
}

/// log(1 + s), s >= 0, to about 2^-60 of itself. NaN stays NaN: the table is entered by m's bits, always in range.
///
/// 1 + s = 2^k · m; with c near 1 / m from the table, log m = -log c + log(1 + r), r = m c - 1, |r| < 1 / 128.
inline twofold log1p(const twofold& s) {
  const twofold y = sum_of(1.0, s.high);
  const double y_rest = y.low + s.low;
  constexpr std::uint64_t root_half = 0x3fe6a09e667f3bcd;
  const std::uint64_t bits = bits_of(y.high);
  const std::uint64_t k = (bits - root_half) >> 52;
  const double m = double_of(bits - (k << 52));
  const double down = double_of((1023 - k) << 52);  // 2^-k
  const log_entry& at = log_table[static_cast<int>(m * 128 + 0.5) - first_log_entry];
  const double upper = double_of(bits_of(m) & 0xfffffffff8000000);
  const twofold r =
      sum_of(opaque(opaque(upper * at.c) - 1.0), opaque(opaque(m - upper) * at.c + y_rest * down * at.c));
  const double x = r.high;
  // -x²/2 + x³/3 - ...: at most 2^-8 of x, so its rounding does not count; the next term is 2^-59 of x.
  const double tail =
      x * x *
      (-1.0 / 2 +
       x * (1.0 / 3 + x * (-1.0 / 4 + x * (1.0 / 5 + x * (-1.0 / 6 + x * (1.0 / 7 + x * (-1.0 / 8)))))));
  constexpr double ln2_high = 0x1.62e42fefa3p-1;  // 41 bits: k · ln2_high is exact
  constexpr double ln2_low = 0x1.3de6af278ece6p-42;
  const twofold base = sum_of(opaque(double(k) * ln2_high), at.high);
  const twofold main = sum_of(base.high, x);
  const twofold all =
      sum_of(main.high, main.low + (base.low + (double(k) * ln2_low + at.low + (r.low + tail))));
  return all;
}

}  // namespace detail
LOGZ_NAMESPACE_END
