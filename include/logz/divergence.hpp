// SPDX-License-Identifier: MIT
#pragma once

#include "detail/divergence_calls.hpp"

LOGZ_NAMESPACE_BEGIN

/// Entropy of softmax(x) in each slice, in nats: -Σ p log p.
///
/// Formed as (log Z - max x) + Σ p (max x - x), in which nothing is negative: neither a large offset nor a slice that
/// one element dominates costs digits.
///
/// @param x  logits: a vector, or matrix.rowwise() / .colwise(): any storage order, strides, or expression.
/// @return   of a vector a Scalar; of x.rowwise() a column and of x.colwise() a row with one number per
///           slice, an expression evaluated into its destination, a vector of either orientation.
///
/// Special values: -∞ elements do not count; a slice of only -∞, or with +∞ or NaN, gives NaN; a single finite
/// element gives 0, and so does an empty slice: there is nothing to sum.
/// Accuracy: ≤ 2 ulp.
/// Memory: none for an argument in memory; a lazy one is evaluated once, into a temporary.
/// Errors: std::invalid_argument if the destination cannot take the shape; nothing is written then.
/// Source: Shannon, A mathematical theory of communication, 1948.
template <class X, int Direction>
[[nodiscard]] auto entropy(const Eigen::VectorwiseOp<X, Direction>& x) {
  return detail::number_of_slices(detail::entropy_function{}, x);
}
template <class X>
[[nodiscard]] typename X::Scalar entropy(const Eigen::DenseBase<X>& x) {
  return detail::number_of_slices(detail::entropy_function{}, x);
}

/// Gradient through the entropy: dx = -g p (log p + h) in each slice.
///
/// Formed as g p ((max x - x) - Σ p (max x - x)), so that the rounding of h does not enter: of equal logits it is
/// exactly 0.
///
/// @param grad_h  g, the gradient by h: a vector with one number per slice; a Scalar for a vector x.
/// @param x       entropy's argument: a vector, or matrix.rowwise() / .colwise().
/// @param h       entropy's result: a vector with one number per slice; a Scalar for a vector x.
/// @return        an expression of x's shape; its destination may be x itself.
///
/// Special values: 0 where p = 0, for finite g; NaN throughout where the entropy is NaN.
/// Accuracy: ≤ 4 ulp of the larger of g p (max x - x) and g p Σ p (max x - x).
/// Memory: none for arguments in memory; otherwise as log_softmax.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take them; nothing is
/// written then.
/// Source: dp/dx is the Jacobian of softmax.
template <class G, class X, int Direction, class H>
[[nodiscard]] auto entropy_backward(const Eigen::DenseBase<G>& grad_h,
                                    const Eigen::VectorwiseOp<X, Direction>& x,
                                    const Eigen::DenseBase<H>& h) {
  return detail::backward_of_slices(detail::entropy_backward_function{}, grad_h, x, h);
}
template <class X>
[[nodiscard]] auto entropy_backward(const typename X::Scalar& grad_h, const Eigen::DenseBase<X>& x,
                                    const typename X::Scalar& h) {
  return detail::backward_of_vector(detail::entropy_backward_function{}, grad_h, x, h);
}
template <class G, class X, class H>
[[nodiscard]] auto entropy_backward(const Eigen::DenseBase<G>&, const Eigen::DenseBase<X>& x,
                                    const Eigen::DenseBase<H>&) {
  return detail::entropy_backward_without_axis(x);
}

/// Kullback-Leibler divergence of q from p, given as log q and p: the terms p (log p - log q), averaged or summed.
///
/// @param log_q    log-probabilities (of log_softmax): a vector, or matrix.rowwise() / .colwise(), a sample per slice.
/// @param p        probabilities of the same shape, p, p.rowwise() or p.colwise(); with log_target their logarithms t:
///                 the terms are then exp(t) (t - log q).
/// @param options  kl_div_options: reduction is kl_reduction::mean (over the elements, default), batchmean (over the
///                 slices; for a vector the sum) or sum; log_target.
/// @return         the divergence, in log_q's scalar type (float for half types).
///
/// Special values: 0 where p = 0 or t = -∞, whatever log q is; +∞ where q = 0 and p > 0; NaN for a p that is NaN or
/// negative, and for log q NaN where p ≠ 0. The mean over no elements, or no slices, is NaN, their sum 0.
/// Accuracy: ≤ 2 ulp of Σ p (|log p| + |log q|); with log_target of Σ exp(t) |t - log q|. Floats are summed in double,
/// all others with compensation, in a fixed order: of what fills memory without a gap in memory's, whatever the axis.
/// Memory: none for arguments in memory; a lazy one is evaluated once, into a temporary.
/// Errors: std::invalid_argument if the shapes differ.
/// Source: torch.nn.functional.kl_div.
template <class Q, class P>
[[nodiscard]] auto kl_div(const Q& log_q, const P& p, const kl_div_options& options = {}) {
  return detail::divergence<detail::kl_div_function, Q, P>(log_q, p, options).value();
}

/// Kullback-Leibler divergence of each slice: Σ p (log p - log q).
///
/// @param log_q    as in kl_div.
/// @param p        as in kl_div.
/// @param options  as in kl_div; reduction has no part in it.
/// @return         of vectors a number; otherwise one number per slice, as entropy, in log_q's scalar type (float for
///                 half types).
///
/// Special values, accuracy, memory, source: kl_div's; an empty slice gives 0.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take the result; nothing is
/// written then.
template <class Q, class P>
[[nodiscard]] auto kl_div_per_sample(const Q& log_q, const P& p, const kl_div_options& options = {}) {
  return detail::reduction_of_pair<detail::loss_of<Q>>(
      detail::kl_div_per_sample_function{{options.log_target}}, log_q, p);
}

/// Kullback-Leibler divergence together with its gradient by log q: -p, with log_target -exp(t), divided as the
/// reduction divides.
///
/// @param log_q    as in kl_div.
/// @param p        as in kl_div.
/// @param grad     takes the gradient, of log_q's shape and scalar type: a matrix, array or vector, which is resized, or
///                 a Block, Map or Ref of the right shape. It may be log_q or p itself.
/// @param options  as in kl_div.
/// @return         the divergence, as kl_div gives it.
///
/// Special values: kl_div's; the gradient does not depend on log q, and is exactly 0 where p = 0 or t = -∞. Floats of t
/// above 67 (doubles 668), which no log-probability is, overflow.
/// Accuracy: of the gradient ≤ 2 ulp.
/// Memory: none for arguments in memory, beyond resizing grad; a grad that shares their memory in another layout
/// (shifted, transposed) costs a temporary.
/// Errors: kl_div's, and std::invalid_argument if grad cannot take the shape; grad is untouched then.
/// Source: torch.nn.functional.kl_div.
template <class Q, class P, class Grad>
auto kl_div_with_grad(const Q& log_q, const P& p, Grad&& grad, const kl_div_options& options = {}) {
  return detail::divergence<detail::kl_div_sum<true, detail::compute_t<typename Q::Scalar>>, Q, P>(log_q, p,
                                                                                                   options)
      .template with_grad<Grad>(grad);
}

LOGZ_NAMESPACE_END
