// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include "../config.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

using Eigen::Index;

/// The normal form of every call: outer · inner slices of `length` numbers each.
/// A matrix has outer = 1; inner counts its rows (rowwise) or columns (colwise).
struct slice_shape {
  Index outer;
  Index length;
  Index inner;
};

/// Where one operand keeps its numbers: number l of slice (o, i) is
/// data[o * outer_stride + l * length_stride + i * inner_stride].
/// An operand with one number per slice has length_stride 0.
template <class T>
struct slices {
  T* data;
  Index outer_stride;
  Index length_stride;
  Index inner_stride;

  /// First number of slice (o, i).
  T* slice(Index o, Index i) const { return data + o * outer_stride + i * inner_stride; }
  /// The same operand seen from slice (0, i) on.
  slices from(Index i) const { return {data + i * inner_stride, outer_stride, length_stride, inner_stride}; }
  operator slices<const T>() const { return {data, outer_stride, length_stride, inner_stride}; }
};

/// How an Eigen expression is cut into slices.
template <int Direction>
struct cut_along {};      // Eigen::Horizontal: each row is a slice; Eigen::Vertical: each column
struct one_per_slice {};  // a vector with one number per slice

/// The slices of a direct-access expression; of const numbers where it is not writable.
template <class X>
using slices_of_t = slices<std::remove_reference_t<decltype(*std::declval<X&>().data())>>;

template <class X>
slices_of_t<X> slices_of(X& x, cut_along<Eigen::Horizontal>) {
  return {x.data(), 0, x.colStride(), x.rowStride()};
}
template <class X>
slices_of_t<X> slices_of(X& x, cut_along<Eigen::Vertical>) {
  return {x.data(), 0, x.rowStride(), x.colStride()};
}
template <class X>
slices_of_t<X> slices_of(X& x, one_per_slice) {
  return {x.data(), 0, 0, x.innerStride()};
}

template <class X>
slice_shape shape_of(const X& x, cut_along<Eigen::Horizontal>) {
  return {1, x.cols(), x.rows()};
}
template <class X>
slice_shape shape_of(const X& x, cut_along<Eigen::Vertical>) {
  return {1, x.rows(), x.cols()};
}

}  // namespace detail
LOGZ_NAMESPACE_END
