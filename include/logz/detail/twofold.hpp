// SPDX-License-Identifier: MIT
//
// Numbers as unevaluated sums of two doubles.
#pragma once

#include "arithmetic.hpp"

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

}  // namespace detail
LOGZ_NAMESPACE_END
