// SPDX-License-Identifier: MIT
//
// The terms of the sums over two operands, called g and y here. The result is relative to the terms, and the sum may be
// far below them: floats are summed in double, doubles as high + low. Where there is no number, g = y = 0 make a term of 0.

namespace LOGZ_TARGET {

template <paired_op Op>
constexpr bool sums_products = Op == paired_op::softmax_backward || Op == paired_op::logsumexp_jvp;
template <paired_op Op>
constexpr bool sums_exps = Op == paired_op::log_softmax_jvp || Op == paired_op::log_divergence;

/// p (log p - log q); 0 where p is 0, whatever log q is.
template <class S>
LOGZ_INLINE lane_sum<double> divergence_term(vec<double> log_q, vec<double> p) {
  const lane_sum<double> log_p = log_of_number<S>(p);
  const lane_sum<double> term = times<S>(p, joined<S>(log_p.high, -log_q, log_p.low));
  const auto drops = p == 0;
  return {drops ? vec<double>{} : term.high, drops ? vec<double>{} : term.low};
}
/// exp(t) (t - log q); 0 where t is -∞. An infinite difference is all there is, though exp(t) may underflow.
template <class S>
LOGZ_INLINE lane_sum<double> log_divergence_term(vec<double> log_q, vec<double> t, const scaled_exp& e) {
  const vec<double> none = {};
  const lane_sum<double> distance = joined<S>(t, -log_q, none);
  const auto infinite = magnitude<double>(distance.high) == std::numeric_limits<double>::infinity();
  const lane_sum<double> term = times_exp_unless<S>(infinite, distance, e);
  const auto drops = t == -std::numeric_limits<double>::infinity();
  return {drops ? none : term.high, drops ? none : term.low};
}
/// exp(y) for a term, and the term. log_softmax_jvp has one bias for all floats: exp keeps its digits down to 2^-226, so that
/// nothing above 2^-98 is lost of its product with any v, and y up to 19 is in range; doubles (none, up to 709) as exp has them.
constexpr float jvp_bias = 100;
template <paired_op Op>
LOGZ_INLINE parts<float> exp_of_term(vec<float> y) {
  if constexpr (Op == paired_op::log_divergence) return scaled_parts<exps::all>(y);
  const vec<float> bias = all(jvp_bias);
  return exp_parts(larger<vec<float>>(floor_for<float>(bias), y), bias);
}
template <paired_op Op>
LOGZ_INLINE parts<double> exp_of_term(vec<double> y) {
  if constexpr (Op == paired_op::log_divergence) return scaled_parts<exps::all>(y);
  return exp_parts(larger<vec<double>>(floor_for<double>(vec<double>{}), y), vec<double>{});
}
template <class S, paired_op Op>
LOGZ_INLINE lane_sum<double> exp_term(vec<double> g, vec<double> y, vec<double> e) {
  if constexpr (Op == paired_op::log_divergence) {
    return log_divergence_term<S>(g, y, scaled_exp_of<S, exps::all>(y, e));
  } else if constexpr (sizeof(S) == 4) {
    return {e * (g * 0x1p-100), vec<double>{}};
  } else {
    return times<S>(g, {e, vec<double>{}});
  }
}

/// Adds two vectors of terms. Products of floats are exact in double, of doubles their errors are kept.
template <paired_op Op>
LOGZ_INLINE void add_pair(vec<double>& sum, vec<double> ga, vec<double> gb, vec<double> ya, vec<double> yb) {
  if constexpr (sums_products<Op>) {
    sum += fma(gb, yb, ga * ya);
  } else if constexpr (Op == paired_op::divergence) {
    sum += divergence_term<float>(ga, ya).high + divergence_term<float>(gb, yb).high;
  } else {
    sum += ga + gb;
  }
}
template <paired_op Op>
LOGZ_INLINE void add_pair(lane_sum<float>& s, vec<float> ga, vec<float> gb, vec<float> ya, vec<float> yb) {
  if constexpr (sums_exps<Op>) {
    const parts<float> ea = exp_of_term<Op>(ya), eb = exp_of_term<Op>(yb);
    s.first += exp_term<float, Op>(first_half(ga), first_half(ya), first_of(ea)).high +
               exp_term<float, Op>(first_half(gb), first_half(yb), first_of(eb)).high;
    s.second += exp_term<float, Op>(second_half(ga), second_half(ya), second_of(ea)).high +
                exp_term<float, Op>(second_half(gb), second_half(yb), second_of(eb)).high;
  } else {
    add_pair<Op>(s.first, first_half(ga), first_half(gb), first_half(ya), first_half(yb));
    add_pair<Op>(s.second, second_half(ga), second_half(gb), second_half(ya), second_half(yb));
  }
}
template <paired_op Op>
LOGZ_INLINE void add_pair(lane_sum<double>& s, vec<double> ga, vec<double> gb, vec<double> ya,
                          vec<double> yb) {
  if constexpr (sums_products<Op>) {
    const vec<double> a = opaque_vector(ga * ya), b = opaque_vector(gb * yb);
    // Not finite: neither is the sum, and its low part is not looked at.
    s.low += error_of_finite(ga, ya, a) + error_of_finite(gb, yb, b);
    add_both(s, a, b);
  } else if constexpr (Op == paired_op::log_softmax_backward) {
    add_both(s, ga, gb);
  } else {
    lane_sum<double> a, b;
    if constexpr (sums_exps<Op>) {
      a = exp_term<double, Op>(ga, ya, value(exp_of_term<Op>(ya)));
      b = exp_term<double, Op>(gb, yb, value(exp_of_term<Op>(yb)));
    } else {
      a = divergence_term<double>(ga, ya);
      b = divergence_term<double>(gb, yb);
    }
    s.low += a.low + b.low;
    add_both(s, a.high, b.high);
  }
}
/// The same from memory: one instruction widens four floats.
template <paired_op Op>
LOGZ_INLINE void add_pair(lane_sum<float>& s, const float* ga, const float* gb, const float* ya,
                          const float* yb) {
  if constexpr (sums_exps<Op>) {
    add_pair<Op>(s, load(ga), load(gb), load(ya), load(yb));
  } else {
    constexpr ptrdiff_t half = width<double>;
    add_pair<Op>(s.first, widen(ga), widen(gb), widen(ya), widen(yb));
    add_pair<Op>(s.second, widen(ga + half), widen(gb + half), widen(ya + half), widen(yb + half));
  }
}
template <paired_op Op>
LOGZ_INLINE void add_pair(lane_sum<double>& s, const double* ga, const double* gb, const double* ya,
                          const double* yb) {
  add_pair<Op>(s, load(ga), load(gb), load(ya), load(yb));
}

/// The last n < 2 vectors of a row. Floats whose products are summed: half a vector at a time, as they are widened.
template <paired_op Op, class S>
LOGZ_INLINE void add_last(lane_sum<S>& s, const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  if constexpr (sizeof(S) == 4 && has_fma && !sums_exps<Op> && Op != paired_op::divergence) {
    constexpr ptrdiff_t half = width<double>;
    const vec<double> nothing = {};
    ptrdiff_t l = 0;
    for (; l + half <= n; l += half) add_pair<Op>(s.first, widen(g + l), nothing, widen(y + l), nothing);
    if (l < n) add_pair<Op>(s.second, widen_first(g + l, n - l), nothing, widen_first(y + l, n - l), nothing);
  } else {
    add_pair<Op>(s, load_up_to(g, n, none), load_up_to(g + w, n - w, none), load_up_to(y, n, none),
                 load_up_to(y + w, n - w, none));
  }
}

/// The sum of two vectors of terms, the first of a row, as add_pair() adds them.
template <class S, paired_op Op>
LOGZ_INLINE lane_sum<S> sum_of_pair(vec<S> ga, vec<S> gb, vec<S> ya, vec<S> yb) {
  lane_sum<S> s;
  if constexpr (sizeof(S) == 4 || !sums_products<Op>) {
    clear(s);
    add_pair<Op>(s, ga, gb, ya, yb);
  } else {
    const vec<S> a = opaque_vector(ga * ya), b = opaque_vector(gb * yb);
    s.low = error_of_finite(ga, ya, a) + error_of_finite(gb, yb, b);
    s.high = two_sum<vec<S>>(a, b, s.low);
  }
  return s;
}
/// The same of one vector.
template <class S, paired_op Op>
LOGZ_INLINE lane_sum<S> sum_of_one(vec<S> g, vec<S> y) {
  const vec<S> none = {};
  if constexpr (sizeof(S) == 8 && sums_products<Op>) {
    const vec<S> product = opaque_vector(g * y);
    return {product, error_of_finite(g, y, product)};
  } else if constexpr (sizeof(S) == 8 && Op == paired_op::log_softmax_backward) {
    return {g, none};
  } else {
    return sum_of_pair<S, Op>(g, none, y, none);
  }
}

#if LOGZ_HAS_FMA
/// Half a vector of floats, the first n of them, widened.
LOGZ_INLINE vec<double> widen_up_to(const float* p, ptrdiff_t n) {
  constexpr ptrdiff_t half = width<double>;
  return n >= half ? widen(p) : n <= 0 ? vec<double>{} : widen_first(p, n);
}
#endif
/// The sum of a row of n numbers, more than Vectors - 1 vectors and up to Vectors. Floats whose products are summed: half a
/// vector at a time, as they are widened.
template <class S, paired_op Op, int Vectors>
LOGZ_INLINE lane_sum<S> sum_of_short(const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>, half = width<double>;
  const vec<S> none = {};
  if constexpr (sizeof(S) == 4 && has_fma && !sums_exps<Op> && Op != paired_op::divergence) {
    lane_sum<S> s;
    clear(s);
    const vec<double> nothing = {};
    if constexpr (Vectors == 1) {
      add_pair<Op>(s.first, widen_up_to(g, n), nothing, widen_up_to(y, n), nothing);
      add_pair<Op>(s.second, widen_up_to(g + half, n - half), nothing, widen_up_to(y + half, n - half),
                   nothing);
    } else {
      add_pair<Op>(s.first, widen(g), widen_up_to(g + w, n - w), widen(y), widen_up_to(y + w, n - w));
      add_pair<Op>(s.second, widen(g + half), widen_up_to(g + w + half, n - w - half), widen(y + half),
                   widen_up_to(y + w + half, n - w - half));
    }
    return s;
  } else if constexpr (Vectors == 1) {
    return sum_of_one<S, Op>(load_up_to(g, n, none), load_up_to(y, n, none));
  } else {
    return sum_of_pair<S, Op>(load(g), load_up_to(g + w, n - w, none), load(y),
                              load_up_to(y + w, n - w, none));
  }
}

LOGZ_INLINE void merge(lane_sum<float>& s, const lane_sum<float>& other) {
  s.first += other.first;
  s.second += other.second;
}
LOGZ_INLINE void merge(lane_sum<double>& s, const lane_sum<double>& other) {
  s.low += other.low;
  add_exactly(s, other.high);
}

/// The sums of the lanes, rounded.
LOGZ_INLINE vec<float> rounded_sums(const lane_sum<float>& s) { return join(s.first, s.second); }
LOGZ_INLINE vec<double> rounded_sums(const lane_sum<double>& s) {
  // Infinite or NaN: the low part is NaN and has nothing to say.
  const vec<double> joined = s.high + s.low;
  return magnitude<double>(s.high) < std::numeric_limits<double>::infinity() ? joined : s.high;
}
LOGZ_INLINE vec<float> rounded_sums(const narrow_sum<float>& s) {
  return rounded_sums(lane_sum<float>{s.high, s.high, {}});
}
LOGZ_INLINE vec<double> rounded_sums(const narrow_sum<double>& s) {
  return rounded_sums(lane_sum<double>{s.high, s.rest});
}
LOGZ_INLINE float sum_of_lanes(const lane_sum<float>& s) { return float(total_of(s.first + s.second)); }
LOGZ_INLINE double sum_of_lanes(const lane_sum<double>& s) {
  double total, rest;
  total_of_lanes(s, total, rest);
  return is_finite(total) ? total + rest : total;
}

/// Those of a row in a lane, rounded; the first lanes of a vector of floats.
LOGZ_INLINE vec<float> rounded_rows(vec<double> sums) { return join(sums, sums); }
LOGZ_INLINE vec<double> rounded_rows(const lane_sum<double>& sums) { return rounded_sums(sums); }
/// The first n of them.
LOGZ_INLINE void store_rows(vec<double> sums, ptrdiff_t n, double* sum, double* rest) {
  for (ptrdiff_t i = 0; i < n; ++i) {
    sum[i] = sums[i];
    rest[i] = 0;
  }
}
LOGZ_INLINE void store_rows(const lane_sum<double>& sums, ptrdiff_t n, double* sum, double* rest) {
  for (ptrdiff_t i = 0; i < n; ++i) {
    sum[i] = sums.high[i];
    rest[i] = sums.low[i];
  }
}

}  // namespace LOGZ_TARGET
