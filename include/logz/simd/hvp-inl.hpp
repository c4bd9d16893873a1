// SPDX-License-Identifier: MIT
//
// p ∘ (c (v - Σ p v) + d Σ p v): the second derivative of cross-entropy by the logits, times v, with a curvature c for each
// slice and one d, both from the options.

namespace LOGZ_TARGET {

/// Exponentials that are multiplied by v are stored without a power of two, so that no product overflows unless its sum
/// does; those of the map times 2^lift, so that a large v brings back what is small. Floats are summed in double.
template <class S>
constexpr S hvp_lift = sizeof(S) == 4 ? S(0) : range<S>::for_gradient.bias;

/// 1 / Z, lowered by the lift, and the means of a group's first `count` slices.
template <class S, int Count>
LOGZ_INLINE void finish_hvps(group<S, Count>& g, weighted_group<S, Count>& wg, ptrdiff_t count) {
  constexpr double down = sizeof(S) == 4 ? 1.0 : 0x1p-900;
  static_assert(hvp_lift<double> == 900);
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    lane_sum<double> inverse = {1.0 / load(g.sum + i), vec<double>{}};
    if constexpr (sizeof(S) == 8) inverse = inverse_of<S>(load(g.sum + i), load(g.rest + i));
    set_mean(wg, i, inverse, all(down));
  }
}

template <class S>
struct hvp_slope {
  double z_slope;
  LOGZ_INLINE vec<double> operator()(vec<double> e, vec<double>, vec<double> v,
                                     const weighted_lanes& with) const {
    const lane_sum<double> slope = slope_from_mean<S>(v, vec<double>{}, with);
    const lane_sum<double> both = joined<S>(slope.high, opaque_vector(z_slope * with.mean), slope.low);
    return probability_times<S>(e, with, both);
  }
};

/// Writes one row.
template <class S, int Count>
void write_hvp_row(const forward_call<S>& call, const group<S, Count>& g, const weighted_group<S, Count>& wg,
                   ptrdiff_t r, ptrdiff_t slice) {
  constexpr ptrdiff_t w = width<S>;
  const S* const x = call.x + slice * call.x_slice;
  const S* const v = call.second + slice * call.second_slice;
  S* const out = call.out + slice * call.out_slice;
  const weighted_map<S, hvp_slope<S>> with = weighted_map_of<S>(
      all(g.exponent[r] + hvp_lift<S>), weighted_row(wg, r), weighted_row(wg, r), hvp_slope<S>{call.z_slope});
  const vec<S> shift = all(g.shift[r]), none = {};
  for (ptrdiff_t l = 0; l < call.length; l += w) {
    const ptrdiff_t n = call.length - l;
    const vec<S> near = opaque_vector(load_up_to(x + l, n, none) - shift);
    store_up_to(out + l, n, with(near, load_up_to(v + l, n, none)));
  }
}

}  // namespace LOGZ_TARGET
