// SPDX-License-Identifier: MIT
#pragma once

#include "detail/functions.hpp"

LOGZ_NAMESPACE_BEGIN

/// Log-softmax of each slice: lp = x - log Σ exp(x).
///
/// Prefer it to log(softmax(x)), which is -∞ for every class whose probability underflows: [1000, 1].
///
/// @param x  a vector, or matrix.rowwise() / .colwise(): any storage order, strides, or expression.
/// @return   an expression of x's shape; evaluated into its destination, which may be x itself.
///
/// Special values: -∞ (a class that is out) stays -∞ and leaves the others alone; a slice of only -∞, or
/// with +∞ or NaN, is NaN throughout; a single finite element gives 0; an empty slice stays empty.
/// Accuracy: ≤ 1.5 ulp at any length, at the dominant class too.
/// Memory: a scratch of 272 KiB per thread, made once, where a call needs more than the stack; beyond it no
/// allocation for an argument in memory or a coefficient-wise expression; a destination that shares
/// an argument's memory in another layout (shifted, transposed), or has none of its own (reverse()), costs a temporary.
/// Errors: std::invalid_argument if the destination cannot take the shape; nothing is written then.
/// Source: Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class X, int Direction>
[[nodiscard]] auto log_softmax(const Eigen::VectorwiseOp<X, Direction>& x) {
  return detail::slicewise(detail::log_softmax_function{}, x);
}
template <class X>
[[nodiscard]] auto log_softmax(const Eigen::DenseBase<X>& x) {
  return detail::slicewise(detail::log_softmax_function{}, x);
}

/// Gradient through log-softmax: dx = g - exp(lp) Σ g in each slice.
///
/// @param grad_output  g, the gradient by log-softmax's output: a vector, or matrix.rowwise() /
///                     .colwise().
/// @param log_p        log-softmax's output, of the same shape: lp, lp.rowwise() or lp.colwise().
/// @return             an expression of grad_output's shape; its destination may be grad_output or log_p
///                     itself.
///
/// Special values: where lp = -∞ the gradient is g, for finite gradients; NaN in g makes its slice NaN.
/// Accuracy: ≤ 4 ulp of the largest term.
/// Memory: a scratch of 272 KiB per thread, made once, where a call needs more than the stack; beyond it no
/// allocation for arguments in memory; otherwise as log_softmax.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take them; nothing is
/// written then.
/// Source: dlpᵢ/dxⱼ = [i = j] - pⱼ; Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class G, int Direction, class L>
[[nodiscard]] auto log_softmax_backward(const Eigen::VectorwiseOp<G, Direction>& grad_output,
                                        const Eigen::DenseBase<L>& log_p) {
  return detail::slicewise_backward(detail::log_softmax_backward_function{}, grad_output, log_p);
}
template <class G, int Direction, class L, int OutputDirection>
[[nodiscard]] auto log_softmax_backward(const Eigen::VectorwiseOp<G, Direction>& grad_output,
                                        const Eigen::VectorwiseOp<L, OutputDirection>& log_p) {
  return detail::slicewise_backward(detail::log_softmax_backward_function{}, grad_output, log_p);
}
template <class G, class L>
[[nodiscard]] auto log_softmax_backward(const Eigen::DenseBase<G>& grad_output,
                                        const Eigen::DenseBase<L>& log_p) {
  return detail::slicewise_backward(detail::log_softmax_backward_function{}, grad_output, log_p);
}
template <class G, class Y, int Direction>
[[nodiscard]] auto log_softmax_backward(const Eigen::DenseBase<G>& grad_output,
                                        const Eigen::VectorwiseOp<Y, Direction>& log_p) {
  return detail::slicewise_backward(detail::log_softmax_backward_function{}, grad_output, log_p);
}

/// Log-softmax's Jacobian times a direction, in each slice: v - Σ exp(lp) v, the change of lp when x moves along v.
///
/// @param v      the direction: a vector, or matrix.rowwise() / .colwise().
/// @param log_p  log-softmax's output, of the same shape: lp, lp.rowwise() or lp.colwise().
/// @return       an expression of v's shape; its destination may be v or log_p itself.
///
/// Special values: an element of lp = -∞ has no part in the sum, for finite v; NaN in v or lp makes its slice NaN. Floats
/// of lp above 19, which no log-probability is, overflow.
/// Accuracy: ≤ 4 ulp of the larger of |v| and Σ exp(lp) |v|.
/// Memory: none for arguments in memory; otherwise as log_softmax.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take them; nothing is
/// written then.
/// Source: dlpᵢ/dxⱼ = [i = j] - pⱼ; Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class V, class L>
[[nodiscard]] auto log_softmax_jvp(const V& v, const L& log_p) {
  return detail::slicewise_backward(detail::log_softmax_jvp_function{}, v, log_p);
}

LOGZ_NAMESPACE_END
