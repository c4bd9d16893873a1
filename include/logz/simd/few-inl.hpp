// SPDX-License-Identifier: MIT
//
// One or two short slices, for which a panel would be mostly empty. Number l stands in lane l / 4 of vector l % 4, so
// that the sums of groups of four are the lanes; their order, and so every bit, is that of a panel's lane.

namespace LOGZ_TARGET {

template <class S, forward_op Op>
void few_short_rows(const forward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  constexpr terms which = summed<Op>;
  constexpr S least = -std::numeric_limits<S>::infinity();
  const ptrdiff_t n = call.length;
  const ptrdiff_t groups = (n + 3) / 4;
  for (ptrdiff_t i = 0; i < call.count; ++i) {
    const S* const x = call.x + i * call.x_slice;
    group<S, w> g;
    partition<S> z;
    begin(z);
    S reference = 0;
    if constexpr (Op == forward_op::logsumexp_backward) reference = call.reference[i * call.reference_slice];
    S top = reference;
    const S sign = call.negate ? S(-1) : S(1);
    if constexpr (Op != forward_op::logsumexp_backward) {
      top = least;
      for (ptrdiff_t l = 0; l < n; ++l) {
        const S v = x[l] * sign;
        top = v > top ? v : top;
      }
    }
    set_top<S>(z, all(top));
    const S shift = z.shift[0];
    alignas(64) S v[4 * w];
    for (ptrdiff_t k = 0; k < 4; ++k) store(v + k * w, all(least));
    S aside = least;
    for (ptrdiff_t l = 0; l < n; ++l) {
      S number = x[l] * sign - shift;
      if constexpr (which == terms::others) {
        const S larger_one = number > aside ? number : aside;
        number = aside < number ? aside : number;
        aside = larger_one;
      }
      v[l % 4 * w + l / 4] = number;
    }
    vec<S> a = load(v), b = load(v + w), c = load(v + 2 * w), d = load(v + 3 * w);
    add_exp<S, which>(z.sum, z.exponent, z.top - range<S>::reach, a, b, c, d);
    g.top[0] = z.top[0];
    g.exponent[0] = z.exponent[0];
    total_of_groups(z.sum, groups, g.sum[0], g.rest[0]);
    fill_up(g, ptrdiff_t{1});
    if constexpr (which == terms::all) {
      finish_softmax(g, ptrdiff_t{1});
    } else {
      finish_log(g, ptrdiff_t{1});
    }
    S* const out = call.out + i * call.out_slice;
    if constexpr (Op == forward_op::logsumexp) {
      *out = log_z(x, n, ptrdiff_t{1}, g.top[0], shift, g.high[0], g.low[0]);
      continue;
    }
    coefficients<S> with = {all(g.high[0]), all(g.low[0]), all(S(1))};
    if constexpr (Op == forward_op::log_softmax) {
      for (ptrdiff_t l = 0; l < n; ++l) out[l] = opaque(opaque(x[l] - shift) - g.high[0]) - g.low[0];
      continue;
    }
    if constexpr (Op == forward_op::logsumexp_backward) {
      set_factor<S>(with, all(is_nan(double(reference)) ? reference : call.factor[i * call.factor_slice]));
    }
    store(v, map<S, Op>(a, with));
    store(v + w, map<S, Op>(b, with));
    store(v + 2 * w, map<S, Op>(c, with));
    store(v + 3 * w, map<S, Op>(d, with));
    const bool empty = Op == forward_op::logsumexp_backward && reference == least;  // Z is 0
    for (ptrdiff_t l = 0; l < n; ++l) out[l] = empty ? S(0) : v[l % 4 * w + l / 4];
  }
}

}  // namespace LOGZ_TARGET
