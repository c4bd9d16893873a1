// SPDX-License-Identifier: MIT
#pragma once

#include "detail/functions.hpp"
#include "detail/logsumexp_call.hpp"

LOGZ_NAMESPACE_BEGIN

/// Log-sum-exp of each slice: lz = log Σ exp(x), the log-partition function log Z.
///
/// @param x  a vector, or matrix.rowwise() / .colwise(): any storage order, strides, or expression.
/// @return   of a vector a Scalar; of x.rowwise() a column and of x.colwise() a row with one number per
///           slice, an expression evaluated into its destination, a vector of either orientation.
///
/// Special values: -∞ elements do not count; a slice of only -∞, or an empty one, gives -∞; +∞ gives +∞,
/// and NaN anywhere gives NaN; a single element gives itself.
/// Accuracy: ≤ 1 ulp at any length (doubles of lazy slices beyond 16 KiB ≤ 4); where max and log Σ exp(x - max)
/// cancel, so that |log Z| < |max|, in ulp of |max|.
/// Memory: a scratch of 272 KiB per thread, made once, where a call needs more than the stack; beyond it no
/// allocation for an argument in memory or a coefficient-wise expression; a destination that shares
/// an argument's memory in another layout (shifted, transposed), or has none of its own (reverse()), costs a temporary.
/// Errors: std::invalid_argument if the destination cannot take the shape; nothing is written then.
/// Source: Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class X, int Direction>
[[nodiscard]] auto logsumexp(const Eigen::VectorwiseOp<X, Direction>& x) {
  return detail::number_of_slices(detail::logsumexp_function{}, x);
}
template <class X>
[[nodiscard]] typename X::Scalar logsumexp(const Eigen::DenseBase<X>& x) {
  return detail::number_of_slices(detail::logsumexp_function{}, x);
}

/// Gradient through log-sum-exp: dx = g softmax(x) in each slice.
///
/// lz serves as the reference, dx = g exp(x - lz) / Σ exp(x - lz), so that its rounding does not enter:
/// at an offset of 1e8 a float lz alone is off by up to 4.
///
/// @param grad_lz  g, the gradient by lz: a vector with one number per slice; a Scalar for a vector x.
/// @param x        logsumexp's argument: a vector, or matrix.rowwise() / .colwise().
/// @param lz       logsumexp's result: a vector with one number per slice; a Scalar for a vector x.
/// @return         an expression of x's shape; its destination may be x itself.
///
/// Special values: 0 at -∞ elements and where lz = -∞, for finite g; NaN throughout where lz is +∞ or NaN.
/// Accuracy: ≤ 4 ulp.
/// Memory: a scratch of 272 KiB per thread, made once, where a call needs more than the stack; beyond it no
/// allocation for arguments in memory; otherwise as logsumexp.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take them; nothing is
/// written then.
/// Source: Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class G, class X, int Direction, class L>
[[nodiscard]] auto logsumexp_backward(const Eigen::DenseBase<G>& grad_lz,
                                      const Eigen::VectorwiseOp<X, Direction>& x,
                                      const Eigen::DenseBase<L>& lz) {
  return detail::backward_of_slices(detail::logsumexp_backward_function{}, grad_lz, x, lz);
}
template <class X>
[[nodiscard]] auto logsumexp_backward(const typename X::Scalar& grad_lz, const Eigen::DenseBase<X>& x,
                                      const typename X::Scalar& lz) {
  return detail::backward_of_vector(detail::logsumexp_backward_function{}, grad_lz, x, lz);
}
template <class G, class X, class L>
[[nodiscard]] auto logsumexp_backward(const Eigen::DenseBase<G>&, const Eigen::DenseBase<X>& x,
                                      const Eigen::DenseBase<L>&) {
  return detail::logsumexp_backward_without_axis(x);
}

/// Log-sum-exp's derivative along a direction, of each slice: Σ p v, the change of lz when x moves along v.
///
/// @param v  the direction: a vector, or matrix.rowwise() / .colwise().
/// @param p  softmax(x), of the same shape: p, p.rowwise() or p.colwise().
/// @return   of vectors a Scalar; otherwise one number per slice, as logsumexp.
///
/// Special values: an element of p = 0 has no part in it, for finite v; NaN in v or p makes its slice's number NaN; an
/// empty slice gives 0.
/// Accuracy: ≤ 1 ulp, and of Σ p |v| where the terms cancel beyond the type's digits.
/// Memory: none for arguments in memory; a lazy one is evaluated once, into a temporary.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take the result; nothing is
/// written then.
/// Source: dlz/dxⱼ = pⱼ; Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class V, class P>
[[nodiscard]] auto logsumexp_jvp(const V& v, const P& p) {
  return detail::reduction_of_pair<detail::scalar_of<V>>(detail::logsumexp_jvp_function{}, v, p);
}

/// Log-sum-exp's second derivative times a direction, in each slice: p ∘ v - p Σ p v.
///
/// @param v  the direction: a vector, or matrix.rowwise() / .colwise().
/// @param p  softmax(x), of the same shape: p, p.rowwise() or p.colwise().
/// @return   an expression of v's shape; its destination may be v or p itself.
///
/// Special values: 0 where p = 0, for finite v; NaN in v or p makes its slice NaN.
/// Accuracy: ≤ 4 ulp of the largest term.
/// Memory: a scratch of 272 KiB per thread, made once, where a call needs more than the stack; beyond it no
/// allocation for arguments in memory; otherwise as logsumexp.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take them; nothing is
/// written then.
/// Source: d²lz/dxᵢdxⱼ = pᵢ([i = j] - pⱼ), the covariance of softmax.
template <class V, class P>
[[nodiscard]] auto logsumexp_hvp(const V& v, const P& p) {
  return detail::slicewise_backward(detail::logsumexp_hvp_function{}, v, p);
}

LOGZ_NAMESPACE_END
