// SPDX-License-Identifier: MIT
//
// Calls the kernel of the active CPU target.
#pragma once

#include <memory>

#include "cpu.hpp"
#include "regions.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace simd {

template <class S>
inline constexpr bool has_kernels = LOGZ_KERNELS && (std::is_same_v<S, float> || std::is_same_v<S, double>);

/// Runs a call on the active target: defined where there are kernels.
template <forward_op Op, class S>
void run(forward_call<S>& call);
template <paired_op Op, class S>
void run(paired_call<S>& call);
template <element_op Op, class S>
void run(const element_call<S>& call);
template <binary_op Op, class S>
void run(const binary_call<S>& call);
/// Runs one slice of a few numbers that lie side by side, as its results will; false where it has to be a call.
template <forward_op Op, class S>
bool run_short(const S* x, S* out, ptrdiff_t length, slice_extras<S>& extras);
template <paired_op Op, class S>
bool run_short(const S* g, const S* y, S* out, ptrdiff_t length);

#if LOGZ_KERNELS

/// Bytes of scratch: on the stack, and beyond it half of a usual L2 cache.
inline constexpr ptrdiff_t small_scratch = 16384;
inline constexpr ptrdiff_t large_scratch = 262144 + small_scratch;

/// One per thread, made when it is first needed.
inline void* thread_scratch() {
  struct release {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  static thread_local std::unique_ptr<void, release> scratch(
      ::operator new(static_cast<std::size_t>(large_scratch), std::align_val_t(64)));
  return scratch.get();
}

/// One kernel of every target.
template <class Call>
using kernel = void (*)(const Call&);
#if LOGZ_GRANTED_TARGET < 1
#define LOGZ_BASELINE(...) baseline::__VA_ARGS__
#else
#define LOGZ_BASELINE(...) nullptr
#endif
#if LOGZ_X86 && LOGZ_GRANTED_TARGET < 2
#define LOGZ_AVX2(...) avx2::__VA_ARGS__
#else
#define LOGZ_AVX2(...) nullptr
#endif
#if LOGZ_X86
#define LOGZ_AVX512(...) avx512::__VA_ARGS__
#else
#define LOGZ_AVX512(...) nullptr
#endif

template <forward_op Op, class S>
inline constexpr kernel<forward_call<S>> forward_kernels[] = {
    LOGZ_BASELINE(forward<S, Op>), LOGZ_AVX2(forward<S, Op>), LOGZ_AVX512(forward<S, Op>)};
template <paired_op Op, class S>
inline constexpr kernel<paired_call<S>> paired_kernels[] = {
    LOGZ_BASELINE(paired<S, Op>), LOGZ_AVX2(paired<S, Op>), LOGZ_AVX512(paired<S, Op>)};
template <element_op Op, class S>
inline constexpr kernel<element_call<S>> element_kernels[] = {
    LOGZ_BASELINE(elements<S, Op>), LOGZ_AVX2(elements<S, Op>), LOGZ_AVX512(elements<S, Op>)};
template <binary_op Op, class S>
inline constexpr kernel<binary_call<S>> binary_kernels[] = {
    LOGZ_BASELINE(binary<S, Op>), LOGZ_AVX2(binary<S, Op>), LOGZ_AVX512(binary<S, Op>)};
template <forward_op Op, class S>
inline constexpr bool (*short_kernels[])(const S*, S*, ptrdiff_t, slice_extras<S>&) = {
    LOGZ_BASELINE(short_slice<S, Op>), LOGZ_AVX2(short_slice<S, Op>), LOGZ_AVX512(short_slice<S, Op>)};
template <paired_op Op, class S>
inline constexpr bool (*short_paired_kernels[])(const S*, const S*, S*, ptrdiff_t) = {
    LOGZ_BASELINE(short_paired<S, Op>), LOGZ_AVX2(short_paired<S, Op>), LOGZ_AVX512(short_paired<S, Op>)};

#undef LOGZ_BASELINE
#undef LOGZ_AVX2
#undef LOGZ_AVX512

/// Of the widest vectors.
template <class S>
inline constexpr ptrdiff_t four_vectors = (LOGZ_X86 ? 256 : 64) / sizeof(S);

template <forward_op Op, class S>
inline bool run_short(const S* x, S* out, ptrdiff_t length, slice_extras<S>& extras) {
  return length <= four_vectors<S> &&
         short_kernels<Op, S>[static_cast<int>(active_target())](x, out, length, extras);
}
template <paired_op Op, class S>
inline bool run_short(const S* g, const S* y, S* out, ptrdiff_t length) {
  return length <= four_vectors<S> &&
         short_paired_kernels<Op, S>[static_cast<int>(active_target())](g, y, out, length);
}

/// Gives the call its scratch, on the stack where little is enough, and runs the active target's kernel.
template <class S, template <class> class Call>
void run(kernel<Call<S>> const (&kernels)[3], Call<S>& call, bool little) {
  const auto function = kernels[static_cast<int>(active_target())];
  if (little) {
    alignas(64) S scratch[small_scratch / sizeof(S)];
    call.scratch = scratch;
    call.scratch_size = small_scratch / static_cast<ptrdiff_t>(sizeof(S));
    return function(call);
  }
  call.scratch = static_cast<S*>(thread_scratch());
  call.scratch_size = large_scratch / static_cast<ptrdiff_t>(sizeof(S));
  function(call);
}

/// A panel of so many operands, of slices of this length, fits in the small scratch.
template <class S>
constexpr bool is_little(ptrdiff_t length, int operands) {
  constexpr ptrdiff_t line = 64, overhang = 1;
  return (length + overhang) * line * operands <= small_scratch;
}
/// The small scratch does not hold a block of 32 rows of so many operands, their slices side by side, with what the first
/// and last vectors add.
template <class S>
constexpr bool is_wide(const forward_call<S>& call, int operands) {
  constexpr ptrdiff_t edges = 128, rows = 32, overhang = 1;
  const ptrdiff_t row = call.count * static_cast<ptrdiff_t>(sizeof(S)) + edges;
  return call.x_slice == 1 &&
         ((call.length < rows ? call.length : rows) + overhang) * row * operands > small_scratch;
}

/// What is read and written together does not fit in the last-level cache.
template <class S>
bool exceeds_cache(ptrdiff_t length, ptrdiff_t count, int operands) {
  const double bytes = static_cast<double>(length) * static_cast<double>(count) * sizeof(S) * operands;
  constexpr double least = 1 << 20;  // no last-level cache is smaller
  return bytes > least && bytes > static_cast<double>(last_level_cache());
}

template <forward_op Op, class S>
void run(forward_call<S>& call) {
  constexpr bool reduces = is_reduction<Op>;
  call.in_memory = exceeds_cache<S>(call.length, call.all, 2);
  const bool probable = Op == forward_op::hvp || (call.loss != nullptr && call.loss->probability != nullptr);
  const int operands = probable ? 2 : 1;
  const bool contiguous = call.x_length == 1 && (reduces || call.out_length == 1) && !probable;
  run(forward_kernels<Op, S>, call,
      (reduces || !call.in_memory) &&
          (contiguous || (!is_wide(call, operands) && is_little<S>(call.length, operands))));
}

template <paired_op Op, class S>
void run(paired_call<S>& call) {
  call.in_memory = call.out != nullptr && exceeds_cache<S>(call.length, call.count, 3);
  const bool contiguous = call.g_length == 1 && call.y_length == 1 && call.out_length == 1;
  run(paired_kernels<Op, S>, call, contiguous || is_little<S>(call.length, 2));
}

template <element_op Op, class S>
void run(const element_call<S>& call) {
  element_kernels<Op, S>[static_cast<int>(active_target())](call);
}
template <binary_op Op, class S>
void run(const binary_call<S>& call) {
  binary_kernels<Op, S>[static_cast<int>(active_target())](call);
}

#endif

}  // namespace simd
}  // namespace detail
LOGZ_NAMESPACE_END
