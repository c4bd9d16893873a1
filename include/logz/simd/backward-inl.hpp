// SPDX-License-Identifier: MIT
//
// softmax_backward, p ∘ (g - Σ g p), and log_softmax_backward, g - exp(lp) · Σ g: one sum a slice, then a map. The sums
// keep what rounding loses: floats are summed in double, doubles as high + low.

namespace LOGZ_TARGET {

/// Adds two vectors of products; of g alone for log_softmax. The result is relative to g and to the sum, which may be far
/// below its terms: products of floats are exact in double, of doubles their errors are kept.
template <backward_op Op>
LOGZ_INLINE void add_pair(vec<double>& sum, vec<double> ga, vec<double> gb, vec<double> ya, vec<double> yb) {
  sum += Op == backward_op::softmax ? fma(gb, yb, ga * ya) : ga + gb;
}
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<float>& s, vec<float> ga, vec<float> gb, vec<float> ya, vec<float> yb) {
  add_pair<Op>(s.first, first_half(ga), first_half(gb), first_half(ya), first_half(yb));
  add_pair<Op>(s.second, second_half(ga), second_half(gb), second_half(ya), second_half(yb));
}
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<double>& s, vec<double> ga, vec<double> gb, vec<double> ya,
                          vec<double> yb) {
  if constexpr (Op == backward_op::softmax) {
    const vec<double> a = opaque_vector(ga * ya), b = opaque_vector(gb * yb);
    // Not finite: neither is the sum, and its low part is not looked at.
    s.low += error_of_finite(ga, ya, a) + error_of_finite(gb, yb, b);
    add_both(s, a, b);
  } else {
    add_both(s, ga, gb);
  }
}
/// The same from memory: one instruction widens four floats.
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<float>& s, const float* ga, const float* gb, const float* ya,
                          const float* yb) {
  constexpr ptrdiff_t half = width<double>;
  add_pair<Op>(s.first, widen(ga), widen(gb), widen(ya), widen(yb));
  add_pair<Op>(s.second, widen(ga + half), widen(gb + half), widen(ya + half), widen(yb + half));
}
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<double>& s, const double* ga, const double* gb, const double* ya,
                          const double* yb) {
  add_pair<Op>(s, load(ga), load(gb), load(ya), load(yb));
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
LOGZ_INLINE float first_sum(const narrow_sum<float>& s) { return float(s.high[0]); }
LOGZ_INLINE double first_sum(const narrow_sum<double>& s) { return rounded_sums(s)[0]; }
LOGZ_INLINE float sum_of_lanes(const lane_sum<float>& s) { return float(total_of(s.first + s.second)); }
LOGZ_INLINE double sum_of_lanes(const lane_sum<double>& s) {
  double total, rest;
  total_of_lanes(s, total, rest);
  return is_finite(total) ? total + rest : total;
}

/// The coefficients of the map. log_softmax: exp(lp) · 2^bias and -Σ g · 2^-bias, the bias such that exp keeps its
/// digits as far down as its product with the sum is above the smallest subnormal: exactly, for |Σ g| < 2^96 (2^940);
/// below floor exp is 0. lp up to 5 (16) is in range, up to 44 (346) for |Σ g| < 2^20 (2^100).
template <class S>
struct backward_coefficients {
  vec<S> sum, exponent, floor;
};

template <class S, backward_op Op>
LOGZ_INLINE backward_coefficients<S> coefficients_of(vec<S> sum) {
  if constexpr (Op == backward_op::softmax) {
    return {sum, vec<S>{}, vec<S>{}};
  } else {
    constexpr bool single = sizeof(S) == 4;
    constexpr S tiny = single ? S(0x1p-62) : S(0x1p-500), huge = single ? S(0x1p20) : S(0x1p100);
    constexpr S usual_bias = single ? 64 : 500, huge_bias = single ? 120 : 1000;
    constexpr S usual_scale = single ? S(0x1p-64) : S(0x1p-500),
                huge_scale = single ? S(0x1p-120) : S(0x1p-1000);
    constexpr S lowest = single ? 125 : 1021, ln2 = S(0.693147);
    const vec<S> size = magnitude<S>(sum);
    const vec<S> bias = size < tiny ? vec<S>{} : size < huge ? all(usual_bias) : all(huge_bias);
    const vec<S> down = size < tiny ? all(S(1)) : size < huge ? all(usual_scale) : all(huge_scale);
    return {-sum * down, bias, -ln2 * (bias + lowest)};
  }
}

template <class S, backward_op Op>
LOGZ_INLINE vec<S> backward_map(vec<S> g, vec<S> y, const backward_coefficients<S>& c) {
  if constexpr (Op == backward_op::softmax) {
    return y * opaque_vector(g - c.sum);
  } else {
    const vec<S> e = value(exp_parts(y, c.exponent));
    return fma(y < c.floor ? vec<S>{} : e, c.sum, g);
  }
}

template <class S, backward_op Op>
S row_total(const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  lane_sum<S> a, b;
  clear(a);
  clear(b);
  ptrdiff_t l = 0;
  for (; l + 4 * w <= n; l += 4 * w) {
    add_pair<Op>(a, g + l, g + l + w, y + l, y + l + w);
    add_pair<Op>(b, g + l + 2 * w, g + l + 3 * w, y + l + 2 * w, y + l + 3 * w);
  }
  for (; l < n; l += 2 * w) {
    const ptrdiff_t left = n - l;
    add_pair<Op>(a, load_up_to(g + l, left, none), load_up_to(g + l + w, left - w, none),
                 load_up_to(y + l, left, none), load_up_to(y + l + w, left - w, none));
  }
  merge(a, b);
  return sum_of_lanes(a);
}

template <class S, backward_op Op, bool Stream>
void backward_rows(const backward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t n = call.length;
  for (ptrdiff_t i = 0; i < call.count; ++i) {
    const S* const g = call.g + i * call.g_slice;
    const S* const y = call.y + i * call.y_slice;
    S* const out = call.out + i * call.out_slice;
    const backward_coefficients<S> with = coefficients_of<S, Op>(all(row_total<S, Op>(g, y, n)));
    // Whole lines, as row_map() has them; a head of its own costs a row of few vectors more than it gains.
    ptrdiff_t l = Stream || n >= 8 * w ? until_aligned(out, n) : 0;
    if (l != 0) {
      store_first(out, l, backward_map<S, Op>(load_first(g, l, vec<S>{}), load_first(y, l, vec<S>{}), with));
    }
    for (; l + 2 * w <= n; l += 2 * w) {
      const vec<S> a = backward_map<S, Op>(load(g + l), load(y + l), with);
      const vec<S> b = backward_map<S, Op>(load(g + l + w), load(y + l + w), with);
      put<S, Stream>(out + l, a);
      put<S, Stream>(out + l + w, b);
    }
    for (; l < n; l += w) {
      const vec<S> v =
          backward_map<S, Op>(load_up_to(g + l, n - l, vec<S>{}), load_up_to(y + l, n - l, vec<S>{}), with);
      store_up_to(out + l, n - l, v);
    }
  }
}

}  // namespace LOGZ_TARGET
