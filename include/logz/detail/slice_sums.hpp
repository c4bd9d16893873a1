// SPDX-License-Identifier: MIT
//
// Passes over all numbers of the slices, the inner loop along memory, and the sums of slices.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>

#include "arithmetic.hpp"
#include "lazy_pieces.hpp"
#include "slices.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// Number l of slice i.
template <class T>
T& number_at(const slices<T>& s, Index l, Index i) {
  return s.slice(0, i)[l * s.length_stride];
}

/// The same numbers of neighbouring slices lie nearer to each other than the numbers of one slice.
template <class T>
bool is_interleaved(const slices<T>& s) {
  return std::abs(s.inner_stride) < std::abs(s.length_stride);
}

/// f(l, i) for number l of slice i: for each slice in order of l.
template <class F>
void for_each_number(Index length, Index first, Index count, bool interleaved, const F& f) {
  if (interleaved) {
    for (Index l = 0; l < length; ++l) {
      for (Index i = first; i < first + count; ++i) f(l, i);
    }
  } else {
    for (Index i = first; i < first + count; ++i) {
      for (Index l = 0; l < length; ++l) f(l, i);
    }
  }
}

/// Of every block of slices: add(sum of slice i, l, i) for each number, then done(first slice, count, sums).
template <class C, class Add, class Done>
void sum_slices(const slice_shape& shape, bool interleaved, const Add& add, const Done& done) {
  for (Index first = 0; first < shape.inner; first += slice_block) {
    const Index count = std::min(slice_block, shape.inner - first);
    std::array<compensated_sum<C>, slice_block> sums;
    for_each_number(shape.length, first, count, interleaved,
                    [&](Index l, Index i) { add(sums[static_cast<std::size_t>(i - first)], l, i); });
    done(first, count, sums);
  }
}

}  // namespace detail
LOGZ_NAMESPACE_END
