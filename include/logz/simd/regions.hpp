// SPDX-License-Identifier: MIT
//
// Compiles the kernels once per CPU target, each in a namespace of its own and in a region that grants its
// instructions.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "../detail/twofold.hpp"
#include "call.hpp"
#include "exp_tables.hpp"
#include "targets.hpp"

#if LOGZ_KERNELS

// GCC's builtins in place of the intrinsics keep <immintrin.h>, half a second of compile time, out of the user's
// build. Clang's builtins change from version to version; its intrinsics do not.
#if defined(__clang__)
#define LOGZ_GCC_BUILTINS 0
#define LOGZ_UNROLL _Pragma("unroll")
#if LOGZ_X86
#include <immintrin.h>
#endif
#else
#define LOGZ_GCC_BUILTINS 1
#define LOGZ_UNROLL _Pragma("GCC unroll 16")
#if LOGZ_X86
#include <emmintrin.h>
#endif
#endif
// Without optimisation calls cost nothing beside what they do, and inlining takes twice the compile time (Clang under
// both sanitizers: 150 s and 11 GB for a test of two losses, 24 s and 2 GB without). Vectors then cross calls, between
// functions of one region alone: its target fixes where they are passed, and no other code has its namespace's name.
#if defined(__OPTIMIZE__)
#define LOGZ_INLINE inline __attribute__((always_inline))
#else
#define LOGZ_INLINE inline
#endif

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace simd {

#if LOGZ_GRANTED_TARGET < 1
#define LOGZ_TARGET baseline
#define LOGZ_VECTOR_BYTES 16
#define LOGZ_HAS_FMA 0
#define LOGZ_EXP_DOUBLE_ENTRIES 128
#if LOGZ_X86
#define LOGZ_VECTOR_REGISTER(v) "+x"(v)
#elif defined(__aarch64__)
#define LOGZ_VECTOR_REGISTER(v) "+w"(v)
#else
#define LOGZ_VECTOR_REGISTER(v) "+m"(v)
#endif
// clang-format off
#include "vector-inl.hpp"
#include "baseline-inl.hpp"
#include "kernels-inl.hpp"
// clang-format on
#undef LOGZ_TARGET
#undef LOGZ_VECTOR_BYTES
#undef LOGZ_HAS_FMA
#undef LOGZ_EXP_DOUBLE_ENTRIES
#undef LOGZ_VECTOR_REGISTER
#endif

#if LOGZ_X86 && LOGZ_GRANTED_TARGET < 2
#if LOGZ_GRANTED_TARGET < 1
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#endif
#define LOGZ_TARGET avx2
#define LOGZ_VECTOR_BYTES 32
#define LOGZ_HAS_FMA 1
#define LOGZ_EXP_DOUBLE_ENTRIES 128
#define LOGZ_EXP_FLOAT_ENTRIES 4
#define LOGZ_VECTOR_REGISTER(v) "+x"(v)
// clang-format off
#include "vector-inl.hpp"
#include "avx2-inl.hpp"
#include "kernels-inl.hpp"
// clang-format on
#undef LOGZ_TARGET
#undef LOGZ_VECTOR_BYTES
#undef LOGZ_HAS_FMA
#undef LOGZ_EXP_DOUBLE_ENTRIES
#undef LOGZ_EXP_FLOAT_ENTRIES
#undef LOGZ_VECTOR_REGISTER
#if LOGZ_GRANTED_TARGET < 1
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
#endif

#if LOGZ_X86
#if LOGZ_GRANTED_TARGET < 2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#endif
#define LOGZ_TARGET avx512
#define LOGZ_VECTOR_BYTES 64
#define LOGZ_HAS_FMA 1
#define LOGZ_EXP_DOUBLE_ENTRIES 16
#define LOGZ_EXP_FLOAT_ENTRIES 16
#define LOGZ_VECTOR_REGISTER(v) "+v"(v)
// clang-format off
#include "vector-inl.hpp"
#include "avx512-inl.hpp"
#include "kernels-inl.hpp"
// clang-format on
#undef LOGZ_TARGET
#undef LOGZ_VECTOR_BYTES
#undef LOGZ_HAS_FMA
#undef LOGZ_EXP_DOUBLE_ENTRIES
#undef LOGZ_EXP_FLOAT_ENTRIES
#undef LOGZ_VECTOR_REGISTER
#if LOGZ_GRANTED_TARGET < 2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
#endif

}  // namespace simd
}  // namespace detail
LOGZ_NAMESPACE_END

#undef LOGZ_INLINE
#undef LOGZ_UNROLL
#undef LOGZ_GCC_BUILTINS

#endif
