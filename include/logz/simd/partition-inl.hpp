// SPDX-License-Identifier: MIT
//
// From a slice's numbers to log Z. Every number of a slice is exponentiated relative to a power of two near its
// maximum, exp(x) · 2^(bias - k), k = round(max / ln 2): x - max is never formed, so it never rounds.

namespace LOGZ_TARGET {

template <class S>
struct range;
template <>
struct range<float> {
  static constexpr float bias = 64;    // keeps every exp down to `reach` below the maximum normal
  static constexpr float reach = 130;  // exp(-130) is under half of the smallest subnormal
  static constexpr float limit =
      16384;  // from here on the maximum itself is subtracted first: exact by Sterbenz
  static constexpr float rounding = 0x1.8p23f;
};
template <>
struct range<double> {
  static constexpr double bias = 900;
  static constexpr double reach = 1300;
  static constexpr double limit = 4096;
  static constexpr double rounding = 0x1.8p52;
};

/// Which numbers enter the sum, and how it is rounded.
enum class terms { all, others };  // all: for softmax; others: without one number at the maximum, for log Z

template <class S>
LOGZ_INLINE vec<S> magnitude(vec<S> v) {
  return vec<S>(bits<S>(v) & ~(typename lanes<S>::bit{1} << (8 * sizeof(S) - 1)));
}

/// The rounding error of product = a · b; 0 where it is not finite.
LOGZ_INLINE vec<double> error_of_product(vec<double> a, vec<double> b, vec<double> product) {
  vec<double> error;
  if constexpr (has_fma) {
    error = fma(a, b, -product);
  } else {
    // Dekker's product: halves of 26 bits.
    constexpr double splitter = 134217729;
    const vec<double> a_scaled = opaque_vector(splitter * a), b_scaled = opaque_vector(splitter * b);
    const vec<double> a_high = opaque_vector(a_scaled - opaque_vector(a_scaled - a));
    const vec<double> b_high = opaque_vector(b_scaled - opaque_vector(b_scaled - b));
    const vec<double> a_low = opaque_vector(a - a_high), b_low = opaque_vector(b - b_high);
    const vec<double> rest = opaque_vector(opaque_vector(a_high * b_high) - product);
    error =
        opaque_vector(opaque_vector(rest + opaque_vector(a_high * b_low)) + opaque_vector(a_low * b_high)) +
        a_low * b_low;
  }
  return magnitude<double>(error) < std::numeric_limits<double>::infinity() ? error : vec<double>{};
}

/// bias - k.
template <class S>
LOGZ_INLINE vec<S> exponent_for(vec<S> top) {
  const vec<S> k =
      opaque_vector(fma(top, all<S>(S(1.4426950408889634)), all(range<S>::rounding))) - range<S>::rounding;
  return magnitude<S>(top) < range<S>::limit ? range<S>::bias - k : all(range<S>::bias);
}

/// What is left to sum of four vectors once one number at the maximum has been set aside: `aside` holds the largest
/// so far in every lane, and gives way to a larger one.
template <class S>
LOGZ_INLINE void set_aside(vec<S>& aside, vec<S>& x) {
  const vec<S> smaller_one = smaller<vec<S>>(aside, x);
  aside = larger<vec<S>>(x, aside);
  x = smaller_one;
}

/// Adds exp of four vectors to the sum; for softmax the rounded exps take their place.
template <class S, terms Which>
LOGZ_INLINE void add_exp(lane_sum<S>& sum, vec<S> exponent, vec<S> floor, vec<S>& a, vec<S>& b, vec<S>& c,
                         vec<S>& d) {
  // NaN stays: larger() answers its second argument.
  const parts<S> pa = exp_parts(larger(floor, a), exponent);
  const parts<S> pb = exp_parts(larger(floor, b), exponent);
  const parts<S> pc = exp_parts(larger(floor, c), exponent);
  const parts<S> pd = exp_parts(larger(floor, d), exponent);
  if constexpr (Which == terms::others) {
    add(sum, pa, pb, pc, pd);
  } else {
    a = value(pa);
    b = value(pb);
    c = value(pc);
    d = value(pd);
    add_values(sum, pa, pb, pc, pd, a, b, c, d);
  }
}

/// The same for one slice or a vector of slices on their way, the largest numbers set aside where log Z is wanted.
template <class S, terms Which>
LOGZ_INLINE void take(lane_sum<S>& sum, vec<S>& aside, vec<S> exponent, vec<S> floor, vec<S>& a, vec<S>& b,
                      vec<S>& c, vec<S>& d) {
  if constexpr (Which == terms::others) {
    set_aside<S>(aside, a);
    set_aside<S>(aside, b);
    set_aside<S>(aside, c);
    set_aside<S>(aside, d);
  }
  add_exp<S, Which>(sum, exponent, floor, a, b, c, d);
}

/// The sums of the lanes, in double.
LOGZ_INLINE void store_totals(const lane_sum<float>& sum, double* total, double*) {
#if LOGZ_HAS_FMA
  float high[width<float>];
  float low[width<float>];
  store(high, sum.high);
  store(low, sum.low);
  store(total, widen(high) + widen(low));
  store(total + width<double>, widen(high + width<double>) + widen(low + width<double>));
#else
  store(total, sum.first);
  store(total + width<double>, sum.second);
#endif
}

template <class S>
LOGZ_INLINE bool is_finite(S x) {
  typename lanes<S>::bit bits, infinite;
  const S infinity = std::numeric_limits<S>::infinity();
  __builtin_memcpy(&bits, &x, sizeof x);
  __builtin_memcpy(&infinite, &infinity, sizeof x);
  return (bits & ~(typename lanes<S>::bit{1} << (8 * sizeof(S) - 1))) < infinite;
}

/// sum · 2^power, in two steps: power may go beyond one exponent.
template <class S>
LOGZ_INLINE void scale_by_power(lane_sum<S>& sum, vec<S> power) {
  constexpr int fraction = sizeof(S) == 4 ? 23 : 52;
  constexpr S bias = sizeof(S) == 4 ? S(127) : S(1023);
  constexpr S deepest = 2 - 2 * bias;
  const vec<S> bounded = larger<vec<S>>(power, all(deepest));
  const vec<S> half = opaque_vector(bounded * S(0.5) + range<S>::rounding) - range<S>::rounding;
  const vec<S> rest = bounded - half;
  scale(sum, vec<S>(bits<S>(half + (range<S>::rounding + bias)) << fraction));
  scale(sum, vec<S>(bits<S>(rest + (range<S>::rounding + bias)) << fraction));
}

/// What one group of slices has come to, and the coefficients of the map that follows.
template <class S, int Count>
struct group {
  alignas(64) S top[Count];
  alignas(64) S exponent[Count];
  alignas(64) double sum[Count];
  alignas(64) double rest[Count];  // double only: what sum has lost
  alignas(64) S high[Count];       // softmax: 1 / Z; log_softmax: log Z
  alignas(64) S low[Count];
  alignas(64) S shift[Count];      // what has been subtracted from the slice beforehand
  alignas(64) S reference[Count];  // logsumexp_backward: log Z and the gradient of each slice
  alignas(64) S factor[Count];
};

/// Lanes without a slice get one that is harmless.
template <class S, int Count>
LOGZ_INLINE void fill_up(group<S, Count>& g, ptrdiff_t count) {
  for (; count % width<double> != 0; ++count) {
    g.top[count] = 0;
    g.exponent[count] = range<S>::bias;
    g.sum[count] = 1;
    g.rest[count] = 0;
  }
}

/// log(1 + s) to 2^-44 of itself; NaN stays NaN.
LOGZ_INLINE vec<double> log1p(vec<double> s) {
  const vec<double> y = opaque_vector(1.0 + s);
  const vec<double> lost = s - opaque_vector(y - 1.0);
  constexpr std::uint64_t root_half = 0x3fe6a09e667f3bcd;
  const bits<double> k = (bits<double>(y) - root_half) >> 52;
  const vec<double> m = vec<double>(bits<double>(y) - (k << 52));
  const vec<double> k_ln2 = opaque_vector(vec<double>(k | 0x4330000000000000) - 0x1p52) * 0.6931471805599453;
  const vec<double> f = (m - 1.0) / (m + 1.0);
  const vec<double> z = f * f;
  const vec<double> tail =
      z * (1.0 / 3 +
           z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z * (1.0 / 13 + z * (1.0 / 15)))))));
  return k_ln2 + (2.0 * f + (2.0 * f * tail + lost / y));
}

