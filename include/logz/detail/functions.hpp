// SPDX-License-Identifier: MIT
//
// The functions of slices behind the public calls, and the checks that make an expression of one.
#pragma once

#include <string>
#include <utility>

#include "engine.hpp"
#include "map_call.hpp"
#include "paired_engine.hpp"
#include "reduce_call.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

struct softmax_function {
  static constexpr const char* name = "softmax";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) const {
    engine::softmax<false>(shape, x, out);
  }
};

struct softmin_function {
  static constexpr const char* name = "softmin";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) const {
    engine::softmax<true>(shape, x, out);
  }
};

struct log_softmax_function {
  static constexpr const char* name = "log_softmax";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) const {
    engine::log_softmax(shape, x, out);
  }
};

struct softmax_backward_function {
  static constexpr const char* name = "softmax_backward";
  static constexpr const char* input = "grad_output";
  static constexpr const char* output = "p";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& grad_output, const slices<const S>& p,
           const slices<S>& out) const {
    engine::softmax_backward(shape, grad_output, p, out);
  }
};

struct log_softmax_backward_function {
  static constexpr const char* name = "log_softmax_backward";
  static constexpr const char* input = "grad_output";
  static constexpr const char* output = "log_p";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& grad_output, const slices<const S>& log_p,
           const slices<S>& out) const {
    engine::log_softmax_backward(shape, grad_output, log_p, out);
  }
};

/// The Jacobian of softmax is symmetric: its product with v is the gradient's.
struct softmax_jvp_function : softmax_backward_function {
  static constexpr const char* name = "softmax_jvp";
  static constexpr const char* input = "v";
};

/// The second derivative of log Z is the Jacobian of softmax.
struct logsumexp_hvp_function : softmax_jvp_function {
  static constexpr const char* name = "logsumexp_hvp";
};

struct log_softmax_jvp_function {
  static constexpr const char* name = "log_softmax_jvp";
  static constexpr const char* input = "v";
  static constexpr const char* output = "log_p";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& v, const slices<const S>& log_p,
           const slices<S>& out) const {
    engine::log_softmax_jvp(shape, v, log_p, out);
  }
};

struct logsumexp_jvp_function {
  static constexpr const char* name = "logsumexp_jvp";
  static constexpr const char* input = "v";
  static constexpr const char* output = "p";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& v, const slices<const S>& p,
           const slices<S>& out) const {
    engine::logsumexp_jvp(shape, v, p, out);
  }
};

struct logsumexp_backward_function {
  static constexpr const char* name = "logsumexp_backward";
  static constexpr const char* grad = "grad_lz";
  static constexpr const char* output = "lz";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<const S>& grad_lz,
           const slices<const S>& lz, const slices<S>& out) const {
    engine::logsumexp_backward(shape, x, grad_lz, lz, out);
  }
};

template <class X, int Direction>
auto argument_of(const Eigen::VectorwiseOp<X, Direction>& x) {
  return argument<std::remove_const_t<X>, cut_along<Direction>>(x._expression());
}
template <class X>
auto argument_of(const Eigen::DenseBase<X>& x) {
  return argument<X, cut_along<vector_direction<X>>>(x.derived());
}
template <class X>
auto argument_per_slice(const Eigen::DenseBase<X>& x) {
  return argument<X, one_per_slice>(x.derived());
}

/// f's number of each slice of x: an expression, of a vector the number.
template <class Function, class X, int Direction>
auto number_of_slices(const Function& f, const Eigen::VectorwiseOp<X, Direction>& x) {
  check_scalar<X>();
  return reduction_of<typename X::Scalar, true>(f, argument_of(x));
}
template <class Function, class X>
typename X::Scalar number_of_slices(const Function& f, const Eigen::DenseBase<X>& x) {
  if constexpr (check_vector<X>()) {
    return reduction_of<typename X::Scalar, false>(f, argument_of(x));
  } else {
    return typename X::Scalar{};
  }
}

/// f of each slice of x.
template <class Function, class X, int Direction>
auto slicewise(const Function& f, const Eigen::VectorwiseOp<X, Direction>& x) {
  check_scalar<X>();
  return map_expression(f, argument_of(x));
}
template <class Function, class X>
auto slicewise(const Function& f, const Eigen::DenseBase<X>& x) {
  check_vector<X>();
  return map_expression(f, argument_of(x));
}

/// Throws unless the shapes agree; two vectors may differ in orientation.
template <class A, class B>
void check_same_shape(const char* function, const char* a_name, const A& a, const char* b_name, const B& b) {
  const bool same = A::IsVectorAtCompileTime && B::IsVectorAtCompileTime
                        ? a.size() == b.size()
                        : a.rows() == b.rows() && a.cols() == b.cols();
  if (!same) raise_shapes(function, a_name, a.rows(), a.cols(), b_name, b.rows(), b.cols());
}

