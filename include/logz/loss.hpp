// SPDX-License-Identifier: MIT
#pragma once

#include "detail/classification.hpp"
#include "loss_options.hpp"

LOGZ_NAMESPACE_BEGIN

/// Cross-entropy of logits x and target classes y or target probabilities t, averaged or summed over the samples.
///
/// With lp = log_softmax(x), weights w (1 where none are given), ε = label_smoothing and C classes, a sample's loss is
///   class indices     -(1 - ε) w[y] lp[y] - (ε / C) Σ w lp
///   probabilities     -Σ w t' lp,  t' = (1 - ε) t + ε / C
/// plus z_loss · (log Z)². The mean divides by Σ w[y] over the samples that are not ignored, of probabilities by the
/// number of samples; z_loss by the number of samples that are not ignored.
///
/// @param logits   a sample per slice: matrix.rowwise() (a row each) or .colwise(); any storage order,
///                 strides, or expression. One sample: a vector.
/// @param targets  the class of each sample, 0 to C - 1: a vector of integers of any type (Eigen,
///                 std::vector, std::array); for a vector of logits one integer. Or probabilities: a matrix of the
///                 logits' shape and scalar type, p or p.rowwise(); for a vector of logits a vector.
/// @param options  cross_entropy_options: weight, ignore_index, label_smoothing, reduction, z_loss, empty_mean.
/// @param outputs  cross_entropy_outputs: takes log Z, the largest class and whether it is the target, of each sample.
/// @return         the loss, in the logits' scalar type (float for half types).
///
/// Special values: exactly 0 for an ignored sample, whatever it holds; +∞ for a target whose logit is -∞; NaN for a
/// sample of only -∞ or with +∞ or NaN; a factor of 0 (weight, ε, 1 - ε, probability, z_loss) drops its term, even
/// times ∞. A mean of nothing (no samples, all ignored, weights of 0) is NaN, or 0 with empty_mean::zero; the sum is 0.
/// Accuracy: ≤ 2 ulp per sample, at a confident sample too; floats are summed in double, all others with compensation, in a
/// fixed order.
/// Memory: none, but what evaluating a product or another such expression takes, and lazy probabilities.
/// Errors: std::out_of_range for a target that is neither a class nor ignore_index; std::invalid_argument if targets
/// and samples differ in number or shape, there are no classes, weight is not of C numbers, or ε is outside [0, 1].
/// Source: torch.nn.functional.cross_entropy; z_loss: Chowdhery et al. 2022, arXiv:2204.02311, section 5.
template <class X, int Direction, class Targets>
[[nodiscard]] detail::loss_of<X> cross_entropy(
    const Eigen::VectorwiseOp<X, Direction>& logits, const Targets& targets,
    const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, targets).cross_entropy("cross_entropy", options, nullptr);
}
template <class X, class Target>
[[nodiscard]] detail::loss_of<X> cross_entropy(
    const Eigen::DenseBase<X>& logits, const Target& target,
    const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, target).cross_entropy("cross_entropy", options, nullptr);
}
template <class X, int Direction, class Targets>
detail::loss_of<X> cross_entropy(const Eigen::VectorwiseOp<X, Direction>& logits, const Targets& targets,
                                 const cross_entropy_options<detail::loss_of<X>>& options,
                                 cross_entropy_outputs<detail::loss_of<X>>& outputs) {
  return detail::classify<true>(logits, targets).cross_entropy("cross_entropy", options, &outputs);
}
template <class X, class Target>
detail::loss_of<X> cross_entropy(const Eigen::DenseBase<X>& logits, const Target& target,
                                 const cross_entropy_options<detail::loss_of<X>>& options,
                                 cross_entropy_outputs<detail::loss_of<X>>& outputs) {
  return detail::classify<true>(logits, target).cross_entropy("cross_entropy", options, &outputs);
}

/// Cross-entropy of each sample, not reduced.
///
/// @param logits   as in cross_entropy.
/// @param targets  as in cross_entropy; a list of indices that is kept in an auto must live as long.
/// @param options  as in cross_entropy; reduction and empty_mean do not count.
/// @return         a vector expression with one loss per sample, in the logits' scalar type (float for half types): a
///                 column for rowwise, a row for colwise. For a vector of logits a number.
///
/// Special values, accuracy, errors, source: cross_entropy's, per sample; std::invalid_argument if the destination
/// cannot take the shape.
/// Memory: as cross_entropy; a weight given as an lvalue is copied.
template <class X, int Direction, class Targets>
[[nodiscard]] auto cross_entropy_per_sample(const Eigen::VectorwiseOp<X, Direction>& logits,
                                            const Targets& targets,
                                            const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, targets)
      .template cross_entropy_per_sample<true>("cross_entropy_per_sample", options);
}
template <class X, class Target>
[[nodiscard]] detail::loss_of<X> cross_entropy_per_sample(
    const Eigen::DenseBase<X>& logits, const Target& target,
    const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, target)
      .template cross_entropy_per_sample<false>("cross_entropy_per_sample", options);
}

