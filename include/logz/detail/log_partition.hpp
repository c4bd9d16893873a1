// SPDX-License-Identifier: MIT
#pragma once

#include "arithmetic.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// A number and what is missing from it.
template <class C>
struct with_rest {
  C value;
  C rest;
};

/// log Z of one slice, taken in piece by piece: Z = exp(top) · (1 + others), where the largest element stays out
/// of the sum, so that log1p(others) keeps its relative accuracy when one element dominates.
///
/// The sum is of exp(x - reference). The reference is the first piece's largest element, and moves only when a later
/// piece exceeds it by half the exponent range: at most a few roundings, however many pieces there are.
template <class C>
class log_partition {
 public:
  /// Takes in n elements; load(i) is the i-th, as a C.
  template <class Load>
  void take(Eigen::Index n, const Load& load) {
    if (n == 0 || is_nan(top_)) return;
    Eigen::Index largest = 0;
    C piece_top = load(0);
    for (Eigen::Index i = 0; i < n; ++i) {
      const C x = load(i);
      if (is_nan(x)) {
        top_ = x;
        empty_ = false;
        return;
      }
      if (x > piece_top) {
        piece_top = x;
        largest = i;
      }
    }
    if (is_minus_infinity(piece_top)) return;
    if (empty_ || piece_top > top_) {
      raise_top(piece_top);
    } else {
      largest = n;
    }
    if (is_plus_infinity(top_)) return;
    for (Eigen::Index i = 0; i < largest; ++i) add(load(i));
    for (Eigen::Index i = largest + 1; i < n; ++i) add(load(i));
  }

  /// The largest element: -∞ for a slice with none above -∞, NaN for one with a NaN.
  const C& top() const { return top_; }
  /// The slice has a distribution: some element is finite, none is +∞ or NaN.
  bool finite() const { return !empty_ && !is_nan(top_) && !is_plus_infinity(top_); }

  /// Z / exp(top), with the rest relative to it.
  with_rest<C> total() const {
    const with_rest<C> s = scaled_others();
    const C one(1);
    const C value = opaque<C>(one + s.value);
    return {value, C(C(sum_error(one, s.value, value) + s.rest) / value)};
  }
  /// 1 - exp(top) / Z, the share of all but the largest element.
  C others_share(const with_rest<C>& total) const {
    const with_rest<C> s = scaled_others();
    const C share = C(C(s.value + s.rest) / total.value);
    return C(share - share * total.rest);
  }
  /// log Z - top.
  with_rest<C> log_excess() const {
    const with_rest<C> s = scaled_others();
    return {log1p_of(s.value), C(s.rest / C(C(1) + s.value))};
  }
  C log_z() const {
    if (!finite()) return top_;
    const with_rest<C> excess = log_excess();
    const C sum = opaque<C>(top_ + excess.value);
    return C(sum + C(sum_error(top_, excess.value, sum) + excess.rest));
  }

  /// What the sum is multiplied by, so that terms near the smallest number keep their digits in it.
  static C sum_scale() {
    if constexpr (std::is_floating_point_v<C>) {
      return std::ldexp(C(1), std::numeric_limits<C>::max_exponent / 4);
    } else {
      return C(1);
    }
  }

 private:
  void raise_top(const C& new_top) {
    const bool first = empty_;
    const C old_top = top_;
    empty_ = false;
    top_ = new_top;
    if (is_plus_infinity(new_top)) return;
    if (first) {
      reference_ = new_top;
      return;
    }
    if (C(new_top - reference_) > half_range<C>()) {
      // In steps that stay in range: the sum may hold terms as large as exp(old_top - reference).
      rescale(reference_, old_top);
      rescale(old_top, new_top);
      reference_ = new_top;
    }
    add(old_top);
  }
  /// The sum of exp(x - from) becomes that of exp(x - to).
  void rescale(const C& from, const C& to) {
    const difference<C> d(from, to);
    const C root = exp_of(C(d.value / C(2)));
    others_.scale(root);
    others_.scale(C(root + root * d.error));
  }
  void add(const C& x) {
    const difference<C> d(x, reference_);
    const C e = times_exp(sum_scale(), d.value);
    others_.add(e, C(e * d.error));
  }
  with_rest<C> scaled_others() const {
    C factor = C(C(1) / sum_scale());
    if (!(top_ == reference_)) {
      const difference<C> d(reference_, top_);
      const C e = exp_of(d.value);
      factor *= C(e + e * d.error);
    }
    return {C(others_.high() * factor), C(others_.low() * factor)};
  }

  C top_ = -infinity<C>();
  C reference_{0};
  compensated_sum<C> others_;
  bool empty_ = true;
};

}  // namespace detail
LOGZ_NAMESPACE_END
