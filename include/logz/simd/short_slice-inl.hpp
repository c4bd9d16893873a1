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
      c = inverse_of<S, slices_of::first_lane>(total.high, total.rest);
    } else {
      c = log_of<S, slices_of::first_lane>(top, exponent, total.high, total.rest);
    }
  } else if constexpr (Which == terms::all) {
    c = inverse_of<S, slices_of::first_lane>(total.high, vec<double>{});
  } else {
    c = log_of<S, slices_of::first_lane>(first_half(top), vec<double>{}, total.high,
                                         first_of(exp_parts(top, exponent)));
  }
  return {all(S(c.high[0])), all(S(c.low[0])), all(S(1))};
}

/// The loss of one slice, of which nothing but the target is asked; with a gradient the coefficients of its exps too, and
/// the gradient at the target.
template <class S, bool Gradient>
LOGZ_INLINE coefficients<S> loss_of(const narrow_sum<S>& total, vec<S> top, vec<S> exponent, S logit,
                                    slice_extras<S>& extras, S& at_target) {
  const vec<double> none = {};
  loss_terms<S> terms{};
  terms.target = &extras.target;
  terms.scale = 1;
  loss_parts parts;
  parts.shift = none;
  parts.sum = total.high;
  if constexpr (sizeof(S) == 8) {
    parts.top = top;
    parts.exponent = exponent;
    parts.rest = total.rest;
  } else {
    parts.top = first_half(top);
    parts.exponent = none;
    parts.rest = first_of(exp_parts(top, exponent));
  }
  parts.logit = all(double(logit));
  parts.own = all(1.0);
  parts.above = none;
  parts.distances = parts.shares = {none, none};
  if constexpr (Gradient) {
    const vec<S> e = value(exp_parts(larger<vec<S>>(floor_for<S>(exponent), all(logit)), exponent));
    parts.target_exp = all(double(e[0]));
  }
  const lane_losses losses = losses_of<S, Gradient, slices_of::first_lane>(parts, terms);
  extras.loss = losses.loss[0];
  if constexpr (Gradient) {
    at_target = S(losses.at_target[0]);
    return {all(S(losses.coefficient.high[0])), all(S(losses.coefficient.low[0])), all(S(1))};
  } else {
    return {vec<S>{}, vec<S>{}, vec<S>{}};
  }
}

/// load_up_to() where a result has been written, and will be: the masked load of AVX-512 would wait for one that begins
/// within the vector.
template <class S>
LOGZ_INLINE vec<S> load_before(const S* p, ptrdiff_t n, vec<S> rest, [[maybe_unused]] const S* out) {
  if constexpr (sizeof(vec<S>) == 64) {
    const auto behind = reinterpret_cast<std::uintptr_t>(out) - reinterpret_cast<std::uintptr_t>(p);
    if (n > 0 && n < width<S> && behind != 0 && behind < sizeof(vec<S>)) return load_exactly(p, n, rest);
  }
  return load_up_to(p, n, rest);
}

