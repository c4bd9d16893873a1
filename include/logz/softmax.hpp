// SPDX-License-Identifier: MIT
#pragma once

#include "detail/functions.hpp"

LOGZ_NAMESPACE_BEGIN

/// Softmax of each slice: p = exp(x) / Σ exp(x).
///
/// A slice is a vector, a row of x.rowwise() or a column of x.colwise(). Adding a constant to a slice
/// changes nothing, and nothing overflows. For log(p) use log_softmax, which keeps the probabilities that
/// underflow here.
///
/// @param x  a vector, or matrix.rowwise() / .colwise(): any storage order, strides, or expression.
/// @return   an expression of x's shape; evaluated into its destination, which may be x itself.
///
/// Special values: -∞ (a class that is out) gives exactly 0 and leaves the others alone; a slice of only
/// -∞, or with +∞ or NaN, is NaN throughout; a single finite element gives 1; an empty slice stays empty.
/// Accuracy: ≤ 4 ulp at any length; subnormal results within 2 smallest subnormals.
/// Memory: a scratch of 272 KiB per thread, made once, where a call needs more than the stack; beyond it no
/// allocation for an argument in memory or a coefficient-wise expression; a destination that shares
/// an argument's memory in another layout (shifted, transposed), or has none of its own (reverse()), costs a temporary.
/// Errors: std::invalid_argument if the destination cannot take the shape; nothing is written then.
/// Source: Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class X, int Direction>
[[nodiscard]] auto softmax(const Eigen::VectorwiseOp<X, Direction>& x) {
  return detail::slicewise(detail::softmax_function{}, x);
}
template <class X>
[[nodiscard]] auto softmax(const Eigen::DenseBase<X>& x) {
  return detail::slicewise(detail::softmax_function{}, x);
}

/// Softmin of each slice: softmax(-x), with no temporary for -x.
///
/// @param x  a vector, or matrix.rowwise() / .colwise(): any storage order, strides, or expression.
/// @return   an expression of x's shape; evaluated into its destination, which may be x itself.
///
/// Special values, accuracy, memory, errors, source: softmax's, for -x.
template <class X, int Direction>
[[nodiscard]] auto softmin(const Eigen::VectorwiseOp<X, Direction>& x) {
  return detail::slicewise(detail::softmin_function{}, x);
}
template <class X>
[[nodiscard]] auto softmin(const Eigen::DenseBase<X>& x) {
  return detail::slicewise(detail::softmin_function{}, x);
}

/// Gradient through softmax: dx = p ∘ (g - Σ g p) in each slice.
///
/// @param grad_output  g, the gradient by softmax's output: a vector, or matrix.rowwise() / .colwise().
/// @param p            softmax's output, of the same shape: p, p.rowwise() or p.colwise().
/// @return             an expression of grad_output's shape; its destination may be grad_output or p
///                     itself.
///
/// Special values: 0 where p = 0, for finite gradients; NaN in g or p makes its slice NaN.
/// Accuracy: ≤ 4 ulp of the largest term.
/// Memory: a scratch of 272 KiB per thread, made once, where a call needs more than the stack; beyond it no
/// allocation for arguments in memory; otherwise as softmax.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take them; nothing is
/// written then.
/// Source: dpᵢ/dxⱼ = pᵢ([i = j] - pⱼ); Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class G, int Direction, class P>
[[nodiscard]] auto softmax_backward(const Eigen::VectorwiseOp<G, Direction>& grad_output,
                                    const Eigen::DenseBase<P>& p) {
  return detail::slicewise_backward(detail::softmax_backward_function{}, grad_output, p);
}
template <class G, int Direction, class P, int OutputDirection>
[[nodiscard]] auto softmax_backward(const Eigen::VectorwiseOp<G, Direction>& grad_output,
                                    const Eigen::VectorwiseOp<P, OutputDirection>& p) {
  return detail::slicewise_backward(detail::softmax_backward_function{}, grad_output, p);
}
template <class G, class P>
[[nodiscard]] auto softmax_backward(const Eigen::DenseBase<G>& grad_output, const Eigen::DenseBase<P>& p) {
  return detail::slicewise_backward(detail::softmax_backward_function{}, grad_output, p);
}
template <class G, class Y, int Direction>
[[nodiscard]] auto softmax_backward(const Eigen::DenseBase<G>& grad_output,
                                    const Eigen::VectorwiseOp<Y, Direction>& p) {
  return detail::slicewise_backward(detail::softmax_backward_function{}, grad_output, p);
}

/// Softmax's Jacobian times a direction, in each slice: p ∘ (v - Σ p v), the change of p when x moves along v.
///
/// The Jacobian is symmetric, so this is softmax_backward of v.
///
/// @param v  the direction: a vector, or matrix.rowwise() / .colwise().
/// @param p  softmax's output, of the same shape: p, p.rowwise() or p.colwise().
/// @return   an expression of v's shape; its destination may be v or p itself.
///
/// Special values: 0 where p = 0, for finite v; NaN in v or p makes its slice NaN.
/// Accuracy: ≤ 4 ulp of the largest term.
/// Memory, errors, source: softmax_backward's.
template <class V, class P>
[[nodiscard]] auto softmax_jvp(const V& v, const P& p) {
  return detail::slicewise_backward(detail::softmax_jvp_function{}, v, p);
}

LOGZ_NAMESPACE_END
