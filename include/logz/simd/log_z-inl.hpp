// SPDX-License-Identifier: MIT
//
// From the sums of a vector of slices to 1 / Z and log Z: floats in double, doubles as unevaluated sums of two.

namespace LOGZ_TARGET {

/// log((top + others) / top), top > 0, others >= 0, to 2^-34 of itself; NaN stays NaN.
///
/// With the ratio 2^k · m, 2 / 3 <= m <= 3 / 2, and f = (m - 1) / (m + 1): log m = 2 atanh f = 2 f (1 + z p(z)), z = f²,
/// p to 2^-35.4 of it.
LOGZ_INLINE vec<double> log_excess(vec<double> others, vec<double> top) {
  // Integers for the exponents, as doubles and opaque: one instruction to load, not three. 1.5 is 1023 and a half.
  const vec<double> half = opaque_vector(all(1.5)), unit = opaque_vector(all(0x1p52));
  const vec<double> total = top + others;
  const bits<double> k =
      (bits<double>(total) - bits<double>(top) + bits<double>(half)) >> 52;  // biased by 1023
  const vec<double> near = top * vec<double>(k << 52);
  const vec<double> f = (others + opaque_vector(top - near)) / (total + near);
  const vec<double> k_ln2 =
      opaque_vector(vec<double>(k | bits<double>(unit)) - (0x1p52 + 1023)) * 0.6931471805599453;
  const vec<double> z = f * f, twice = 2.0 * f;
  const vec<double> p = (0x1.55555423ee18ap-2 + z * 0x1.999bd9b2a81d1p-3) +
                        z * z * (0x1.23e9fd463ccd6p-3 + z * 0x1.ed82d878f6791p-4);
  return k_ln2 + (twice + twice * z * p);
}

/// 1 / Z as high + low, for a vector of doubles at a time.
LOGZ_INLINE void invert(const double* sum, const double*, float* high, float* low) {
  const vec<double> inverse = 1.0 / load(sum), rounded = rounded_to_float(inverse);
  narrow(high, rounded);
  narrow(low, inverse - rounded);
}

/// exp(top) · 2^exponent of a vector of slices, unrounded, in double; doubles have theirs where they are needed.
LOGZ_INLINE void store_top_exps(vec<float> top, vec<float> exponent, double* to) {
  const parts<float> e = exp_parts(top, exponent);
  store(to, first_of(e));
  store(to + width<double>, second_of(e));
}
LOGZ_INLINE void store_top_exps(vec<double>, vec<double>, double*) {}

/// log Z = top + log1p(others / exp(top)) as high + low: high is log Z rounded, low the rest of it, found from the
/// terms so that it keeps its digits where high is the maximum itself.
LOGZ_INLINE void find_log(const float* at_top, const float*, const double* sum, const double* top_exp,
                          float* high, float* low) {
  const vec<double> top = widen(at_top);
  const vec<double> excess = log_excess(load(sum), load(top_exp));
  const vec<double> rounded = rounded_to_float(top + excess);
  narrow(high, rounded);
  narrow(low, opaque_vector(top - rounded) + excess);
}

/// a / b to about 2^-100.
LOGZ_INLINE lane_sum<double> quotient(const lane_sum<double>& a, const lane_sum<double>& b) {
  const vec<double> q = opaque_vector(a.high / b.high);
  const vec<double> product = opaque_vector(q * b.high);
  const vec<double> rest = opaque_vector(a.high - product) - error_of_product(q, b.high, product);
  return {q, (rest + (a.low - q * b.low)) / b.high};
}

/// log(1 + s), s >= 0, to about 2^-60 of itself; NaN stays NaN: the table is entered by m's bits, always in range.
///
/// 1 + s = 2^k · m; with c near 1 / m from the table, log m = -log c + log(1 + r), r = m c - 1, |r| < 1 / 128.
LOGZ_INLINE lane_sum<double> log1p(const lane_sum<double>& s) {
  vec<double> y_rest = s.low;
  const vec<double> y = two_sum<vec<double>>(all(1.0), s.high, y_rest);
  constexpr std::uint64_t root_half = 0x3fe6a09e667f3bcd;
  const bits<double> k = (bits<double>(y) - root_half) >> 52;
  const vec<double> m = vec<double>(bits<double>(y) - (k << 52));
  const vec<double> down = vec<double>((1023 - k) << 52);  // 2^-k
  const vec<double> power = opaque_vector(vec<double>(k | 0x4330000000000000) - 0x1p52);
  std::uint64_t entry[width<double>];
  double c[width<double>], high[width<double>], low[width<double>];
  store(reinterpret_cast<double*>(entry), opaque_vector(m * 128.0 + 0x1p52));
  for (ptrdiff_t i = 0; i < width<double>; ++i) {
    const log_entry& at = log_table[(entry[i] & 0xff) - first_log_entry];
    c[i] = at.c;
    high[i] = at.high;
    low[i] = at.low;
  }
  // c has 10 bits and the upper part of m 26: their product is exact.
  const vec<double> upper = vec<double>(bits<double>(m) & 0xfffffffff8000000);
  const vec<double> reciprocal = load(c);
  vec<double> r_rest = {};
  const vec<double> r = two_sum<vec<double>>(
      opaque_vector(opaque_vector(upper * reciprocal) - 1.0),
      opaque_vector(opaque_vector(m - upper) * reciprocal + y_rest * down * reciprocal), r_rest);
  // -r²/2 + r³/3 - ...: at most 2^-8 of r, so its rounding does not count; the next term is 2^-59 of r.
  const vec<double> tail =
      r * r *
      (-1.0 / 2 +
       r * (1.0 / 3 + r * (-1.0 / 4 + r * (1.0 / 5 + r * (-1.0 / 6 + r * (1.0 / 7 + r * (-1.0 / 8)))))));
  constexpr double ln2_high = 0x1.62e42fefa3p-1;  // 41 bits: its product with k is exact
  constexpr double ln2_low = 0x1.3de6af278ece6p-42;
  vec<double> rest = power * ln2_low + load(low) + (r_rest + tail);
  const vec<double> base = two_sum<vec<double>>(opaque_vector(power * ln2_high), load(high), rest);
  const vec<double> sum = two_sum<vec<double>>(base, r, rest);
  vec<double> lost = {};
  const vec<double> total = two_sum<vec<double>>(sum, rest, lost);
  return {total, lost};
}

LOGZ_INLINE void invert(const double* sum, const double* rest, double* high, double* low) {
  const lane_sum<double> one = {all(1.0), vec<double>{}};
  const lane_sum<double> inverse = quotient(one, {load(sum), load(rest)});
  store(high, inverse.high);
  store(low, inverse.low);
}
/// exp(x) · 2^exponent, its two parts added without error.
LOGZ_INLINE lane_sum<double> exp_as_sum(vec<double> x, vec<double> exponent) {
  const parts<double> e = exp_parts(x, exponent);
  const vec<double> product = e.t * e.p;
  const vec<double> joined = opaque_vector(e.t + product);
  return {joined, product - opaque_vector(joined - e.t)};
}
LOGZ_INLINE void find_log(const double* at_top, const double* exponent, const double* sum, const double* rest,
                          double* high, double* low) {
  const vec<double> top = load(at_top);
  const lane_sum<double> one = exp_as_sum(top, load(exponent));
  const lane_sum<double> excess = log1p(quotient({load(sum), load(rest)}, one));
  vec<double> lost = excess.low;
  store(high, two_sum<vec<double>>(top, excess.high, lost));
  store(low, lost);
}

template <class S, int Count>
LOGZ_INLINE void find_top_exps(group<S, Count>& g, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += width<S>)
    store_top_exps(load(g.top + i), load(g.exponent + i), g.rest + i);
}

/// The coefficients of a group's first `count` slices: 1 / Z, or log Z where one number was left out of the sum.
template <terms Which, class S, int Count>
LOGZ_INLINE void finish(group<S, Count>& g, ptrdiff_t count) {
  if (Which != terms::all) find_top_exps(g, count);
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    if constexpr (Which == terms::all) {
      invert(g.sum + i, g.rest + i, g.high + i, g.low + i);
    } else {
      find_log(g.top + i, g.exponent + i, g.sum + i, g.rest + i, g.high + i, g.low + i);
    }
  }
}

}  // namespace LOGZ_TARGET
