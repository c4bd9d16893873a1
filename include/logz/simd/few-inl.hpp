// SPDX-License-Identifier: MIT
//
// One or two short slices, for which a panel would be mostly empty. Of every 4 · width numbers, number l stands in lane
// l / 4 of vector l % 4, so that the sums of groups of four are the lanes; their order, and so every bit, is that of a
// panel's lane.

namespace LOGZ_TARGET {

/// Up to this length a panel is never cut into blocks, so that it would give the same bits.
template <class S>
constexpr ptrdiff_t few_length = 1024;

template <class S>
LOGZ_INLINE ptrdiff_t place_of(ptrdiff_t l) {
  constexpr ptrdiff_t w = width<S>;
  return l / (4 * w) * (4 * w) + l % 4 * w + l % (4 * w) / 4;
}

template <class S, forward_op Op>
void few_short_slices(const forward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  constexpr ptrdiff_t chunk = 4 * w;
  constexpr terms which = summed<Op>;
  constexpr S least = -std::numeric_limits<S>::infinity();
  const ptrdiff_t n = call.length;
  const S sign = call.negate ? S(-1) : S(1);
  for (ptrdiff_t i = 0; i < call.count; ++i) {
    const S* const x = call.x + i * call.x_slice;
    group<S, w> g;
    partition<S> z;
    begin(z);
    S reference = 0;
    if constexpr (Op == forward_op::logsumexp_backward) reference = call.reference[i * call.reference_slice];
    S top = reference;
    if constexpr (Op != forward_op::logsumexp_backward) {
      top = least;
      for (ptrdiff_t l = 0; l < n; ++l) {
        const S v = x[l * call.x_length] * sign;
        top = v > top ? v : top;
      }
    }
    set_top<S>(z, all(top));
    const S shift = z.shift[0];
    alignas(64) S v[few_length<S> + chunk];
    const ptrdiff_t last = (n - 1) / chunk * chunk;
    for (ptrdiff_t k = 0; k < chunk; k += w) store(v + last + k, all(least));
    S aside = least;
    for (ptrdiff_t l = 0; l < n; ++l) {
      S number = x[l * call.x_length] * sign - shift;
      if constexpr (which == terms::others) {
        const S larger_one = number > aside ? number : aside;
        number = aside < number ? aside : number;
        aside = larger_one;
      }
      v[place_of<S>(l)] = number;
    }
    running_total<S> total = {};
    const vec<S> floor = z.top - range<S>::reach;
    for (ptrdiff_t l = 0; l < n; l += chunk) {
      S* const at = v + l;
      vec<S> a = load(at), b = load(at + w), c = load(at + 2 * w), d = load(at + 3 * w);
      clear(z.sum);
      add_exp<S, which>(z.sum, z.exponent, floor, a, b, c, d);
      if constexpr (which == terms::all) {
        store(at, a);
        store(at + w, b);
        store(at + 2 * w, c);
        store(at + 3 * w, d);
      }
      add_groups(total, z.sum, at_most((n - l + 3) / 4, w));
    }
    g.top[0] = z.top[0];
    g.exponent[0] = z.exponent[0];
    set_total(total, g.sum[0], g.rest[0]);
    fill_up(g, ptrdiff_t{1});
    if constexpr (which == terms::all) {
      finish_softmax(g, ptrdiff_t{1});
    } else {
      finish_log(g, ptrdiff_t{1});
    }
    S* const out = call.out + i * call.out_slice;
    if constexpr (Op == forward_op::logsumexp) {
      *out = log_z(x, n, call.x_length, g.top[0], shift, g.high[0], g.low[0]);
      continue;
    }
    coefficients<S> with = {all(g.high[0]), all(g.low[0]), all(S(1))};
    if constexpr (Op == forward_op::log_softmax) {
      for (ptrdiff_t l = 0; l < n; ++l) {
        out[l * call.out_length] = opaque(opaque(x[l * call.x_length] - shift) - g.high[0]) - g.low[0];
      }
      continue;
    }
    if constexpr (Op == forward_op::logsumexp_backward) {
      set_factor<S>(with, all(is_nan(double(reference)) ? reference : call.factor[i * call.factor_slice]));
    }
    for (ptrdiff_t l = 0; l < last + chunk; l += w) store(v + l, map<S, Op>(load(v + l), with));
    const bool empty = Op == forward_op::logsumexp_backward && reference == least;  // Z is 0
    for (ptrdiff_t l = 0; l < n; ++l) out[l * call.out_length] = empty ? S(0) : v[place_of<S>(l)];
  }
}

}  // namespace LOGZ_TARGET
