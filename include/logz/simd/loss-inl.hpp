// SPDX-License-Identifier: MIT
//
// From log Z to the losses of a group of slices and the coefficients of their gradients: loss_terms.hpp's formulas, a
// vector of slices at a time, in double.

namespace LOGZ_TARGET {

/// What a loss needs to know of each slice of a group beside its partition.
template <class S, int Count>
struct loss_group {
  alignas(64) S logit[Count];           // of the target
  alignas(64) S target_exp[Count];      // its exp, as the sums have it
  alignas(64) double own[Count];        // a
  alignas(64) double above[Count];      // the gradient from above
  alignas(64) double distances[Count];  // Σ u (top - x)
  alignas(64) double distances_rest[Count];
  alignas(64) double shares[Count];  // W
  alignas(64) double shares_rest[Count];
  alignas(64) double probable_distances[Count];  // on the way, of the part of the probabilities
  alignas(64) double probable_rest[Count];
  alignas(64) double loss[Count];
  alignas(64) double log_z[Count];
  alignas(64) double slope[Count];  // the gradient at the target
  alignas(64) S at_target[Count];  // the same, and the row where it stands: short slices take it on their way
  alignas(64) typename lanes<S>::bit row[Count];
  alignas(64) S probable[Count];  // f · hit and f · spread, of the share that leaves the gradient
  alignas(64) S common[Count];
  alignas(64) typename lanes<S>::bit argmax[Count];
  bool has_nan[Count];  // where the maximum is infinite, and log Z is asked for
};

template <class S>
LOGZ_INLINE bool has_nan(const S* x, ptrdiff_t n, ptrdiff_t stride) {
  for (ptrdiff_t l = 0; l < n; ++l) {
    if (is_nan(double(x[l * stride]))) return true;
  }
  return false;
}

/// Where no number of a lane has been found yet.
template <class S>
constexpr typename lanes<S>::bit no_position = ~typename lanes<S>::bit{0};

/// s of the formulas.
template <class S>
LOGZ_INLINE double share_factor(const loss_terms<S>& terms) {
  return terms.target != nullptr ? terms.spread : 1.0;
}

/// Lane i of the group becomes sample n, whose logits start at x.
template <class S, int Count>
LOGZ_INLINE void read_target(loss_group<S, Count>& lg, ptrdiff_t i, const loss_terms<S>& terms, ptrdiff_t n,
                             const S* x, ptrdiff_t x_length) {
  if (terms.upstream != nullptr) lg.above[i] = double(terms.upstream[n * terms.upstream_slice]);
  const ptrdiff_t y = terms.target == nullptr ? -1 : terms.target[n];
  lg.logit[i] = y < 0 ? S(0) : x[y * x_length];
  lg.own[i] = y < 0 ? 0.0 : terms.weight == nullptr ? terms.hit : terms.hit * double(terms.weight[y]);
}
/// A lane without a sample gets one that is harmless.
template <class S, int Count>
LOGZ_INLINE void clear_target(loss_group<S, Count>& lg, ptrdiff_t i) {
  lg.logit[i] = 0;
  lg.own[i] = lg.above[i] = 0;
  lg.distances[i] = lg.distances_rest[i] = lg.shares[i] = lg.shares_rest[i] = 0;
}

/// log Z - top, 1 / Z as the exps have it, and the share of all but the top number.
struct relative_partition {
  lane_sum<double> excess, inverse;
  vec<double> others;
};
/// rest: as a group's.
template <class S, slices_of Which = slices_of::lanes>
LOGZ_INLINE relative_partition relative_to_top(vec<double> top, vec<double> exponent, vec<double> sum,
                                               vec<double> rest) {
  const vec<double> none = {};
  if constexpr (sizeof(S) == 4) {
    const vec<double> inverse = divide<Which>(all(1.0), rest + sum);
    return {{log_excess<Which>(sum, rest), none}, {inverse, none}, sum * inverse};
  } else {
    const lane_sum<double> one = exp_as_sum(top, exponent);
    vec<double> low = one.low + rest;
    const vec<double> high = two_sum<vec<double>>(one.high, sum, low);
    // What many numbers have lost is more than an ulp: joined, so that the inverse's high part is right by itself.
    const vec<double> total = opaque_vector(high + low);
    const lane_sum<double> inverse =
        quotient<Which>({all(1.0), none}, {total, low - opaque_vector(total - high)});
    return {log_excess<Which>({sum, rest}, one), inverse, (sum + rest) * inverse.high};
  }
}
/// a + b: of floats in double nothing is lost that counts, unless -ffast-math adds in another order.
template <class S>
LOGZ_INLINE lane_sum<double> joined(vec<double> a, vec<double> b, vec<double> rest) {
  if constexpr (sizeof(S) == 4) {
    return {opaque_vector(a + b), vec<double>{}};
  } else {
    const vec<double> sum = two_sum<vec<double>>(a, b, rest);
    return {sum, magnitude<double>(sum) < std::numeric_limits<double>::infinity() ? rest : vec<double>{}};
  }
}
/// a · b; of floats in double nothing is lost here either.
template <class S>
LOGZ_INLINE lane_sum<double> times(vec<double> a, const lane_sum<double>& b) {
  if constexpr (sizeof(S) == 4) {
    return {a * b.high, vec<double>{}};
  } else {
    const vec<double> product = opaque_vector(a * b.high);
    return {product, error_of_product(a, b.high, product) + a * b.low};
  }
}

/// slope / Z as high + low, both of them numbers of S.
template <class S>
LOGZ_INLINE lane_sum<double> coefficient_of(const lane_sum<double>& slope, const lane_sum<double>& inverse) {
  const vec<double> c = opaque_vector(slope.high * inverse.high);
  if constexpr (sizeof(S) == 4) {
    const vec<double> rounded = rounded_to_float(c);
    return {rounded, c - rounded};
  } else {
    const vec<double> rest = slope.high * inverse.low + slope.low * inverse.high;
    return {c, error_of_product(slope.high, inverse.high, c) + rest};
  }
}

/// exp of the targets' logits, as the sums have it.
template <class S, int Count>
LOGZ_INLINE void find_target_exps(const group<S, Count>& g, loss_group<S, Count>& lg, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += width<S>) {
    const vec<S> logit = opaque_vector(load(lg.logit + i) - load(g.shift + i));
    const vec<S> exponent = load(g.exponent + i);
    store(lg.target_exp + i, value(exp_parts(larger<vec<S>>(floor_for<S>(exponent), logit), exponent)));
  }
}

