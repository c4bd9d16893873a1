// SPDX-License-Identifier: MIT
//
// What a loss is asked for: targets and options, checked, and the factors they make.
#pragma once

#include <array>
#include <string>
#include <type_traits>

#include "../loss_options.hpp"
#include "loss_terms.hpp"
#include "targets.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// Probability targets, beside logits of the same shape: read while the gradient is written, so never in place, nor
/// evaluated there.
template <class P, class CutInto>
class probability_argument : public argument<P, CutInto> {
 public:
  using argument<P, CutInto>::argument;
  static constexpr bool is_plain = false;
  static constexpr bool lazy_slices = false;

  template <class Dst, class DstCut>
  sharing sharing_with(const slice_shape& shape, Dst& dst, DstCut cut) const {
    const sharing found = argument<P, CutInto>::sharing_with(shape, dst, cut);
    return found == sharing::none ? found : sharing::conflict;
  }
};

template <class P, class Cut>
class probability_targets {
 public:
  static constexpr bool are_indices = false;
  static constexpr bool lazy = !probability_argument<P, Cut>::direct;

  explicit probability_targets(const P& p) : argument_(p) {}

  /// The samples that are ignored: none.
  Index check(const char* function, Index count, Index classes, Index rows, Index cols) const {
    const P& p = argument_.xpr();
    const slice_shape shape = shape_of(p, Cut{});
    if (shape.inner != count || shape.length != classes) {
      raise<std::invalid_argument>(std::string("logz::") + function + ": the logits are " +
                                   shape_text(rows, cols) + ", but the target probabilities are " +
                                   shape_text(p.rows(), p.cols()));
    }
    if (count > 0 && classes == 0) {
      raise<std::invalid_argument>(std::string("logz::") + function + ": " + std::to_string(count) +
                                   " samples of 0 classes (the argument is " + shape_text(rows, cols) + ")");
    }
    return 0;
  }
  const probability_argument<P, Cut>& argument() const { return argument_; }

 private:
  probability_argument<P, Cut> argument_;
};

/// Factors of a sample's loss and of its (log Z)² in the reduced loss.
template <class C>
struct loss_scale {
  C loss;
  C z;
};

/// A number in a message, where its type can be one.
template <class Scalar>
std::string number_text(const Scalar& x) {
  if constexpr (std::is_arithmetic_v<Scalar>) {
    return std::to_string(x);
  } else {
    return "out of range";
  }
}

/// Nothing is asked for but the mean or the sum.
template <class Loss>
bool are_plain(const cross_entropy_options<Loss>& options) {
  return options.weight.size() == 0 && options.label_smoothing == Loss(0) && options.z_loss == Loss(0);
}

/// Options: cross_entropy_options<Loss>, or a reference to one that outlives the problem.
template <class S, class Targets, class Options>
class loss_problem {
 public:
  using Scalar = S;
  using C = compute_t<S>;
  using Loss = loss_t<S>;
  static constexpr bool are_indices = Targets::are_indices;
  static constexpr bool lazy_targets = Targets::lazy;

  loss_problem(const char* function, Targets targets, const cross_entropy_options<Loss>& options,
               Index samples, Index classes, Index rows, Index cols)
      : targets_(targets), options_(options), samples_(samples), classes_(classes) {
    counted_ = samples - targets.check(function, samples, classes, rows, cols);
    if (options.weight.size() != 0 && options.weight.size() != classes) {
      raise<std::invalid_argument>(std::string("logz::") + function + ": weight has " +
                                   std::to_string(options.weight.size()) + " numbers for " +
                                   std::to_string(classes) + " classes");
    }
    if (!(options.label_smoothing >= Loss(0) && options.label_smoothing <= Loss(1))) {
      raise<std::invalid_argument>(std::string("logz::") + function + ": label_smoothing is " +
                                   number_text(options.label_smoothing) + ", not from 0 to 1");
    }
    divisor_ = is_mean() ? find_divisor() : C(1);
    weight_sum_ = spreads() && uses_weights() ? sum_of_weights() : C(static_cast<double>(classes));
  }

  const Targets& targets() const { return targets_; }
  const cross_entropy_options<Loss>& options() const { return options_; }
  Index samples() const { return samples_; }
  Index classes() const { return classes_; }
  C z_loss() const { return static_cast<C>(options().z_loss); }
  bool uses_weights() const { return options().weight.size() != 0; }

  bool is_plain() const { return are_plain(options()); }

