// SPDX-License-Identifier: MIT
#pragma once

#include "detail/binary_calls.hpp"

LOGZ_NAMESPACE_BEGIN

/// Softplus of each number: log(1 + exp(x)), formed as max(x, 0) + log1p(exp(-|x|)).
///
/// @param x  a vector, matrix or array expression, without an axis; or a number.
/// @return   an expression of x's shape, evaluated into its destination, which may be x itself; of a number the number.
///
/// Special values: -∞ gives 0, +∞ gives +∞, NaN gives NaN.
/// Accuracy: ≤ 2 ulp, where exp(x) underflows within 2 smallest subnormals.
/// Memory: none for an argument in memory or a coefficient-wise expression; a destination that shares its memory
/// in another layout (shifted, transposed) costs a temporary.
/// Errors: std::invalid_argument if the destination cannot take the shape; nothing is written then.
/// Source: Mächler, Accurately computing log(1 - exp(-|a|)), 2012.
template <class X>
[[nodiscard]] auto softplus(const Eigen::DenseBase<X>& x) {
  return detail::elementwise<detail::softplus_function>(x);
}
template <class T, std::enable_if_t<detail::is_number<T>, int> = 0>
[[nodiscard]] T softplus(const T& x) {
  return detail::of_numbers<detail::softplus_function>(x);
}

/// Log of the logistic function of each number: log(1 / (1 + exp(-x))) = -softplus(-x).
///
/// @param x  a vector, matrix or array expression, without an axis; or a number.
/// @return   an expression of x's shape, evaluated into its destination, which may be x itself; of a number the number.
///
/// Special values: -∞ gives -∞, +∞ gives 0, NaN gives NaN.
/// Accuracy, memory, errors, source: softplus's.
template <class X>
[[nodiscard]] auto log_sigmoid(const Eigen::DenseBase<X>& x) {
  return detail::elementwise<detail::log_sigmoid_function>(x);
}
template <class T, std::enable_if_t<detail::is_number<T>, int> = 0>
[[nodiscard]] T log_sigmoid(const T& x) {
  return detail::of_numbers<detail::log_sigmoid_function>(x);
}

/// Gradient through softplus: dx = g / (1 + exp(-x)).
///
/// @param grad_output  g, the gradient by softplus's output: an expression without an axis; or a number.
/// @param x            softplus's argument, of the same shape; or a number.
/// @return             an expression of grad_output's shape; its destination may be grad_output or x itself.
///
/// Special values: x = -∞ gives 0 and x = +∞ gives g, for finite g; NaN in either gives NaN.
/// Accuracy: ≤ 2 ulp (long double 4).
/// Memory: none for arguments in memory; otherwise as softplus.
/// Errors: std::invalid_argument if the shapes differ or the destination cannot take them; nothing is
/// written then.
/// Source: the logistic function is softplus's derivative.
template <class G, class X>
[[nodiscard]] auto softplus_backward(const Eigen::DenseBase<G>& grad_output, const Eigen::DenseBase<X>& x) {
  return detail::elementwise<detail::softplus_backward_function>(grad_output, x);
}
template <class T, std::enable_if_t<detail::is_number<T>, int> = 0>
[[nodiscard]] T softplus_backward(const T& grad_output, const T& x) {
  return detail::of_numbers<detail::softplus_backward_function>(grad_output, x);
}

/// Gradient through log-sigmoid: dx = g / (1 + exp(x)).
///
/// @param grad_output  g, the gradient by log_sigmoid's output: an expression without an axis; or a number.
/// @param x            log_sigmoid's argument, of the same shape; or a number.
/// @return             an expression of grad_output's shape; its destination may be grad_output or x itself.
///
/// Special values: x = +∞ gives 0 and x = -∞ gives g, for finite g; NaN in either gives NaN.
/// Accuracy, memory, errors: softplus_backward's.
/// Source: d log s(x)/dx = s(-x) of the logistic function s.
template <class G, class X>
[[nodiscard]] auto log_sigmoid_backward(const Eigen::DenseBase<G>& grad_output,
                                        const Eigen::DenseBase<X>& x) {
  return detail::elementwise<detail::log_sigmoid_backward_function>(grad_output, x);
}
template <class T, std::enable_if_t<detail::is_number<T>, int> = 0>
[[nodiscard]] T log_sigmoid_backward(const T& grad_output, const T& x) {
  return detail::of_numbers<detail::log_sigmoid_backward_function>(grad_output, x);
}

