// SPDX-License-Identifier: MIT
//
// The losses of the slices of an expression: from the public calls to problems and passes.
#pragma once

#include <optional>

#include "hvp_calls.hpp"
#include "loss_calls.hpp"
#include "nll_calls.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

template <class Grad>
constexpr bool is_writable_grad() {
  using G = std::remove_reference_t<Grad>;
  if constexpr (std::is_base_of_v<Eigen::EigenBase<std::remove_const_t<G>>, std::remove_const_t<G>>) {
    constexpr bool writable =
        (Eigen::internal::traits<std::remove_const_t<G>>::Flags & Eigen::LvalueBit) != 0;
    return writable && !std::is_const_v<G> && (std::is_lvalue_reference_v<Grad> || !is_plain_object<G>);
  } else {
    return false;
  }
}

template <class Grad, class Scalar>
constexpr bool check_grad() {
  constexpr bool writable = is_writable_grad<Grad>();
  static_assert(
      writable,
      "logz: grad must be writable: a non-const matrix, array or vector, or a Block, Map or Ref of one");
  if constexpr (writable) {
    constexpr bool same = std::is_same_v<typename std::remove_reference_t<Grad>::Scalar, Scalar>;
    static_assert(same, "logz: grad must have the scalar type of the logits or log-probabilities");
    return same;
  } else {
    return false;
  }
}

/// Logits or log-probabilities with their targets. Valid: no static_assert has spoken; where one has, the bodies stay
/// empty and add no lines to it.
template <class X, int Direction, class Targets, bool Valid>
class classification {
 public:
  using Scalar = typename X::Scalar;
  using Loss = loss_t<Scalar>;
  using Options = cross_entropy_options<Loss>;
  using Outputs = cross_entropy_outputs<Loss>;
  using Argument = argument<X, cut_along<Direction>>;

  template <class... Held>
  explicit classification(const X& x, const Held&... targets) : x_(x), targets_(targets...) {}

  Loss cross_entropy(const char* function, const Options& options, Outputs* outputs) const {
    if constexpr (Valid) {
      if constexpr (Argument::direct) {
        using Cut = cut_along<Direction>;
        const Index sole = sole_target(options, outputs);
        compute_t<Scalar> loss;
        if (sole >= 0 && engine::cross_entropy_alone<false>(shape_of(x_.xpr(), Cut{}),
                                                            slices<const Scalar>(slices_of(x_.xpr(), Cut{})),
                                                            sole, slices<Scalar>{nullptr, 0, 0, 0}, loss)) {
          return static_cast<Loss>(loss);
        }
      }
      const auto problem = this->template problem<const Options&>(function, options);
      loss_results<Scalar> results;
      results.outputs = outputs;
      run_values(x_, problem, results);
      return problem.reduced(results.sum, results.z_sum);
    } else {
      return Loss{};
    }
  }

  template <class Grad>
  Loss cross_entropy_with_grad(const char* function, Grad& grad, const Options& options,
                               Outputs* outputs) const {
    if constexpr (Valid && check_grad<Grad, Scalar>()) {
      const Index sole = sole_target(options, outputs);
      const auto make = [&] { return this->template problem<const Options&>(function, options); };
      std::optional<Problem<const Options&>> problem;
      if (sole < 0) problem.emplace(make());
      loss_results<Scalar> results;
      results.outputs = outputs;
      std::optional<Loss> alone;
      const loss_with_gradient<decltype(make), Problem<const Options&>> gradient{make, problem, sole, results,
                                                                                 alone};
      if constexpr (Targets::are_indices) {
        Eigen::internal::call_assignment(grad, map_expression(gradient, x_));
      } else {
        Eigen::internal::call_assignment(grad, map_expression(gradient, x_, problem->targets().argument()));
      }
      return alone ? *alone : problem->reduced(results.sum, results.z_sum);
    } else {
      return Loss{};
    }
  }

  /// The loss of every sample; without an axis, of a vector, a number.
  template <bool Axis>
  auto cross_entropy_per_sample(const char* function, const Options& options) const {
    const auto problem = this->template problem<Options>(function, options);
    const cross_entropy_per_sample_function<Problem<Options>> losses{problem};
    if constexpr (Targets::are_indices) {
      return reduction_of<Loss, Axis>(losses, x_);
    } else {
      return reduction_of<Loss, Axis>(losses, x_, problem.targets().argument());
    }
  }

  template <class... Above>
  auto cross_entropy_backward(const char* function, const Options& options, const Above&... above) const {
    return with_above(
        [&](const auto& gradient, const auto&... rest) {
          return cross_entropy_slopes<Problem<Options>>(this->template problem<Options>(function, options),
                                                        gradient, nullptr, rest...);
        },
        function, above...);
  }

