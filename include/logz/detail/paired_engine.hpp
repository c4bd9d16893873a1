// SPDX-License-Identifier: MIT
//
// The engine's functions of two operands: gradients, directional derivatives, divergences.
#pragma once

#include <algorithm>

#include "../simd/dispatch.hpp"
#include "generic.hpp"
#include "generic_jvp.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace engine {

/// The call of a kernel of two operands for one step of outer. Without out its strides are g's.
template <class S>
simd::paired_call<S> paired_kernel_call(const slice_shape& shape, const slices<const S>& g,
                                        const slices<const S>& y, const slices<S>& out, Index o) {
  simd::paired_call<S> call;
  call.length = shape.length;
  call.count = shape.inner;
  call.g = g.slice(o, 0);
  call.g_length = g.length_stride;
  call.g_slice = g.inner_stride;
  call.y = y.slice(o, 0);
  call.y_length = y.length_stride;
  call.y_slice = y.inner_stride;
  call.out = out.data == nullptr ? nullptr : out.slice(o, 0);
  call.out_length = out.data == nullptr ? g.length_stride : out.length_stride;
  call.out_slice = out.data == nullptr ? g.inner_stride : out.inner_stride;
  call.factor = 0;
  return call;
}

template <simd::paired_op Op, class S>
LOGZ_NOINLINE void run_paired_blocks(const slice_shape& shape, const slices<const S>& g,
                                     const slices<const S>& y, const slices<S>& out) {
  for (Index o = 0; o < shape.outer && shape.inner > 0; ++o) {
    simd::paired_call<S> call = paired_kernel_call(shape, g, y, out, o);
    simd::run<Op>(call);
  }
}
/// f(g, y, Σ) of every slice; empty ones have nothing to write.
template <simd::paired_op Op, class S>
inline void run_paired(const slice_shape& shape, const slices<const S>& g, const slices<const S>& y,
                       const slices<S>& out) {
  if (shape.length == 0) return;
  const bool alone = shape.outer == 1 && shape.inner == 1 && g.length_stride == 1 && y.length_stride == 1 &&
                     out.length_stride == 1;
  if (alone && simd::run_short<Op>(g.data, y.data, out.data, shape.length)) return;
  run_paired_blocks<Op, S>(shape, g, y, out);
}

/// Slices whose sums pass through the stack together: as many as the widest panel.
inline constexpr Index most_sums = 1024;

/// The sums of the slices, block by block: done(first slice, count, sums, what they have lost); out, if any, with a factor.
template <simd::paired_op Op, class S, class Done>
void sum_paired(const slice_shape& shape, const slices<const S>& g, const slices<const S>& y,
                const slices<S>& out, S factor, const Done& done) {
  double sum[most_sums], rest[most_sums];
  for (Index first = 0; first < shape.inner; first += most_sums) {
    const slice_shape block{1, shape.length, std::min(most_sums, shape.inner - first)};
    if (shape.length == 0) {
      std::fill_n(sum, block.inner, 0.0);
      std::fill_n(rest, block.inner, 0.0);
    } else {
      simd::paired_call<S> call = paired_kernel_call(block, g.from(first), y.from(first),
                                                     out.data == nullptr ? out : out.from(first), 0);
      call.sum = sum;
      call.rest = rest;
      call.factor = factor;
      simd::run<Op>(call);
    }
    done(first, block.inner, sum, rest);
  }
}
/// A sum and what it has lost, which says nothing where the sum is not finite.
inline double rounded_sum(double sum, double rest) {
  const double both = sum + rest;
  return is_nan(both) ? sum : both;
}

/// p ∘ (g - Σ g p).
template <class S>
inline void softmax_backward(const slice_shape& shape, const slices<const S>& grad_output,
                             const slices<const S>& p, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    run_paired<simd::paired_op::softmax_backward, S>(shape, grad_output, p, out);
  } else {
    generic::softmax_backward(shape, grad_output, p, out);
  }
}

/// g - exp(lp) · Σ g.
template <class S>
inline void log_softmax_backward(const slice_shape& shape, const slices<const S>& grad_output,
                                 const slices<const S>& log_p, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    run_paired<simd::paired_op::log_softmax_backward, S>(shape, grad_output, log_p, out);
  } else {
    generic::log_softmax_backward(shape, grad_output, log_p, out);
  }
}

/// v - Σ exp(lp) v.
template <class S>
inline void log_softmax_jvp(const slice_shape& shape, const slices<const S>& v, const slices<const S>& log_p,
                            const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    run_paired<simd::paired_op::log_softmax_jvp, S>(shape, v, log_p, out);
  } else {
    generic::log_softmax_jvp(shape, v, log_p, out);
  }
}

/// Σ p v of each slice.
template <class S>
void logsumexp_jvp(const slice_shape& shape, const slices<const S>& v, const slices<const S>& p,
                   const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    sum_paired<simd::paired_op::logsumexp_jvp, S>(
        shape, v, p, {nullptr, 0, 0, 0}, S(0),
        [&](Index first, Index count, const double* sum, const double* rest) {
          for (Index i = 0; i < count; ++i) *out.slice(0, first + i) = S(rounded_sum(sum[i], rest[i]));
        });
  } else {
    generic::logsumexp_jvp(shape, v, p, out);
  }
}

/// Σ p (log p - log q), or of exp(t) (t - log q), of each slice: done(first slice, count, sums, what they have lost). In
/// out, if any, p or exp(t) times the factor.
template <class S, class Done>
void divergence(bool log_target, const slice_shape& shape, const slices<const S>& log_q,
                const slices<const S>& p, const slices<S>& out, S factor, const Done& done) {
  if (log_target) {
    sum_paired<simd::paired_op::log_divergence>(shape, log_q, p, out, factor, done);
  } else {
    sum_paired<simd::paired_op::divergence>(shape, log_q, p, out, factor, done);
  }
}
/// The sum over all slices. What fills memory without a gap is cut into pieces, in memory's order, as if they were the
/// slices: neither short slices nor an axis cost anything.
template <class S, class Add>
void total_divergence(bool log_target, const slice_shape& shape, const slices<const S>& log_q,
                      const slices<const S>& p, const slices<S>& out, S factor, const Add& add) {
  const auto done = [&](Index, Index count, const double* sum, const double* rest) {
    for (Index i = 0; i < count; ++i) add(sum[i], rest[i]);
  };
  const auto every = [&](const auto& holds) {
    return holds(log_q) && holds(p) && (out.data == nullptr || holds(out));
  };
  const bool dense =
      every([&](const auto& s) { return s.length_stride == 1 && s.inner_stride == shape.length; }) ||
      every([&](const auto& s) { return s.inner_stride == 1 && s.length_stride == shape.inner; });
  if (!dense) return divergence(log_target, shape, log_q, p, out, factor, done);
  constexpr Index piece = 4096;
  const auto pieces = [](const auto& s, Index first) {
    auto result = s;
    result.data += s.data == nullptr ? 0 : first;
    result.length_stride = 1;
    result.inner_stride = piece;
    return result;
  };
  const Index numbers = shape.length * shape.inner, whole = numbers / piece, left = numbers % piece;
  for (const slice_shape& part : {slice_shape{1, piece, whole}, slice_shape{1, left, left == 0 ? 0 : 1}}) {
    const Index first = part.length == piece ? 0 : whole * piece;
    divergence(log_target, part, pieces(log_q, first), pieces(p, first), pieces(out, first), factor, done);
  }
}

}  // namespace engine
}  // namespace detail
LOGZ_NAMESPACE_END