/// Options of the binary cross-entropies. Scalar is the loss's type: the logits' scalar, float for half types.
///
/// pos_weight and weight hold a factor per class: the columns of a matrix, a sample in each row, or the elements of a
/// vector. Empty: 1; a single number: the same for all.
template <class Scalar>
struct binary_cross_entropy_options {
  /// The mean is over all elements. binary_cross_entropy_with_logits_per_element does not look at it.
  logz::reduction reduction = logz::reduction::mean;
  /// A factor of the loss of a yes, y log sigmoid(x): above 1 for classes that are rarely right.
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> pos_weight{};
  /// A factor of the whole loss.
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> weight{};
};

/// Binary cross-entropy of logits and targets from 0 to 1, averaged or summed over all elements:
/// w [(1 - y) softplus(x) + v y softplus(-x)] with the weight w and pos_weight v.
///
/// @param logits   x: a vector, matrix or array expression, without an axis; a sample per row, a class per column.
/// @param targets  y, of the same shape and scalar type: 1 for a yes, 0 for a no, probabilities between.
/// @param options  binary_cross_entropy_options.
/// @return         the loss, in the logits' scalar type (float for half types).
///
/// Special values: a factor of exactly 0 (w, v, y, 1 - y) drops its term, even times ∞ or NaN; otherwise +∞ at a
/// logit of ±∞ on the wrong side, NaN at NaN. The mean over no elements is NaN, their sum 0.
/// Accuracy: ≤ 2 ulp per element; summed in at least double with compensation, in a fixed order.
/// Memory: none for arguments in memory; a lazy one is evaluated once, into a temporary.
/// Errors: std::invalid_argument if the shapes differ, or a vector of factors has neither one number per class, nor
/// one, nor none.
/// Source: torch.nn.functional.binary_cross_entropy_with_logits, its formula written without a difference.
template <class X, class Y>
[[nodiscard]] detail::loss_of<X> binary_cross_entropy_with_logits(
    const Eigen::DenseBase<X>& logits, const Eigen::DenseBase<Y>& targets,
    const binary_cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::binary_problem<X, Y, binary_cross_entropy_options<detail::loss_of<X>>>(
             "binary_cross_entropy_with_logits", logits, targets, options)
      .value();
}

/// Binary cross-entropy of each element.
///
/// @param logits   as in binary_cross_entropy_with_logits.
/// @param targets  as in binary_cross_entropy_with_logits.
/// @param options  as in binary_cross_entropy_with_logits; copied.
/// @return         an expression of the logits' shape, in their scalar type (float for half types); evaluated into its
///                 destination, which may be an argument itself.
///
/// Special values, accuracy, source: binary_cross_entropy_with_logits's.
/// Memory: the options' vectors; arguments of half types are evaluated into temporaries, otherwise as softplus.
/// Errors: binary_cross_entropy_with_logits's, and std::invalid_argument if the destination cannot take the shape;
/// nothing is written then.
template <class X, class Y>
[[nodiscard]] auto binary_cross_entropy_with_logits_per_element(
    const Eigen::DenseBase<X>& logits, const Eigen::DenseBase<Y>& targets,
    const binary_cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::binary_per_element(logits, targets, options);
}

/// Binary cross-entropy together with its gradient by the logits: w [(1 - y) s(x) - v y s(-x)] with the logistic
/// function s, divided by the number of elements for the mean.
///
/// @param logits   as in binary_cross_entropy_with_logits.
/// @param targets  as in binary_cross_entropy_with_logits.
/// @param grad     takes the gradient, of the logits' shape and scalar type: a matrix, array or vector,
///                 which is resized, or a Block, Map or Ref of the right shape. It may be the logits or the targets
///                 themselves.
/// @param options  as in binary_cross_entropy_with_logits.
/// @return         the loss, as binary_cross_entropy_with_logits gives it.
///
/// Special values: binary_cross_entropy_with_logits's; at a logit of ±∞ the gradient is 0 on the right side and the
/// term's factor on the wrong one.
/// Accuracy: ≤ 2 ulp (long double 4) of the element itself for y = 0 and y = 1, of its larger term between them.
/// Memory: none for arguments in memory, beyond resizing grad; otherwise as softplus.
/// Errors: binary_cross_entropy_with_logits's, and std::invalid_argument if grad cannot take the shape; grad is
/// untouched then.
/// Source: torch.nn.functional.binary_cross_entropy_with_logits.
template <class X, class Y, class Grad>
detail::loss_of<X> binary_cross_entropy_with_logits_with_grad(
    const Eigen::DenseBase<X>& logits, const Eigen::DenseBase<Y>& targets, Grad&& grad,
    const binary_cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::binary_problem<X, Y, binary_cross_entropy_options<detail::loss_of<X>>>(
             "binary_cross_entropy_with_logits_with_grad", logits, targets, options)
      .template with_grad<Grad>(grad);
}

LOGZ_NAMESPACE_END