/// What the losses of a vector of slices are made of: the numbers of a group and of its loss_group.
struct loss_parts {
  vec<double> top, shift, exponent, sum, rest;
  vec<double> logit, target_exp, own, above;
  lane_sum<double> distances, shares;
};
/// The losses, and with a gradient the coefficients of the exps and the gradient at the target.
struct lane_losses {
  vec<double> loss, log_z, at_target;
  lane_sum<double> coefficient;
};

template <class S, bool Gradient, slices_of Which = slices_of::lanes>
LOGZ_INLINE lane_losses losses_of(const loss_parts& parts, const loss_terms<S>& terms) {
  const double infinity = std::numeric_limits<double>::infinity();
  const vec<double> none = {}, nan = all(std::numeric_limits<double>::quiet_NaN());
  const bool shared = terms.has_shares();
  const double s = share_factor(terms);
  // label_smoothing / classes has been rounded.
  const double s_low = terms.target == nullptr ? 0.0 : terms.spread_rest;
  lane_losses results;
  const relative_partition z = relative_to_top<S, Which>(parts.top, parts.exponent, parts.sum, parts.rest);
  const vec<double> at_top =
      parts.shift + parts.top;  // one of them is 0, or a float is far below the other's digits
  const vec<double> own = parts.own;
  const lane_sum<double> log_z = joined<S>(at_top, z.excess.high, z.excess.low);
  // -log p of the target: both terms are >= 0.
  const lane_sum<double> below = joined<S>(at_top, -parts.logit, none);
  const lane_sum<double> minus_log_p = joined<S>(below.high, z.excess.high, below.low + z.excess.low);
  lane_sum<double> own_loss = times<S>(own, minus_log_p);
  own_loss.high = own == 0 ? none : own_loss.high;
  vec<double> loss = own_loss.high + own_loss.low;
  if (shared) {
    lane_sum<double> spread = times<S>(parts.shares.high, z.excess);
    spread.low += parts.shares.low * z.excess.high;
    const lane_sum<double> part =
        joined<S>(parts.distances.high, spread.high, parts.distances.low + spread.low);
    const lane_sum<double> shared_loss = times<S>(all(s), part);
    const vec<double> rest = own_loss.low + (shared_loss.low + s_low * part.high);
    const lane_sum<double> both = joined<S>(own_loss.high, shared_loss.high, rest);
    loss = both.high + both.low;
  }
  const vec<double> size = magnitude<double>(at_top);
  // Only -∞, or +∞ or NaN: there is no distribution.
  const auto sound = size < infinity && z.excess.high >= 0;
  results.loss = sound ? loss : nan;
  results.log_z = size < infinity ? log_z.high + log_z.low : at_top;
  if constexpr (Gradient) {
    const vec<double> above = terms.upstream == nullptr ? all(1.0) : parts.above;
    const lane_sum<double> mine = times<S>(all(terms.scale), {own, none});
    lane_sum<double> common = {none, none};
    if (shared) {
      common = times<S>(all(s), parts.shares);
      common.low += s_low * parts.shares.high;
      common = times<S>(all(terms.scale), common);
    }
    if (terms.z_scale != 0) {
      const lane_sum<double> of_z = times<S>(all(2 * terms.z_scale), log_z);
      common = joined<S>(of_z.high, common.high, common.low + of_z.low);
    }
    lane_sum<double> slope = times<S>(above, joined<S>(mine.high, common.high, mine.low + common.low));
    slope.high = sound ? slope.high : nan;
    results.coefficient = coefficient_of<S>(slope, z.inverse);
    const vec<double> p = parts.target_exp * z.inverse.high;
    // p - 1: from the sum of the others where p may be near 1; elsewhere p <= 1/2.
    const vec<double> others = below.high == 0 ? z.others : 1.0 - p;
    const vec<double> at_target = above * (common.high * p - mine.high * others);
    results.at_target = sound ? at_target : nan;
  }
  return results;
}

