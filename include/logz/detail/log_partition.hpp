// SPDX-License-Identifier: MIT
#pragma once

#include "arithmetic.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// log Z of one slice, taken in piece by piece: Z = exp(top) · (1 + others), where the largest element stays
/// out of the sum, so that log1p(others) keeps its relative accuracy when one element dominates.
///
/// The sum is of exp(x - reference); the reference is the first piece's largest element, and moves only when
/// a later piece exceeds it by so much that what was summed before hardly counts: the rounding of that one
/// rescaling never matters, however many pieces there are.
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
    if (piece_top == -infinity<C>()) return;
    if (empty_ || piece_top > top_) {
      raise_top(piece_top);
    } else {
      largest = n;
    }
    if (top_ == infinity<C>()) return;
    for (Eigen::Index i = 0; i < largest; ++i) add(load(i));
    for (Eigen::Index i = largest + 1; i < n; ++i) add(load(i));
  }

  /// The largest element: -∞ for a slice with none above -∞, NaN for one with a NaN.
  const C& top() const { return top_; }
  /// The slice has a distribution: some element is finite, none is +∞ or NaN.
  bool finite() const { return !empty_ && !is_nan(top_) && !(top_ == infinity<C>()); }
  /// Z / exp(top) - 1.
  C others() const { return C(others_.value() * rescaling()); }
  /// log Z - top; both parts of the sum count.
  C log_excess() const {
    const C factor = rescaling();
    const C high = others_.high() * factor;
    const C low = others_.low() * factor;
    return C(log1p_of(high) + low / C(C(1) + high));
  }
  C log_z() const { return finite() ? C(top_ + log_excess()) : top_; }

 private:
  void raise_top(const C& new_top) {
    const bool first = empty_;
    const C old_top = top_;
    empty_ = false;
    top_ = new_top;
    if (new_top == infinity<C>()) return;
    if (first) {
      reference_ = new_top;
      return;
    }
    // Half the exponent range: exp(x - reference), and sums of any length of it, stay finite.
    const C limit = C(log_of(C(Eigen::NumTraits<C>::highest())) / C(2));
    if (new_top - reference_ > limit) {
      others_.scale(exp_of(difference<C>(reference_, new_top)));
      reference_ = new_top;
    }
    add(old_top);
  }
  void add(const C& x) { others_.add(exp_of(difference<C>(x, reference_))); }
  C rescaling() const { return top_ == reference_ ? C(1) : exp_of(difference<C>(reference_, top_)); }

  C top_ = -infinity<C>();
  C reference_{0};
  compensated_sum<C> others_;
  bool empty_ = true;
};

}  // namespace detail
LOGZ_NAMESPACE_END