/// Cross-entropy together with its gradient by the logits, in one pass.
///
/// A sample's gradient, divided as its loss is:
///   class indices     (1 - ε) w[y] (p - [y]) + (ε / C) (p Σ w - w)
///   probabilities     p Σ w t' - w t'
/// plus 2 z_loss log Z p, with p = softmax(x).
///
/// @param logits   as in cross_entropy.
/// @param targets  as in cross_entropy.
/// @param grad     takes the gradient, of the logits' shape and scalar type: a matrix, array or vector,
///                 which is resized, or a Block, Map or Ref of the right shape. It may be the logits
///                 themselves.
/// @param options  as in cross_entropy.
/// @param outputs  as in cross_entropy.
/// @return         the loss, as cross_entropy gives it.
///
/// Special values: cross_entropy's; the gradient of an ignored sample is exactly 0; of one without a distribution (only
/// -∞, or with +∞ or NaN) NaN throughout; at a logit of -∞ that has no part in the target exactly 0. Where the mean has
/// nothing to average it is 0. No samples: an empty gradient.
/// Accuracy: every entry ≤ 6 ulp of itself; the target's entry is formed from the sum of the others,
/// where p - 1 would leave nothing. With label_smoothing, probabilities or z_loss an entry is a difference: ≤ 6 ulp of
/// its largest term.
/// Memory: none for logits in memory, beyond resizing grad; a grad that shares the logits' memory in another layout
/// (shifted, transposed), or the probabilities', costs a temporary.
/// Errors: cross_entropy's, and std::invalid_argument if grad cannot take the shape; grad and outputs are untouched
/// then.
/// Source: as cross_entropy.
template <class X, int Direction, class Targets, class Grad>
detail::loss_of<X> cross_entropy_with_grad(const Eigen::VectorwiseOp<X, Direction>& logits,
                                           const Targets& targets, Grad&& grad,
                                           const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, targets)
      .template cross_entropy_with_grad<Grad>("cross_entropy_with_grad", grad, options, nullptr);
}
template <class X, int Direction, class Targets, class Grad>
detail::loss_of<X> cross_entropy_with_grad(const Eigen::VectorwiseOp<X, Direction>& logits,
                                           const Targets& targets, Grad&& grad,
                                           const cross_entropy_options<detail::loss_of<X>>& options,
                                           cross_entropy_outputs<detail::loss_of<X>>& outputs) {
  return detail::classify<true>(logits, targets)
      .template cross_entropy_with_grad<Grad>("cross_entropy_with_grad", grad, options, &outputs);
}
template <class X, class Target, class Grad>
detail::loss_of<X> cross_entropy_with_grad(const Eigen::DenseBase<X>& logits, const Target& target,
                                           Grad&& grad,
                                           const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, target)
      .template cross_entropy_with_grad<Grad>("cross_entropy_with_grad", grad, options, nullptr);
}
template <class X, class Target, class Grad>
detail::loss_of<X> cross_entropy_with_grad(const Eigen::DenseBase<X>& logits, const Target& target,
                                           Grad&& grad,
                                           const cross_entropy_options<detail::loss_of<X>>& options,
                                           cross_entropy_outputs<detail::loss_of<X>>& outputs) {
  return detail::classify<true>(logits, target)
      .template cross_entropy_with_grad<Grad>("cross_entropy_with_grad", grad, options, &outputs);
}