/// 1 / Z as high + low.
template <int Count>
LOGZ_INLINE void finish_softmax(group<float, Count>& g, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    double inverse[width<double>];
    store(inverse, 1.0 / load(g.sum + i));
    for (ptrdiff_t j = 0; j < width<double>; ++j) {
      const float high = opaque(float(inverse[j]));
      g.high[i + j] = high;
      g.low[i + j] = float(inverse[j] - double(high));
    }
  }
}

/// log Z = top + log1p(others / exp(top)) as high + low: high is log Z rounded, low the rest of it, found from the
/// terms so that it keeps its digits where high is the maximum itself.
template <int Count>
LOGZ_INLINE void finish_log(group<float, Count>& g, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    const vec<double> top = widen(g.top + i);
    const vec<double> one = value(exp_parts(top, widen(g.exponent + i)));
    double excess[width<double>];
    store(excess, log1p(load(g.sum + i) / one));
    for (ptrdiff_t j = 0; j < width<double>; ++j) {
      // Opaque: GCC 12 drops the round trip double(float(x)) where it vectorises the loop.
      const float high = opaque(float(double(g.top[i + j]) + excess[j]));
      g.high[i + j] = high;
      g.low[i + j] = float(opaque(double(g.top[i + j]) - double(high)) + excess[j]);
    }
  }
}

