// SPDX-License-Identifier: MIT
//
// Exact results and the error of a computed one.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "calls.hpp"

namespace accuracy {

/// high + low to at least 120 bits; and the magnitude in whose ulp the error counts.
struct exact {
  long double high;
  long double low;
  long double unit;
};

/// In ulp of the unit; below the normal range in smallest subnormals. A result beyond the format's range is infinite,
/// within an ulp of its end either way; nothing else is.
inline long double ulp_error(long double result, const exact& e, const number_format& format) {
  constexpr long double infinity = std::numeric_limits<long double>::infinity();
  if (!std::isfinite(result)) {
    const long double end = 2 - std::ldexp(4.0L, -format.digits);
    const bool overflows = std::abs(e.high) > std::ldexp(end, format.max_exponent);
    return overflows && std::isinf(result) && std::signbit(result) == std::signbit(e.high) ? 0 : infinity;
  }
  const int exponent = e.unit == 0 ? format.min_exponent : std::max(std::ilogb(e.unit), format.min_exponent);
  const int last =
      std::max(exponent - (format.digits - 1), std::numeric_limits<long double>::min_exponent - 64);
  return std::abs((result - e.high) - e.low) / std::ldexp(1.0L, last);
}

/// The largest and the mean square of errors.
struct error_summary {
  long double largest = 0;
  long double squares = 0;
  double count = 0;

  void add(long double error) {
    largest = std::max(largest, error);
    squares += error * error;
    ++count;
  }
  void add(const error_summary& other) {
    largest = std::max(largest, other.largest);
    squares += other.squares;
    count += other.count;
  }
  double max() const { return static_cast<double>(largest); }
  double rms() const {
    return count == 0 ? 0 : static_cast<double>(std::sqrt(squares / static_cast<long double>(count)));
  }
};

}  // namespace accuracy