/// Gradient through cross-entropy, from the logits.
///
/// @param grad_output  the gradient by the loss: a scalar for the reduced loss, or a vector with one number per sample
///                     for cross_entropy_per_sample, which knows no reduction; of the loss's scalar type.
/// @param logits       as in cross_entropy.
/// @param targets      as in cross_entropy_per_sample.
/// @param options      as in cross_entropy.
/// @return             an expression of the logits' shape; its destination may be the logits themselves.
///
/// Special values, accuracy, memory, source: cross_entropy_with_grad's, times grad_output.
/// Errors: cross_entropy's, and std::invalid_argument if grad_output and samples differ in number or the destination
/// cannot take the shape; nothing is written then.
template <class X, int Direction, class Targets>
[[nodiscard]] auto cross_entropy_backward(const detail::loss_of<X>& grad_output,
                                          const Eigen::VectorwiseOp<X, Direction>& logits,
                                          const Targets& targets,
                                          const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, targets)
      .cross_entropy_backward("cross_entropy_backward", options, grad_output);
}
template <class G, class X, int Direction, class Targets>
[[nodiscard]] auto cross_entropy_backward(const Eigen::DenseBase<G>& grad_output,
                                          const Eigen::VectorwiseOp<X, Direction>& logits,
                                          const Targets& targets,
                                          const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, targets)
      .cross_entropy_backward("cross_entropy_backward", options, grad_output.derived());
}
template <class X, class Target>
[[nodiscard]] auto cross_entropy_backward(const detail::loss_of<X>& grad_output,
                                          const Eigen::DenseBase<X>& logits, const Target& target,
                                          const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<true>(logits, target)
      .cross_entropy_backward("cross_entropy_backward", options, grad_output);
}

/// The second derivative of the reduced cross-entropy by the logits, times a direction v.
///
/// With p = softmax(x) and a sample's factor f of the gradient's p, f p ∘ (v - Σ p v); z_loss adds
/// 2 z_loss [log Z p ∘ (v - Σ p v) + p Σ p v].
///
/// @param v        the direction, of the logits' shape: a vector, or matrix.rowwise() / .colwise().
/// @param logits   as in cross_entropy, without an axis.
/// @param targets  as in cross_entropy_per_sample.
/// @param options  as in cross_entropy.
/// @return         an expression of v's shape; its destination may be v itself.
///
/// Special values: as cross_entropy_with_grad's gradient, for finite v.
/// Accuracy: floats ≤ 4, doubles ≤ 10 ulp of p · the larger of |v| and Σ p |v|, times what the options multiply it by.
/// Memory: as cross_entropy_with_grad.
/// Errors: cross_entropy's, and std::invalid_argument if the shapes differ or the destination cannot take them.
/// Source: ∂pᵢ/∂xⱼ = pᵢ([i = j] - pⱼ); Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
template <class V, int Direction, class X, class Targets>
[[nodiscard]] auto cross_entropy_hvp(const Eigen::VectorwiseOp<V, Direction>& v,
                                     const Eigen::DenseBase<X>& logits, const Targets& targets,
                                     const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::hvp_along<Direction>(v._expression(), logits.derived(), targets, options);
}
template <class V, int Direction, class X, int LogitsDirection, class Targets>
[[nodiscard]] auto cross_entropy_hvp(const Eigen::VectorwiseOp<V, Direction>& v,
                                     const Eigen::VectorwiseOp<X, LogitsDirection>& logits,
                                     const Targets& targets,
                                     const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  static_assert(Direction == LogitsDirection,
                "logz: v and logits have different axes; use .rowwise() or .colwise() for both");
  return detail::hvp_along<Direction>(v._expression(), logits._expression(), targets, options);
}
template <class V, class X, class Target>
[[nodiscard]] auto cross_entropy_hvp(const Eigen::DenseBase<V>& v, const Eigen::DenseBase<X>& logits,
                                     const Target& target,
                                     const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::hvp_of_vector(v.derived(), logits.derived(), target, options);
}

/// Negative log-likelihood of log-probabilities lp and target classes y, averaged or summed over the samples.
///
/// A sample's loss is -(1 - ε) w[y] lp[y] - (ε / C) Σ w lp; the mean divides as cross_entropy's.
/// From logits prefer cross_entropy: one call, and accurate where log_softmax's rounding is all that is
/// left.
///
/// @param log_probs  log-probabilities (of log_softmax), a sample per slice: matrix.rowwise() or
///                   .colwise(). One sample: a vector.
/// @param targets    class indices, as in cross_entropy.
/// @param options    as in cross_entropy, without z_loss.
/// @return           the loss, in the argument's scalar type (float for half types).
///
/// Special values: exactly 0 for an ignored sample; +∞ for a target of log-probability -∞; NaN for one of NaN; other
/// entries do not matter without label_smoothing. A factor of 0 drops its term. The mean of nothing as cross_entropy's.
/// Accuracy: exact per sample without weight and label_smoothing, ≤ 2 ulp with them; summed in at least double with
/// compensation, in a fixed order.
/// Memory: none, but what evaluating a product or another such expression takes.
/// Errors: as in cross_entropy; std::invalid_argument if z_loss is not 0.
/// Source: torch.nn.functional.nll_loss.
template <class X, int Direction, class Targets>
[[nodiscard]] detail::loss_of<X> nll_loss(const Eigen::VectorwiseOp<X, Direction>& log_probs,
                                          const Targets& targets,
                                          const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, targets).nll_loss("nll_loss", options);
}
template <class X, class Target>
[[nodiscard]] detail::loss_of<X> nll_loss(const Eigen::DenseBase<X>& log_probs, const Target& target,
                                          const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, target).nll_loss("nll_loss", options);
}

