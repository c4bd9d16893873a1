// SPDX-License-Identifier: MIT
//
// From log Z to the losses of a group of slices and the coefficients of their gradients: loss_terms.hpp's formulas, a
// vector of slices at a time, in double.

namespace LOGZ_TARGET {

/// What a loss needs to know of each slice of a group beside its partition.
template <class S, int Count>
struct loss_group {
  alignas(64) S logit[Count];           // of the target
  alignas(64) double own[Count];        // a
  alignas(64) double above[Count];      // the gradient from above
  alignas(64) double distances[Count];  // Σ u (top - x)
  alignas(64) double shares[Count];     // W
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

/// Lane i of the group becomes sample n; the samples' logits are where the engine found them.
template <class S, int Count>
LOGZ_INLINE void read_target(loss_group<S, Count>& lg, ptrdiff_t i, const loss_terms<S>& terms, ptrdiff_t n,
                             const S* x, ptrdiff_t x_length) {
  lg.distances[i] = 0;
  lg.shares[i] = terms.weight_sum;
  lg.argmax[i] = 0;
  lg.has_nan[i] = false;
  lg.above[i] = terms.upstream == nullptr ? 1.0 : double(terms.upstream[n * terms.upstream_slice]);
  lg.own[i] = 0;
  lg.logit[i] = 0;
  if (terms.target == nullptr || terms.target[n] < 0) return;
  const ptrdiff_t y = terms.target[n];
  lg.logit[i] = x[y * x_length];
  lg.own[i] = terms.hit * (terms.weight == nullptr ? 1.0 : double(terms.weight[y]));
}
template <class S, int Count>
LOGZ_INLINE void clear_target(loss_group<S, Count>& lg, ptrdiff_t i) {
  lg.logit[i] = 0;
  lg.own[i] = lg.above[i] = lg.distances[i] = lg.shares[i] = 0;
}

LOGZ_INLINE vec<double> load_double(const float* p) { return widen(p); }
LOGZ_INLINE vec<double> load_double(const double* p) { return load(p); }

/// 1 + Σ others / exp(top), its logarithm, and 1 / Z as the exps have it.
struct relative_partition {
  lane_sum<double> others, excess, inverse;
};
LOGZ_INLINE relative_partition relative_to_top(const float* at_top, const float* exponent, const double* sum,
                                               const double*) {
  const vec<double> none = {};
  const vec<double> one_over = value(exp_parts(-widen(at_top), -widen(exponent)));
  const vec<double> others = load(sum) * one_over;
  return {{others, none}, {log1p(others), none}, {one_over / (1.0 + others), none}};
}
LOGZ_INLINE relative_partition relative_to_top(const double* at_top, const double* exponent,
                                               const double* sum, const double* rest) {
  const lane_sum<double> one = exp_as_sum(load(at_top), load(exponent));
  const lane_sum<double> others = quotient({load(sum), load(rest)}, one);
  vec<double> low = one.low + load(rest);
  const vec<double> high = two_sum<vec<double>>(one.high, load(sum), low);
  return {others, log1p(others), quotient({all(1.0), vec<double>{}}, {high, low})};
}

LOGZ_INLINE void store_coefficients(float* high, float* low, vec<double> slope,
                                    const lane_sum<double>& inverse) {
  const vec<double> c = slope * inverse.high, rounded = rounded_to_float(c);
  narrow(high, rounded);
  narrow(low, c - rounded);
}
LOGZ_INLINE void store_coefficients(double* high, double* low, vec<double> slope,
                                    const lane_sum<double>& inverse) {
  const vec<double> c = opaque_vector(slope * inverse.high);
  store(high, c);
  store(low, error_of_product(slope, inverse.high, c) + slope * inverse.low);
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
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    const relative_partition z = relative_to_top(g.top + i, g.exponent + i, g.sum + i, g.rest + i);
    const vec<double> top = load_double(g.top + i), shift = load_double(g.shift + i);
    const vec<double> at_top = shift + top;  // one of them is 0, or a float is far below the other's digits
    const vec<double> own = load(lg.own + i), shares = load(lg.shares + i);
    vec<double> lost = z.excess.low;
    const vec<double> log_z = two_sum<vec<double>>(at_top, z.excess.high, lost) + lost;
    // -log p of the target: both terms are >= 0.
    lost = z.excess.low;
    const vec<double> logit = load_double(lg.logit + i);
    const vec<double> below = two_sum<vec<double>>(at_top, -logit, lost);
    const vec<double> minus_log_p = two_sum<vec<double>>(below, z.excess.high, lost) + lost;
    const vec<double> infinitely_below = below < infinity ? minus_log_p : below;
    vec<double> loss = own == 0 ? vec<double>{} : own * infinitely_below;
    if (shared) loss += s * (load(lg.distances + i) + shares * z.excess.high);
    const vec<double> size = magnitude<double>(at_top);
    // Only -∞, or +∞ or NaN: there is no distribution.
    const auto sound = size < infinity && z.excess.high >= 0;
    store(lg.loss + i, sound ? loss : nan);
    store(lg.log_z + i, size < infinity ? log_z : at_top);
    if constexpr (Gradient) {
      const vec<double> above = load(lg.above + i);
      vec<double> common = {};
      if (shared) common = terms.scale * s * shares;
      if (terms.z_scale != 0) common += 2 * terms.z_scale * log_z;
      const vec<double> mine = terms.scale * own;
      const vec<double> slope = above * (mine + common);
      store_coefficients(g.high + i, g.low + i, sound ? slope : nan, z.inverse);
      // p - 1 from the sum of the others.
      const vec<double> e = value(exp_parts(larger<vec<double>>(all(-700.0), -below), vec<double>{}));
      const vec<double> total = 1.0 + z.others.high;
      const vec<double> others = below == 0 ? z.others.high : total - e;
      const vec<double> at_target = above * ((common * e - mine * others) / total);
      store(lg.slope + i, sound ? at_target : nan);
    }
  }
}

/// The losses and outputs of lane i, which is sample n.
template <class S, int Count>
LOGZ_INLINE void store_losses(const group<S, Count>& g, const loss_group<S, Count>& lg, ptrdiff_t i,
                              const loss_terms<S>& terms, ptrdiff_t n) {
  terms.loss[n] = terms.ignored(n) ? 0.0 : lg.loss[i];
  if (terms.log_z != nullptr)
    terms.log_z[n] = lg.has_nan[i] ? std::numeric_limits<double>::quiet_NaN() : lg.log_z[i];
  if (terms.argmax != nullptr)
    terms.argmax[n] =
        g.top[i] > -std::numeric_limits<S>::infinity() ? static_cast<ptrdiff_t>(lg.argmax[i]) : 0;
}

/// The gradient at the target of lane i, which is sample n; `row` is its gradient.
template <class S, int Count>
LOGZ_INLINE void store_slope(const loss_group<S, Count>& lg, ptrdiff_t i, const loss_terms<S>& terms,
                             ptrdiff_t n, S* row, ptrdiff_t stride) {
  if (terms.target == nullptr || lg.own[i] == 0) return;
  const ptrdiff_t y = terms.target[n];
  double slope = lg.slope[i];
  if (terms.has_shares()) {
    slope -=
        terms.scale * lg.above[i] * terms.spread * (terms.weight == nullptr ? 1.0 : double(terms.weight[y]));
  }
  row[y * stride] = S(slope);
}

/// Nothing is asked of an ignored sample.
template <class S>
LOGZ_INLINE bool is_skipped(const loss_terms<S>& terms, ptrdiff_t n) {
  return terms.ignored(n) && terms.log_z == nullptr;
}

/// Whether the gradient of sample n is 0 whatever it holds: ignored, or nothing is averaged.
template <class S>
LOGZ_INLINE bool is_flat(const loss_terms<S>& terms, ptrdiff_t n) {
  return terms.ignored(n) || (terms.scale == 0 && terms.z_scale == 0);
}

}  // namespace LOGZ_TARGET
