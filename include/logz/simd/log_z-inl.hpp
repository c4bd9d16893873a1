// SPDX-License-Identifier: MIT
//
// From the sums of a vector of slices to 1 / Z and log Z: floats in double, doubles as unevaluated sums of two.

namespace LOGZ_TARGET {

/// A biased exponent as a number. Integers as doubles and opaque: one instruction to load, not three.
LOGZ_INLINE vec<double> power_of(bits<double> k) {
  const vec<double> unit = opaque_vector(all(0x1p52));
  return opaque_vector(vec<double>(k | bits<double>(unit)) - (0x1p52 + 1023));
}
/// log of 2^k · (1 + f) / (1 - f), |f| <= 1/5, to 2^-34 of itself: 2 atanh f = 2 f (1 + z p(z)), z = f², p to 2^-35.3 of
/// it. k is biased by 1023. The polynomials are tests/reference/log_polynomials.py's.
LOGZ_INLINE vec<double> log_of_ratio(bits<double> k, vec<double> f) {
  const vec<double> z = f * f, twice = 2.0 * f;
  const vec<double> p = (0x1.55555423ee18ap-2 + z * 0x1.999bd9b2a81d1p-3) +
                        z * z * (0x1.23e9fd463ccd6p-3 + z * 0x1.ed82d878f6791p-4);
  return power_of(k) * 0.6931471805599453 + (twice + twice * z * p);
}
/// The same of doubles, to about 2^-57 of itself, with what its rounding has lost; 2 f = high + low, and the power is k's
/// number. 2 f is the logarithm itself where that is small: f would be subnormal before.
LOGZ_INLINE lane_sum<double> log_of_ratio(vec<double> power, const lane_sum<double>& twice) {
  const vec<double> f = 0.5 * twice.high, z = f * f, z2 = z * z;
  const vec<double> first = fma(z2, fma(z, all(0x1.c71c72df580fcp-4), all(0x1.24924923de6edp-3)),
                                fma(z, all(0x1.9999999999f17p-3), all(0x1.5555555555555p-2)));
  const vec<double> last = fma(z2, fma(z, all(0x1.169c38cc826bep-4), all(0x1.0e8c55b42945fp-4)),
                               fma(z, all(0x1.3b29d0452d426p-4), all(0x1.745cac43cc003p-4)));
  constexpr double ln2_high = 0x1.62e42fefa3p-1;  // 41 bits: its product with a power is exact
  constexpr double ln2_low = 0x1.3de6af278ece6p-42;
  const vec<double> whole = opaque_vector(power * ln2_high);
  const vec<double> sum = opaque_vector(whole + twice.high);  // no number of whole is below 2 f, but 0
  // z / 3 is at most 1/75: what is rounded of it counts no more.
  const vec<double> tail = fma(twice.high, z * fma(z2 * z2, last, first), twice.low);
  const vec<double> rest =
      fma(power, all(ln2_low), opaque_vector(twice.high - opaque_vector(sum - whole))) + tail;
  const vec<double> joined = opaque_vector(sum + rest);
  return {joined, rest - opaque_vector(joined - sum)};
}
/// k of a ratio, biased, such that 2 / 3 <= ratio / 2^k <= 3 / 2. 1.5 is 1023 and a half.
LOGZ_INLINE bits<double> exponent_of_ratio(vec<double> a, vec<double> b) {
  const vec<double> half = opaque_vector(all(1.5));
  return (bits<double>(a) - bits<double>(b) + bits<double>(half)) >> 52;
}
/// Slices whose numbers are wanted of a vector: a division of the first alone takes half as long.
enum class slices_of { lanes, first_lane };
template <slices_of Which = slices_of::lanes>
LOGZ_INLINE vec<double> divide(vec<double> a, vec<double> b) {
  constexpr bool is_wide = LOGZ_VECTOR_BYTES == 64;
  if constexpr (Which == slices_of::first_lane && is_wide) return vec<double>{a[0] / b[0]};
  return a / b;
}

/// log((top + others) / top), top > 0, others >= 0, to 2^-34 of itself; NaN stays NaN.
template <slices_of Which = slices_of::lanes>
LOGZ_INLINE vec<double> log_excess(vec<double> others, vec<double> top) {
  const vec<double> total = top + others;
  const bits<double> k = exponent_of_ratio(total, top);
  const vec<double> near = top * vec<double>(k << 52);
  return log_of_ratio(k, divide<Which>(others + opaque_vector(top - near), total + near));
}

/// log y, y > 0, of a number of S; NaN of any other. Of floats to 2^-34 of itself, of doubles to an ulp, with what its
/// rounding has lost.
template <class S>
LOGZ_INLINE lane_sum<double> log_of_number(vec<double> y) {
  const double infinity = std::numeric_limits<double>::infinity();
  lane_sum<double> log;
  if constexpr (sizeof(S) == 4) {
    const bits<double> k = exponent_of_ratio(y, all(1.0));
    const vec<double> near = vec<double>(k << 52);
    log = {log_of_ratio(k, (y - near) / (y + near)), vec<double>{}};
  } else {
    const auto small = y < 0x1p-1000;
    const vec<double> normal = smaller<vec<double>>(all(0x1.7p1023), small ? y * 0x1p64 : y);
    const bits<double> k = exponent_of_ratio(normal, all(1.0));
    const vec<double> near = vec<double>(k << 52), power = power_of(k) - (small ? all(64.0) : vec<double>{});
    log = log_of_ratio(power, {(normal - near) / (0.5 * (normal + near)), vec<double>{}});
  }
  const auto is_log = (y > 0) & (y < infinity);
  const vec<double> limit = y > 0 ? y : all(std::numeric_limits<double>::quiet_NaN());
  return {is_log ? log.high : limit, is_log ? log.low : vec<double>{}};
}

/// exp(top) · 2^exponent of a vector of slices, unrounded, in double; doubles have theirs where they are needed.
LOGZ_INLINE void store_top_exps(vec<float> top, vec<float> exponent, double* to) {
  const parts<float> e = exp_parts(top, exponent);
  store(to, first_of(e));
  store(to + width<double>, second_of(e));
}
LOGZ_INLINE void store_top_exps(vec<double>, vec<double>, double*) {}

/// a / b to about 2^-100; the high part alone to 2^-52.
template <slices_of Which = slices_of::lanes>
LOGZ_INLINE lane_sum<double> quotient(const lane_sum<double>& a, const lane_sum<double>& b) {
  const vec<double> inverse = opaque_vector(divide<Which>(all(1.0), b.high));
  const vec<double> q = opaque_vector(a.high * inverse);
  const vec<double> product = opaque_vector(q * b.high);
  const vec<double> rest = opaque_vector(a.high - product) - error_of_product(q, b.high, product);
  return {q, (rest + (a.low - q * b.low)) * inverse};
}

/// log((top + others) / top) of doubles, top > 0, others >= 0, to about 2^-57 of itself; NaN stays NaN. Where the others
/// are below half of top they are the numerator as they are, however far below.
template <slices_of Which = slices_of::lanes>
LOGZ_INLINE lane_sum<double> log_excess(const lane_sum<double>& sum, const lane_sum<double>& top) {
  // What many numbers have lost is more than an ulp, and f² knows high parts alone.
  const vec<double> joined = opaque_vector(sum.high + sum.low);
  const lane_sum<double> others = {joined, sum.low - opaque_vector(joined - sum.high)};
  vec<double> total_low = top.low + others.low;
  const vec<double> total = two_sum<vec<double>>(top.high, others.high, total_low);
  const bits<double> k = exponent_of_ratio(total, top.high);
  const vec<double> power = power_of(k), scale = vec<double>(k << 52);
  const lane_sum<double> near = {top.high * scale, top.low * scale};
  const auto small = power == 0;
  // total - near.high is exact: they are within 3 / 2 of each other.
  const lane_sum<double> above = {small ? others.high : opaque_vector(total - near.high),
                                  small ? others.low : total_low - near.low};
  vec<double> below_low = total_low + near.low;
  const vec<double> below = two_sum<vec<double>>(total, near.high, below_low);
  return log_of_ratio(power, quotient<Which>(above, {0.5 * below, 0.5 * below_low}));
}

/// An exponential, its two parts added without error.
LOGZ_INLINE lane_sum<double> as_sum(const parts<double>& e) {
  const vec<double> product = e.t * e.p;
  const vec<double> joined = opaque_vector(e.t + product);
  return {joined, product - opaque_vector(joined - e.t)};
}
/// exp(x) · 2^exponent.
LOGZ_INLINE lane_sum<double> exp_as_sum(vec<double> x, vec<double> exponent) {
  return as_sum(exp_parts(x, exponent));
}

/// 1 / Z as high + low, both of them numbers of S.
template <class S, slices_of Which = slices_of::lanes>
LOGZ_INLINE lane_sum<double> inverse_of(vec<double> sum, [[maybe_unused]] vec<double> rest) {
  if constexpr (sizeof(S) == 4) {
    const vec<double> inverse = divide<Which>(all(1.0), sum), rounded = rounded_to_float(inverse);
    return {rounded, inverse - rounded};
  } else {
    return quotient<Which>({all(1.0), vec<double>{}}, {sum, rest});
  }
}

/// log Z = top + log1p(others / exp(top)) as high + low: high is log Z rounded to S, low the rest of it, found from the
/// terms so that it keeps its digits where high is the maximum itself. rest: as a group's.
template <class S, slices_of Which = slices_of::lanes>
LOGZ_INLINE lane_sum<double> log_of(vec<double> top, [[maybe_unused]] vec<double> exponent, vec<double> sum,
                                    vec<double> rest) {
  if constexpr (sizeof(S) == 4) {
    const vec<double> excess = log_excess<Which>(sum, rest), rounded = rounded_to_float(top + excess);
    return {rounded, opaque_vector(top - rounded) + excess};
  } else {
    const lane_sum<double> excess = log_excess<Which>({sum, rest}, exp_as_sum(top, exponent));
    vec<double> lost = excess.low;
    const vec<double> high = two_sum<vec<double>>(top, excess.high, lost);
    return {high, lost};
  }
}

/// Numbers of either scalar as doubles.
LOGZ_INLINE vec<double> load_double(const float* p) { return widen(p); }
LOGZ_INLINE vec<double> load_double(const double* p) { return load(p); }
LOGZ_INLINE void store_double(float* p, vec<double> v) { narrow(p, v); }
LOGZ_INLINE void store_double(double* p, vec<double> v) { store(p, v); }

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
    lane_sum<double> c;
    if constexpr (Which == terms::all) {
      c = inverse_of<S>(load(g.sum + i), load(g.rest + i));
    } else {
      c = log_of<S>(load_double(g.top + i), load_double(g.exponent + i), load(g.sum + i), load(g.rest + i));
    }
    store_double(g.high + i, c.high);
    store_double(g.low + i, c.low);
  }
}

}  // namespace LOGZ_TARGET
