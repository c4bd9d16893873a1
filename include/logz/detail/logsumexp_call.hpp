// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "engine.hpp"
#include "expression.hpp"
#include "lazy_pieces.hpp"
#include "per_slice.hpp"

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

/// logsumexp of each slice: a vector with one number per slice.
template <class Argument>
class logsumexp_call {
  using Result = per_slice_result<Argument, typename Argument::Scalar>;
  using Cut = typename Argument::Cut;

 public:
  using Scalar = typename Argument::Scalar;
  using PlainObject = typename Result::PlainObject;
  static constexpr const char* name = "logsumexp";
  static constexpr bool valid = is_supported_scalar<Scalar>;
  static constexpr bool lazy = !Argument::direct;

  explicit logsumexp_call(const Argument& x) : x_(x) {}

  Index rows() const { return Result::rows(x_); }
  Index cols() const { return Result::cols(x_); }
  void check() const {}

  template <class Dst>
  bool conflicts_with(Dst& dst) const {
    return conflicts_per_slice(x_, dst);
  }

  template <class Dst>
  void run(Dst& dst) const {
    logsumexp(x_, slices<Scalar>(slices_of(dst, Cut{})));
  }

 private:
  Argument x_;
};

template <class X, int Direction>
auto logsumexp_of_slices(const Eigen::VectorwiseOp<X, Direction>& x) {
  check_scalar<X>();
  using Argument = argument<std::remove_const_t<X>, cut_along<Direction>>;
  return make_expression(logsumexp_call<Argument>(Argument(x._expression())));
}

template <class X>
typename X::Scalar logsumexp_of_vector(const Eigen::DenseBase<X>& x) {
  using Scalar = typename X::Scalar;
  Scalar result{};
  if constexpr (check_vector<X>()) {
    const argument<X, cut_along<vector_direction<X>>> a(x.derived());
    logsumexp(a, slices<Scalar>{&result, 0, 0, 0});
  }
  return result;
}

}  // namespace detail
LOGZ_NAMESPACE_END
