// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>

#include "../loss_options.hpp"
#include "functions.hpp"
#include "lazy_pieces.hpp"
#include "targets.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// The factor of a reduction: 1, or 1 / samples.
template <class C, class Options>
C reduction_factor(const Options& options, Index samples) {
  return options.reduction == reduction::mean ? C(C(1) / C(static_cast<double>(samples))) : C(1);
}

/// The reduced loss of a sum over the samples: mean divides, and is NaN without samples.
template <class Loss, class C, class Options>
Loss reduced(const compensated_sum<C>& sum, const Options& options, Index samples) {
  const C total = sum.value();
  return static_cast<Loss>(options.reduction == reduction::mean ? C(total / C(static_cast<double>(samples)))
                                                                : total);
}

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

/// Calls f(first slice, count, targets) for blocks of slices.
template <class Targets, class F>
void for_each_target_block(const Targets& targets, Index count, const F& f) {
  std::array<Index, slice_block> block;
  for (Index first = 0; first < count; first += slice_block) {
    const Index size = std::min(slice_block, count - first);
    copy_targets(targets, first, size, block);
    f(first, size, block.data());
  }
}

/// -log p of the targets, summed, from logits x.
template <class Argument, class Targets>
auto cross_entropy_sum(const Argument& x, const Targets& targets) {
  using Scalar = typename Argument::Scalar;
  using C = compute_t<Scalar>;
  compensated_sum<C> sum;
  if constexpr (Argument::direct) {
    const slice_shape shape = shape_of(x.xpr(), typename Argument::Cut{});
    const slices<const Scalar> all = slices_of(x.xpr(), typename Argument::Cut{});
    std::array<C, slice_block> losses;
    for_each_target_block(targets, shape.inner, [&](Index first, Index count, const Index* target) {
      engine::cross_entropy(slice_shape{1, shape.length, count}, all.from(first), target, losses.data());
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) sum.add(losses[i]);
    });
  } else {
    std::array<engine::partial<Scalar>, slice_block> z;
    std::array<Scalar, slice_block> target_logit;
    std::array<Index, slice_block> target;
    for_each_piece(
        x,
        [&](const slice_shape& piece, const slices<const Scalar>& values, Index first, Index start) {
          if (start == 0) copy_targets(targets, first, piece.inner, target);
          for (std::size_t i = 0; i < static_cast<std::size_t>(piece.inner); ++i) {
            const Scalar* slice = values.slice(0, static_cast<Index>(i));
            z[i].take(piece.length, slice, values.length_stride);
            const Index position = target[i] - start;
            const bool here = 0 <= position && position < piece.length;
            if (here) target_logit[i] = slice[position * values.length_stride];
          }
        },
        [&](Index, Index count) {
          for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            sum.add(z[i].cross_entropy(target_logit[i]));
            z[i] = {};
          }
        });
  }
  return sum;
}

/// The gradient by the logits, scaled, with the sum of the losses on the way.
template <class Targets, class C>
struct cross_entropy_gradient {
  static constexpr const char* name = "cross_entropy_with_grad";
  const Targets& targets;
  C scale;
  compensated_sum<C>& sum;

  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) const {
    std::array<C, slice_block> losses;
    for_each_target_block(targets, shape.inner, [&](Index first, Index count, const Index* target) {
      engine::cross_entropy_with_grad(slice_shape{1, shape.length, count}, x.from(first), target, scale,
                                      losses.data(), out.from(first));
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) sum.add(losses[i]);
    });
  }
};

/// The gradient of nll_loss by the log-probabilities: -scale at the target, 0 elsewhere.
template <class Targets, class C>
struct nll_gradient {
  static constexpr const char* name = "nll_loss_with_grad";
  const Targets& targets;
  C scale;

  template <class S>
  void run(const slice_shape& shape, const slices<S>& out) const {
    using Position = decltype(targets.size());
    for (Index i = 0; i < shape.inner; ++i) {
      S* slice = out.slice(0, i);
      for (Index l = 0; l < shape.length; ++l) slice[l * out.length_stride] = static_cast<S>(C(0));
      slice[static_cast<Index>(targets[static_cast<Position>(i)]) * out.length_stride] =
          static_cast<S>(C(-scale));
    }
  }
};

