// SPDX-License-Identifier: MIT
#pragma once

#include "slice_sums.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace generic {

/// v - Σ exp(lp) v.
template <class S>
void log_softmax_jvp(const slice_shape& shape, const slices<const S>& v, const slices<const S>& log_p,
                     const slices<S>& out) {
  using C = compute_t<S>;
  const bool interleaved = is_interleaved(v);
  sum_slices<C>(
      shape, interleaved,
      [&](compensated_sum<C>& dot, Index l, Index i) {
        // Opaque: -ffast-math would take a vectorised exp of another accuracy.
        const C p = exp_of(opaque<C>(static_cast<C>(number_at(log_p, l, i))));
        add_product<S>(dot, p, static_cast<C>(number_at(v, l, i)));
      },
      [&](Index first, Index count, const auto& dots) {
        for_each_number(shape.length, first, count, interleaved, [&](Index l, Index i) {
          const C mean = dots[static_cast<std::size_t>(i - first)].value();
          number_at(out, l, i) = static_cast<S>(C(static_cast<C>(number_at(v, l, i)) - mean));
        });
      });
}

/// Σ p v of each slice.
template <class S>
void logsumexp_jvp(const slice_shape& shape, const slices<const S>& v, const slices<const S>& p,
                   const slices<S>& out) {
  using C = compute_t<S>;
  sum_slices<C>(
      shape, is_interleaved(v),
      [&](compensated_sum<C>& dot, Index l, Index i) {
        add_product<S>(dot, static_cast<C>(number_at(p, l, i)), static_cast<C>(number_at(v, l, i)));
      },
      [&](Index first, Index count, const auto& dots) {
        for (Index i = 0; i < count; ++i) {
          *out.slice(0, first + i) = static_cast<S>(dots[static_cast<std::size_t>(i)].value());
        }
      });
}

}  // namespace generic
}  // namespace detail
LOGZ_NAMESPACE_END
