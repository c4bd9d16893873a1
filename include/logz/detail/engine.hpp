// SPDX-License-Identifier: MIT
//
// The one place that decides which implementation a call runs on: kernels for float and double, the generic path for
// every other scalar. Pointers, sizes and strides cross this boundary, nothing of Eigen's.
#pragma once

#include "../simd/dispatch.hpp"
#include "generic.hpp"
#include "generic_divergence.hpp"
#include "generic_loss.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace engine {

using generic::partial;

/// The call of a kernel for one step of outer.
template <class S>
simd::forward_call<S> kernel_call(const slice_shape& shape, const slices<const S>& x, const slices<S>& out,
                                  Index o) {
  simd::forward_call<S> call;
  call.length = shape.length;
  call.count = shape.inner;
  call.all = shape.inner;
  call.x = x.slice(o, 0);
  call.x_length = x.length_stride;
  call.x_slice = x.inner_stride;
  call.out = out.slice(o, 0);
  call.out_length = out.length_stride;
  call.out_slice = out.inner_stride;
  call.reference = nullptr;
  call.loss = nullptr;
  call.negate = false;
  return call;
}

/// A function of its own, that what comes before it needs no registers of its.
template <simd::forward_op Op, class S>
LOGZ_NOINLINE void run_blocks(const slice_shape& shape, const slices<const S>& x, const slices<S>& out,
                              bool negate, const slices<const S>& reference, const slices<const S>& factor) {
  for (Index o = 0; o < shape.outer && shape.inner > 0; ++o) {
    simd::forward_call<S> call = kernel_call(shape, x, out, o);
    if constexpr (Op == simd::forward_op::logsumexp_backward || Op == simd::forward_op::entropy_backward) {
      call.reference = reference.slice(o, 0);
      call.reference_slice = reference.inner_stride;
      call.factor = factor.slice(o, 0);
      call.factor_slice = factor.inner_stride;
    }
    call.negate = negate;
    simd::run<Op>(call);
  }
}

/// One slice of a few numbers that lie side by side, through registers; false, and nothing done, for any other. Inline, as
/// all on the way to a short slice: there a call costs as much as its numbers.
template <simd::forward_op Op, class S>
inline bool run_alone(const slice_shape& shape, const slices<const S>& x, const slices<S>& out,
                      simd::slice_extras<S>& extras) {
  return shape.outer == 1 && shape.inner == 1 && x.length_stride == 1 &&
         (simd::is_reduction<Op> || out.length_stride == 1) &&
         simd::run_short<Op>(x.data, out.data, shape.length, extras);
}

/// Empty slices are the generic path's.
template <simd::forward_op Op, class S>
inline void run_forward(const slice_shape& shape, const slices<const S>& x, const slices<S>& out,
                        bool negate) {
  simd::slice_extras<S> extras;
  if (!negate && run_alone<Op>(shape, x, out, extras)) return;
  run_blocks<Op, S>(shape, x, out, negate, {}, {});
}

/// exp(x - log Z); of -x with Negate.
template <bool Negate, class S>
inline void softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) run_forward<simd::forward_op::softmax>(shape, x, out, Negate);
  } else {
    generic::softmax<Negate>(shape, x, out);
  }
}

/// x - log Z.
template <class S>
inline void log_softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) run_forward<simd::forward_op::log_softmax>(shape, x, out, false);
  } else {
    generic::log_softmax(shape, x, out);
  }
}

/// log Z of each slice.
template <class S>
inline void logsumexp(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) return run_forward<simd::forward_op::logsumexp>(shape, x, out, false);
  }
  generic::logsumexp(shape, x, out);
}

/// g · p, with p = exp(x - lz) / Σ exp(x - lz).
template <class S>
inline void logsumexp_backward(const slice_shape& shape, const slices<const S>& x,
                               const slices<const S>& grad_lz, const slices<const S>& lz,
                               const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    simd::slice_extras<S> extras;
    if (shape.length != 0 && shape.inner != 0) {
      extras.reference = *lz.data;
      extras.factor = *grad_lz.data;
      if (run_alone<simd::forward_op::logsumexp_backward>(shape, x, out, extras)) return;
      run_blocks<simd::forward_op::logsumexp_backward, S>(shape, x, out, false, lz, grad_lz);
    }
  } else {
    generic::logsumexp_backward(shape, x, grad_lz, lz, out);
  }
}

/// -Σ p log p of each slice.
template <class S>
void entropy(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) return run_blocks<simd::forward_op::entropy, S>(shape, x, out, false, {}, {});
  }
  generic::entropy(shape, x, out);
}

/// -g p (log p + h).
template <class S>
void entropy_backward(const slice_shape& shape, const slices<const S>& x, const slices<const S>& grad_h,
                      const slices<const S>& h, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) run_blocks<simd::forward_op::entropy_backward, S>(shape, x, out, false, h, grad_h);
  } else {
    generic::entropy_backward(shape, x, grad_h, h, out);
  }
}

/// p ∘ (c (v - Σ p v) + d Σ p v) with a curvature c of each slice.
template <class S>
void hvp(const slice_shape& shape, const slices<const S>& x, const slices<const S>& v,
         const double* curvature, double z_slope, const slices<S>& out, Index all) {
  simd::forward_call<S> call = kernel_call(shape, x, out, 0);
  call.all = all;
  call.second = v.data;
  call.second_length = v.length_stride;
  call.second_slice = v.inner_stride;
  call.curvature = curvature;
  call.z_slope = z_slope;
  simd::run<simd::forward_op::hvp>(call);
}

/// The loss of one sample of a few classes, with its gradient where one is wanted; false, and nothing done, for any other.
template <bool Gradient, class S>
inline bool cross_entropy_alone(const slice_shape& shape, const slices<const S>& x, Index target,
                                const slices<S>& grad, compute_t<S>& loss) {
  if constexpr (simd::has_kernels<S>) {
    constexpr auto op = Gradient ? simd::forward_op::cross_entropy_gradient : simd::forward_op::cross_entropy;
    simd::slice_extras<S> extras;
    extras.target = target;
    if (!run_alone<op>(shape, x, grad, extras)) return false;
    loss = extras.loss;
    return true;
  } else {
    return false;
  }
}

/// The loss of each sample, with its gradient where one is wanted. Of `all` samples these are a block.
template <bool Gradient, class S>
void cross_entropy(const slice_shape& shape, const slices<const S>& x, const loss_terms<S>& terms,
                   const slices<S>& grad, [[maybe_unused]] Index all) {
  for (Index o = 0; o < shape.outer && shape.inner > 0; ++o) {
    const loss_terms<S> these = o == 0 ? terms : terms.from(o * shape.inner);
    if constexpr (simd::has_kernels<S>) {
      simd::forward_call<S> call = kernel_call(shape, x, grad, o);
      call.all = all;
      call.loss = &these;
      simd::run<Gradient ? simd::forward_op::cross_entropy_gradient : simd::forward_op::cross_entropy>(call);
    } else {
      const auto at = [o](auto all_slices) {
        if (all_slices.data != nullptr) all_slices.data += o * all_slices.outer_stride;
        return all_slices;
      };
      generic::cross_entropy(slice_shape{1, shape.length, shape.inner}, at(x), these, at(grad));
    }
  }
}

}  // namespace engine
}  // namespace detail
LOGZ_NAMESPACE_END