/// The losses of the slices of an expression, their arguments checked. Valid: no static_assert has spoken;
/// where one has, the bodies stay empty and add no lines to it.
template <class X, int Direction, class Targets, bool Valid>
class classification {
 public:
  using Scalar = typename X::Scalar;
  using C = compute_t<Scalar>;
  using Loss = loss_t<Scalar>;
  using Argument = argument<X, cut_along<Direction>>;

  classification(const char* function, const X& x, const Targets& targets)
      : x_(x), shape_(shape_of(x, cut_along<Direction>{})), targets_(targets) {
    if constexpr (Valid) check_targets(function, targets, shape_.inner, shape_.length, x.rows(), x.cols());
  }

  template <class Options>
  Loss cross_entropy(const Options& options) const {
    if constexpr (Valid) return reduced<Loss>(cross_entropy_sum(x_, targets_), options, shape_.inner);
    return Loss{};
  }

  template <class Grad, class Options>
  Loss cross_entropy_with_grad(Grad& grad, const Options& options) const {
    if constexpr (Valid && check_grad<Grad, Scalar>()) {
      compensated_sum<C> sum;
      const cross_entropy_gradient<Targets, C> gradient{targets_, reduction_factor<C>(options, shape_.inner),
                                                        sum};
      Eigen::internal::call_assignment(grad, map_expression(gradient, x_, x_));
      return reduced<Loss>(sum, options, shape_.inner);
    }
    return Loss{};
  }

  template <class Options>
  Loss nll_loss(const Options& options) const {
    if constexpr (Valid) {
      const Eigen::internal::evaluator<typename Argument::Xpr> log_p(x_.xpr());
      using Position = decltype(targets_.size());
      compensated_sum<C> sum;
      for (Index n = 0; n < shape_.inner; ++n) {
        const auto target = static_cast<Index>(targets_[static_cast<Position>(n)]);
        const bool rowwise = Direction == Eigen::Horizontal;
        sum.add(C(-static_cast<C>(rowwise ? log_p.coeff(n, target) : log_p.coeff(target, n))));
      }
      return reduced<Loss>(sum, options, shape_.inner);
    }
    return Loss{};
  }

  template <class Grad, class Options>
  Loss nll_loss_with_grad(Grad& grad, const Options& options) const {
    if constexpr (Valid && check_grad<Grad, Scalar>()) {
      const Loss loss = nll_loss(options);  // before grad, which may be log_probs, is written
      const nll_gradient<Targets, C> gradient{targets_, reduction_factor<C>(options, shape_.inner)};
      Eigen::internal::call_assignment(grad, map_expression(gradient, x_));
      return loss;
    }
    return Loss{};
  }

 private:
  Argument x_;
  slice_shape shape_;
  const Targets& targets_;
};

/// check_class_indices, unless the samples themselves had an error.
template <class Targets>
constexpr bool check_targets_of(std::true_type) {
  return check_class_indices<Targets>();
}
template <class Targets>
constexpr bool check_targets_of(std::false_type) {
  return false;
}

template <class X, int Direction, class Targets>
auto classify(const char* function, const Eigen::VectorwiseOp<X, Direction>& x, const Targets& targets) {
  constexpr bool valid = check_targets_of<Targets>(std::bool_constant<check_scalar<X>()>{});
  return classification<std::remove_const_t<X>, Direction, Targets, valid>(function, x._expression(),
                                                                           targets);
}
/// One sample: a vector of logits with one integer; of anything else a list that check_class_indices refuses.
template <class Integer>
auto one_target([[maybe_unused]] const Integer& target) {
  if constexpr (std::is_integral_v<Integer>) {
    return std::array<Integer, 1>{target};
  } else {
    struct not_an_integer {};
    return std::array<not_an_integer, 1>{};
  }
}
template <class X, class Integer>
auto classify(const char* function, const Eigen::DenseBase<X>& x, const std::array<Integer, 1>& target) {
  constexpr bool valid = check_targets_of<std::array<Integer, 1>>(std::bool_constant<check_vector<X>()>{});
  return classification<X, vector_direction<X>, std::array<Integer, 1>, valid>(function, x.derived(), target);
}

}  // namespace detail
LOGZ_NAMESPACE_END