LOGZ_INLINE void store_totals(const lane_sum<double>& sum, double* total, double* rest) {
  store(total, sum.high);
  store(rest, sum.low);
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

template <int Count>
LOGZ_INLINE void finish_softmax(group<double, Count>& g, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    const lane_sum<double> one = {all(1.0), vec<double>{}};
    const lane_sum<double> inverse = quotient(one, {load(g.sum + i), load(g.rest + i)});
    store(g.high + i, inverse.high);
    store(g.low + i, inverse.low);
  }
}
template <int Count>
LOGZ_INLINE void finish_log(group<double, Count>& g, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    // exp(top), its two parts added without error.
    const vec<double> top = load(g.top + i);
    const parts<double> e = exp_parts(top, load(g.exponent + i));
    const vec<double> product = e.t * e.p;
    const vec<double> joined = opaque_vector(e.t + product);
    const lane_sum<double> one = {joined, product - opaque_vector(joined - e.t)};
    const lane_sum<double> excess = log1p(quotient({load(g.sum + i), load(g.rest + i)}, one));
    vec<double> low = excess.low;
    store(g.high + i, two_sum<vec<double>>(top, excess.high, low));
    store(g.low + i, low);
  }
}

LOGZ_INLINE double total_of(vec<double> v) {
  double lane[width<double>];
  store(lane, v);
  for (ptrdiff_t half = width<double> / 2; half > 0; half /= 2) {
    for (ptrdiff_t i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}
LOGZ_INLINE void total_of_lanes(const lane_sum<float>& sum, double& total, double& rest) {
#if LOGZ_HAS_FMA
  float high[width<float>];
  float low[width<float>];
  store(high, sum.high);
  store(low, sum.low);
  const vec<double> halves =
      (widen(high) + widen(high + width<double>)) + (widen(low) + widen(low + width<double>));
#else
  const vec<double> halves = sum.first + sum.second;
#endif
  total = total_of(halves);
  rest = 0;
}
LOGZ_INLINE void total_of_lanes(const lane_sum<double>& sum, double& total, double& rest) {
  double lane[width<double>];
  double lane_rest[width<double>];
  store_totals(sum, lane, lane_rest);
  for (ptrdiff_t half = width<double> / 2; half > 0; half /= 2) {
    for (ptrdiff_t i = 0; i < half; ++i) {
      const twofold both = sum_of(lane[i], lane[i + half]);
      lane[i] = both.high;
      lane_rest[i] += lane_rest[i + half] + both.low;
    }
  }
  total = lane[0];
  rest = lane_rest[0];
}

/// Adds the sums of groups of four that stand in the first `count` lanes, in their order, to a running total: what a
/// lane of a panel comes to.
template <class S>
struct running_total {
  S high, low;
};
template <class S>
LOGZ_INLINE void add_groups(running_total<S>& total, const lane_sum<S>& sum, ptrdiff_t count) {
  S high[width<S>];
  S low[width<S>];
  store(high, sum.high);
  store(low, sum.low);
  for (ptrdiff_t i = 0; i < count; ++i) {
    const S next = opaque(total.high + high[i]);
    total.low += low[i];
    total.low += sum_error(total.high, high[i], next);
    total.high = next;
  }
}
#if !LOGZ_HAS_FMA
template <>
struct running_total<float> {
  double high, low;
};
LOGZ_INLINE void add_groups(running_total<float>& total, const lane_sum<float>& sum, ptrdiff_t count) {
  double lane[width<float>];
  store_totals(sum, lane, nullptr);
  for (ptrdiff_t i = 0; i < count; ++i) total.high += lane[i];
}
#endif
LOGZ_INLINE void set_total(const running_total<float>& from, double& total, double& rest) {
  total = double(from.high) + double(from.low);
  rest = 0;
}
LOGZ_INLINE void set_total(const running_total<double>& from, double& total, double& rest) {
  total = from.high;
  rest = from.low;
}

}  // namespace LOGZ_TARGET
