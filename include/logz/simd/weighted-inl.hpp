// SPDX-License-Identifier: MIT
//
// Sums of exponentials with a second sum beside them, of each exponential times a weight: its distance from the maximum, for
// entropies, or a number of another operand. The maximum is known beforehand, and nothing takes x's place.

namespace LOGZ_TARGET {

/// A partition whose reference is the maximum, with the second sum.
template <class S>
struct weighted_partition : partition<S> {
  vec<S> near;  // the maximum, shifted
  lane_sum<S> products;
};
template <class S, forward_op Op>
using partition_of = std::conditional_t<is_weighted<Op>, weighted_partition<S>, partition<S>>;

/// The other operand of a slice, where there is one.
template <forward_op Op, class S>
LOGZ_INLINE const S* second_of(const forward_call<S>& call, ptrdiff_t slice) {
  return Op == forward_op::hvp ? call.second + slice * call.second_slice : nullptr;
}
/// The factor of a slice's gradient. A reference that is NaN spreads, whatever the slice holds.
template <class S>
LOGZ_INLINE S factor_of(const forward_call<S>& call, ptrdiff_t slice) {
  const S reference = call.reference[slice * call.reference_slice];
  return is_nan(double(reference)) ? reference : call.factor[slice * call.factor_slice];
}

/// The same for a weighted sum.
template <forward_op Op, class S>
LOGZ_INLINE double weighted_factor_of(const forward_call<S>& call, ptrdiff_t slice) {
  if constexpr (Op == forward_op::hvp) return call.curvature[slice];
  return double(factor_of(call, slice));
}

template <class S>
LOGZ_INLINE void begin(weighted_partition<S>& z) {
  begin(static_cast<partition<S>&>(z));
  clear(z.products);
}
template <class S>
LOGZ_INLINE void set_reference(weighted_partition<S>& z, vec<S> reference, const span<S>& with) {
  set_reference(static_cast<partition<S>&>(z), reference, with);
  z.near = reference - z.shift;
}

/// Adds two exps to the sum and, times their distances from the maximum, to the products. Exps are t + t·p: t times a
/// distance of floats is exact in double, of doubles up to what is kept; t·p joins as it joins the sum.
#if LOGZ_HAS_FMA
LOGZ_INLINE void add_gaps(weighted_partition<float>& z, vec<float> a, vec<float> b) {
  const parts<float> pa = exp_parts(a, z.exponent), pb = exp_parts(b, z.exponent);
  const vec<float> rest_a = pa.t * pa.p, rest_b = pb.t * pb.p;
  const vec<double> near = first_half(z.near), near_second = second_half(z.near);
  const vec<double> ta = first_half(pa.t), tb = first_half(pb.t);
  const vec<double> ta_second = second_half(pa.t), tb_second = second_half(pb.t);
  z.sum.first += ta + tb;
  z.sum.second += ta_second + tb_second;
  z.sum.low += rest_a + rest_b;
  z.products.first = fma(ta, near - first_half(a), fma(tb, near - first_half(b), z.products.first));
  z.products.second = fma(ta_second, near_second - second_half(a),
                          fma(tb_second, near_second - second_half(b), z.products.second));
  z.products.low = fma(rest_a, z.near - a, fma(rest_b, z.near - b, z.products.low));
}
#else
LOGZ_INLINE void add_gaps(weighted_partition<float>& z, vec<float> a, vec<float> b) {
  const parts<float> pa = exp_parts(a, z.exponent), pb = exp_parts(b, z.exponent);
  const vec<double> near = first_half(z.near), near_second = second_half(z.near);
  add(z.sum, pa, pb);
  z.products.first += pa.first * (near - first_half(a)) + pb.first * (near - first_half(b));
  z.products.second +=
      pa.second * (near_second - second_half(a)) + pb.second * (near_second - second_half(b));
}
#endif
/// e · weight, to the last digit of t · weight; weight_rest: what the weight has lost.
LOGZ_INLINE vec<double> product_of(const parts<double>& e, vec<double> weight, vec<double> weight_rest,
                                   vec<double>& rest) {
  const vec<double> product = opaque_vector(e.t * weight);
  rest += error_of_finite(e.t, weight, product) + fma(e.t * e.p, weight, e.t * weight_rest);
  return product;
}
LOGZ_INLINE void add_products(lane_sum<double>& sum, vec<double> a, vec<double> b, vec<double> rest) {
  const vec<double> both = two_sum<vec<double>>(a, b, rest);
  const vec<double> joined = opaque_vector(both + rest);
  sum.low += rest - opaque_vector(joined - both);
  add_exactly(sum, joined);
}
LOGZ_INLINE void add_gaps(weighted_partition<double>& z, vec<double> a, vec<double> b) {
  const parts<double> pa = exp_parts(a, z.exponent), pb = exp_parts(b, z.exponent);
  add(z.sum, pa, pb);
  vec<double> lost_a = {}, lost_b = {}, rest = {};
  const vec<double> gap_a = two_sum<vec<double>>(z.near, -a, lost_a);
  const vec<double> gap_b = two_sum<vec<double>>(z.near, -b, lost_b);
  const vec<double> of_a = product_of(pa, gap_a, lost_a, rest), of_b = product_of(pb, gap_b, lost_b, rest);
  add_products(z.products, of_a, of_b, rest);
}
/// The same times numbers of another operand: of floats in double, where no product overflows.
LOGZ_INLINE void add_weighted(weighted_partition<float>& z, vec<float> a, vec<float> b, vec<float> va,
                              vec<float> vb) {
  const parts<float> pa = exp_parts(a, z.exponent), pb = exp_parts(b, z.exponent);
  add(z.sum, pa, pb);
  lane_sum<float>& to = z.products;
  to.first = fma(first_of(pa), first_half(va), fma(first_of(pb), first_half(vb), to.first));
  to.second = fma(second_of(pa), second_half(va), fma(second_of(pb), second_half(vb), to.second));
}
LOGZ_INLINE void add_weighted(weighted_partition<double>& z, vec<double> a, vec<double> b, vec<double> va,
                              vec<double> vb) {
  const parts<double> pa = exp_parts(a, z.exponent), pb = exp_parts(b, z.exponent);
  add(z.sum, pa, pb);
  const vec<double> none = {};
  vec<double> rest = {};
  const vec<double> of_a = product_of(pa, va, none, rest), of_b = product_of(pb, vb, none, rest);
  add_products(z.products, of_a, of_b, rest);
}

/// Adds vectors, in pairs, `step` numbers from one to the next. For an entropy (v null) one number at the maximum stays out
/// of the sum in each lane.
template <class S, bool Entropy>
__attribute__((noinline)) void weighted_sum(weighted_partition<S>& z, const S* x, const S* v,
                                            ptrdiff_t vectors, ptrdiff_t step) {
  weighted_partition<S> at = z;
  for (ptrdiff_t l = 0; l < vectors;) {
    const ptrdiff_t stop = l + at_most(vectors - l, flush_step);
    for (; l < stop; l += 2) {
      const bool pair = l + 1 < vectors;
      vec<S> a = load(x + l * step), b = all(-std::numeric_limits<S>::infinity());  // adds nothing
      if (pair) b = load(x + (l + 1) * step);
      if constexpr (Entropy) {
        set_aside<S>(at.top, a, b);
        add_gaps(at, larger<vec<S>>(at.floor, a), larger<vec<S>>(at.floor, b));
      } else {
        add_weighted(at, larger<vec<S>>(at.floor, a), larger<vec<S>>(at.floor, b), load(v + l * step),
                     pair ? load(v + (l + 1) * step) : vec<S>{});
      }
    }
    flush(at.sum);
    flush(at.products);
  }
  z.sum = at.sum;
  z.products = at.products;
  z.top = at.top;
}
/// The same of n numbers side by side.
template <class S, bool Entropy>
void weighted_row_sum(weighted_partition<S>& z, const S* x, const S* v, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t whole = n / (2 * w) * 2, l = whole * w;
  weighted_sum<S, Entropy>(z, x, v, whole, w);
  if (l == n) return;
  alignas(64) S tail[2 * w], weights[2 * w];
  const vec<S> least = all(-std::numeric_limits<S>::infinity()), none = {};
  store(tail, load_up_to(x + l, n - l, least));
  store(tail + w, load_up_to(x + l + w, n - l - w, least));
  store(weights, Entropy ? none : load_up_to(v + l, n - l, none));
  store(weights + w, Entropy ? none : load_up_to(v + l + w, n - l - w, none));
  weighted_sum<S, Entropy>(z, tail, weights, 2, w);
}

/// What is known of a group's slices beside their partitions: the second sum, and what it comes to.
template <class S, int Count>
struct weighted_group {
  alignas(64) double products[Count];
  alignas(64) double rest[Count];
  alignas(64) double inverse[Count];  // 1 / Z
  alignas(64) double inverse_low[Count];
  alignas(64) double mean[Count];  // Σ p times the weights
  alignas(64) double mean_low[Count];
  alignas(64) double factor[Count];  // of a gradient
  alignas(64) double top[Count];     // as the sums have it
  alignas(64) S entropy[Count];
};
/// The same of a vector of slices, or of one slice in all lanes.
struct weighted_lanes {
  vec<double> inverse, inverse_low, mean, mean_low, factor, top;
};
template <class S, int Count>
LOGZ_INLINE weighted_lanes weighted_at(const weighted_group<S, Count>& wg, ptrdiff_t i) {
  return {load(wg.inverse + i),  load(wg.inverse_low + i), load(wg.mean + i),
          load(wg.mean_low + i), load(wg.factor + i),      load(wg.top + i)};
}
template <class S, int Count>
LOGZ_INLINE weighted_lanes weighted_row(const weighted_group<S, Count>& wg, ptrdiff_t r) {
  return {all(wg.inverse[r]),  all(wg.inverse_low[r]), all(wg.mean[r]),
          all(wg.mean_low[r]), all(wg.factor[r]),      all(wg.top[r])};
}

/// The means and 1 / Z of lanes i, ... of a group, with inverse = 1 / Z; times a power of two.
template <class S, int Count>
LOGZ_INLINE lane_sum<double> set_mean(weighted_group<S, Count>& wg, ptrdiff_t i,
                                      const lane_sum<double>& inverse, vec<double> power) {
  lane_sum<double> mean = times<S>(load(wg.products + i), inverse);
  if constexpr (sizeof(S) == 8) mean.low += load(wg.rest + i) * inverse.high;
  const vec<double> rounded = opaque_vector(mean.high + mean.low);
  store(wg.mean + i, rounded);
  store(wg.mean_low + i, mean.low - opaque_vector(rounded - mean.high));
  store(wg.inverse + i, inverse.high * power);
  store(wg.inverse_low + i, inverse.low * power);
  return mean;
}

/// factor · (a - b - mean), of doubles with what the roundings lose.
template <class S>
LOGZ_INLINE lane_sum<double> slope_from_mean(vec<double> a, vec<double> b, const weighted_lanes& with) {
  if constexpr (sizeof(S) == 4) {
    return {with.factor * opaque_vector(opaque_vector(a - b) - with.mean), vec<double>{}};
  } else {
    vec<double> lost = -with.mean_low;
    const vec<double> difference = two_sum<vec<double>>(a, -b, lost);
    const vec<double> rest = two_sum<vec<double>>(difference, -with.mean, lost);
    const vec<double> product = opaque_vector(with.factor * rest);
    return {product, error_of_finite(with.factor, rest, product) + with.factor * lost};
  }
}
/// p · factor of exponentials e. Of floats in double. p alone may be too small to keep its digits, and so may the factor: a
/// large one lends p a power of two.
template <class S>
LOGZ_INLINE vec<double> probability_times(vec<double> e, const weighted_lanes& with,
                                          const lane_sum<double>& factor) {
  if constexpr (sizeof(S) == 4) return opaque_vector(e * with.inverse) * factor.high;
  constexpr double up = 0x1p400;
  const auto large = magnitude<double>(factor.high) >= 1 / up;
  const vec<double> raise = large ? all(up) : all(1.0), lower = large ? all(1 / up) : all(1.0);
  const vec<double> p = opaque_vector(fma(e, with.inverse * raise, e * (with.inverse_low * raise)));
  return fma(p, opaque_vector(factor.high * lower), p * (factor.low * lower));
}

/// f(exp, x, v, lanes) of each vector of doubles in vectors of numbers, joined.
template <class Function>
LOGZ_INLINE vec<double> through_double(const Function& f, vec<double> e, vec<double> x, vec<double> v,
                                       const weighted_lanes& first, const weighted_lanes&) {
  return f(e, x, v, first);
}
template <class Function>
LOGZ_INLINE vec<float> through_double(const Function& f, vec<float> e, vec<float> x, vec<float> v,
                                      const weighted_lanes& first, const weighted_lanes& second) {
  return join(f(first_half(e), first_half(x), first_half(v), first),
              f(second_half(e), second_half(x), second_half(v), second));
}
/// A function of one number and its slice through that function of doubles.
template <class S, class Function>
struct weighted_map {
  vec<S> exponent, floor;
  weighted_lanes first, second;
  Function f;

  LOGZ_INLINE vec<S> operator()(vec<S> x, vec<S> v) const {
    const vec<S> near = larger<vec<S>>(floor, x);
    return through_double(f, value(exp_parts(near, exponent)), near, v, first, second);
  }
};
template <class S, class Function>
LOGZ_INLINE weighted_map<S, Function> weighted_map_of(vec<S> exponent, const weighted_lanes& first,
                                                      const weighted_lanes& second, const Function& f) {
  return {exponent, floor_for<S>(exponent), first, second, f};
}
template <class S, forward_op, class Function>
LOGZ_INLINE vec<S> map(vec<S> x, const weighted_map<S, Function>& f) {
  return f(x, x);
}

}  // namespace LOGZ_TARGET