  template <class V>
  auto cross_entropy_hvp(const char* function, const V& direction, const Options& options) const {
    const auto problem = this->template problem<Options>(function, options);
    const hvp_function<Problem<Options>> hvp{problem};
    if constexpr (Problem<Options>::are_indices) {
      return map_expression(hvp, direction, x_);
    } else {
      return map_expression(hvp, direction, x_, problem.targets().argument());
    }
  }

  Loss nll_loss(const char* function, const Options& options) const {
    if constexpr (Valid) {
      return reduced_nll(x_, nll_problem<const Options&>(function, options));
    } else {
      return Loss{};
    }
  }
  template <class Grad>
  Loss nll_loss_with_grad(const char* function, Grad& grad, const Options& options) const {
    if constexpr (Valid && check_grad<Grad, Scalar>()) {
      const auto problem = nll_problem<const Options&>(function, options);
      const Loss loss = reduced_nll(x_, problem);  // before grad, which may be log_probs, is written
      Eigen::internal::call_assignment(grad, nll_slopes(problem, no_gradient_above<Loss>{}));
      return loss;
    } else {
      return Loss{};
    }
  }
  template <bool Axis>
  auto nll_loss_per_sample(const char* function, const Options& options) const {
    return reduction_of<Loss, Axis>(
        nll_per_sample_function<Problem<Options>>{nll_problem<Options>(function, options)}, x_);
  }
  template <class... Above>
  auto nll_loss_backward(const char* function, const Options& options, const Above&... above) const {
    return with_above(
        [&](const auto& gradient, const auto&... rest) {
          return nll_slopes(nll_problem<Options>(function, options), gradient, rest...);
        },
        function, above...);
  }

 private:
  template <class HeldOptions>
  using Problem = loss_problem<Scalar, Targets, HeldOptions>;

  /// The class of a sole sample of which nothing but its loss is asked; negative: any other call.
  Index sole_target(const Options& options, const Outputs* outputs) const {
    if constexpr (Targets::are_indices && simd::has_kernels<Scalar>) {
      const slice_shape shape = shape_of(x_.xpr(), cut_along<Direction>{});
      if (shape.inner != 1 || outputs != nullptr || !are_plain(options)) return -1;
      Targets targets = targets_;
      targets.ignore(options.ignore_index);
      return targets.sole(shape.length);
    } else {
      return -1;
    }
  }

  template <class HeldOptions>
  Problem<HeldOptions> problem(const char* function, const Options& options) const {
    const slice_shape shape = shape_of(x_.xpr(), cut_along<Direction>{});
    Targets targets = targets_;
    if constexpr (Targets::are_indices) targets.ignore(options.ignore_index);
    return {function, targets, options, shape.inner, shape.length, x_.xpr().rows(), x_.xpr().cols()};
  }
  template <class HeldOptions>
  Problem<HeldOptions> nll_problem(const char* function, const Options& options) const {
    if (!(options.z_loss == Loss(0))) {
      raise<std::invalid_argument>(std::string("logz::") + function +
                                   ": z_loss needs logits: it is for cross_entropy");
    }
    return this->template problem<HeldOptions>(function, options);
  }

  template <class Held, class Above, class... Rest>
  auto cross_entropy_slopes(const std::decay_t<Held>& problem, const Above& above,
                            loss_results<Scalar>* results, const Rest&... rest) const {
    const cross_entropy_gradient<Held, Above> gradient{problem, above, results};
    if constexpr (std::decay_t<Held>::are_indices) {
      return map_expression(gradient, x_, rest...);
    } else {
      return map_expression(gradient, x_, problem.targets().argument(), rest...);
    }
  }
  template <class AnyProblem, class Above, class... Rest>
  auto nll_slopes(const AnyProblem& problem, const Above& above, const Rest&... rest) const {
    return map_expression(nll_gradient<AnyProblem, Above>{problem, above}, x_, rest...);
  }

  /// A scalar is the gradient above the reduced loss; a vector has one for each sample.
  template <class F>
  auto with_above(const F& slopes, const char*, const Loss& above) const {
    return slopes(one_gradient_above<Loss>{above});
  }
  template <class F, class G>
  auto with_above(const F& slopes, const char* function, const Eigen::DenseBase<G>& above) const {
    static_assert(
        G::IsVectorAtCompileTime,
        "logz: grad_output is a scalar (of the reduced loss) or a vector with one number per sample");
    static_assert(std::is_same_v<typename G::Scalar, Loss>,
                  "logz: grad_output has the loss's scalar type: the logits', float for half types");
    const Index count = shape_of(x_.xpr(), cut_along<Direction>{}).inner;
    if (above.size() != count) {
      raise<std::invalid_argument>(std::string("logz::") + function + ": grad_output has " +
                                   std::to_string(above.size()) + " numbers for " + std::to_string(count) +
                                   " samples");
    }
    return slopes(gradients_above<Loss>{}, argument_per_slice(above));
  }

