// SPDX-License-Identifier: MIT
//
// Test slices, and the layouts in which every function must treat them alike.
#pragma once

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <cstddef>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "reference.hpp"
#include "ulp.hpp"

namespace test {

using Eigen::Index;
using sizes = std::initializer_list<std::size_t>;

template <class T>
using slice_list = std::vector<std::vector<T>>;

template <class T>
reals to_reals(const std::vector<T>& slice) {
  return reals(slice.begin(), slice.end());
}

/// `count` slices of normal numbers.
template <class T>
slice_list<T> normal_slices(std::size_t count, std::size_t length, double sigma, double offset = 0,
                            unsigned seed = 1) {
  std::mt19937 engine(seed + static_cast<unsigned>(length));
  std::normal_distribution<double> normal(0, sigma);
  slice_list<T> slices(count, std::vector<T>(length));
  for (auto& slice : slices) {
    for (T& v : slice) v = static_cast<T>(offset + normal(engine));
  }
  return slices;
}

template <class T>
std::size_t length_of(const slice_list<T>& slices) {
  return slices.empty() ? 0 : slices[0].size();
}

/// Fills the rows (Eigen::Horizontal) or columns of a matrix with the slices, and reads them back.
template <int Direction, class X, class T>
void put(X&& x, const slice_list<T>& slices) {
  for (std::size_t s = 0; s < slices.size(); ++s) {
    for (std::size_t l = 0; l < slices[s].size(); ++l) {
      const auto i = static_cast<Index>(s);
      const auto j = static_cast<Index>(l);
      (Direction == Eigen::Horizontal ? x(i, j) : x(j, i)) = slices[s][l];
    }
  }
}
template <int Direction, class X>
auto get(const X& x) {
  using T = typename X::Scalar;
  const bool rowwise = Direction == Eigen::Horizontal;
  const Index count = rowwise ? x.rows() : x.cols();
  const Index length = rowwise ? x.cols() : x.rows();
  slice_list<T> slices(static_cast<std::size_t>(count), std::vector<T>(static_cast<std::size_t>(length)));
  for (Index i = 0; i < count; ++i) {
    for (Index j = 0; j < length; ++j) {
      slices[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = rowwise ? x(i, j) : x(j, i);
    }
  }
  return slices;
}

/// x along Direction.
template <int Direction, class X>
auto along(X&& x) {
  if constexpr (Direction == Eigen::Horizontal) {
    return x.rowwise();
  } else {
    return x.colwise();
  }
}

template <class T, int Order>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>;

template <class T, int Order, int Direction>
matrix<T, Order> matrix_of(const slice_list<T>& slices) {
  const auto count = static_cast<Index>(slices.size());
  const auto length = static_cast<Index>(length_of(slices));
  const bool rowwise = Direction == Eigen::Horizontal;
  matrix<T, Order> x(rowwise ? count : length, rowwise ? length : count);
  put<Direction>(x, slices);
  return x;
}

/// visit(name, view, direction as an integral_constant) for the slices in each storage order and direction; view is
/// what .rowwise() or .colwise() is called on.
template <class T, class Visit>
void for_each_storage(const slice_list<T>& slices, const Visit& visit) {
  const std::integral_constant<int, Eigen::Horizontal> rowwise{};
  const std::integral_constant<int, Eigen::Vertical> colwise{};
  visit("column-major rowwise", matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(slices), rowwise);
  visit("row-major rowwise", matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(slices), rowwise);
  visit("column-major colwise", matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices), colwise);
  visit("row-major colwise", matrix_of<T, Eigen::RowMajor, Eigen::Vertical>(slices), colwise);
}

/// The same for every kind of input: both storage orders, strides, a block, an array, a transpose, lazy expressions.
template <class T, class Visit>
void for_each_layout(const slice_list<T>& slices, const Visit& visit) {
  for_each_storage(slices, visit);

  const auto count = static_cast<Index>(slices.size());
  const auto length = static_cast<Index>(length_of(slices));
  const std::integral_constant<int, Eigen::Horizontal> rowwise{};
  const auto column_major = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(slices);
  const auto row_major = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(slices);
  using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  std::vector<T> buffer(static_cast<std::size_t>(3 * (count + 2) * (length + 1)), static_cast<T>(7));
  Eigen::Map<matrix<T, Eigen::ColMajor>, 0, Strides> map(buffer.data(), count, length,
                                                         Strides(3 * (count + 2), 3));
  put<Eigen::Horizontal>(map, slices);
  visit("map with inner and outer strides rowwise", map, rowwise);

  matrix<T, Eigen::ColMajor> surroundings =
      matrix<T, Eigen::ColMajor>::Constant(count + 3, length + 4, static_cast<T>(9));
  const auto block = surroundings.block(1, 2, count, length);
  put<Eigen::Horizontal>(surroundings.block(1, 2, count, length), slices);
  visit("block rowwise", block, rowwise);

  const auto lazy = column_major * static_cast<T>(1);
  visit("lazy rowwise", lazy, rowwise);
  const auto lazy_row_major = row_major * static_cast<T>(1);
  visit("lazy row-major rowwise", lazy_row_major, rowwise);

  // Kinds that differ in Eigen's types alone: once, in float.
  if constexpr (std::is_same_v<T, float>) {
    visit("array rowwise", column_major.array(), rowwise);
    const auto transposed = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices);
    visit("transpose rowwise", transposed.transpose(), rowwise);
    const Eigen::Ref<const matrix<T, Eigen::ColMajor>, 0, Eigen::OuterStride<>> ref(block);
    visit("ref rowwise", ref, rowwise);
  }
}

/// Checks apply(view along its axis) against reference(slice), in ulp of each exact element, in the layouts that
/// visit_layouts goes through.
template <class T, class Layouts, class Apply, class Reference>
void check_slicewise_in(const Layouts& visit_layouts, const slice_list<T>& slices, const Apply& apply,
                        const Reference& reference, long double bound) {
  std::vector<reals> exact;
  for (const auto& slice : slices) exact.push_back(reference(to_reals(slice)));
  visit_layouts(slices, [&](const char* name, const auto& view, auto direction) {
    constexpr int d = decltype(direction)::value;
    const typename std::decay_t<decltype(view)>::PlainObject result = apply(along<d>(view));
    const auto got = get<d>(result);
    long double worst = 0;
    for (std::size_t s = 0; s < exact.size(); ++s) {
      for (std::size_t l = 0; l < exact[s].size(); ++l)
        worst = std::max(worst, ulp_error(got[s][l], exact[s][l]));
    }
    INFO(std::string(name), ", length ", length_of(slices));
    CHECK(worst <= bound);
  });
}
template <class T, class Apply, class Reference>
void check_slicewise(const slice_list<T>& slices, const Apply& apply, const Reference& reference,
                     long double bound) {
  const auto every_layout = [](const auto& s, const auto& visit) { for_each_layout(s, visit); };
  check_slicewise_in(every_layout, slices, apply, reference, bound);
}

}  // namespace test
