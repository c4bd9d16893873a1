// SPDX-License-Identifier: MIT
//
// One slice of up to four vectors whose numbers lie side by side: a narrow panel of one, in registers.

namespace LOGZ_TARGET {

/// The coefficients of one slice: its sums are in the first lanes, its top in all.
template <class S, terms Which>
LOGZ_INLINE coefficients<S> coefficients_of(const narrow_sum<S>& total, vec<S> top, vec<S> exponent) {
  lane_sum<double> c;
  if constexpr (sizeof(S) == 8) {
    if constexpr (Which == terms::all) {
      c = inverse_of<S>(total.high, total.rest);
    } else {
      c = log_of<S, true>(top, exponent, total.high, total.rest);
    }
  } else if constexpr (Which == terms::all) {
    c = inverse_of<S>(total.high, vec<double>{});
  } else {
    c = log_of<S, true>(first_half(top), vec<double>{}, total.high, first_of(exp_parts(top, exponent)));
  }
  return {all(S(c.high[0])), all(S(c.low[0])), all(S(1))};
}

/// A slice in `Pairs` pairs of vectors. False, and nothing done, where the maximum is not an ordinary number.
template <class S, forward_op Op, int Pairs>
LOGZ_INLINE bool slice_in_registers(const S* x, S* out, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  constexpr terms which = summed<Op>;
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  vec<S> v[2 * Pairs], top = load_up_to(x, n, least);
  v[0] = top;
  LOGZ_UNROLL for (int i = 1; i < 2 * Pairs; ++i) {
    v[i] = load_up_to(x + i * w, n - i * w, least);
    top = larger<vec<S>>(v[i], top);
  }
  top = max_in_lanes<S>(top);
  if (!(top[0] < range<S>::limit && top[0] > -range<S>::limit)) return false;
  const vec<S> exponent = exponent_for<S>(top, span_of<S, Op>.bias), floor = floor_for<S>(exponent);
  narrow_sum<S> total;
  clear(total);
  vec<S> tops = opaque_vector(least);  // max(., -inf) is two instructions
  LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; i += 2) {
    vec<S> a = v[i], b = v[i + 1];
    take_rows<S, which, 1>(total, tops, exponent, floor, a, b, ((n + 1) >> 1) - i / 2 * w);
    if constexpr (keeps_exps(which)) {
      v[i] = a;
      v[i + 1] = b;
    }
    if ((i + 2) * w % flush_step == 0 || i + 2 == 2 * Pairs) flush(total);
  }
  const coefficients<S> c = coefficients_of<S, which>(total, top, exponent);
  if constexpr (Op == forward_op::logsumexp) {
    *out = S(c.high[0] + c.low[0]);
  } else {
    LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; ++i) store_up_to(out + i * w, n - i * w, map<S, Op>(v[i], c));
  }
  return true;
}
/// False, and nothing done, for longer slices too.
template <class S, forward_op Op>
bool short_slice(const S* x, S* out, ptrdiff_t n) {
  if (n <= 2 * width<S>) return slice_in_registers<S, Op, 1>(x, out, n);
  return n <= 4 * width<S> && slice_in_registers<S, Op, 2>(x, out, n);
}

}  // namespace LOGZ_TARGET
