// SPDX-License-Identifier: MIT
//
// The element-wise functions and the binary losses of expressions. A matrix is cut into its columns, the classes; a
// vector into its elements.
#pragma once

#include <string>
#include <utility>

#include "../loss.hpp"
#include "element_engine.hpp"
#include "functions.hpp"
#include "generic_binary.hpp"
#include "slice_sums.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

template <class X, bool Vectors = X::IsVectorAtCompileTime>
using class_cut = cut_along<Vectors && X::ColsAtCompileTime == 1 ? Eigen::Horizontal : Eigen::Vertical>;

/// Two vectors may differ in orientation.
template <class A, class B>
auto elements_of(const char* function, const char* a_name, const Eigen::DenseBase<A>& a, const char* b_name,
                 const Eigen::DenseBase<B>& b) {
  if constexpr (check_scalar<A>()) check_same_scalar<A, B>();
  check_same_shape(function, a_name, a.derived(), b_name, b.derived());
  constexpr bool vectors = A::IsVectorAtCompileTime && B::IsVectorAtCompileTime;
  return std::pair(argument<A, class_cut<A, vectors>>(a.derived()),
                   argument<B, class_cut<B, vectors>>(b.derived()));
}

struct softplus_function {
  static constexpr const char* name = "softplus";
  static constexpr auto op = simd::element_op::softplus;
  template <class C>
  static C of(const C& x) {
    return generic::softplus(x);
  }
};
struct log_sigmoid_function {
  static constexpr const char* name = "log_sigmoid";
  static constexpr auto op = simd::element_op::log_sigmoid;
  template <class C>
  static C of(const C& x) {
    return generic::log_sigmoid(x);
  }
};
struct softplus_backward_function {
  static constexpr const char* name = "softplus_backward";
  static constexpr auto op = simd::element_op::softplus_backward;
  template <class C>
  static C of(const C& g, const C& x) {
    return generic::times_sigmoid(g, x);
  }
};
struct log_sigmoid_backward_function {
  static constexpr const char* name = "log_sigmoid_backward";
  static constexpr auto op = simd::element_op::log_sigmoid_backward;
  template <class C>
  static C of(const C& g, const C& x) {
    return generic::times_sigmoid(g, C(-x));
  }
};

/// Function::of each number, of one argument or two.
template <class Function>
struct element_function {
  static constexpr const char* name = Function::name;
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) const {
    if constexpr (simd::has_kernels<S>) {
      engine::elements<Function::op>(shape, slices<const S>{}, x, out);
    } else {
      using C = compute_t<S>;
      for_each_number(shape.length, 0, shape.inner, is_interleaved(x), [&](Index l, Index i) {
        number_at(out, l, i) = static_cast<S>(Function::of(static_cast<C>(number_at(x, l, i))));
      });
    }
  }
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& g, const slices<const S>& x,
           const slices<S>& out) const {
    if constexpr (simd::has_kernels<S>) {
      engine::elements<Function::op>(shape, g, x, out);
    } else {
      using C = compute_t<S>;
      for_each_number(shape.length, 0, shape.inner, is_interleaved(x), [&](Index l, Index i) {
        number_at(out, l, i) = static_cast<S>(
            Function::of(static_cast<C>(number_at(g, l, i)), static_cast<C>(number_at(x, l, i))));
      });
    }
  }
};

template <class Function, class X>
auto elementwise(const Eigen::DenseBase<X>& x) {
  check_scalar<X>();
  const argument<X, class_cut<X>> a(x.derived());
  return map_expression(element_function<Function>{}, a);
}
template <class Function, class G, class X>
auto elementwise(const Eigen::DenseBase<G>& grad_output, const Eigen::DenseBase<X>& x) {
  const auto pair = elements_of(Function::name, "grad_output", grad_output, "x", x);
  return map_expression(element_function<Function>{}, pair.first, pair.second);
}

template <class T>
inline constexpr bool is_number = !std::is_base_of_v<Eigen::EigenBase<T>, T> && !has_axis<T>;

