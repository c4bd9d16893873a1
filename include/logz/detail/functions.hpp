// SPDX-License-Identifier: MIT
//
// The functions of slices behind the public calls, and the checks that make an expression of one.
#pragma once

#include <string>

#include "engine.hpp"
#include "map_call.hpp"

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
  static constexpr const char* output = "p";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& grad_output, const slices<const S>& p,
           const slices<S>& out) const {
    engine::softmax_backward(shape, grad_output, p, out);
  }
};

struct log_softmax_backward_function {
  static constexpr const char* name = "log_softmax_backward";
  static constexpr const char* output = "log_p";
  template <class S>
  void run(const slice_shape& shape, const slices<const S>& grad_output, const slices<const S>& log_p,
           const slices<S>& out) const {
    engine::log_softmax_backward(shape, grad_output, log_p, out);
  }
};

struct logsumexp_backward_function {
  static constexpr const char* name = "logsumexp_backward";
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

/// f of each slice of x.
template <class Function, class X, int Direction>
auto slicewise(const Function& f, const Eigen::VectorwiseOp<X, Direction>& x) {
  check_scalar<X>();
  return map_expression(f, argument_of(x), argument_of(x));
}
template <class Function, class X>
auto slicewise(const Function& f, const Eigen::DenseBase<X>& x) {
  check_vector<X>();
  return map_expression(f, argument_of(x), argument_of(x));
}

/// Throws unless the shapes agree; two vectors may differ in orientation.
template <class A, class B>
void check_same_shape(const char* function, const char* a_name, const A& a, const char* b_name, const B& b) {
  const bool same = A::IsVectorAtCompileTime && B::IsVectorAtCompileTime
                        ? a.size() == b.size()
                        : a.rows() == b.rows() && a.cols() == b.cols();
  if (same) return;
  raise<std::invalid_argument>(std::string("logz::") + function + ": " + a_name + " is " +
                               shape_text(a.rows(), a.cols()) + ", but " + b_name + " is " +
                               shape_text(b.rows(), b.cols()));
}

/// f of each slice of grad_output and of the forward function's output.
template <class Function, class G, int Direction, class Y>
auto slicewise_backward(const Function& f, const Eigen::VectorwiseOp<G, Direction>& grad_output,
                        const Eigen::DenseBase<Y>& output) {
  check_scalar<G>();
  check_same_scalar<G, Y>();
  check_same_shape(Function::name, "grad_output", grad_output._expression(), Function::output,
                   output.derived());
  return map_expression(f, argument_of(grad_output), argument_of(grad_output),
                        argument<Y, cut_along<Direction>>(output.derived()));
}
template <class Function, class G, int Direction, class Y, int OutputDirection>
auto slicewise_backward(const Function& f, const Eigen::VectorwiseOp<G, Direction>& grad_output,
                        const Eigen::VectorwiseOp<Y, OutputDirection>& output) {
  static_assert(
      Direction == OutputDirection,
      "logz: grad_output and the output have different axes; use .rowwise() or .colwise() for both");
  return slicewise_backward(f, grad_output, output._expression());
}
template <class Function, class G, class Y>
auto slicewise_backward(const Function& f, const Eigen::DenseBase<G>& grad_output,
                        const Eigen::DenseBase<Y>& output) {
  if constexpr (check_vector<G>() && check_same_scalar<G, Y>()) check_vector<Y>();
  check_same_shape(Function::name, "grad_output", grad_output.derived(), Function::output, output.derived());
  return map_expression(f, argument_of(grad_output), argument_of(grad_output), argument_of(output));
}
/// The axis is missing on grad_output, or is on the wrong one of two vectors.
template <class Function, class G, class Y, int Direction>
auto slicewise_backward(const Function& f, const Eigen::DenseBase<G>& grad_output,
                        const Eigen::VectorwiseOp<Y, Direction>& output) {
  static_assert(axis_missing<G>,
                "logz: grad_output needs the axis of the output: write .rowwise() or .colwise() on both");
  return slicewise_backward(f, Eigen::VectorwiseOp<const G, Direction>(grad_output.derived()),
                            output._expression());
}

template <class V>
void check_one_per_slice(const char* name, const V& v, Index count) {
  if (v.size() == count) return;
  raise<std::invalid_argument>(std::string("logz::logsumexp_backward: ") + name + " has " +
                               std::to_string(v.size()) + " numbers for " + std::to_string(count) +
                               " slices");
}

template <class G, class X, int Direction, class L>
auto logsumexp_backward_of_slices(const Eigen::DenseBase<G>& grad_lz,
                                  const Eigen::VectorwiseOp<X, Direction>& x, const Eigen::DenseBase<L>& lz) {
  check_scalar<X>();
  if constexpr (check_vector<G>() && check_vector<L>() && check_same_scalar<X, G>())
    check_same_scalar<X, L>();
  const Index count = shape_of(x._expression(), cut_along<Direction>{}).inner;
  check_one_per_slice("grad_lz", grad_lz.derived(), count);
  check_one_per_slice("lz", lz.derived(), count);
  return map_expression(logsumexp_backward_function{}, argument_of(x), argument_of(x),
                        argument_per_slice(grad_lz), argument_per_slice(lz));
}

template <class X>
auto logsumexp_backward_of_vector(const typename X::Scalar& grad_lz, const Eigen::DenseBase<X>& x,
                                  const typename X::Scalar& lz) {
  check_vector<X>();
  // Constant expressions are held by value: the numbers may be temporaries.
  using One = Eigen::Matrix<typename X::Scalar, 1, 1>;
  return map_expression(logsumexp_backward_function{}, argument_of(x), argument_of(x),
                        argument_per_slice(One::Constant(grad_lz)), argument_per_slice(One::Constant(lz)));
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