/// A slice in `Pairs` pairs of vectors. False, and nothing done, where the maximum is not an ordinary number.
template <class S, forward_op Op, int Pairs>
LOGZ_INLINE bool slice_in_registers(const S* x, S* out, ptrdiff_t n,
                                    [[maybe_unused]] slice_extras<S>& extras) {
  constexpr ptrdiff_t w = width<S>;
  constexpr terms which = summed<Op>;
  constexpr bool backward = Op == forward_op::logsumexp_backward;
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  vec<S> v[2 * Pairs], top = load_before(x, n, least, out);
  v[0] = top;
  LOGZ_UNROLL for (int i = 1; i < 2 * Pairs; ++i) {
    v[i] = load_before(x + i * w, n - i * w, least, out);
    top = larger<vec<S>>(v[i], top);
  }
  top = backward ? all(extras.reference) : max_in_lanes<S>(top);
  if (!(top[0] < range<S>::limit && top[0] > -range<S>::limit)) return false;
  const vec<S> exponent = exponent_for<S>(top, span_of<S, Op>.bias), floor = floor_for<S>(exponent);
  narrow_sum<S> total;
  clear(total);
  // The largest number so far, or the largest exp; max(., -inf) is two instructions where the compiler sees it.
  vec<S> tops = opaque_vector(which == terms::kept ? vec<S>{} : least);
  LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; i += 2) {
    vec<S> a = v[i], b = v[i + 1];
    take_rows<S, which, 1>(total, tops, exponent, floor, a, b, ((n + 1) >> 1) - i / 2 * w);
    if constexpr (keeps_exps(which)) {
      v[i] = a;
      v[i + 1] = b;
    }
    if ((i + 2) * w % flush_step == 0 || i + 2 == 2 * Pairs) flush(total);
  }
  coefficients<S> c;
  [[maybe_unused]] S at_target{};
  if constexpr (is_loss<Op>) {
    c = loss_of<S, which == terms::kept>(total, top, exponent, x[extras.target], extras, at_target);
  } else {
    c = coefficients_of<S, which>(total, top, exponent);
    if constexpr (backward) set_factor<S>(c, all(extras.factor));
  }
  if constexpr (Op == forward_op::logsumexp) {
    *out = S(c.high[0] + c.low[0]);
  } else if constexpr (!is_reduction<Op>) {
    constexpr forward_op how = is_loss<Op> ? forward_op::softmax : Op;
    LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; ++i) store_up_to(out + i * w, n - i * w, map<S, how>(v[i], c));
    if constexpr (is_loss<Op>) out[extras.target] = at_target;
  }
  return true;
}
/// The same as a row of short_rows() or short_loss_rows(), where n numbers are one.
template <class S, forward_op Op, int Pairs>
LOGZ_INLINE bool row_in_registers(const S* x, S* out, ptrdiff_t n, [[maybe_unused]] slice_extras<S>& extras) {
  constexpr ptrdiff_t w = width<S>;
  constexpr bool backward = Op == forward_op::logsumexp_backward;
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  vec<S> v[2 * Pairs], top = least;
  LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; ++i) {
    v[i] = load_before(x + i * w, n - i * w, least, out);
    top = larger<vec<S>>(v[i], top);
  }
  top = backward ? all(extras.reference) : max_in_lanes<S>(top);
  if (!(top[0] < range<S>::limit && top[0] > -range<S>::limit)) return false;
  const vec<S> exponent = exponent_for<S>(top, span_of<S, Op>.bias), floor = floor_for<S>(exponent);
  lane_sum<S> sum;
  clear(sum);
  [[maybe_unused]] vec<S> ties = {};
  LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; i += 2) {
    if constexpr (is_loss<Op>) {
      const vec<S> a = exp_of<S>(v[i], exponent, floor), b = exp_of<S>(v[i + 1], exponent, floor);
      add_rounded(sum, without_top<S>(v[i], a, top, ties), without_top<S>(v[i + 1], b, top, ties));
      v[i] = a;
      v[i + 1] = b;
    } else {
      add_exp<S, terms::all>(sum, exponent, floor, v[i], v[i + 1]);
    }
  }
  double total, rest;
  total_of_lanes(sum, total, rest);
  coefficients<S> c;
  [[maybe_unused]] S at_target{};
  if constexpr (is_loss<Op>) {
    lane_sum<double> others = {all(total), all(rest)};
    const S count = total_in_lanes<S>(ties)[0];
    if (count > 1) {
      const vec<S> e = value(exp_parts(top, exponent));
      add_ties<S>(others, all(double(count)), all(double(e[0])));
    }
    narrow_sum<S> as_narrow;
    clear(as_narrow);
    as_narrow.high = others.high;
    if constexpr (sizeof(S) == 8) as_narrow.rest = others.low;
    c = loss_of<S, true>(as_narrow, top, exponent, x[extras.target], extras, at_target);
  } else {
    const lane_sum<double> inverse = inverse_of<S, slices_of::first_lane>(all(total), all(rest));
    c = {all(S(inverse.high[0])), all(S(inverse.low[0])), all(S(1))};
    if constexpr (backward) set_factor<S>(c, all(extras.factor));
  }
  constexpr forward_op how = is_loss<Op> ? forward_op::softmax : Op;
  LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; ++i) store_up_to(out + i * w, n - i * w, map<S, how>(v[i], c));
  if constexpr (is_loss<Op>) out[extras.target] = at_target;
  return true;
}
/// False, and nothing done, for longer slices too.
template <class S, forward_op Op>
bool short_slice(const S* x, S* out, ptrdiff_t n, slice_extras<S>& extras) {
  if constexpr (has_short_rows && keeps_exps(summed<Op>)) {
    if (is_row<S>(n)) {
      if (n <= 2 * width<S>) return row_in_registers<S, Op, 1>(x, out, n, extras);
      return n <= 4 * width<S> && row_in_registers<S, Op, 2>(x, out, n, extras);
    }
  }
  if (n <= 2 * width<S>) return slice_in_registers<S, Op, 1>(x, out, n, extras);
  return n <= 4 * width<S> && slice_in_registers<S, Op, 2>(x, out, n, extras);
}

}  // namespace LOGZ_TARGET