/// Function::of numbers themselves.
template <class Function, class T, class... Ts>
T of_numbers(const T& x, const Ts&... others) {
  if constexpr (check_scalar<Eigen::Matrix<T, 1, 1>>()) {
    if constexpr (simd::has_kernels<T>) {
      const T operands[] = {x, others...};  // x, or g and x
      T out;
      simd::run<Function::op>(simd::element_call<T>{&operands[sizeof...(Ts)], operands, &out, 1});
      return out;
    } else {
      using C = compute_t<T>;
      return static_cast<T>(Function::of(static_cast<C>(x), static_cast<C>(others)...));
    }
  } else {
    return T{};
  }
}

/// A vector of factors per class: empty for 1, one number for all.
template <class Weights>
void check_class_weights(const char* function, const char* name, const Weights& weights, Index classes,
                         Index rows, Index cols) {
  const Index size = weights.size();
  if (size == 0 || size == 1 || size == classes) return;
  raise<std::invalid_argument>(std::string("logz::") + function + ": " + name + " has " +
                               std::to_string(size) + " numbers for " + std::to_string(classes) +
                               " classes (x is " + shape_text(rows, cols) + ")");
}
template <class C, class Weights>
C class_weight(const Weights& weights, Index i) {
  return weights.size() == 0 ? C(1) : static_cast<C>(weights[weights.size() == 1 ? 0 : i]);
}

template <class Weights>
auto factors(const Weights& weights) {
  return engine::slice_factors<typename Weights::Scalar>{weights.data(), weights.size()};
}

/// The loss of number (l, i), and its slope, of x and y cut into classes.
template <class S, class Options>
struct binary_terms {
  using C = compute_t<S>;
  const Options& options;
  slices<const S> x;
  slices<const S> y;

  with_rest<C> loss(Index l, Index i) const {
    return generic::binary_loss<S>(static_cast<C>(number_at(x, l, i)), static_cast<C>(number_at(y, l, i)),
                                   class_weight<C>(options.weight, i),
                                   class_weight<C>(options.pos_weight, i));
  }
  C slope(Index l, Index i, const C& count) const {
    return generic::binary_slope(static_cast<C>(number_at(x, l, i)), static_cast<C>(number_at(y, l, i)),
                                 class_weight<C>(options.weight, i), class_weight<C>(options.pos_weight, i),
                                 count);
  }
};

/// Holds the options: it may outlive the call's. Narrow: the numbers have been of a half type; their losses are rounded
/// once, to float, as the generic path does.
template <class Options, bool Narrow>
struct binary_losses {
  static constexpr const char* name = "binary_cross_entropy_with_logits_per_element";
  Options options;

  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<const S>& y,
           const slices<S>& out) const {
    if constexpr (simd::has_kernels<S> && !Narrow) {
      return engine::binary<simd::binary_op::loss>(shape, x, y, out, factors(options.weight),
                                                   factors(options.pos_weight), 1, [](double, double) {});
    }
    const binary_terms<S, Options> terms{options, x, y};
    for_each_number(shape.length, 0, shape.inner, is_interleaved(x), [&](Index l, Index i) {
      number_at(out, l, i) = static_cast<S>(generic::rounded(terms.loss(l, i)));
    });
  }
};

/// The sum of the losses, class after class; and their slopes divided by count, where Slopes.
template <bool Slopes, class Options, class C>
struct binary_sum {
  static constexpr const char* name = "binary_cross_entropy_with_logits_with_grad";
  const Options& options;
  C count;
  compensated_sum<C>& total;

  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<const S>& y,
           [[maybe_unused]] const slices<S>& out) const {
    if constexpr (simd::has_kernels<S>) {
      constexpr auto op = Slopes ? simd::binary_op::gradient : simd::binary_op::sum;
      return engine::binary<op>(shape, x, y, out, factors(options.weight), factors(options.pos_weight), count,
                                [&](double sum, double lost) { total.add(sum, lost); });
    }
    const binary_terms<S, Options> terms{options, x, y};
    sum_slices<C>(
        shape, is_interleaved(x),
        [&](compensated_sum<C>& sum, Index l, Index i) {
          const with_rest<C> loss = terms.loss(l, i);
          sum.add(loss.value, loss.rest);
          if constexpr (Slopes) number_at(out, l, i) = static_cast<S>(terms.slope(l, i, count));
        },
        [&](Index, Index slices_here, const auto& sums) {
          for (std::size_t i = 0; i < static_cast<std::size_t>(slices_here); ++i)
            total.add(sums[i].high(), sums[i].low());
        });
  }
};

