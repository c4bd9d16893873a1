// SPDX-License-Identifier: MIT
//
// Results of one number a slice.
#pragma once

#include "argument.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

template <class Argument, class Scalar>
struct per_slice_result {
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
  using PlainObject = std::conditional_t<
      array, Eigen::Array<Scalar, rows_at_compile_time, cols_at_compile_time, options, max_rows, max_cols>,
      Eigen::Matrix<Scalar, rows_at_compile_time, cols_at_compile_time, options, max_rows, max_cols>>;

  static Index rows(const Argument& x) { return rowwise ? x.xpr().rows() : 1; }
  static Index cols(const Argument& x) { return rowwise ? 1 : x.xpr().cols(); }
};

/// A destination of one number a slice shares memory with an argument.
template <class Argument, class Dst>
bool conflicts_per_slice(const Argument& x, Dst& dst) {
  using Cut = typename Argument::Cut;
  return x.sharing_with(shape_of(x.xpr(), Cut{}), dst, Cut{}) != sharing::none;
}

}  // namespace detail
LOGZ_NAMESPACE_END