/// Losses and log Z of the group's first `count` slices; with a gradient the coefficients of the exps (g.high, g.low),
/// and the gradient at the target.
template <class S, bool Gradient, int Count>
LOGZ_INLINE void finish_losses(group<S, Count>& g, loss_group<S, Count>& lg, const loss_terms<S>& terms,
                               ptrdiff_t count) {
  const vec<double> none = {};
  const bool shared = terms.has_shares();
  find_top_exps(g, count);
  if constexpr (Gradient) find_target_exps(g, lg, count);
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    loss_parts parts;
    parts.top = load_double(g.top + i);
    parts.shift = load_double(g.shift + i);
    parts.exponent = load_double(g.exponent + i);
    parts.sum = load(g.sum + i);
    parts.rest = load(g.rest + i);
    parts.logit = load_double(lg.logit + i);
    parts.own = load(lg.own + i);
    parts.distances = parts.shares = {none, none};
    if (shared) {
      parts.distances = {load(lg.distances + i), load(lg.distances_rest + i)};
      parts.shares = {load(lg.shares + i), load(lg.shares_rest + i)};
    }
    if constexpr (Gradient) {
      parts.target_exp = load_double(lg.target_exp + i);
      parts.above = terms.upstream == nullptr ? none : load(lg.above + i);
    }
    const lane_losses results = losses_of<S, Gradient>(parts, terms);
    store(lg.loss + i, results.loss);
    store(lg.log_z + i, results.log_z);
    if constexpr (Gradient) {
      store_double(g.high + i, results.coefficient.high);
      store_double(g.low + i, results.coefficient.low);
      store(lg.slope + i, results.at_target);
    }
  }
}

/// The first maximum of lane i, which is sample n; where there is a NaN, that is the sample's log Z.
template <class S, int Count>
LOGZ_INLINE void store_argmax(const group<S, Count>& g, const loss_group<S, Count>& lg, ptrdiff_t i,
                              const loss_terms<S>& terms, ptrdiff_t n) {
  terms.argmax[n] = g.top[i] > -std::numeric_limits<S>::infinity() ? static_cast<ptrdiff_t>(lg.argmax[i]) : 0;
  if (lg.has_nan[i]) terms.log_z[n] = std::numeric_limits<double>::quiet_NaN();
}
/// The losses and outputs of lane i, which is sample n.
template <class S, int Count>
LOGZ_INLINE void store_losses(const group<S, Count>& g, const loss_group<S, Count>& lg, ptrdiff_t i,
                              const loss_terms<S>& terms, ptrdiff_t n) {
  terms.loss[n] = terms.ignored(n) ? 0.0 : lg.loss[i];
  if (terms.log_z == nullptr) return;
  terms.log_z[n] = lg.log_z[i];
  if (terms.argmax != nullptr) store_argmax(g, lg, i, terms, n);
}

/// The gradient at the target y of lane i; 0 where there is none of its own.
template <class S, int Count>
LOGZ_INLINE double slope_at(const loss_group<S, Count>& lg, ptrdiff_t i, const loss_terms<S>& terms,
                            ptrdiff_t y) {
  const double above = terms.upstream == nullptr ? 1.0 : lg.above[i];
  const double weight = terms.weight == nullptr ? 1.0 : double(terms.weight[y]);
  return terms.spread == 0 ? lg.slope[i] : lg.slope[i] - terms.scaled_spread * above * weight;
}

/// Nothing is asked of an ignored sample.
template <class S>
LOGZ_INLINE bool is_skipped(const loss_terms<S>& terms, ptrdiff_t n) {
  return terms.ignored(n) && terms.log_z == nullptr;
}
/// Nothing is averaged: the gradient is 0 whatever the samples hold.
template <class S>
LOGZ_INLINE bool is_flat(const loss_terms<S>& terms) {
  return terms.scale == 0 && terms.z_scale == 0;
}

}  // namespace LOGZ_TARGET