/// A binary loss of two expressions, checked.
template <class X, class Y, class Options>
class binary_problem {
 public:
  using Scalar = typename X::Scalar;
  using C = compute_t<Scalar>;
  using Loss = loss_t<Scalar>;

  binary_problem(const char* function, const Eigen::DenseBase<X>& x, const Eigen::DenseBase<Y>& y,
                 const Options& options)
      : pair_(elements_of(function, "x", x, "y", y)), options_(options) {
    const Index classes = shape().inner;
    check_class_weights(function, "weight", options.weight, classes, x.rows(), x.cols());
    check_class_weights(function, "pos_weight", options.pos_weight, classes, x.rows(), x.cols());
  }

  Loss value() const {
    compensated_sum<C> total;
    if constexpr (valid) {
      const staged<decltype(pair_.first)> x(pair_.first, false);
      const staged<decltype(pair_.second)> y(pair_.second, false);
      binary_sum<false, Options, C>{options_, divisor(), total}.run(shape(), x.view(), y.view(),
                                                                    slices<Scalar>{nullptr, 0, 0, 0});
    }
    return reduced(total);
  }

  template <class Grad>
  Loss with_grad(Grad& grad) const {
    compensated_sum<C> total;
    if constexpr (valid && check_grad<Grad, Scalar>()) {
      const binary_sum<true, Options, C> function{options_, divisor(), total};
      Eigen::internal::call_assignment(grad, map_expression(function, pair_.first, pair_.second));
    }
    return reduced(total);
  }

  template <bool Narrow>
  auto per_element() const {
    return map_expression(binary_losses<Options, Narrow>{options_}, pair_.first, pair_.second);
  }

 private:
  static constexpr bool valid = is_supported_scalar<Scalar> && std::is_same_v<Scalar, typename Y::Scalar>;

  slice_shape shape() const {
    using Cut = typename decltype(pair_.first)::Cut;
    return shape_of(pair_.first.xpr(), Cut{});
  }
  C divisor() const {
    const slice_shape s = shape();
    return options_.reduction == reduction::mean ? C(static_cast<double>(s.length * s.inner)) : C(1);
  }
  Loss reduced(const compensated_sum<C>& total) const {
    const C sum = total.value();
    return static_cast<Loss>(options_.reduction == reduction::mean ? C(sum / divisor()) : sum);
  }

  decltype(elements_of("", "", std::declval<const Eigen::DenseBase<X>&>(), "",
                       std::declval<const Eigen::DenseBase<Y>&>())) pair_;
  const Options& options_;
};

/// Losses of half types are float: computed from casts.
template <class X, class Y, class Options>
auto binary_per_element(const Eigen::DenseBase<X>& x, const Eigen::DenseBase<Y>& y, const Options& options) {
  constexpr const char* function = "binary_cross_entropy_with_logits_per_element";
  if constexpr (is_half<typename X::Scalar> && std::is_same_v<typename X::Scalar, typename Y::Scalar>) {
    const auto wide_x = x.derived().template cast<float>();
    const auto wide_y = y.derived().template cast<float>();
    using Wide = std::decay_t<decltype(wide_x)>;
    return binary_problem<Wide, std::decay_t<decltype(wide_y)>, Options>(function, wide_x, wide_y, options)
        .template per_element<true>();
  } else {
    return binary_problem<X, Y, Options>(function, x, y, options).template per_element<false>();
  }
}

}  // namespace detail
LOGZ_NAMESPACE_END
