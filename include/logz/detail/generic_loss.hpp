// SPDX-License-Identifier: MIT
//
// The generic path of cross-entropy: loss_terms.hpp's formulas in plain templated code.
#pragma once

#include "generic.hpp"
#include "loss_terms.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace generic {

/// The share of class l in sample n, but for class indices' common factor s. A factor of 0 drops its term.
template <class S>
compute_t<S> share(const loss_terms<S>& terms, Index n, Index l) {
  using C = compute_t<S>;
  const C weight = terms.weight_of(l);
  if (terms.target != nullptr || weight == C(0)) return weight;
  C u = terms.spread;
  if (!(terms.hit == C(0))) {
    const C t = static_cast<C>(terms.probability[l * terms.probability_length + n * terms.probability_slice]);
    u += C(terms.hit * t);
  }
  return C(weight * u);
}

/// a · b, and what its rounding loses.
template <class S, class C>
with_rest<C> product_of(const C& a, const C& b) {
  const C product = opaque<C>(a * b);
  if constexpr (keeps_rest<S, C>) return {product, product_error<C>(a, b, product)};
  return {product, C(0)};
}
/// sum += factor · term, with what the product loses and with the rests of both.
template <class S, class C>
void add_scaled(compensated_sum<C>& sum, const with_rest<C>& factor, const C& term, const C& rest) {
  const with_rest<C> product = product_of<S>(factor.value, term);
  sum.add(product.value, C(product.rest + C(C(factor.rest * term) + C(factor.value * rest))));
}

/// Σ u and Σ u (log Z - x) over the classes, from a pivot: the first x that counts.
template <class S>
class share_sums {
 public:
  using C = compute_t<S>;

  void add(const C& u, const C& x) {
    shares_.add(u);
    if (u == C(0) || is_nan(x) || is_plus_infinity(x)) return;
    if (is_minus_infinity(x)) {
      infinite_ = true;
      return;
    }
    if (!has_pivot_) pivot_ = x;
    has_pivot_ = true;
    add_distance(u, C(0), difference<C>(pivot_, x), distances_);
  }
  const compensated_sum<C>& shares() const { return shares_; }
  /// Adds factor · Σ u (log Z - x), which is Σ u (pivot - x) + W (top - pivot) + W (log Z - top).
  void add_loss(compensated_sum<C>& sum, const with_rest<C>& factor, const C& top,
                const with_rest<C>& excess) const {
    compensated_sum<C> part = distances_;
    if (infinite_) part.add(infinity<C>());
    if (!(shares_.value() == C(0)) && !is_nan(part.low())) {
      add_distance(shares_.high(), shares_.low(), difference<C>(top, pivot_), part);
      add_scaled<S>(part, {shares_.high(), shares_.low()}, excess.value, excess.rest);
    }
    if (is_nan(part.low())) return sum.add(C(factor.value * part.high()));
    add_scaled<S>(sum, factor, part.high(), part.low());
  }

 private:
  static void add_distance(const C& u, const C& u_rest, const difference<C>& d, compensated_sum<C>& sum) {
    add_scaled<S>(sum, {u, u_rest}, d.value, d.error);
  }

  compensated_sum<C> shares_;
  compensated_sum<C> distances_;
  C pivot_{0};
  bool has_pivot_ = false;
  bool infinite_ = false;
};

/// What the loss of one sample is made of, taken in piece by piece.
template <class S>
class sample_loss {
 public:
  using C = compute_t<S>;

  bool empty() const { return empty_; }

  void take(const loss_terms<S>& terms, Index n, Index start, Index length, const S* piece, Index stride) {
    const auto load = [&](Index l) { return element<false>(piece, l * stride); };
    if (terms.argmax != nullptr) {
      for (Index l = 0; l < length; ++l) {
        if (!(load(l) > largest_)) continue;
        largest_ = load(l);
        argmax_ = start + l;
      }
    }
    if (terms.target != nullptr && start <= terms.target[n] && terms.target[n] < start + length)
      target_logit_ = load(terms.target[n] - start);
    z_.take(length, load);
    for (Index l = 0; l < length && of_probabilities(terms); ++l) {
      const C weight = terms.weight_of(start + l);
      const C t = static_cast<C>(
          terms.probability[(start + l) * terms.probability_length + n * terms.probability_slice]);
      probable_.add(weight == C(0) ? weight : C(weight * t), load(l));
    }
    for (Index l = 0; l < length && !(terms.spread == C(0)); ++l)
      common_.add(terms.weight_of(start + l), load(l));
    empty_ = false;
  }