  /// The terms that are the same for all samples.
  loss_terms<S> terms() const {
    loss_terms<S> t{};
    const C smoothing = static_cast<C>(options().label_smoothing);
    t.weight = uses_weights() ? options().weight.data() : nullptr;
    t.weight_sum = weight_sum_;
    t.hit = C(1) - smoothing;
    const C classes(static_cast<double>(classes_));
    t.spread = C(smoothing / classes);
    t.spread_rest = C(0);  // a class's own default may be anything
    if constexpr (keeps_rest<S, C>) {
      const C product = opaque<C>(t.spread * classes);
      t.spread_rest = ((smoothing - product) - product_error<C>(t.spread, classes, product)) / classes;
    }
    return t;
  }

  /// Of the reduced loss; 0 where there is nothing to average.
  loss_scale<C> reduced_scale() const {
    if (!is_mean()) return each_scale();
    if (divisor_ == C(0)) return {C(0), C(0)};
    return {C(C(1) / divisor_), C(z_loss() / C(static_cast<double>(counted_)))};
  }
  /// Of each sample's loss by itself.
  loss_scale<C> each_scale() const { return {C(1), z_loss()}; }

  /// The reduced loss of sums over the samples, of their losses and of (log Z)².
  Loss reduced(const compensated_sum<C>& losses, const compensated_sum<C>& z_squares) const {
    const C over = is_mean() ? divisor_ : C(1);
    if (over == C(0)) return options().empty_mean == empty_mean::zero ? Loss(0) : quiet_nan<Loss>();
    const C mean = C(losses.value() / over);
    if (z_loss() == C(0)) return static_cast<Loss>(mean);
    return static_cast<Loss>(with_z_loss(mean, z_squares, reduced_scale().z));
  }
  /// loss + factor · squares, rounded once.
  static C with_z_loss(const C& loss, const compensated_sum<C>& squares, const C& factor) {
    compensated_sum<C> sum;
    sum.add(loss);
    add_product<S>(sum, factor, squares.high());
    if (!is_nan(squares.low())) sum.add(C(factor * squares.low()));  // finite squares
    return sum.value();
  }

 private:
  /// Every class has a share.
  bool spreads() const { return !are_indices || !(options().label_smoothing == Loss(0)); }
  /// Adds to a sum that keeps what it loses, where C has no digits to spare over S.
  static void add_weight(compensated_sum<C>& sum, const C& weight) { sum.add(weight); }
  static void add_weight(C& sum, const C& weight) { sum += weight; }
  static void join(compensated_sum<C>& sum, const C& part) { sum.add(part); }
  static void join(compensated_sum<C>& sum, const compensated_sum<C>& part) {
    sum.add(part.high());
    if (!is_nan(part.low())) sum.add(part.low());
  }
  /// In four chains: one would take the time of its additions' latency.
  C sum_of_weights() const {
    constexpr bool has_digits = std::is_floating_point_v<C> && !keeps_rest<S, C>;
    using Chain = std::conditional_t<has_digits, C, compensated_sum<C>>;
    const auto& weight = options().weight;
    std::array<Chain, 4> chain{};
    Index l = 0;
    for (; l + 4 <= weight.size(); l += 4) {
      add_weight(chain[0], static_cast<C>(weight[l]));
      add_weight(chain[1], static_cast<C>(weight[l + 1]));
      add_weight(chain[2], static_cast<C>(weight[l + 2]));
      add_weight(chain[3], static_cast<C>(weight[l + 3]));
    }
    for (; l < weight.size(); ++l) add_weight(chain[0], static_cast<C>(weight[l]));
    compensated_sum<C> sum;
    for (const Chain& part : chain) join(sum, part);
    return sum.value();
  }
  bool is_mean() const { return options().reduction == reduction::mean; }
  /// What the mean divides by: the sum of the weights of the targets, or the samples that are not ignored.
  C find_divisor() const {
    if constexpr (are_indices) {
      if (uses_weights()) {
        compensated_sum<C> sum;
        for (Index n = 0; n < samples_; ++n) {
          const Index target = targets_.of(n);
          if (target >= 0) sum.add(static_cast<C>(options().weight[target]));
        }
        return sum.value();
      }
    }
    return C(static_cast<double>(counted_));
  }

  Targets targets_;
  Options options_;
  Index samples_;
  Index classes_;
  Index counted_;
  C weight_sum_;
  C divisor_;
};

/// The gradient above a loss: none, one for the reduced loss, or (read with the logits) one for each sample.
template <class Loss>
struct no_gradient_above {
  static constexpr bool per_sample = false;
  slices<const Loss> view() const { return {nullptr, 0, 0, 0}; }
};
template <class Loss>
struct one_gradient_above {
  static constexpr bool per_sample = false;
  Loss value;
  slices<const Loss> view() const { return {&value, 0, 0, 0}; }
};
template <class Loss>
struct gradients_above : no_gradient_above<Loss> {
  static constexpr bool per_sample = true;
};

}  // namespace detail
LOGZ_NAMESPACE_END
