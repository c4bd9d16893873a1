// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "functions.hpp"
#include "lazy_pieces.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// log Z of each slice of x.
template <class Argument>
void logsumexp(const Argument& x, const slices<typename Argument::Scalar>& out) {
  using Scalar = typename Argument::Scalar;
  using Cut = typename Argument::Cut;
  if constexpr (Argument::direct) {
    engine::logsumexp(shape_of(x.xpr(), Cut{}), slices<const Scalar>(slices_of(x.xpr(), Cut{})), out);
  } else {
    const Index length = shape_of(x.xpr(), Cut{}).length;
    std::array<engine::partial<Scalar>, slice_block> z;
    for_each_piece(
        x,
        [&](const slice_shape& piece, const slices<const Scalar>& values, Index first, Index) {
          if (piece.length == length) return engine::logsumexp(piece, values, out.from(first));
          for (Index i = 0; i < piece.inner; ++i) {
            z[static_cast<std::size_t>(i)].take(piece.length, values.slice(0, i), values.length_stride);
          }
        },
        [&](Index first, Index count) {
          if (z[0].empty() && length != 0) return;  // in one piece
          for (Index i = 0; i < count; ++i) {
            *out.slice(0, first + i) = z[static_cast<std::size_t>(i)].logsumexp();
            z[static_cast<std::size_t>(i)] = {};
          }
        });
  }
}

struct logsumexp_function {
  static constexpr const char* name = "logsumexp";
  static constexpr bool of_expressions = true;
  template <class Argument>
  void run(const Argument& x, const slices<typename Argument::Scalar>& out) const {
    logsumexp(x, out);
  }
};

}  // namespace detail
LOGZ_NAMESPACE_END
