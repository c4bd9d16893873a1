// SPDX-License-Identifier: MIT
//
// exp as an unrounded pair and sums of such pairs: exp = t + t·p with t exact from the table, so that the rounding of
// t + t·p never enters a total. Doubles are added to a total without error; floats in double.

namespace LOGZ_TARGET {

template <class S>
struct parts {
  vec<S> t, p;
};
template <class S>
struct lane_sum;
template <>
struct lane_sum<float> {
  vec<double> first, second;
  vec<float> low;  // not yet in them: flush() comes before they are read
};
template <>
struct lane_sum<double> {
  vec<double> high, low;
};

LOGZ_INLINE vec<double> value(const parts<double>& e) { return fma(e.t, e.p, e.t); }

/// -0: the compiler leaves out what is added to it.
LOGZ_INLINE void clear(lane_sum<float>& sum) { sum = {all(-0.0), all(-0.0), all(-0.0f)}; }
LOGZ_INLINE void clear(lane_sum<double>& sum) { sum = {vec<double>{}, vec<double>{}}; }

/// a + b and what its rounding lost (Knuth's TwoSum).
template <class V>
LOGZ_INLINE V two_sum(V a, V b, V& lost) {
  const V sum = opaque_vector(a + b);
  const V b_part = opaque_vector(sum - a);
  lost += opaque_vector(a - opaque_vector(sum - b_part)) + opaque_vector(b - b_part);
  return sum;
}

/// sum += x, x's rounding error kept (Knuth's TwoSum).
LOGZ_INLINE void add_exactly(lane_sum<double>& sum, vec<double> x) {
  sum.high = two_sum<vec<double>>(sum.high, x, sum.low);
}

/// Numbers are added in pairs. Doubles: t without error; t·p is a few hundredths of t at most, so that its rounding
/// counts no more.
LOGZ_INLINE void add(lane_sum<double>& sum, const parts<double>& a, const parts<double>& b) {
  vec<double> rest = fma(a.t, a.p, b.t * b.p);
  const vec<double> t = two_sum<vec<double>>(a.t, b.t, rest);
  const vec<double> joined = opaque_vector(t + rest);
  sum.low += rest - opaque_vector(joined - t);
  add_exactly(sum, joined);
}

/// Rounded exps: enough for softmax, which has them at hand; not where the map rounds once more for want of fma.
LOGZ_INLINE void add_values(lane_sum<double>& sum, const parts<double>& pa, const parts<double>& pb,
                            vec<double> a, vec<double> b) {
  if constexpr (has_fma) {
    add_exactly(sum, a + b);
  } else {
    add(sum, pa, pb);
  }
}

/// Numbers that are rounded already. Of doubles the rounding of a + b counts in a loss, not in its gradient.
LOGZ_INLINE void add_both(lane_sum<double>& sum, vec<double> a, vec<double> b) {
  add_exactly(sum, two_sum<vec<double>>(a, b, sum.low));
}
LOGZ_INLINE void add_both(lane_sum<float>& sum, vec<float> a, vec<float> b) {
  const vec<float> both = a + b;
  sum.first += first_half(both);
  sum.second += second_half(both);
}
LOGZ_INLINE void add_rounded(lane_sum<double>& sum, vec<double> a, vec<double> b) { add_exactly(sum, a + b); }
LOGZ_INLINE void add_rounded(lane_sum<float>& sum, vec<float> a, vec<float> b) { add_both(sum, a, b); }

#if LOGZ_HAS_FMA
LOGZ_INLINE vec<float> value(const parts<float>& e) { return fma(e.t, e.p, e.t); }
/// The same in double.
LOGZ_INLINE vec<double> first_of(const parts<float>& e) {
  const vec<double> t = first_half(e.t);
  return fma(t, first_half(e.p), t);
}
LOGZ_INLINE vec<double> second_of(const parts<float>& e) {
  const vec<double> t = second_half(e.t);
  return fma(t, second_half(e.p), t);
}

/// Floats: t without error, in double; t·p as above, in float up to the next flush. To add two t's in float before
/// would cost logsumexp 1.3 ulp.
LOGZ_INLINE void add(lane_sum<float>& sum, const parts<float>& a, const parts<float>& b) {
  sum.first += first_half(a.t) + first_half(b.t);
  sum.second += second_half(a.t) + second_half(b.t);
  sum.low += fma(a.t, a.p, b.t * b.p);
}
LOGZ_INLINE void flush(lane_sum<float>& sum) {
  sum.first += first_half(sum.low);
  sum.second += second_half(sum.low);
  sum.low = vec<float>{};
}
/// To add four before would cost softmax 3.8 ulp in place of 3.1.
LOGZ_INLINE void add_values(lane_sum<float>& sum, const parts<float>&, const parts<float>&, vec<float> a,
                            vec<float> b) {
  add_rounded(sum, a, b);
}
#endif

LOGZ_INLINE void flush(lane_sum<double>&) {}

/// Numbers of a lane from one flush to the next: 32 times t·p, each up to 0.09 t, are rounded to 2^-24 of at most 2.8 t,
/// together 2^-24 of what they are added to in the worst case.
inline constexpr ptrdiff_t flush_step = 32;

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
