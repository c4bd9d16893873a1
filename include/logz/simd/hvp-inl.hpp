// SPDX-License-Identifier: MIT
//
// p ∘ (c (v - Σ p v) + d Σ p v): the second derivative of cross-entropy by the logits, times v, with a curvature c for each
// slice and one d, both from the options.

namespace LOGZ_TARGET {

/// Exponentials that are multiplied by v are stored without a power of two, so that no product overflows unless its sum
/// does; those of the map times 2^lift, so that a large v brings back what is small. Floats are summed in double.
template <class S>
constexpr S hvp_lift = sizeof(S) == 4 ? S(0) : range<S>::for_gradient.bias;

/// 1 / Z, lowered by the lift, the means and the curvatures of a group's first `count` slices.
template <class S, int Count>
LOGZ_INLINE void finish_hvps(group<S, Count>& g, weighted_group<S, Count>& wg, ptrdiff_t count) {
  constexpr double down = sizeof(S) == 4 ? 1.0 : 0x1p-900;
  static_assert(sizeof(S) == 4 || hvp_lift<double> == 900);
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    const lane_sum<double> inverse = inverse_of<S>(load(g.sum + i), load(g.rest + i));
    const lane_sum<double> mean = mean_of(wg, i, inverse);
    store_double(wg.mean + i, mean.high + mean.low);
    store_double(g.high + i, inverse.high * down);
    store_double(g.low + i, inverse.low * down);
  }
}

template <class S>
struct hvp_slopes {
  vec<S> exponent, floor, high, low, mean, curvature, of_mean;
};
template <class S>
LOGZ_INLINE hvp_slopes<S> hvp_slopes_of(vec<S> exponent, vec<S> high, vec<S> low, vec<S> mean,
                                        vec<S> curvature, S z_slope) {
  const vec<S> lifted = exponent + hvp_lift<S>;
  return {lifted, floor_for<S>(lifted), high, low, mean, curvature, z_slope == 0 ? vec<S>{} : z_slope * mean};
}
/// The factor first: p alone may be too small to keep its digits. A large factor takes a power of two from itself.
template <class S>
LOGZ_INLINE vec<S> hvp_map(vec<S> x, vec<S> v, const hvp_slopes<S>& with) {
  constexpr S up = sizeof(S) == 4 ? S(0x1p40) : S(0x1p400);
  const vec<S> factor = fma(with.curvature, opaque_vector(v - with.mean), with.of_mean);
  const auto large = magnitude<S>(factor) >= S(1) / up;
  const vec<S> raise = large ? all(up) : all(S(1)), lower = large ? all(S(1) / up) : all(S(1));
  const vec<S> e = value(exp_parts(larger<vec<S>>(with.floor, x), with.exponent));
  return opaque_vector(fma(e, with.high * raise, e * (with.low * raise))) * opaque_vector(factor * lower);
}

/// Writes one row.
template <class S, int Count>
void write_hvp_row(const forward_call<S>& call, const group<S, Count>& g, const weighted_group<S, Count>& wg,
                   ptrdiff_t r, ptrdiff_t slice) {
  constexpr ptrdiff_t w = width<S>;
  const S* const x = call.x + slice * call.x_slice;
  const S* const v = call.second + slice * call.second_slice;
  S* const out = call.out + slice * call.out_slice;
  const hvp_slopes<S> with = hvp_slopes_of<S>(all(g.exponent[r]), all(g.high[r]), all(g.low[r]),
                                              all(wg.mean[r]), all(call.factor[slice]), call.z_slope);
  const vec<S> shift = all(g.shift[r]), none = {};
  for (ptrdiff_t l = 0; l < call.length; l += w) {
    const ptrdiff_t n = call.length - l;
    const vec<S> near = opaque_vector(load_up_to(x + l, n, none) - shift);
    store_up_to(out + l, n, hvp_map<S>(near, load_up_to(v + l, n, none), with));
  }
}

}  // namespace LOGZ_TARGET
