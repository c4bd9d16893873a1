// SPDX-License-Identifier: MIT
//
// The expression that the array functions return: a guest among Eigen's own, evaluated straight into its
// destination.
#pragma once

#include <new>
#include <string>
#include <utility>

#include "argument.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
template <class Call>
class slice_expression;
}  // namespace detail
LOGZ_NAMESPACE_END

namespace Eigen {
namespace internal {
template <class Call>
struct traits<logz::detail::slice_expression<Call>> : traits<typename Call::PlainObject> {
  enum { Flags = traits<typename Call::PlainObject>::Flags & RowMajorBit };
};
}  // namespace internal
}  // namespace Eigen

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// Call: a function with its arguments, { PlainObject, name, valid, lazy, rows(), cols(), check(), conflicts_with(dst),
/// run(dst) }. valid: no static_assert has spoken. lazy: some argument is not in memory.
/// arguments.
template <class Call>
class slice_expression : public Eigen::internal::generic_xpr_base<slice_expression<Call>>::type {
 public:
  using Base = typename Eigen::internal::generic_xpr_base<slice_expression<Call>>::type;
  using Scalar = typename Call::PlainObject::Scalar;
  using Nested = typename Eigen::internal::ref_selector<slice_expression>::type;
  using NestedExpression = slice_expression;

  /// The call is made in its place: what has been written in parts takes long to be copied as a whole.
  template <class... Parts>
  explicit slice_expression(std::in_place_t, const Parts&... parts) : call_(parts...) {}

  Index rows() const { return call_.rows(); }
  Index cols() const { return call_.cols(); }
  const Call& call() const { return call_; }

  // One coefficient would cost the whole slice: evaluate into a matrix first.
  Scalar coeff(Index) const = delete;
  Scalar coeff(Index, Index) const = delete;
  Scalar operator()(Index) const = delete;
  Scalar operator()(Index, Index) const = delete;
  Scalar operator[](Index) const = delete;

 private:
  Call call_;
};

template <class Call, class... Parts>
slice_expression<Call> make_expression(const Parts&... parts) {
  return slice_expression<Call>(std::in_place, parts...);
}

/// A destination that takes any shape its type allows: a matrix or array, or the transpose or the other
/// kind's view of one.
template <class Dst>
struct resizable : std::bool_constant<is_plain_object<Dst>> {};
template <class X>
struct resizable<Eigen::Transpose<X>> : resizable<X> {};
template <class X>
struct resizable<Eigen::ArrayWrapper<X>> : resizable<X> {};
template <class X>
struct resizable<Eigen::MatrixWrapper<X>> : resizable<X> {};

template <class Dst>
[[noreturn]] LOGZ_COLD void raise_destination(const Dst& dst, Index rows, Index cols, const char* function) {
  const bool has = dst.rows() == rows && dst.cols() == cols;
  raise<std::invalid_argument>(
      std::string("logz::") + function + ": the result is " + shape_text(rows, cols) +
      ", but the destination " +
      (has ? "cannot hold it" : "is " + shape_text(dst.rows(), dst.cols()) + " and cannot be resized"));
}
/// Throws unless dst has or can take the shape. A bounded matrix under construction may already claim more than it holds.
template <class Dst>
inline void check_destination(const Dst& dst, Index rows, Index cols, const char* function) {
  const auto fits = [](int fixed, int max, Index n) {
    return (fixed == Eigen::Dynamic || fixed == n) && (max == Eigen::Dynamic || n <= max);
  };
  const bool takes = fits(Dst::RowsAtCompileTime, Dst::MaxRowsAtCompileTime, rows) &&
                     fits(Dst::ColsAtCompileTime, Dst::MaxColsAtCompileTime, cols);
  const bool has = dst.rows() == rows && dst.cols() == cols;
  if (!takes || !(has || resizable<Dst>::value)) raise_destination(dst, rows, cols, function);
}

template <class Dst>
inline void resize_to(Dst& dst, Index rows, Index cols) {
  if constexpr (resizable<Dst>::value) {
    if (dst.rows() != rows || dst.cols() != cols) dst.resize(rows, cols);
  }
}

/// dst = call, with no temporary unless the destination conflicts with an argument or has no memory of its own.
template <class Dst, class Call>
inline void assign(Dst& dst, const Call& call) {
  call.check();
  const Index rows = call.rows();
  const Index cols = call.cols();
  check_destination(dst, rows, cols, Call::name);
  if constexpr (is_direct<Dst>) {
    // A lazy argument may read what a resize would free.
    const bool frees = Call::lazy && dst.size() != 0 && (dst.rows() != rows || dst.cols() != cols);
    if (!frees && !call.conflicts_with(dst)) {
      resize_to(dst, rows, cols);
      return call.run(dst);
    }
  }
  typename Call::PlainObject result(rows, cols);
  call.run(result);
  resize_to(dst, rows, cols);
  Eigen::internal::call_assignment_no_alias(dst, result);
}

}  // namespace detail
LOGZ_NAMESPACE_END

namespace Eigen {
namespace internal {

// `=`, construction and `.noalias() =`.
template <class Dst, class Call, class DstScalar, class Scalar>
struct Assignment<Dst, logz::detail::slice_expression<Call>, assign_op<DstScalar, Scalar>, Dense2Dense> {
  using Source = logz::detail::slice_expression<Call>;
  static void run(Dst& dst, const Source& source, const assign_op<DstScalar, Scalar>&) {
    // Different scalars are Eigen's to refuse, and it has; a call that is not valid has had its static_assert.
    if constexpr (std::is_same_v<DstScalar, Scalar> && Call::valid) {
      logz::detail::assign(dst, source.call());
    }
  }
};

// Inside a larger expression: evaluated once, into a temporary.
template <class Call>
struct evaluator<logz::detail::slice_expression<Call>> : evaluator<typename Call::PlainObject> {
  using Source = logz::detail::slice_expression<Call>;
  using PlainObject = typename Call::PlainObject;
  using Base = evaluator<PlainObject>;
  enum { Flags = Base::Flags | EvalBeforeNestingBit };

  explicit evaluator(const Source& source) : result_(source.rows(), source.cols()) {
    if constexpr (Call::valid) logz::detail::assign(result_, source.call());
    ::new (static_cast<Base*>(this)) Base(result_);
  }

 private:
  PlainObject result_;
};

}  // namespace internal
}  // namespace Eigen
