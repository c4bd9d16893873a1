// SPDX-License-Identifier: MIT
//
// The normal form of every cross-entropy. With shares u of the classes, W = Σ u, and for class indices a part a that
// is the target's alone,
//
//   loss        a (log Z - x_y) + s Σ u (log Z - x)
//   gradient    f [a (p - [y]) + s (p W - u)] + 2 g log Z · p
//
// Class indices: u = weight, a = (1 - label_smoothing) · weight[y], s = label_smoothing / classes. Probabilities t: no a,
// s = 1, u = weight · ((1 - label_smoothing) · t + label_smoothing / classes). f and g: scale and z_scale, times the
// gradient from above.
#pragma once

#include "arithmetic.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

using Eigen::Index;

/// Of a block of samples; numbers per sample are counted from the block's first.
template <class S>
struct loss_terms {
  using C = compute_t<S>;
  using Loss = loss_t<S>;

  const Index* target;  // -1: ignored; null with probabilities
  const S*
      probability;  // number l of sample i is probability[l * probability_length + i * probability_slice]
  Index probability_length;
  Index probability_slice;
  const Loss* weight;  // of the classes; null: 1
  C weight_sum;        // over the classes
  C hit;               // 1 - label_smoothing
  C spread;            // label_smoothing / classes
  C spread_rest;       // what its rounding lost; of double
  C scale;
  C z_scale;
  C scaled_hit;          // scale · hit
  C scaled_spread;       // scale · (spread + spread_rest), rounded once
  const Loss* upstream;  // the gradient from above, of every sample; null: 1
  Index upstream_slice;
  C* loss;        // without z_loss
  C* log_z;       // null: not wanted
  Index* argmax;  // null: not wanted

  void set_scales(const C& loss_scale, const C& square_scale) {
    scale = loss_scale;
    z_scale = square_scale;
    scaled_hit = C(scale * hit);
    compensated_sum<C> product;
    add_product<S>(product, scale, spread);
    product.add(C(scale * spread_rest));
    scaled_spread = product.value();
  }
  /// Seen from sample n on.
  loss_terms from(Index n) const {
    loss_terms t = *this;
    if (target != nullptr) t.target += n;
    if (probability != nullptr) t.probability += n * probability_slice;
    if (upstream != nullptr) t.upstream += n * upstream_slice;
    t.loss += n;
    if (log_z != nullptr) t.log_z += n;
    if (argmax != nullptr) t.argmax += n;
    return t;
  }

  bool ignored(Index sample) const { return target != nullptr && target[sample] < 0; }
  C weight_of(Index l) const { return weight == nullptr ? C(1) : static_cast<C>(weight[l]); }
  /// Σ u (log Z - x) is wanted.
  bool has_shares() const { return target == nullptr || !(spread == C(0)); }
  C upstream_of(Index sample) const {
    return upstream == nullptr ? C(1) : static_cast<C>(upstream[sample * upstream_slice]);
  }
};

}  // namespace detail
LOGZ_NAMESPACE_END
