// SPDX-License-Identifier: MIT
#pragma once

#include "detail/loss_calls.hpp"
#include "loss_options.hpp"

LOGZ_NAMESPACE_BEGIN

/// Cross-entropy of logits and target classes: log Σ exp(x) - x[target] per sample, averaged or summed.
///
/// @param logits   a sample per slice: matrix.rowwise() (a row each) or .colwise(); any storage order,
///                 strides, or expression. One sample: a vector.
/// @param targets  the class of each sample, 0 to C - 1: a vector of integers of any type (Eigen,
///                 std::vector, std::array). For a vector of logits: one integer.
/// @param options  cross_entropy_options: its member reduction is reduction::mean (default) or reduction::sum.
/// @return         the loss, in the logits' scalar type (float for half types).
///
/// Special values: +∞ for a target whose logit is -∞; NaN for a sample of only -∞ or with +∞ or NaN; the
/// mean over no samples is NaN, their sum 0.
/// Accuracy: ≤ 2 ulp per sample, at a confident sample too; summed in at least
/// double with compensation, in a fixed order.
/// Memory: none, but what evaluating a product or another such expression takes.
/// Errors: std::out_of_range for a target that is not a class; std::invalid_argument if targets and
/// samples differ in number or there are no classes.
/// Source: torch.nn.functional.cross_entropy.
template <class X, int Direction, class Targets>
[[nodiscard]] detail::loss_of<X> cross_entropy(
    const Eigen::VectorwiseOp<X, Direction>& logits, const Targets& targets,
    const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("cross_entropy", logits, targets).cross_entropy(options);
}
template <class X, class Integer>
[[nodiscard]] detail::loss_of<X> cross_entropy(
    const Eigen::DenseBase<X>& logits, const Integer& target,
    const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("cross_entropy", logits, detail::one_target(target)).cross_entropy(options);
}

/// Cross-entropy together with its gradient by the logits: (p - [target]) / samples for the mean,
/// p - [target] for the sum.
///
/// @param logits   as in cross_entropy.
/// @param targets  as in cross_entropy.
/// @param grad     takes the gradient, of the logits' shape and scalar type: a matrix, array or vector,
///                 which is resized, or a Block, Map or Ref of the right shape. It may be the logits
///                 themselves.
/// @param options  as in cross_entropy.
/// @return         the loss, as cross_entropy gives it.
///
/// Special values: cross_entropy's; the gradient of a sample without a distribution (only -∞, or with +∞
/// or NaN) is NaN throughout; at a logit of -∞ that is not the target exactly 0. No samples: an empty
/// gradient.
/// Accuracy: every entry ≤ 6 ulp of itself; the target's entry is formed from the sum of the others,
/// where p - 1 would leave nothing.
/// Memory: none for logits in memory, beyond resizing grad; a grad that shares the logits' memory in another layout
/// (shifted, transposed) costs a temporary.
/// Errors: cross_entropy's, and std::invalid_argument if grad cannot take the shape; grad is untouched
/// then.
/// Source: torch.nn.functional.cross_entropy.
template <class X, int Direction, class Targets, class Grad>
detail::loss_of<X> cross_entropy_with_grad(const Eigen::VectorwiseOp<X, Direction>& logits,
                                           const Targets& targets, Grad&& grad,
                                           const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("cross_entropy_with_grad", logits, targets)
      .template cross_entropy_with_grad<Grad>(grad, options);
}
template <class X, class Integer, class Grad>
detail::loss_of<X> cross_entropy_with_grad(const Eigen::DenseBase<X>& logits, const Integer& target,
                                           Grad&& grad,
                                           const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("cross_entropy_with_grad", logits, detail::one_target(target))
      .template cross_entropy_with_grad<Grad>(grad, options);
}

/// Negative log-likelihood of log-probabilities and target classes: -lp[target] per sample, averaged or
/// summed.
///
/// From logits prefer cross_entropy: one call, and accurate where log_softmax's rounding is all that is
/// left.
///
/// @param log_probs  log-probabilities (of log_softmax), a sample per slice: matrix.rowwise() or
///                   .colwise(). One sample: a vector.
/// @param targets    as in cross_entropy.
/// @param options    as in cross_entropy.
/// @return           the loss, in the argument's scalar type (float for half types).
///
/// Special values: +∞ for a target of log-probability -∞; NaN for one of NaN; other entries do not
/// matter. The mean over no samples is NaN, their sum 0.
/// Accuracy: exact per sample; summed in at least double with compensation, in a fixed order.
/// Memory: none, but what evaluating a product or another such expression takes.
/// Errors: as in cross_entropy.
/// Source: torch.nn.functional.nll_loss.
template <class X, int Direction, class Targets>
[[nodiscard]] detail::loss_of<X> nll_loss(const Eigen::VectorwiseOp<X, Direction>& log_probs,
                                          const Targets& targets,
                                          const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("nll_loss", log_probs, targets).nll_loss(options);
}
template <class X, class Integer>
[[nodiscard]] detail::loss_of<X> nll_loss(const Eigen::DenseBase<X>& log_probs, const Integer& target,
                                          const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("nll_loss", log_probs, detail::one_target(target)).nll_loss(options);
}

/// Negative log-likelihood together with its gradient by the log-probabilities: -1 / samples (mean) or -1
/// (sum) at each target, 0 elsewhere.
///
/// @param log_probs  as in nll_loss.
/// @param targets    as in cross_entropy.
/// @param grad       as in cross_entropy_with_grad; it may be log_probs itself.
/// @param options    as in cross_entropy.
/// @return           the loss, as nll_loss gives it.
///
/// Special values: nll_loss's; the gradient does not depend on the log-probabilities. No samples: an
/// empty gradient.
/// Accuracy: the gradient is rounded once.
/// Memory: none, but what evaluating a product or another such expression takes.
/// Errors: nll_loss's, and std::invalid_argument if grad cannot take the shape; grad is untouched then.
/// Source: torch.nn.functional.nll_loss.
template <class X, int Direction, class Targets, class Grad>
detail::loss_of<X> nll_loss_with_grad(const Eigen::VectorwiseOp<X, Direction>& log_probs,
                                      const Targets& targets, Grad&& grad,
                                      const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("nll_loss_with_grad", log_probs, targets)
      .template nll_loss_with_grad<Grad>(grad, options);
}
template <class X, class Integer, class Grad>
detail::loss_of<X> nll_loss_with_grad(const Eigen::DenseBase<X>& log_probs, const Integer& target,
                                      Grad&& grad,
                                      const cross_entropy_options<detail::loss_of<X>>& options = {}) {
  return detail::classify("nll_loss_with_grad", log_probs, detail::one_target(target))
      .template nll_loss_with_grad<Grad>(grad, options);
}

LOGZ_NAMESPACE_END