  const log_partition<C>& z() const { return z_; }
  Index argmax() const { return argmax_; }
  const C& target_logit() const { return target_logit_; }
  /// W, but for class indices' common factor s.
  C shares(const loss_terms<S>& terms) const {
    if (terms.target != nullptr) return terms.weight_sum;
    compensated_sum<C> sum;
    add_scaled<S>(sum, {terms.hit, C(0)}, probable_.shares().high(), probable_.shares().low());
    add_scaled<S>(sum, {terms.spread, terms.spread_rest}, common_.shares().high(), common_.shares().low());
    return sum.value();
  }

  /// NaN where the slice has no distribution, +∞ where a class at -∞ has a part.
  C loss(const loss_terms<S>& terms, Index n) const {
    if (!z_.finite()) return quiet_nan<C>();
    const with_rest<C> excess = z_.log_excess();
    compensated_sum<C> sum;
    if (terms.target != nullptr) {
      const with_rest<C> lp = log_probability_parts(target_logit_, z_.top(), excess);
      const with_rest<C> factor = product_of<S>(terms.hit, terms.weight_of(terms.target[n]));
      if (!(factor.value == C(0))) add_scaled<S>(sum, factor, C(-lp.value), C(-lp.rest));
    }
    if (of_probabilities(terms)) probable_.add_loss(sum, {terms.hit, C(0)}, z_.top(), excess);
    if (!(terms.spread == C(0))) {
      common_.add_loss(sum, {terms.spread, terms.spread_rest}, z_.top(), excess);
    }
    return sum.value();
  }

 private:
  static bool of_probabilities(const loss_terms<S>& terms) {
    return terms.target == nullptr && !(terms.hit == C(0));
  }

  log_partition<C> z_;
  share_sums<S> probable_;  // of weight · t
  share_sums<S> common_;    // of the weights alone, for smoothing
  C target_logit_{0};
  C largest_ = -infinity<C>();
  Index argmax_ = 0;
  bool empty_ = true;
};

/// The results of sample n that are asked for.
template <class S>
void store_outputs(const loss_terms<S>& terms, Index n, const sample_loss<S>& sample) {
  terms.loss[n] = terms.ignored(n) ? compute_t<S>(0) : sample.loss(terms, n);
  if (terms.log_z != nullptr) terms.log_z[n] = sample.z().log_z();
  if (terms.argmax != nullptr) terms.argmax[n] = sample.argmax();
}

/// The loss of each sample, and its gradient where grad has memory.
template <class S>
void cross_entropy(const slice_shape& shape, const slices<const S>& x, const loss_terms<S>& terms,
                   const slices<S>& grad) {
  using C = compute_t<S>;
  const bool outputs = terms.log_z != nullptr || terms.argmax != nullptr;
  for (Index n = 0; n < shape.inner; ++n) {
    const S* const from = x.slice(0, n);
    S* const to = grad.slice(0, n);
    sample_loss<S> sample;
    if (outputs || !terms.ignored(n)) sample.take(terms, n, 0, shape.length, from, x.length_stride);
    store_outputs(terms, n, sample);
    if (grad.data == nullptr) continue;
    const log_partition<C>& z = sample.z();
    // Nothing is averaged: the scale is 0, and so is the gradient whatever the slice holds.
    const bool counts = !(terms.scale == C(0)) || !(terms.z_scale == C(0));
    if (terms.ignored(n) || !counts) {
      fill(shape, grad, to, C(0));
      continue;
    }
    if (!z.finite()) {
      fill_nan(shape, grad, to);
      continue;
    }
    const with_rest<C> total = z.total();
    const bool indices = terms.target != nullptr;
    const C above = terms.upstream_of(n);
    const C own = indices ? C(terms.scaled_hit * above * terms.weight_of(terms.target[n])) : C(0);
    const C common = C(above * (indices ? terms.scaled_spread : terms.scale));
    compensated_sum<C> of_p;
    if (terms.has_shares()) add_product<S>(of_p, common, sample.shares(terms));
    if (!(terms.z_scale == C(0))) add_product<S>(of_p, C(C(2) * terms.z_scale * above), z.log_z());
    const C shared = of_p.value();
    for (Index l = 0; l < shape.length; ++l) {
      const C logit = element<false>(from, l * x.length_stride);
      const C p = probability(difference<C>(logit, z.top()), total);
      C slope = C(shared * p);
      if (terms.has_shares()) {
        const C u = share(terms, n, l);
        if (!(u == C(0))) slope -= C(common * u);
      }
      if (indices && !(own == C(0))) {
        // p - 1: from the sum of the others where p may be near 1; elsewhere p ≤ 1/2 and nothing cancels.
        C q = p;
        if (l == terms.target[n]) q = logit == z.top() ? C(-z.others_share(total)) : C(p - C(1));
        slope += C(own * q);
      }
      to[l * grad.length_stride] = static_cast<S>(slope);
    }
  }
}

}  // namespace generic
}  // namespace detail
LOGZ_NAMESPACE_END