/// Negative log-likelihood of each sample, not reduced.
///
/// @param log_probs  as in nll_loss.
/// @param targets    as in cross_entropy_per_sample, class indices.
/// @param options    as in nll_loss; reduction and empty_mean do not count.
/// @return           a vector expression with one loss per sample, as cross_entropy_per_sample's; of a vector a number.
///
/// Special values, accuracy, memory, errors, source: nll_loss's, per sample.
template <class X, int Direction, class Targets>
[[nodiscard]] auto nll_loss_per_sample(const Eigen::VectorwiseOp<X, Direction>& log_probs,
                                       const Targets& targets,
                                       const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, targets)
      .template nll_loss_per_sample<true>("nll_loss_per_sample", options);
}
template <class X, class Target>
[[nodiscard]] detail::loss_of<X> nll_loss_per_sample(
    const Eigen::DenseBase<X>& log_probs, const Target& target,
    const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, target)
      .template nll_loss_per_sample<false>("nll_loss_per_sample", options);
}

/// Negative log-likelihood together with its gradient by the log-probabilities, -(1 - ε) w[y] [y] - (ε / C) w, divided
/// as the loss is.
///
/// @param log_probs  as in nll_loss.
/// @param targets    as in nll_loss.
/// @param grad       as in cross_entropy_with_grad; it may be log_probs itself.
/// @param options    as in nll_loss.
/// @return           the loss, as nll_loss gives it.
///
/// Special values: nll_loss's; the gradient does not depend on the log-probabilities; 0 for ignored samples, and where
/// the mean has nothing to average. No samples: an empty gradient.
/// Accuracy: the gradient is computed in double and rounded once.
/// Memory: none, beyond resizing grad.
/// Errors: nll_loss's, and std::invalid_argument if grad cannot take the shape; grad is untouched then.
/// Source: torch.nn.functional.nll_loss.
template <class X, int Direction, class Targets, class Grad>
detail::loss_of<X> nll_loss_with_grad(const Eigen::VectorwiseOp<X, Direction>& log_probs,
                                      const Targets& targets, Grad&& grad,
                                      const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, targets)
      .template nll_loss_with_grad<Grad>("nll_loss_with_grad", grad, options);
}
template <class X, class Target, class Grad>
detail::loss_of<X> nll_loss_with_grad(const Eigen::DenseBase<X>& log_probs, const Target& target, Grad&& grad,
                                      const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, target)
      .template nll_loss_with_grad<Grad>("nll_loss_with_grad", grad, options);
}

/// Gradient through nll_loss.
///
/// @param grad_output  as in cross_entropy_backward.
/// @param log_probs    as in nll_loss; only its shape counts.
/// @param targets      as in nll_loss_per_sample.
/// @param options      as in nll_loss.
/// @return             an expression of log_probs' shape; its destination may be log_probs itself.
///
/// Special values, accuracy, memory, errors, source: nll_loss_with_grad's, times grad_output.
template <class X, int Direction, class Targets>
[[nodiscard]] auto nll_loss_backward(const detail::loss_of<X>& grad_output,
                                     const Eigen::VectorwiseOp<X, Direction>& log_probs,
                                     const Targets& targets,
                                     const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, targets)
      .nll_loss_backward("nll_loss_backward", options, grad_output);
}
template <class G, class X, int Direction, class Targets>
[[nodiscard]] auto nll_loss_backward(const Eigen::DenseBase<G>& grad_output,
                                     const Eigen::VectorwiseOp<X, Direction>& log_probs,
                                     const Targets& targets,
                                     const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, targets)
      .nll_loss_backward("nll_loss_backward", options, grad_output.derived());
}
template <class X, class Target>
[[nodiscard]] auto nll_loss_backward(const detail::loss_of<X>& grad_output,
                                     const Eigen::DenseBase<X>& log_probs, const Target& target,
                                     const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify<false>(log_probs, target)
      .nll_loss_backward("nll_loss_backward", options, grad_output);
}

LOGZ_NAMESPACE_END
