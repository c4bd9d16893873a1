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

/// The entropies of a group's first `count` slices, NaN where there is no distribution; with a gradient what that needs. A
/// huge factor of doubles is lowered, so that no distance makes it overflow, and 1 / Z raised.
template <class S, bool Gradient, int Count>
LOGZ_INLINE void finish_entropies(group<S, Count>& g, weighted_group<S, Count>& wg, ptrdiff_t count) {
  find_top_exps(g, count);
  for (ptrdiff_t i = 0; i < count; i += width<double>) {
    const vec<double> nan = all(std::numeric_limits<double>::quiet_NaN());
    const vec<double> top = load_double(g.top + i);
    const relative_partition z =
        relative_to_top<S>(top, load_double(g.exponent + i), load(g.sum + i), load(g.rest + i));
    vec<double> raise = all(1.0);
    if constexpr (Gradient && sizeof(S) == 8) {
      const vec<double> factor = load(wg.factor + i);
      const auto large = magnitude<double>(factor) >= 0x1p1000;
      raise = large ? all(0x1p16) : raise;
      store(wg.factor + i, large ? factor * 0x1p-16 : factor);
    }
    const lane_sum<double> mean = set_mean(wg, i, z.inverse, raise);
    const lane_sum<double> h = joined<S>(z.excess.high, mean.high, z.excess.low + mean.low);
    const auto sound = magnitude<double>(top) < std::numeric_limits<double>::infinity() && z.excess.high >= 0;
    store_double(wg.entropy + i, sound ? h.high + h.low : nan);
    if constexpr (Gradient) {
      store(wg.mean + i, sound ? load(wg.mean + i) : nan);
      store(wg.top + i, top);
    }
  }
}

/// g p ((top - x) - Σ p (top - x)).
template <class S>
struct entropy_slope {
  LOGZ_INLINE vec<double> operator()(vec<double> e, vec<double> x, vec<double>,
                                     const weighted_lanes& with) const {
    return probability_times<S>(e, with, slope_from_mean<S>(with.top, x, with));
  }
};

/// Writes one row.
template <class S, int Count>
void write_entropy_row(const forward_call<S>& call, const group<S, Count>& g,
                       const weighted_group<S, Count>& wg, ptrdiff_t r, ptrdiff_t slice, bool streams) {
  const S* const x = call.x + slice * call.x_slice;
  S* const out = call.out + slice * call.out_slice;
  const bool prepared = g.shift[r] != 0;
  const weighted_map<S, entropy_slope<S>> with =
      weighted_map_of<S>(all(g.exponent[r]), weighted_row(wg, r), weighted_row(wg, r), entropy_slope<S>{});
  for (ptrdiff_t l = 0; l < call.length; l += block_length<S>) {
    const ptrdiff_t n = at_most(call.length - l, block_length<S>);
    if (prepared) row_prepare(x + l, n, false, g.shift[r], call.scratch);
    row_map<S, forward_op::entropy_backward>(prepared ? call.scratch : x + l, out + l, n, with, streams);
  }
}

}  // namespace LOGZ_TARGET
