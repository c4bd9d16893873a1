// SPDX-License-Identifier: MIT
//
// The entropy of a slice, (log Z - top) + Σ p (top - x), in which no term is negative, and its gradient
// g p ((top - x) - Σ p (top - x)).

namespace LOGZ_TARGET {

/// Of a row's lanes, one number at the maximum stays out of the sum and the others join it.
template <class S>
LOGZ_INLINE void add_all_but_top(weighted_partition<S>& z) {
  constexpr S infinity = std::numeric_limits<S>::infinity();
  add_gaps(z, larger<vec<S>>(z.floor, without_largest<S>(z.top, -infinity)), z.floor);
  flush(z.sum);
  flush(z.products);
  z.top = all(max_of_lanes<S>(z.top));
}

/// The entropies of a group's first `count` slices, 1 / Z as high + low and the mean gaps; NaN where there is no
/// distribution.
template <class S, int Count>
LOGZ_INLINE void finish_entropies(group<S, Count>& g, weighted_group<S, Count>& wg, ptrdiff_t count) {
  find_top_exps(g, count);
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    const vec<double> none = {}, nan = all(std::numeric_limits<double>::quiet_NaN());
    const vec<double> top = load_double(g.top + i);
    const relative_partition z =
        relative_to_top<S, false>(top, load_double(g.exponent + i), load(g.sum + i), load(g.rest + i));
    const lane_sum<double> mean = mean_of(wg, i, z.inverse);
    const lane_sum<double> h = joined<S>(z.excess.high, mean.high, z.excess.low + mean.low);
    const auto sound = magnitude<double>(top) < std::numeric_limits<double>::infinity() && z.excess.high >= 0;
    store_double(wg.entropy + i, sound ? h.high + h.low : nan);
    store_double(wg.mean + i, sound ? mean.high + mean.low : nan);
    const lane_sum<double> inverse = coefficient_of<S>({all(1.0), none}, z.inverse);
    store_double(g.high + i, inverse.high);
    store_double(g.low + i, inverse.low);
  }
}

/// What the gradient is made of, one slice in all lanes or one in each.
template <class S>
struct entropy_slopes {
  vec<S> exponent, floor, near, mean;
  coefficients<S> p;
};
template <class S>
LOGZ_INLINE entropy_slopes<S> entropy_slopes_of(vec<S> top, vec<S> exponent, vec<S> mean,
                                                const coefficients<S>& p) {
  entropy_slopes<S> with = {exponent, floor_for<S>(exponent), top, mean, p};
  set_factor<S>(with.p, p.factor);
  return with;
}
template <class S, forward_op>
LOGZ_INLINE vec<S> map(vec<S> x, const entropy_slopes<S>& with) {
  const vec<S> v = larger<vec<S>>(with.floor, x);
  const vec<S> e = value(exp_parts(v, with.exponent));
  const vec<S> p = opaque_vector(fma(e, with.p.high, e * with.p.low));
  return p * opaque_vector(with.p.factor * opaque_vector(opaque_vector(with.near - v) - with.mean));
}

/// Writes one row.
template <class S, int Count>
void write_entropy_row(const forward_call<S>& call, const group<S, Count>& g,
                       const weighted_group<S, Count>& wg, ptrdiff_t r, ptrdiff_t slice, bool streams) {
  const S* const x = call.x + slice * call.x_slice;
  S* const out = call.out + slice * call.out_slice;
  const bool prepared = g.shift[r] != 0;
  const entropy_slopes<S> with =
      entropy_slopes_of<S>(all(g.top[r]), all(g.exponent[r]), all(wg.mean[r]),
                           {all(g.high[r]), all(g.low[r]), all(factor_of(call, slice))});
  for (ptrdiff_t l = 0; l < call.length; l += block_length<S>) {
    const ptrdiff_t n = at_most(call.length - l, block_length<S>);
    if (prepared) row_prepare(x + l, n, false, g.shift[r], call.scratch);
    row_map<S, forward_op::entropy_backward>(prepared ? call.scratch : x + l, out + l, n, with, streams);
  }
}

}  // namespace LOGZ_TARGET
