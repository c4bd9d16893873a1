// SPDX-License-Identifier: MIT
//
// Slices on which the easy algorithms fail, and the special values of every function.
#pragma once

#include <algorithm>

#include "slices.hpp"

namespace test {

/// Every spread, offset, order, tie and dominated slice of the accuracy contract that a short run has room for.
template <class T>
std::vector<slice_list<T>> hard_slices() {
  std::vector<slice_list<T>> all;
  for (const std::size_t length : sizes{2, 10, 33, 100, 1000, 4099}) {
    for (const double sigma : {1.0, 3.0, 15.0, 100.0}) {
      for (const double offset : {0.0, 50.0, -50.0, 1e4, -1e4, 1e8, -1e8}) {
        if (length > 100 && (sigma == 1 || sigma == 15) && offset != 0) continue;
        all.push_back(normal_slices<T>(1, length, sigma, offset));
      }
    }
    auto sorted = normal_slices<T>(2, length, 10);
    std::sort(sorted[0].begin(), sorted[0].end());
    std::sort(sorted[1].rbegin(), sorted[1].rend());
    all.push_back(sorted);
    // All equal, and tied at the maximum.
    all.push_back(
        {std::vector<T>(length, static_cast<T>(1e8)), std::vector<T>(length, static_cast<T>(-0.75))});
    auto tied = normal_slices<T>(1, length, 2);
    const T top = *std::max_element(tied[0].begin(), tied[0].end());
    tied[0].front() = tied[0].back() = top;
    all.push_back(tied);
  }
  // One large element in each place: the smaller ones must still count.
  for (const std::size_t length : sizes{10, 11, 16, 33, 70}) {
    for (std::size_t place = 0; place < length; ++place) {
      auto dominated = normal_slices<T>(2, length, 1);
      dominated[0][place] = 12;
      dominated[1][place] = 30;
      all.push_back(dominated);
    }
  }
  // Two to ten elements with the maximum at 0 and gaps from 2^-3 to 2^6.
  for (std::size_t length = 2; length <= 10; ++length) {
    slice_list<T> gaps;
    for (int exponent = -3; exponent <= 6; ++exponent) {
      std::vector<T> slice(length, static_cast<T>(-std::ldexp(1.0, exponent)));
      slice[length / 2] = 0;
      gaps.push_back(slice);
    }
    all.push_back(gaps);
  }
  return all;
}

/// Every row of the table of special values, at lengths 1 to 70 and every place, beside ordinary slices that must
/// come out as if it were not there.
template <class T, class Apply, class Reference>
void check_special_values(const Apply& apply, const Reference& reference, long double bound) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  const auto every_storage = [](const auto& s, const auto& visit) {
    for_each_storage(s, visit);
    // In pieces, too.
    const auto lazy = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(s);
    visit("lazy rowwise", lazy * static_cast<T>(1), std::integral_constant<int, Eigen::Horizontal>{});
  };
  for (std::size_t length = 1; length <= 70; ++length) {
    slice_list<T> slices;
    const auto ordinary = normal_slices<T>(1, length, 2);
    const auto add = [&](const std::vector<T>& special) {
      slices.push_back(special);
      slices.push_back(ordinary[0]);
    };
    for (const T value : {-infinity, infinity, not_a_number}) {
      for (std::size_t place = 0; place < length; ++place) {
        auto special = ordinary[0];
        special[place] = value;
        add(special);
      }
      add(std::vector<T>(length, value));
    }
    auto mixed = ordinary[0];
    mixed.front() = infinity;
    mixed.back() = not_a_number;
    add(mixed);
    mixed.front() = -infinity;
    mixed.back() = infinity;
    add(mixed);
    mixed.front() = not_a_number;
    mixed.back() = -infinity;
    add(mixed);
    check_slicewise_in(every_storage, slices, apply, reference, bound);
  }
}

}  // namespace test