/// The two arguments of a function of pairs of slices, checked: the first has the axis, the second may have it too.
/// Function::input and Function::output name them.
template <class Function, class G, int Direction, class Y>
auto pair_of(const Eigen::VectorwiseOp<G, Direction>& input, const Eigen::DenseBase<Y>& output) {
  check_scalar<G>();
  check_same_scalar<G, Y>();
  check_same_shape(Function::name, Function::input, input._expression(), Function::output, output.derived());
  return std::pair(argument_of(input), argument<Y, cut_along<Direction>>(output.derived()));
}
template <class Function, class G, int Direction, class Y, int OutputDirection>
auto pair_of(const Eigen::VectorwiseOp<G, Direction>& input,
             const Eigen::VectorwiseOp<Y, OutputDirection>& output) {
  static_assert(Direction == OutputDirection,
                "logz: the input or grad_output and the output have different axes; use .rowwise() or "
                ".colwise() for both");
  return pair_of<Function>(input, output._expression());
}
template <class Function, class G, class Y>
auto pair_of(const Eigen::DenseBase<G>& input, const Eigen::DenseBase<Y>& output) {
  if constexpr (check_vector<G>() && check_same_scalar<G, Y>()) check_vector<Y>();
  check_same_shape(Function::name, Function::input, input.derived(), Function::output, output.derived());
  return std::pair(argument_of(input), argument_of(output));
}
/// The axis is missing on the first, or is on the wrong one of two vectors.
template <class Function, class G, class Y, int Direction>
auto pair_of(const Eigen::DenseBase<G>& input, const Eigen::VectorwiseOp<Y, Direction>& output) {
  static_assert(axis_missing<G>,
                "logz: the input or grad_output needs the axis of the output: write .rowwise() or .colwise() "
                "on both");
  return pair_of<Function>(Eigen::VectorwiseOp<const G, Direction>(input.derived()), output._expression());
}

/// f of each slice of grad_output and of the forward function's output.
template <class Function, class G, class Y>
auto slicewise_backward(const Function& f, const G& grad_output, const Y& output) {
  const auto pair = pair_of<Function>(grad_output, output);
  return map_expression(f, pair.first, pair.second);
}

/// The number per slice of a pair of slices.
template <class Result, class Function, class V, class Y>
auto reduction_of_pair(const Function& f, const V& input, const Y& output) {
  const auto pair = pair_of<Function>(input, output);
  return reduction_of<Result, has_axis<V>>(f, pair.first, pair.second);
}

template <class V>
void check_one_per_slice(const char* function, const char* name, const V& v, Index count) {
  if (v.size() != count) raise_number_per_slice(function, name, v.size(), count);
}

/// f of each slice of x, of the gradient by the function's one number per slice, and of that number.
template <class Function, class G, class X, int Direction, class L>
auto backward_of_slices(const Function& f, const Eigen::DenseBase<G>& grad,
                        const Eigen::VectorwiseOp<X, Direction>& x, const Eigen::DenseBase<L>& output) {
  check_scalar<X>();
  if constexpr (check_vector<G>() && check_vector<L>() && check_same_scalar<X, G>())
    check_same_scalar<X, L>();
  const Index count = shape_of(x._expression(), cut_along<Direction>{}).inner;
  check_one_per_slice(Function::name, Function::grad, grad.derived(), count);
  check_one_per_slice(Function::name, Function::output, output.derived(), count);
  return map_expression(f, argument_of(x), argument_per_slice(grad), argument_per_slice(output));
}

template <class Function, class X>
auto backward_of_vector(const Function& f, const typename X::Scalar& grad, const Eigen::DenseBase<X>& x,
                        const typename X::Scalar& output) {
  check_vector<X>();
  // Constant expressions are held by value: the numbers may be temporaries.
  using One = Eigen::Matrix<typename X::Scalar, 1, 1>;
  return map_expression(f, argument_of(x), argument_per_slice(One::Constant(grad)),
                        argument_per_slice(One::Constant(output)));
}

/// Vectors of gradients beside an x without an axis.
template <class X>
auto logsumexp_backward_without_axis(const Eigen::DenseBase<X>& x) {
  static_assert(axis_missing<X>,
                "logz: logsumexp_backward takes a matrix x with an axis, x.rowwise() or x.colwise(), and a "
                "vector x with "
                "scalars");
  return slicewise(log_softmax_function{}, Eigen::VectorwiseOp<const X, Eigen::Horizontal>(x.derived()));
}

}  // namespace detail
LOGZ_NAMESPACE_END
