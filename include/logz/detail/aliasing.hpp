// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "slices.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// A length × inner grid of numbers in memory.
struct grid {
  std::uintptr_t address;
  Index item_size;
  Index extent[2];
  Index stride[2];

  bool empty() const { return extent[0] == 0 || extent[1] == 0; }
  /// Offsets in bytes of the lowest and one past the highest byte, from `address`.
  Index low() const { return item_size * (std::min<Index>(0, reach(0)) + std::min<Index>(0, reach(1))); }
  Index high() const { return item_size * (std::max<Index>(0, reach(0)) + std::max<Index>(0, reach(1)) + 1); }
  Index reach(int d) const { return (extent[d] - 1) * stride[d]; }
};

template <class T>
grid grid_of(const slice_shape& shape, const slices<T>& s) {
  const Index length = s.length_stride == 0 ? std::min<Index>(shape.length, 1) : shape.length;
  // The stride of an axis of one element is never used: 0, so that such operands compare equal.
  return {reinterpret_cast<std::uintptr_t>(s.data),
          static_cast<Index>(sizeof(T)),
          {length, shape.inner},
          {length > 1 ? s.length_stride : 0, shape.inner > 1 ? s.inner_stride : 0}};
}

/// Every element of a lies where the same element of b lies: a call may work in place.
inline bool same_place(const grid& a, const grid& b) {
  return a.address == b.address && a.stride[0] == b.stride[0] && a.stride[1] == b.stride[1] &&
         a.extent[0] == b.extent[0] && a.extent[1] == b.extent[1];
}

/// Some element of a shares memory with some element of b. Exact for two blocks of one matrix, otherwise
/// a comparison of address ranges that may call interleaved operands overlapping.
inline bool overlap(const grid& a, const grid& b) {
  if (a.empty() || b.empty()) return false;
  const auto delta = static_cast<Index>(b.address - a.address);  // wraps to the signed difference
  if (a.high() <= delta + b.low() || delta + b.high() <= a.low()) return false;
  if (delta % a.item_size != 0) return true;
  // The strides both grids share; along an axis of one element any stride will do.
  Index stride[2];
  for (int d = 0; d < 2; ++d) {
    if (a.extent[d] > 1 && b.extent[d] > 1 && a.stride[d] != b.stride[d]) return true;
    stride[d] = a.extent[d] > 1 ? a.stride[d] : b.stride[d];
  }
  // Two grids of one lattice: element (i, j) of a meets (i', j') of b where
  // delta = (i - i') * step + (j - j') * leap, and steps alone never reach one leap.
  const int minor = stride[1] == 0 || (stride[0] != 0 && stride[0] < stride[1]) ? 0 : 1;
  const int major = 1 - minor;
  const Index step = std::max<Index>(stride[minor], 1);
  const Index leap = stride[major];
  const Index reach = std::max(a.extent[minor], b.extent[minor]) - 1;
  if (stride[0] < 0 || stride[1] < 0 || (leap > 0 && reach * step >= leap)) return true;
  const Index distance = delta / a.item_size;
  const Index floor = leap == 0 ? 0 : distance / leap - (distance % leap < 0 ? 1 : 0);
  for (const Index leaps : {floor, floor + 1}) {
    const Index rest = distance - leaps * leap;
    const bool in_major = -b.extent[major] < leaps && leaps < a.extent[major];
    const bool in_minor = rest % step == 0 && -b.extent[minor] < rest / step && rest / step < a.extent[minor];
    if (in_major && in_minor) return true;
  }
  return false;
}

/// The memory from a's first number to its last and from b's do not meet: the answer for most calls, at the cost of a few
/// instructions. False too where a stride is negative.
template <class A, class B>
inline bool are_apart(const A& a, const B& b) {
  const auto reach = [](const auto& x) {
    return (x.outerSize() - 1) * x.outerStride() + (x.innerSize() - 1) * x.innerStride() + 1;
  };
  const auto first = reinterpret_cast<std::uintptr_t>(a.data()),
             other = reinterpret_cast<std::uintptr_t>(b.data());
  const auto end = first + static_cast<std::uintptr_t>(reach(a)) * sizeof(*a.data());
  const auto other_end = other + static_cast<std::uintptr_t>(reach(b)) * sizeof(*b.data());
  return (a.outerStride() | a.innerStride() | b.outerStride() | b.innerStride()) >= 0 &&
         (end <= other || other_end <= first);
}

/// How an argument and the destination of a call share memory, from harmless to not.
enum class sharing { none, in_place, conflict };

}  // namespace detail
LOGZ_NAMESPACE_END