  Argument x_;
  Targets targets_;
};

/// A list of class indices, or probabilities of the logits' shape, told apart by their type.
template <class X, class Targets>
constexpr bool are_probabilities() {
  if constexpr (std::is_base_of_v<Eigen::DenseBase<Targets>, Targets>) {
    return std::is_same_v<typename Targets::Scalar, typename X::Scalar> &&
           (!Targets::IsVectorAtCompileTime || X::IsVectorAtCompileTime);
  } else {
    return false;
  }
}

template <class X, class Targets>
constexpr bool are_vectors() {
  if constexpr (are_probabilities<X, Targets>()) {
    return X::IsVectorAtCompileTime && Targets::IsVectorAtCompileTime;
  } else {
    return false;
  }
}

/// check_class_indices, unless the samples themselves had an error.
template <class Targets>
constexpr bool check_targets_of(std::true_type) {
  return check_class_indices<Targets>();
}
template <class Targets>
constexpr bool check_targets_of(std::false_type) {
  return false;
}

/// Samples and their targets. Probabilities: whether the loss takes them.
template <bool Probabilities, class X, int Direction, class Targets>
auto classify(const Eigen::VectorwiseOp<X, Direction>& x, const Targets& targets) {
  using Logits = std::remove_const_t<X>;
  using Sound = std::bool_constant<check_scalar<Logits>()>;
  if constexpr (Probabilities && are_probabilities<Logits, Targets>()) {
    using Held = probability_targets<Targets, cut_along<Direction>>;
    return classification<Logits, Direction, Held, Sound::value>(x._expression(), targets);
  } else {
    constexpr bool valid = check_targets_of<Targets>(Sound{});
    return classification<Logits, Direction, index_targets<Targets>, valid>(x._expression(), targets);
  }
}
/// Probabilities with their axis.
template <bool Probabilities, class X, int Direction, class P, int TargetDirection>
auto classify(const Eigen::VectorwiseOp<X, Direction>& x,
              const Eigen::VectorwiseOp<P, TargetDirection>& targets) {
  static_assert(
      Direction == TargetDirection,
      "logz: logits and target probabilities have different axes; use .rowwise() or .colwise() for both");
  return classify<Probabilities>(x, targets._expression());
}

/// One sample: a vector of logits with one integer, or with a vector of probabilities; of anything else a list that
/// check_class_indices refuses.
template <bool Probabilities, class X, class Target>
auto classify(const Eigen::DenseBase<X>& x, [[maybe_unused]] const Target& target) {
  using Sound = std::bool_constant<check_vector<X>()>;
  constexpr int direction = vector_direction<X>;
  if constexpr (std::is_integral_v<Target>) {
    using List = std::array<Target, 1>;
    return classification<X, direction, index_targets<List>, Sound::value>(x.derived(), List{target});
  } else if constexpr (Probabilities && are_vectors<X, Target>()) {
    using Held = probability_targets<Target, cut_along<vector_direction<Target>>>;
    return classification<X, direction, Held, Sound::value>(x.derived(), target);
  } else {
    struct not_an_integer {};
    using List = std::array<not_an_integer, 1>;
    constexpr bool valid = check_targets_of<List>(Sound{});
    return classification<X, direction, index_targets<List>, valid>(x.derived(), List{});
  }
}

template <int Direction, class V, class X, class Targets, class Options>
auto hvp_along(const V& v, const X& logits, const Targets& targets, const Options& options) {
  if constexpr (check_same_scalar<V, X>()) check_scalar<X>();
  check_same_shape("cross_entropy_hvp", "v", v, "logits", logits);
  return classify<true>(Eigen::VectorwiseOp<const X, Direction>(logits), targets)
      .cross_entropy_hvp("cross_entropy_hvp", argument<V, cut_along<Direction>>(v), options);
}
template <class V, class X, class Target, class Options>
auto hvp_of_vector(const V& v, const X& logits, const Target& target, const Options& options) {
  if constexpr (check_vector<V>() && check_same_scalar<V, X>()) check_vector<X>();
  check_same_shape("cross_entropy_hvp", "v", v, "logits", logits);
  return classify<true>(logits, target)
      .cross_entropy_hvp("cross_entropy_hvp", argument<V, cut_along<vector_direction<V>>>(v), options);
}

}  // namespace detail
LOGZ_NAMESPACE_END
