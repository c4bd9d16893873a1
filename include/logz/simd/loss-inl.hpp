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
  alignas(64) double loss[Count];
  alignas(64) double log_z[Count];
  alignas(64) double slope[Count];  // the gradient at the target
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
LOGZ_INLINE relative_partition relative_to_top(const float*, const float*, const double* sum,
                                               const double* top_exp) {
  const vec<double> none = {}, top = load(top_exp), others = load(sum);
  const vec<double> inverse = 1.0 / (top + others);
  return {{log_excess(others, top), none}, {inverse, none}, others * inverse};
}
LOGZ_INLINE relative_partition relative_to_top(const double* at_top, const double* exponent,
                                               const double* sum, const double* rest) {
  const lane_sum<double> one = exp_as_sum(load(at_top), load(exponent));
  vec<double> low = one.low + load(rest);
  const vec<double> high = two_sum<vec<double>>(one.high, load(sum), low);
  // What many numbers have lost is more than an ulp: joined, so that the inverse's high part is right by itself.
  const vec<double> total = opaque_vector(high + low);
  const lane_sum<double> inverse =
      quotient({all(1.0), vec<double>{}}, {total, low - opaque_vector(total - high)});
  return {log1p(quotient({load(sum), load(rest)}, one)), inverse, (load(sum) + load(rest)) * inverse.high};
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

LOGZ_INLINE void store_coefficients(float* high, float* low, const lane_sum<double>& slope,
                                    const lane_sum<double>& inverse) {
  const vec<double> c = slope.high * inverse.high, rounded = rounded_to_float(c);
  narrow(high, rounded);
  narrow(low, c - rounded);
}
LOGZ_INLINE void store_coefficients(double* high, double* low, const lane_sum<double>& slope,
                                    const lane_sum<double>& inverse) {
  const vec<double> c = opaque_vector(slope.high * inverse.high);
  const vec<double> rest = slope.high * inverse.low + slope.low * inverse.high;
  store(high, c);
  store(low, error_of_product(slope.high, inverse.high, c) + rest);
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

/// Losses and log Z of the group's first `count` slices; with a gradient the coefficients of the exps (g.high, g.low),
/// and the gradient at the target.
template <class S, bool Gradient, int Count>
LOGZ_INLINE void finish_losses(group<S, Count>& g, loss_group<S, Count>& lg, const loss_terms<S>& terms,
                               ptrdiff_t count) {
  const double infinity = std::numeric_limits<double>::infinity();
  const vec<double> nan = all(std::numeric_limits<double>::quiet_NaN());
  const bool shared = terms.has_shares();
  const double s = share_factor(terms);
  // label_smoothing / classes has been rounded.
  const double s_low = terms.target == nullptr ? 0.0 : terms.spread_rest;
  find_top_exps(g, count);
  if constexpr (Gradient) find_target_exps(g, lg, count);
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    const relative_partition z = relative_to_top(g.top + i, g.exponent + i, g.sum + i, g.rest + i);
    const vec<double> top = load_double(g.top + i), shift = load_double(g.shift + i);
    const vec<double> at_top = shift + top;  // one of them is 0, or a float is far below the other's digits
    const vec<double> own = load(lg.own + i);
    lane_sum<double> shares = {vec<double>{}, vec<double>{}};
    if (shared) shares = {load(lg.shares + i), load(lg.shares_rest + i)};
    const lane_sum<double> log_z_parts = joined<S>(at_top, z.excess.high, z.excess.low);
    const vec<double> log_z = log_z_parts.high + log_z_parts.low;
    // -log p of the target: both terms are >= 0.
    const lane_sum<double> below = joined<S>(at_top, -load_double(lg.logit + i), vec<double>{});
    const lane_sum<double> minus_log_p = joined<S>(below.high, z.excess.high, below.low + z.excess.low);
    lane_sum<double> own_loss = times<S>(own, minus_log_p);
    own_loss.high = own == 0 ? vec<double>{} : own_loss.high;
    vec<double> loss = own_loss.high + own_loss.low;
    if (shared) {
      lane_sum<double> spread = times<S>(shares.high, z.excess);
      spread.low += shares.low * z.excess.high;
      const lane_sum<double> part =
          joined<S>(load(lg.distances + i), spread.high, load(lg.distances_rest + i) + spread.low);
      const lane_sum<double> shared_loss = times<S>(all(s), part);
      const vec<double> rest = own_loss.low + (shared_loss.low + s_low * part.high);
      const lane_sum<double> both = joined<S>(own_loss.high, shared_loss.high, rest);
      loss = both.high + both.low;
    }
    const vec<double> size = magnitude<double>(at_top);
    // Only -∞, or +∞ or NaN: there is no distribution.
    const auto sound = size < infinity && z.excess.high >= 0;
    store(lg.loss + i, sound ? loss : nan);
    store(lg.log_z + i, size < infinity ? log_z : at_top);
    if constexpr (Gradient) {
      const vec<double> above = terms.upstream == nullptr ? all(1.0) : load(lg.above + i);
      const lane_sum<double> mine = times<S>(all(terms.scale), {own, vec<double>{}});
      lane_sum<double> common = {vec<double>{}, vec<double>{}};
      if (shared) {
        common = times<S>(all(s), shares);
        common.low += s_low * shares.high;
        common = times<S>(all(terms.scale), common);
      }
      if (terms.z_scale != 0) {
        const lane_sum<double> of_z = times<S>(all(2 * terms.z_scale), log_z_parts);
        common = joined<S>(of_z.high, common.high, common.low + of_z.low);
      }
      lane_sum<double> slope = times<S>(above, joined<S>(mine.high, common.high, mine.low + common.low));
      slope.high = sound ? slope.high : nan;
      store_coefficients(g.high + i, g.low + i, slope, z.inverse);
      const vec<double> p = load_double(lg.target_exp + i) * z.inverse.high;
      // p - 1: from the sum of the others where p may be near 1; elsewhere p <= 1/2.
      const vec<double> others = below.high == 0 ? z.others : 1.0 - p;
      const vec<double> at_target = above * (common.high * p - mine.high * others);
      store(lg.slope + i, sound ? at_target : nan);
    }
  }
}

/// The losses and outputs of lane i, which is sample n.
template <class S, int Count>
LOGZ_INLINE void store_losses(const group<S, Count>& g, const loss_group<S, Count>& lg, ptrdiff_t i,
                              const loss_terms<S>& terms, ptrdiff_t n) {
  terms.loss[n] = terms.ignored(n) ? 0.0 : lg.loss[i];
  if (terms.log_z == nullptr) return;
  terms.log_z[n] = lg.log_z[i];
  if (terms.argmax == nullptr) return;
  terms.argmax[n] = g.top[i] > -std::numeric_limits<S>::infinity() ? static_cast<ptrdiff_t>(lg.argmax[i]) : 0;
  if (lg.has_nan[i]) terms.log_z[n] = std::numeric_limits<double>::quiet_NaN();
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
