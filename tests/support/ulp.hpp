// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace test {

/// One unit in the last place of T at the magnitude of `exact`; the smallest subnormal below T's normal range.
template <class T>
long double ulp_at(long double exact) {
  using limits = std::numeric_limits<T>;
  if (exact == 0) return limits::denorm_min();
  const int exponent = std::max(std::ilogb(exact), limits::min_exponent - 1);
  return std::ldexp(1.0L, exponent - (limits::digits - 1));
}

/// |result - exact| in ulp of `unit` (by default of the exact result). Equal infinities and two NaN differ by 0,
/// anything else that is not finite by infinity.
template <class T>
long double ulp_error(T result, long double exact, long double unit) {
  if (std::isnan(result) || std::isnan(exact)) {
    return std::isnan(result) && std::isnan(exact) ? 0 : std::numeric_limits<long double>::infinity();
  }
  const auto r = static_cast<long double>(result);
  if (r == exact) return 0;
  if (std::isinf(r) || std::isinf(exact)) return std::numeric_limits<long double>::infinity();
  return std::abs(r - exact) / ulp_at<T>(unit);
}
/// In ulp of the exact result; an exact 0 (exp(-inf), a masked gradient) must be 0.
template <class T>
long double ulp_error(T result, long double exact) {
  if (exact == 0 && result != 0) return std::numeric_limits<long double>::infinity();
  return ulp_error(result, exact, exact);
}

}  // namespace test
