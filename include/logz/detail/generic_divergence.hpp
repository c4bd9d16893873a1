// SPDX-License-Identifier: MIT
#pragma once

#include "generic.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace generic {

template <class C>
bool is_infinite(const C& x) {
  return is_plus_infinity(x) || is_minus_infinity(x);
}

/// Adds factor · (a - b), to the last digit of the difference. No factor is 0: an infinite difference is all there is.
template <class S, class C>
void add_times_difference(compensated_sum<C>& sum, const C& factor, const C& a, const C& b) {
  const C minus_b = -b;
  const C d = opaque<C>(a + minus_b);
  if constexpr (keeps_rest<S, C>) {
    if (!is_infinite(d)) {
      const C product = opaque<C>(factor * d);
      sum.add(product, C(product_error(factor, d, product) + factor * sum_error(a, minus_b, d)));
      return;
    }
  }
  sum.add(C(factor * d));
}

/// Adds p (log p - log q).
template <class S, class C>
void add_divergence(compensated_sum<C>& sum, const C& log_q, const C& p) {
  if (p == C(0)) return;
  add_times_difference<S>(sum, p, log_of(opaque<C>(p)), log_q);
}

/// Adds exp(t) (t - log q).
template <class S, class C>
void add_log_divergence(compensated_sum<C>& sum, const C& log_q, const C& t) {
  if (is_minus_infinity(t)) return;
  const C d = C(t - log_q);
  if (is_infinite(d)) return sum.add(d);  // exp(t) > 0, though it may underflow
  if (t < -half_range<C>()) return sum.add(times_exp(d, t));
  add_times_difference<S>(sum, exp_of(opaque<C>(t)), t, log_q);
}

/// Σ p (top - x) of a slice with a distribution: no term is negative.
template <class S>
with_rest<compute_t<S>> mean_gap(const slice_shape& shape, const slices<const S>& x, const S* from,
                                 const log_partition<compute_t<S>>& z, const with_rest<compute_t<S>>& total) {
  using C = compute_t<S>;
  compensated_sum<C> sum;  // of terms scaled as log_partition scales its own
  const C scale = log_partition<C>::sum_scale();
  for (Index l = 0; l < shape.length; ++l) {
    const difference<C> d(element<false>(from, l * x.length_stride), z.top());
    if (is_minus_infinity(d.value)) continue;
    const C e = times_exp(scale, d.value);
    const C gap = C(-d.value);
    const C product = opaque<C>(e * gap);
    const C lost = opaque<C>(e * d.error);  // the other two factors may overflow
    if constexpr (keeps_rest<S, C>) {
      // exp(d) = e (1 + error), the gap itself is gap - error.
      sum.add(product, C(product_error(e, gap, product) + lost * C(gap - C(1))));
    } else {
      sum.add(product, C(lost * C(gap - C(1))));
    }
  }
  const C high = C(sum.high() / scale);
  const C low = C(sum.low() / scale);
  const C mean = opaque<C>(high / total.value);
  C rest = C(low / total.value);
  if constexpr (keeps_rest<S, C>) {
    const C product = opaque<C>(mean * total.value);
    const C remainder = C(opaque<C>(high - product) - product_error(mean, total.value, product));
    rest += C(remainder / total.value);
  }
  return {mean, C(rest - mean * total.rest)};
}

/// -Σ p log p = (log Z - top) + Σ p (top - x); 0 of an empty slice.
template <class S>
void entropy(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  using C = compute_t<S>;
  if (shape.length == 0) {
    for (Index i = 0; i < shape.inner; ++i) *out.slice(0, i) = static_cast<S>(C(0));
  }
  const auto one = [&](Index, const S* from, S* to) {
    const log_partition<C> z = partition_of<false>(shape, x, from);
    if (!z.finite()) {
      *to = static_cast<S>(quiet_nan<C>());
      return;
    }
    const with_rest<C> excess = z.log_excess();
    const with_rest<C> gap = mean_gap(shape, x, from, z, z.total());
    const C sum = opaque<C>(excess.value + gap.value);
    *to = static_cast<S>(C(sum + C(sum_error(excess.value, gap.value, sum) + C(excess.rest + gap.rest))));
  };
  for_each_slice(shape, one, x, out);
}

/// -g p (log p + h). With log p = -gap - (log Z - top) and h = (log Z - top) + Σ p gap that is g p (gap - Σ p gap):
/// neither log Z nor the rounding of h enters, and h only tells a slice without a distribution.
template <class S>
void entropy_backward(const slice_shape& shape, const slices<const S>& x, const slices<const S>& grad_h,
                      const slices<const S>& h, const slices<S>& out) {
  using C = compute_t<S>;
  const auto one = [&](Index, const S* from, const S* g, const S* entropy_of, S* to) {
    const log_partition<C> z = partition_of<false>(shape, x, from);
    if (!z.finite() || is_nan(element<false>(entropy_of, 0))) return fill_nan(shape, out, to);
    const C factor = element<false>(g, 0);
    const with_rest<C> total = z.total();
    const with_rest<C> mean = mean_gap(shape, x, from, z, total);
    const C minus_mean = -mean.value;
    for (Index l = 0; l < shape.length; ++l) {
      const difference<C> d(element<false>(from, l * x.length_stride), z.top());
      C slope(0);
      if (!is_minus_infinity(d.value)) {
        const C gap = C(-d.value);
        const C excess = opaque<C>(gap + minus_mean);
        const C lost = C(sum_error(gap, minus_mean, excess) - C(d.error + mean.rest));
        slope = probability(d, total, C(factor * C(excess + lost)));
      }
      to[l * out.length_stride] = static_cast<S>(slope);
    }
  };
  for_each_slice(shape, one, x, grad_h, h, out);
}

}  // namespace generic
}  // namespace detail
LOGZ_NAMESPACE_END
