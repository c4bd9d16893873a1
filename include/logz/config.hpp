// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>

#include "simd/targets.hpp"

#define LOGZ_VERSION_MAJOR 0
#define LOGZ_VERSION_MINOR 1
#define LOGZ_VERSION_PATCH 0

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "logz needs Eigen 3.4 or later"
#endif

// Everything lives in an inline namespace that names the version and, because the bodies differ, the instruction set
// that the flags grant (or "generic") and -ffast-math or -ffinite-math-only: objects built with different headers or flags then link
// side by side, each with its own code.
#if !LOGZ_KERNELS
#define LOGZ_ISA generic
#elif LOGZ_GRANTED_TARGET == 2
#define LOGZ_ISA avx512
#elif LOGZ_GRANTED_TARGET == 1
#define LOGZ_ISA avx2
#elif defined(__AVX__)
#define LOGZ_ISA avx
#else
#define LOGZ_ISA base
#endif
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#define LOGZ_JOIN(isa) v0_1_##isa##_fast_math
#else
#define LOGZ_JOIN(isa) v0_1_##isa
#endif
#define LOGZ_EXPANDED_JOIN(isa) LOGZ_JOIN(isa)
#define LOGZ_INLINE_NAMESPACE LOGZ_EXPANDED_JOIN(LOGZ_ISA)

#if defined(__GNUC__)
#define LOGZ_NOINLINE __attribute__((noinline))
#define LOGZ_COLD __attribute__((noinline, cold))
#else
#define LOGZ_NOINLINE
#define LOGZ_COLD
#endif

#define LOGZ_NAMESPACE_BEGIN \
  namespace logz {           \
  inline namespace LOGZ_INLINE_NAMESPACE {
#define LOGZ_NAMESPACE_END \
  }                        \
  }
