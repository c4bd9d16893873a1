// SPDX-License-Identifier: MIT
//
// Reductions of lazy expressions: each element is evaluated once, into a bounded scratch, piece by piece.
#pragma once

#include <algorithm>

#include "argument.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// Slices are taken in blocks of at most this many, so that what is kept per slice fits on the stack.
inline constexpr Index slice_block = 64;

/// For each block of slices of a lazy matrix expression: piece(shape, slices, first slice, first position) for its
/// pieces in order, of which an empty slice has none, then done(first slice, count).
template <class Argument, class Piece, class Done>
void for_each_piece(const Argument& argument, const Piece& piece, const Done& done) {
  using Scalar = typename Argument::Scalar;
  using Xpr = typename Argument::Xpr;
  const slice_shape shape = shape_of(argument.xpr(), typename Argument::Cut{});
  // 16 KiB stay in the L1 cache beside what the expression reads.
  constexpr int capacity = std::max<int>(16384 / static_cast<int>(sizeof(Scalar)), 16);
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1, Eigen::ColMajor, capacity, 1> scratch(capacity);
  constexpr bool rowwise = std::is_same_v<typename Argument::Cut, cut_along<Eigen::Horizontal>>;
  // Neighbours in the expression's storage order stay neighbours in the scratch.
  constexpr bool interleaved = rowwise != static_cast<bool>(Xpr::IsRowMajor);
  // 16 neighbours fill a cache line or more of what an interleaved expression reads.
  const Index block =
      std::clamp<Index>(capacity / std::max<Index>(shape.length, 1), interleaved ? 16 : 1, slice_block);
  // From the length alone: a slice is cut into the same pieces whatever slices stand beside it.
  const Index longest = capacity / block;
  // One evaluator for all: a product inside the expression is computed once.
  const Eigen::internal::evaluator<Xpr> source(argument.xpr());
  for (Index first = 0; first < shape.inner; first += block) {
    const Index count = std::min(block, shape.inner - first);
    for (Index start = 0; start < shape.length; start += longest) {
      const Index length = std::min(longest, shape.length - start);
      const slices<Scalar> packed{scratch.data(), 0, interleaved ? count : 1, interleaved ? 1 : length};
      const auto pack = [&](Index l, Index i) {
        packed.slice(0, i)[l * packed.length_stride] =
            rowwise ? source.coeff(first + i, start + l) : source.coeff(start + l, first + i);
      };
      if (interleaved) {
        for (Index l = 0; l < length; ++l) {
          for (Index i = 0; i < count; ++i) pack(l, i);
        }
      } else {
        for (Index i = 0; i < count; ++i) {
          for (Index l = 0; l < length; ++l) pack(l, i);
        }
      }
      piece(slice_shape{1, length, count}, slices<const Scalar>(packed), first, start);
    }
    done(first, count);
  }
}

}  // namespace detail
LOGZ_NAMESPACE_END
