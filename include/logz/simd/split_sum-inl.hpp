// SPDX-License-Identifier: MIT
//
// exp as an unrounded pair and sums of such pairs: exp = t + t·p with t exact from the table, so that the rounding of
// t + t·p never enters a total, and every addition to a total is error-free.

namespace LOGZ_TARGET {

template <class S>
struct parts {
  vec<S> t, p;
};
template <class S>
struct lane_sum {
  vec<S> high, low;
};

template <class S>
LOGZ_INLINE vec<S> value(const parts<S>& e) {
  return fma(e.t, e.p, e.t);
}

template <class S>
LOGZ_INLINE void clear(lane_sum<S>& sum) {
  sum.high = vec<S>{};
  sum.low = vec<S>{};
}

/// a + b and what its rounding lost (Knuth's TwoSum).
template <class V>
LOGZ_INLINE V two_sum(V a, V b, V& lost) {
  const V sum = opaque_vector(a + b);
  const V b_part = opaque_vector(sum - a);
  lost += opaque_vector(a - opaque_vector(sum - b_part)) + opaque_vector(b - b_part);
  return sum;
}

/// sum += x, x's rounding error kept (Knuth's TwoSum).
template <class S>
LOGZ_INLINE void add_exactly(lane_sum<S>& sum, vec<S> x) {
  sum.high = two_sum<vec<S>>(sum.high, x, sum.low);
}

/// Four at a time, t without error; t·p is a few hundredths of t at most, so that its rounding counts no more.
template <class S>
LOGZ_INLINE void add(lane_sum<S>& sum, const parts<S>& a, const parts<S>& b, const parts<S>& c,
                     const parts<S>& d) {
  vec<S> rest = fma(a.t, a.p, b.t * b.p) + fma(c.t, c.p, d.t * d.p);
  const vec<S> ab = two_sum<vec<S>>(a.t, b.t, rest);
  const vec<S> cd = two_sum<vec<S>>(c.t, d.t, rest);
  const vec<S> t = two_sum<vec<S>>(ab, cd, rest);
  const vec<S> joined = opaque_vector(t + rest);
  sum.low += rest - opaque_vector(joined - t);
  add_exactly<S>(sum, joined);
}

/// Four rounded exps: enough for softmax, which has them at hand; not where the map rounds once more for want of fma.
template <class S>
LOGZ_INLINE void add_values(lane_sum<S>& sum, const parts<S>& pa, const parts<S>& pb, const parts<S>& pc,
                            const parts<S>& pd, vec<S> a, vec<S> b, vec<S> c, vec<S> d) {
  if constexpr (has_fma) {
    add_exactly<S>(sum, (a + b) + (c + d));
  } else {
    add(sum, pa, pb, pc, pd);
  }
}

/// By powers of two.
template <class S>
LOGZ_INLINE void scale(lane_sum<S>& sum, vec<S> factor) {
  sum.high *= factor;
  sum.low *= factor;
}

/// exp(x) · 2^exponent as t + t·p: r = x - n · step, where k vanishes into the constant that rounds n to an integer.
/// The product n · step_high is exact for |x| < 5600 (double) and, with fma, |x| < 2^17 (float).
template <class S, class Table>
LOGZ_INLINE void reduce(vec<S> x, vec<S> exponent, S rounding, vec<S>& t, vec<S>& r) {
  const vec<S> magic = opaque_vector(rounding + S(Table::entries) * exponent);
  t = opaque_vector(fma(x, all<S>(Table::inverse_step), magic));
  const vec<S> n = t - magic;
  r = fma(n, all<S>(-Table::step_low), opaque_vector(fma(n, all<S>(-Table::step_high), x)));
}

LOGZ_INLINE parts<double> exp_parts(vec<double> x, vec<double> exponent) {
  using k = exp_double;
  vec<double> t, r, q, low;
  bits<double> high;
  reduce<double, k>(x, exponent, 0x1.8p52, t, r);
  look_up(bits<double>(t), high, low);
#if LOGZ_EXP_DOUBLE_ENTRIES == 16
  q = fma(r, fma(r, all(k::c6), all(k::c5)), all(k::c4));
  constexpr int fraction_bits = 4;
#else
  q = fma(r, all(k::c5), all(k::c4));
  constexpr int fraction_bits = 7;
#endif
  q = fma(r, q, all(k::c3));
  q = fma(r, q, all(k::c2));
  q = fma(r, q, all(1.0));
  return {vec<double>(high + (bits<double>(t) << (52 - fraction_bits))), fma(r, q, low)};
}

#if LOGZ_HAS_FMA
LOGZ_INLINE parts<float> exp_parts(vec<float> x, vec<float> exponent) {
  using k = exp_float;
  vec<float> t, r, q, low;
  bits<float> high;
  reduce<float, k>(x, exponent, 0x1.8p23f, t, r);
  look_up(bits<float>(t), high, low);
#if LOGZ_EXP_FLOAT_ENTRIES == 16
  q = all(k::c3);
  constexpr int fraction_bits = 4;
#else
  q = fma(r, fma(r, all(k::c5), all(k::c4)), all(k::c3));
  constexpr int fraction_bits = 2;
#endif
  q = fma(r, q, all(k::c2));
  q = fma(r, q, all(1.0f));
  return {vec<float>(high + (bits<float>(t) << (23 - fraction_bits))), fma(r, q, low)};
}
#endif

}  // namespace LOGZ_TARGET
