// SPDX-License-Identifier: MIT
//
// One number at a time: softplus, the logistic function, and the loss of one yes or no.
#pragma once

#include "log_partition.hpp"
#include "log_table.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace generic {

/// A sum and a product with what they lose, where C has no digits to spare over S.
template <class S, class C>
with_rest<C> plus(const with_rest<C>& a, const with_rest<C>& b) {
  const C sum = opaque<C>(a.value + b.value);
  if constexpr (keeps_rest<S, C>) {
    return {sum, C(sum_error(a.value, b.value, sum) + C(a.rest + b.rest))};
  } else {
    return {sum, C(0)};
  }
}
template <class S, class C>
with_rest<C> times(const with_rest<C>& a, const with_rest<C>& b) {
  const C product = opaque<C>(a.value * b.value);
  if constexpr (keeps_rest<S, C>) {
    const C mixed = C(C(a.value * b.rest) + C(a.rest * b.value));
    return {product, C(product_error(a.value, b.value, product) + mixed)};
  } else {
    return {product, C(0)};
  }
}

/// value + rest; the rest is NaN once the value is infinite.
template <class C>
C rounded(const with_rest<C>& sum) {
  return is_nan(sum.rest) ? sum.value : C(sum.value + sum.rest);
}

/// log(1 + e) for e from 0 to 1 (or NaN), within 2^-58 of itself in double: u = 1 + e, halved above √2, times the
/// table's reciprocal c is 1 + t with |t| < 2^-7, exactly; log u = log1p(t) - log c (+ log 2).
inline with_rest<double> log1p_with_rest(double e) {
  if (is_nan(e)) return {e, 0};  // by its bits, under -ffinite-math-only too: the table has no place for it
  const double u = opaque(1 + e);
  double lost = sum_error(1.0, e, u);
  const bool halved = u > 1.4140625;
  const double m = halved ? u / 2 : u;
  if (halved) lost /= 2;
  const log_entry& entry = log_table[static_cast<int>(128 * m + 0.5) - first_log_entry];
  const double product = opaque(m * entry.c);
  // What 1 + e lost may be half of e.
  const double high = opaque(product - 1);
  const double low = product_error(m, entry.c, product) + lost * entry.c;
  const double t = opaque(high + low);
  const double t_rest = sum_error(high, low, t);
  const double series =
      t * t *
      (-1.0 / 2 + t * (1.0 / 3 + t * (-1.0 / 4 + t * (1.0 / 5 + t * (-1.0 / 6 + t * (1.0 / 7 - t / 8))))));
  const double log_2 = 0x1.62e42fefa39efp-1;
  const double log_2_rest = 0x1.abc9e3b39803fp-56;
  const double shift = halved ? opaque(entry.high + log_2) : entry.high;
  double rest = halved ? sum_error(entry.high, log_2, shift) + log_2_rest : 0;
  const double value = opaque(shift + t);
  rest += sum_error(shift, t, value) + entry.low + (series + t_rest * (1 - t));
  const double sum = opaque(value + rest);
  return {sum, sum_error(value, rest, sum)};
}

/// log1p(exp(-|x|)).
template <class C>
with_rest<C> softplus_tail(const C& minus_magnitude) {
  // Opaque: -ffast-math would take a vectorised exp of another accuracy.
  const C e = exp_of(opaque<C>(minus_magnitude));
  if constexpr (std::is_same_v<C, double>) {
    return log1p_with_rest(e);
  } else {
    return {log1p_of(e), C(0)};
  }
}

/// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)): both terms are ≥ 0.
template <class C>
C softplus(const C& x) {
  const bool positive = x > C(0);
  const with_rest<C> tail = softplus_tail(positive ? C(-x) : x);
  return rounded(positive ? plus<C>(with_rest<C>{x, C(0)}, tail) : tail);
}

template <class C>
C log_sigmoid(const C& x) {
  return C(-softplus(C(-x)));
}

/// factor · exp(x) for an x ≤ 0 whose exponential is known.
template <class C>
C times_known_exp(const C& factor, const C& x, const C& e) {
  return x < -half_range<C>() ? times_exp(factor, x) : C(factor * e);
}

/// g / (1 + exp(-x)).
template <class C>
C times_sigmoid(const C& g, const C& x) {
  const bool positive = x > C(0);
  const C down = positive ? C(-x) : x;
  const C e = exp_of(opaque<C>(down));
  return C((positive ? g : times_known_exp(g, down, e)) / C(C(1) + e));
}

/// A factor of exactly 0 drops its term, even times ∞ or NaN.
template <class C>
bool drops(const C& a, const C& b) {
  return a == C(0) || b == C(0);
}

/// w [(1 - y) softplus(x) + v y softplus(-x)], with the rounding of everything but exp and log1p beside it: nothing
/// cancels for y from 0 to 1.
template <class S, class C>
with_rest<C> binary_loss(const C& x, const C& y, const C& weight, const C& pos_weight) {
  const C zero(0);
  with_rest<C> sum{zero, zero};
  if (weight == zero) return sum;
  const bool positive = x > zero;
  const C down = positive ? C(-x) : x;
  const with_rest<C> tail = softplus_tail(down);
  const with_rest<C> magnitude{C(-down), zero};
  const with_rest<C> both = plus<S>(magnitude, tail);
  const with_rest<C> minus_y{C(-y), zero};
  const with_rest<C> no = plus<S>(with_rest<C>{C(1), zero}, minus_y);
  const with_rest<C> yes = times<S>(with_rest<C>{pos_weight, zero}, with_rest<C>{y, zero});
  if (!(no.value == zero)) sum = times<S>(no, positive ? both : tail);
  if (!drops(y, pos_weight)) sum = plus<S>(sum, times<S>(yes, positive ? tail : both));
  return times<S>(with_rest<C>{weight, zero}, sum);
}

/// w [(1 - y) sigmoid(x) - v y sigmoid(-x)] / count.
template <class C>
C binary_slope(const C& x, const C& y, const C& weight, const C& pos_weight, const C& count) {
  const C zero(0);
  if (weight == zero) return zero;
  const bool positive = x > zero;
  const C down = positive ? C(-x) : x;
  const C e = exp_of(opaque<C>(down));
  const C no = C(C(1) - y);
  const bool no_drops = no == zero;
  const bool yes_drops = drops(y, pos_weight);
  if (no_drops && yes_drops) return zero;
  C slope = zero;
  if (!no_drops) {
    const C factor = C(weight * no);
    slope = positive ? factor : times_known_exp(factor, down, e);
  }
  if (!yes_drops) {
    const C factor = C(weight * C(pos_weight * y));
    slope -= positive ? times_known_exp(factor, down, e) : factor;
  }
  return C(slope / C(C(C(1) + e) * count));
}

}  // namespace generic
}  // namespace detail
LOGZ_NAMESPACE_END
