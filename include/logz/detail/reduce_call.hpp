// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "engine.hpp"
#include "reduction.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// log Z of each slice of x, with what is read and written in blocks.
template <class Argument>
void logsumexp(const Argument& x, const slice_shape& shape, const slices<typename Argument::Scalar>& out) {
  using Scalar = typename Argument::Scalar;
  std::array<log_partition<compute_t<Scalar>>, slice_block> z;
  for_each_block(
      x, shape,
      [&](const slice_shape& piece, const slices<const Scalar>& values, Index, Index) {
        engine::take_piece(piece, values, z.data());
      },
      [&](Index first, Index count) { engine::logsumexp(count, z.data(), out.from(first, 0)); });
}

/// logsumexp of each slice: a vector with one number per slice.
template <class Argument>
class logsumexp_call {
  using Xpr = typename Argument::Xpr;
  static constexpr bool rowwise = std::is_same_v<typename Argument::Cut, cut_along<Eigen::Horizontal>>;
  static constexpr bool array =
      std::is_same_v<typename Eigen::internal::traits<Xpr>::XprKind, Eigen::ArrayXpr>;
  // Rowwise gives a column, colwise a row, of the argument's kind, as Eigen's own reductions do.
  static constexpr int rows_at_compile_time = rowwise ? int(Xpr::RowsAtCompileTime) : 1;
  static constexpr int cols_at_compile_time = rowwise ? 1 : int(Xpr::ColsAtCompileTime);
  static constexpr int max_rows = rowwise ? int(Xpr::MaxRowsAtCompileTime) : 1;
  static constexpr int max_cols = rowwise ? 1 : int(Xpr::MaxColsAtCompileTime);
  static constexpr int options = rowwise ? Eigen::ColMajor : Eigen::RowMajor;

 public:
  using Scalar = typename Argument::Scalar;
  using PlainObject = std::conditional_t<
      array, Eigen::Array<Scalar, rows_at_compile_time, cols_at_compile_time, options, max_rows, max_cols>,
      Eigen::Matrix<Scalar, rows_at_compile_time, cols_at_compile_time, options, max_rows, max_cols>>;
  static constexpr const char* name = "logsumexp";
  static constexpr bool valid = is_supported_scalar<Scalar>;

  explicit logsumexp_call(const Argument& x) : x_(x) {}

  Index rows() const { return rowwise ? x_.xpr().rows() : 1; }
  Index cols() const { return rowwise ? 1 : x_.xpr().cols(); }

  template <class Dst>
  bool needs_temporary(Dst& dst) const {
    const slice_shape one_each{1, 1, dst.size()};
    return x_.sharing_with(shape(), grid_of(one_each, slices_of(dst, one_per_slice{}))) != sharing::none;
  }

  template <class Dst>
  void run(Dst& dst) const {
    logsumexp(x_, shape(), slices_of(dst, one_per_slice{}));
  }

 private:
  slice_shape shape() const { return shape_of(x_.xpr(), typename Argument::Cut{}); }

  Argument x_;
};

template <class X, int Direction>
auto logsumexp_of_slices(const Eigen::VectorwiseOp<X, Direction>& x) {
  check_scalar<X>();
  using Argument = argument<X, cut_along<Direction>>;
  return make_expression(logsumexp_call<Argument>(Argument(x._expression())));
}

template <class X>
typename X::Scalar logsumexp_of_vector(const Eigen::DenseBase<X>& x) {
  check_vector<X>();
  using Scalar = typename X::Scalar;
  Scalar result{};
  if constexpr (is_supported_scalar<Scalar>) {
    const argument<X, cut_along<vector_direction<X>>> a(x.derived());
    logsumexp(a, slice_shape{1, x.size(), 1}, slices<Scalar>{&result, 0, 0, 0});
  }
  return result;
}

}  // namespace detail
LOGZ_NAMESPACE_END
