// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>

#define LOGZ_VERSION_MAJOR 0
#define LOGZ_VERSION_MINOR 1
#define LOGZ_VERSION_PATCH 0

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "logz needs Eigen 3.4 or later"
#endif

// Everything lives in an inline namespace that names the version and, because the bodies differ, -ffast-math and
// -ffinite-math-only: objects built with different headers or flags then link side by side, each with its own code.
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#define LOGZ_INLINE_NAMESPACE v0_1_fast_math
#else
#define LOGZ_INLINE_NAMESPACE v0_1
#endif

#define LOGZ_NAMESPACE_BEGIN \
  namespace logz {           \
  inline namespace LOGZ_INLINE_NAMESPACE {
#define LOGZ_NAMESPACE_END \
  }                        \
  }
