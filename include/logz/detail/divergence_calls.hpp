// SPDX-License-Identifier: MIT
#pragma once

#include "../divergence_options.hpp"
#include "../loss.hpp"
#include "functions.hpp"
#include "generic_divergence.hpp"
#include "slice_sums.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

struct entropy_function {
  static constexpr const char* name = "entropy";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) const {
    engine::entropy(shape, x, out);
  }
};

struct entropy_backward_function {
  static constexpr const char* name = "entropy_backward";
  static constexpr const char* grad = "grad_h";
  static constexpr const char* output = "h";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<const S>& grad_h,
           const slices<const S>& h, const slices<S>& out) const {
    engine::entropy_backward(shape, x, grad_h, h, out);
  }
};

/// Vectors of gradients beside an x without an axis.
template <class X>
auto entropy_backward_without_axis(const Eigen::DenseBase<X>& x) {
  static_assert(
      axis_missing<X>,
      "logz: entropy_backward takes a matrix x with an axis, x.rowwise() or x.colwise(), and a vector x "
      "with scalars");
  return slicewise(log_softmax_function{}, Eigen::VectorwiseOp<const X, Eigen::Horizontal>(x.derived()));
}

/// The sum of the terms of each slice.
struct kl_div_function {
  static constexpr const char* name = "kl_div";
  static constexpr const char* input = "log_q";
  static constexpr const char* output = "p";
  bool log_target;

  template <class S>
  void add(compensated_sum<compute_t<S>>& sum, const S& log_q, const S& p) const {
    using C = compute_t<S>;
    if (log_target) {
      generic::add_log_divergence<S>(sum, static_cast<C>(log_q), static_cast<C>(p));
    } else {
      generic::add_divergence<S>(sum, static_cast<C>(log_q), static_cast<C>(p));
    }
  }
};

struct kl_div_per_sample_function : kl_div_function {
  static constexpr const char* name = "kl_div_per_sample";

  template <class S, class R>
  void run(const slice_shape& shape, const slices<const S>& log_q, const slices<const S>& p,
           const slices<R>& out) const {
    using C = compute_t<S>;
    if constexpr (simd::has_kernels<S>) {
      engine::divergence(log_target, shape, log_q, p, slices<S>{nullptr, 0, 0, 0}, S(0),
                         [&](Index first, Index count, const double* sum, const double* rest) {
                           for (Index i = 0; i < count; ++i)
                             *out.slice(0, first + i) = R(engine::rounded_sum(sum[i], rest[i]));
                         });
    } else {
      sum_slices<C>(
          shape, is_interleaved(log_q),
          [&](compensated_sum<C>& sum, Index l, Index i) {
            add(sum, number_at(log_q, l, i), number_at(p, l, i));
          },
          [&](Index first, Index count, const auto& sums) {
            for (Index i = 0; i < count; ++i) {
              *out.slice(0, first + i) = static_cast<R>(sums[static_cast<std::size_t>(i)].value());
            }
          });
    }
  }
};

/// The number that a reduction divides by.
template <class C>
C kl_divisor(const kl_div_options& options, const slice_shape& shape) {
  if (options.reduction == kl_reduction::sum) return C(1);
  const Index count = options.reduction == kl_reduction::mean ? shape.length * shape.inner : shape.inner;
  return C(static_cast<double>(count));
}

/// The sum of all terms, and the gradient by log q where it is wanted: -p / divisor.
template <bool Gradient, class C>
struct kl_div_sum : kl_div_function {
  static constexpr const char* name = "kl_div_with_grad";
  C divisor;
  compensated_sum<C>* total;

  template <class S>
  void run(const slice_shape& shape, const slices<const S>& log_q, const slices<const S>& p,
           [[maybe_unused]] const slices<S>& out) const {
    if constexpr (simd::has_kernels<S>) {
      engine::total_divergence(log_target, shape, log_q, p, out, S(-1 / divisor),
                               [&](double sum, double rest) { total->add(sum, rest); });
    } else {
      sum_slices<C>(
          shape, is_interleaved(log_q),
          [&](compensated_sum<C>& sum, Index l, Index i) {
            const S target = number_at(p, l, i);
            add(sum, number_at(log_q, l, i), target);
            if constexpr (Gradient) number_at(out, l, i) = static_cast<S>(slope(static_cast<C>(target)));
          },
          [&](Index, Index count, const auto& sums) {
            for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
              total->add(sums[i].high(), sums[i].low());
          });
    }
  }

 private:
  C slope(const C& target) const {
    if (log_target) return is_minus_infinity(target) ? C(0) : C(-exp_of(opaque<C>(target)) / divisor);
    return target == C(0) ? C(0) : C(C(-target) / divisor);
  }
};

/// A pair of arguments of kl_div, checked.
template <class Function, class Q, class P>
class divergence {
  using Pair = decltype(pair_of<Function>(std::declval<const Q&>(), std::declval<const P&>()));
  using First = typename Pair::first_type;
  using Second = typename Pair::second_type;

 public:
  using Scalar = typename First::Scalar;
  using C = compute_t<Scalar>;
  using Loss = loss_t<Scalar>;

  divergence(const Q& log_q, const P& p, const kl_div_options& options)
      : pair_(pair_of<Function>(log_q, p)), options_(options) {}

  Loss value() const {
    compensated_sum<C> total;
    if constexpr (valid) {
      const staged<First> log_q(pair_.first, false);
      const staged<Second> p(pair_.second, false);
      sum<false>(total).run(shape(), log_q.view(), p.view(), slices<Scalar>{nullptr, 0, 0, 0});
    }
    return reduced(total);
  }

  template <class Grad>
  Loss with_grad(Grad& grad) const {
    compensated_sum<C> total;
    if constexpr (valid && check_grad<Grad, Scalar>()) {
      Eigen::internal::call_assignment(grad, map_expression(sum<true>(total), pair_.first, pair_.second));
    }
    return reduced(total);
  }

 private:
  static constexpr bool valid =
      is_supported_scalar<Scalar> && std::is_same_v<Scalar, typename Second::Scalar>;

  slice_shape shape() const { return shape_of(pair_.first.xpr(), typename First::Cut{}); }
  template <bool Gradient>
  kl_div_sum<Gradient, C> sum(compensated_sum<C>& total) const {
    return {{options_.log_target}, kl_divisor<C>(options_, shape()), &total};
  }
  Loss reduced(const compensated_sum<C>& total) const {
    const C sum = total.value();
    const bool divided = options_.reduction != kl_reduction::sum;
    return static_cast<Loss>(divided ? C(sum / kl_divisor<C>(options_, shape())) : sum);
  }

  Pair pair_;
  kl_div_options options_;
};

}  // namespace detail
LOGZ_NAMESPACE_END
