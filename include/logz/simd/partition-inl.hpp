// SPDX-License-Identifier: MIT
//
// From a slice's numbers to log Z. Every number of a slice is exponentiated relative to a power of two near its
// maximum, exp(x) · 2^(bias - k), k = round(max / ln 2): x - max is never formed, so it never rounds.

namespace LOGZ_TARGET {

/// A slice's exponentials are stored times 2^bias. The reference may be a maximum of samples: up to `headroom` above it
/// nothing changes but the power of two.
template <class S>
struct span {
  S bias, headroom;
};

/// Stored exponentials below 2^-126 (2^-1022) are lost, -∞ becomes exactly 0. With n <= 2^24 numbers: softmax needs what
/// is lost under half of the smallest subnormal, and Z <= n · 2^bias · exp(headroom) <= 2^100 (2^967), so that 1 / Z's low
/// part is not rounded any further; a logarithm needs n times what is lost below the smallest subnormal; the gradient of
/// logsumexp has a factor that may bring up what is small, and no headroom, as its reference is given; the gradient of a
/// loss has both, Z <= 2^123 (2^1011).
template <class S>
struct range;
template <>
struct range<float> {
  static constexpr span<float> for_softmax = {32, 30};
  static constexpr span<float> for_log = {50, 40};
  static constexpr span<float> for_gradient = {64, 0};
  static constexpr span<float> for_loss_gradient = {64, 24};
  static constexpr span<float> for_products = for_gradient;
  /// exp · 2^-no_power is 0: of a table's entry no bit is left, or it rounds to 0.
  static constexpr float no_power = has_fma ? 127 : 160;
  static constexpr float limit =
      16384;  // from here on the maximum itself is subtracted first: exact by Sterbenz
  static constexpr float rounding = 0x1.8p23f;
};
template <>
struct range<double> {
  static constexpr span<double> for_softmax = {128, 500};
  static constexpr span<double> for_log = for_softmax;
  static constexpr span<double> for_gradient = {900, 0};
  static constexpr span<double> for_loss_gradient = {900, 60};
  static constexpr span<double> for_products = {0, 0};
  static constexpr double no_power = 1023;
  static constexpr double limit = 4096;
  static constexpr double rounding = 0x1.8p52;
};

template <class S, forward_op Op>
inline constexpr span<S> span_of = Op == forward_op::logsumexp_backward       ? range<S>::for_gradient
                                   : Op == forward_op::entropy_backward       ? range<S>::for_gradient
                                   : Op == forward_op::hvp                    ? range<S>::for_products
                                   : Op == forward_op::cross_entropy_gradient ? range<S>::for_loss_gradient
                                   : Op == forward_op::softmax                ? range<S>::for_softmax
                                                                              : range<S>::for_log;

/// Which numbers enter the sum, and how it is rounded.
enum class terms {
  all,     // for softmax
  others,  // without one number at the maximum, for log Z; for an entropy with a sum beside it
  kept     // the same, with every exp kept: for the gradients of losses
};
/// The exps of all numbers take their place.
constexpr bool keeps_exps(terms which) { return which != terms::others; }

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
/// The same where it need not be finite unless the product is.
LOGZ_INLINE vec<double> error_of_finite(vec<double> a, vec<double> b, vec<double> product) {
  if constexpr (has_fma) {
    return fma(a, b, -product);
  } else {
    return error_of_product(a, b, product);
  }
}

/// bias - k; not finite where top is not, so that every exp is NaN.
template <class S>
LOGZ_INLINE vec<S> exponent_for(vec<S> top, S bias) {
  const vec<S> k = opaque_vector(fma(top, all<S>(S(1.4426950408889634)), all(range<S>::rounding)));
  return (bias + range<S>::rounding) - k;
}
/// The number whose exp · 2^exponent is 0; all below count as it.
template <class S>
LOGZ_INLINE vec<S> floor_for(vec<S> exponent) {
  constexpr S ln2 = S(0.6931471805599453);
  return fma(exponent, all<S>(-ln2), all<S>(-ln2 * range<S>::no_power));
}

/// What is known of a vector of slices, or of one slice in the lanes of a vector.
template <class S>
struct partition {
  vec<S> shift;     // what was subtracted beforehand
  vec<S> exponent;  // bias - k
  vec<S> floor;     // numbers below it count as this one
  vec<S> ceiling;   // numbers above it need another reference
  lane_sum<S> sum;  // of exp · 2^exponent
  vec<S> top;       // the largest number so far; left out of the sum where log Z is wanted
  vec<S> aside;     // the largest exp so far, where exps are kept and one stays out of the sum
};

template <class S>
LOGZ_INLINE void begin(partition<S>& z) {
  z.top = all(-std::numeric_limits<S>::infinity());
  z.aside = vec<S>{};
  clear(z.sum);
}

/// Fixes what is subtracted beforehand and in the exponent: the maximum, or what stands in for it.
template <class S>
LOGZ_INLINE void set_reference(partition<S>& z, vec<S> reference, const span<S>& with) {
  const vec<S> size = magnitude<S>(reference);
  const vec<S> far = size < range<S>::limit ? vec<S>{} : reference;
  z.shift = size < std::numeric_limits<S>::infinity() ? far : vec<S>{};
  const vec<S> near = reference - z.shift;
  z.exponent = exponent_for<S>(near, with.bias);
  z.floor = floor_for<S>(z.exponent);
  // A maximum beyond the limit is a reference by itself, whatever stood in for it.
  constexpr S below_limit = range<S>::limit * (1 - std::numeric_limits<S>::epsilon() / 2);
  z.ceiling = smaller<vec<S>>(near + with.headroom, all(below_limit));
}

template <class S>
LOGZ_INLINE bool any(bits<S> mask) {
  alignas(64) std::uint64_t words[LOGZ_VECTOR_BYTES / 8];
  __builtin_memcpy(words, &mask, sizeof words);
  std::uint64_t found = 0;
  for (int i = 0; i < LOGZ_VECTOR_BYTES / 8; ++i) found |= words[i];
  return found != 0;
}
/// A number above the ceiling was met.
template <class S>
LOGZ_INLINE bool is_low(const partition<S>& z) {
  return any<S>(bits<S>(z.top > z.ceiling));
}
template <class S>
LOGZ_INLINE bool is_far(const partition<S>& z) {
  return any<S>(bits<S>(z.shift != 0));
}

/// Samples of a slice that make its first reference, evenly spaced.
inline constexpr ptrdiff_t most_samples = 16;
LOGZ_INLINE ptrdiff_t sample_step(ptrdiff_t n) { return (n + most_samples - 1) / most_samples; }

/// a becomes the smaller of each two, b the larger; NaN stays in one of them. Opaque: GCC takes one comparison and two
/// selections otherwise.
template <class S>
LOGZ_INLINE void sort_pairs(vec<S>& a, vec<S>& b) {
  const vec<S> smaller_one = opaque_vector(smaller<vec<S>>(b, a));
  b = larger<vec<S>>(opaque_vector(a), b);
  a = smaller_one;
}
/// What is left to sum of two vectors once one number at the maximum has been set aside: `aside` holds the largest
/// so far in every lane, NaN ignored, and gives way to a larger one.
template <class S>
LOGZ_INLINE void set_aside(vec<S>& aside, vec<S>& a, vec<S>& b) {
  const vec<S> largest = larger<vec<S>>(b, larger<vec<S>>(a, aside));
  sort_pairs<S>(a, b);
  b = smaller<vec<S>>(aside, b);
  aside = largest;
}

/// exp · 2^exponent, rounded; NaN stays: larger() answers its second argument.
template <class S>
LOGZ_INLINE vec<S> exp_of(vec<S> v, vec<S> exponent, vec<S> floor) {
  return value(exp_parts(larger(floor, v), exponent));
}

/// The exps of two vectors on their way into a sum: unrounded, and rounded, or what is left of those to add.
template <class S>
struct exp_pair {
  parts<S> a_parts, b_parts;
  vec<S> a, b;
};
template <class S, terms Which>
LOGZ_INLINE void join(lane_sum<S>& sum, const exp_pair<S>& e) {
  if constexpr (Which == terms::others) {
    add(sum, e.a_parts, e.b_parts);
  } else if constexpr (Which == terms::kept) {
    add_rounded(sum, e.a, e.b);
  } else {
    add_values(sum, e.a_parts, e.b_parts, e.a, e.b);
  }
}
/// exp of two vectors, for a sum; rounded exps that are kept take their place.
template <class S, terms Which>
LOGZ_INLINE exp_pair<S> exp_of_pair(vec<S> exponent, vec<S> floor, vec<S>& a, vec<S>& b) {
  exp_pair<S> e;
  e.a_parts = exp_parts(larger(floor, a), exponent);
  e.b_parts = exp_parts(larger(floor, b), exponent);
  if constexpr (Which != terms::others) {
    e.a = a = value(e.a_parts);
    e.b = b = value(e.b_parts);
  }
  return e;
}
/// Adds exp of two vectors to the sum; for softmax the rounded exps take their place.
template <class S, terms Which>
LOGZ_INLINE void add_exp(lane_sum<S>& sum, vec<S> exponent, vec<S> floor, vec<S>& a, vec<S>& b) {
  join<S, Which>(sum, exp_of_pair<S, Which>(exponent, floor, a, b));
}

/// exp of two vectors of one slice or of a vector of slices on their way, the largest number set aside where log Z is
/// wanted.
template <class S, terms Which>
LOGZ_INLINE exp_pair<S> take_pair(vec<S>& top, vec<S>& aside, vec<S> exponent, vec<S> floor, vec<S>& a,
                                  vec<S>& b) {
  if constexpr (Which == terms::others) set_aside<S>(top, a, b);
  exp_pair<S> e = exp_of_pair<S, Which>(exponent, floor, a, b);
  if constexpr (Which == terms::kept) set_aside<S>(aside, e.a, e.b);
  return e;
}
/// The same, added.
template <class S, terms Which>
LOGZ_INLINE void take(lane_sum<S>& sum, vec<S>& top, vec<S>& aside, vec<S> exponent, vec<S> floor, vec<S>& a,
                      vec<S>& b) {
  join<S, Which>(sum, take_pair<S, Which>(top, aside, exponent, floor, a, b));
}

/// The sums of the lanes, in double.
LOGZ_INLINE void store_totals(const lane_sum<float>& sum, double* total, double*) {
  store(total, sum.first);
  store(total + width<double>, sum.second);
}

LOGZ_INLINE void store_totals(const lane_sum<double>& sum, double* total, double* rest) {
  store(total, sum.high);
  store(rest, sum.low);
}

LOGZ_INLINE void total_of_lanes(const lane_sum<float>& sum, double& total, double& rest) {
  total = total_of(sum.first + sum.second);
  rest = 0;
}
/// Every lane becomes the sum of all, from blocks of `Block` lanes on.
template <std::size_t Block = width<double> / 2>
LOGZ_INLINE void join_lanes(lane_sum<double>& sum) {
  if constexpr (Block != 0) {
    sum.low += exchange_blocks<double, Block>(sum.low, every_lane<double>{});
    const vec<double> other = exchange_blocks<double, Block>(sum.high, every_lane<double>{});
    sum.high = two_sum<vec<double>>(sum.high, other, sum.low);
    join_lanes<Block / 2>(sum);
  }
}
LOGZ_INLINE void total_of_lanes(lane_sum<double> sum, double& total, double& rest) {
  join_lanes(sum);
  total = sum.high[0];
  rest = sum.low[0];
}

template <class S>
LOGZ_INLINE bool is_finite(S x) {
  typename lanes<S>::bit bits, infinite;
  const S infinity = std::numeric_limits<S>::infinity();
  __builtin_memcpy(&bits, &x, sizeof x);
  __builtin_memcpy(&infinite, &infinity, sizeof x);
  return (bits & ~(typename lanes<S>::bit{1} << (8 * sizeof(S) - 1))) < infinite;
}

/// What one group of slices has come to, and the coefficients of the map that follows.
template <class S, int Count>
struct group {
  alignas(64) S top[Count];
  alignas(64) S exponent[Count];
  alignas(64) double sum[Count];
  alignas(
      64) double rest[Count];  // double: what sum has lost; float: exp of the top number, as the sum has it
  alignas(64) S high[Count];   // softmax: 1 / Z; log_softmax: log Z
  alignas(64) S low[Count];
  alignas(64) S shift[Count];      // what has been subtracted from the slice beforehand
  alignas(64) S reference[Count];  // logsumexp_backward: log Z and the gradient of each slice
  alignas(64) S factor[Count];
};

/// A lane without a slice gets one that is harmless.
template <class S, int Count>
LOGZ_INLINE void fill(group<S, Count>& g, ptrdiff_t lane) {
  g.top[lane] = 0;
  g.shift[lane] = 0;
  g.exponent[lane] = 0;
  g.sum[lane] = 1;
  g.rest[lane] = 0;
}

}  // namespace LOGZ_TARGET
