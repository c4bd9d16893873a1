// SPDX-License-Identifier: MIT
//
// One or two short slices, for which a panel would be mostly empty: the lanes hold neighbouring numbers. Pairs of them are
// added in a panel's order, so that every bit is that of a panel's lane.

namespace LOGZ_TARGET {

/// Up to this length a panel is never cut into blocks, so that it would give the same bits.
template <class S>
constexpr ptrdiff_t few_length = 1024;

/// The running sum of one slice, pair by pair in their order: what a lane of a panel comes to. From -0 on: the compiler
/// leaves out what is added to it.
template <class S>
struct slice_sum;
template <>
struct slice_sum<float> {
  double high = -0.0, rest = -0.0;
  float low = -0.0f;
};
template <>
struct slice_sum<double> {
  double high = -0.0, rest = -0.0;
};

/// Adds the first `count` lanes, one after the other.
template <class S, ptrdiff_t Lane = 0>
LOGZ_INLINE S add_lanes(S total, vec<S> v, ptrdiff_t count) {
  if constexpr (Lane == width<S>) {
    return total;
  } else {
    return Lane < count ? add_lanes<S, Lane + 1>(opaque(total + v[Lane]), v, count) : total;
  }
}
/// The same of sums of pairs.
template <terms Which>
LOGZ_INLINE void add_pairs(slice_sum<float>& total, const lane_sum<float>& pairs, ptrdiff_t count) {
  total.high = add_lanes<double>(total.high, pairs.first, count);
  total.high = add_lanes<double>(total.high, pairs.second, count - width<double>);
  if constexpr (has_fma && Which == terms::others) total.low = add_lanes<float>(total.low, pairs.low, count);
}
template <terms Which, ptrdiff_t Lane = 0>
LOGZ_INLINE void add_pairs(slice_sum<double>& total, const lane_sum<double>& pairs, ptrdiff_t count) {
  if constexpr (Lane < width<double>) {
    if (Lane >= count) return;
    const double next = opaque(total.high + pairs.high[Lane]);
    total.rest += pairs.low[Lane];
    total.rest += sum_error(total.high, double(pairs.high[Lane]), next);
    total.high = next;
    add_pairs<Which, Lane + 1>(total, pairs, count);
  }
}
LOGZ_INLINE void flush(slice_sum<float>& total) {
  total.high += double(total.low);
  total.low = 0;
}
LOGZ_INLINE void flush(slice_sum<double>&) {}

/// Every other number of a and b, and the rest.
template <class S, std::size_t... I>
LOGZ_INLINE void split_pairs(vec<S>& a, vec<S>& b, std::index_sequence<I...>) {
  const vec<S> even = select<S>(a, b, std::index_sequence<2 * I...>{});
  b = select<S>(a, b, std::index_sequence<2 * I + 1 ...>{});
  a = even;
}
template <class S, std::size_t... I>
LOGZ_INLINE void join_pairs(vec<S>& a, vec<S>& b, std::index_sequence<I...>) {
  constexpr std::size_t w = sizeof...(I);
  const vec<S> first = select<S>(a, b, std::index_sequence<(I % 2 * w + I / 2)...>{});
  b = select<S>(a, b, std::index_sequence<(I % 2 * w + w / 2 + I / 2)...>{});
  a = first;
}

/// v moved up by `By` lanes, the last of `before` in their place.
template <class S, std::size_t By, std::size_t... I>
LOGZ_INLINE vec<S> moved_up(vec<S> v, vec<S> before, std::index_sequence<I...>) {
  constexpr std::size_t w = sizeof...(I);
  return select<S>(v, before, std::index_sequence<(I < By ? 2 * w - By + I : I - By)...>{});
}
/// The largest up to each lane.
template <class S, std::size_t By = 1>
LOGZ_INLINE vec<S> running_max(vec<S> v) {
  if constexpr (By == width<S>) {
    return v;
  } else {
    const vec<S> least = all(-std::numeric_limits<S>::infinity());
    return running_max<S, 2 * By>(larger<vec<S>>(moved_up<S, By>(v, least, every_lane<S>{}), v));
  }
}
/// The pairs one after the other through set_aside: `tops` holds the largest number so far, in all lanes.
template <class S>
LOGZ_INLINE void set_aside_in_order(vec<S>& tops, vec<S>& a, vec<S>& b) {
  sort_pairs<S>(a, b);
  const vec<S> after = larger<vec<S>>(running_max<S>(b), tops);
  b = smaller<vec<S>>(moved_up<S, 1>(after, tops, every_lane<S>{}), b);
  tops = all(after[width<S> - 1]);
}

/// The coefficients of one slice.
template <terms Which, class S>
LOGZ_INLINE coefficients<S> coefficients_of(const slice_sum<S>& total, vec<S> top, vec<S> exponent) {
  constexpr ptrdiff_t w = width<S>;
  S high[w], low[w], tops[w], exponents[w];
  double sum[w], rest[w];
  store(sum, all(total.high));
  store(rest, all(total.rest));
  if constexpr (Which == terms::all) {
    invert(sum, rest, high, low);
  } else {
    store(tops, top);
    store(exponents, exponent);
    store_top_exps(load(tops), exponent, rest);
    find_log(tops, exponents, sum, rest, high, low);
  }
  return {all(high[0]), all(low[0]), all(S(1))};
}

/// A slice in `Pairs` pairs of vectors: the same as below without its loops. False, and nothing done, where the maximum is
/// not an ordinary number.
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
  slice_sum<S> total;
  vec<S> tops = opaque_vector(least);  // max(., -inf) is two instructions
  LOGZ_UNROLL for (int i = 0; i < 2 * Pairs; i += 2) {
    vec<S> a = v[i], b = v[i + 1];
    split_pairs<S>(a, b, every_lane<S>{});
    if constexpr (which == terms::others) set_aside_in_order<S>(tops, a, b);
    lane_sum<S> pairs;
    clear(pairs);
    add_exp<S, which>(pairs, exponent, floor, a, b);
    add_pairs<which>(total, pairs, ((n + 1) >> 1) - i / 2 * w);
    if ((i + 2) * w % flush_step == 0 || i + 2 == 2 * Pairs) flush(total);
    if constexpr (which == terms::all) {
      join_pairs<S>(a, b, every_lane<S>{});
      v[i] = a;
      v[i + 1] = b;
    }
  }
  const coefficients<S> c = coefficients_of<which>(total, top, exponent);
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

template <class S, forward_op Op>
void one_short_slice(const forward_call<S>& call, ptrdiff_t slice) {
  constexpr ptrdiff_t w = width<S>;
  constexpr ptrdiff_t chunk = 2 * w;
  constexpr terms which = summed<Op>;
  constexpr bool backward = Op == forward_op::logsumexp_backward;
  constexpr S infinity = std::numeric_limits<S>::infinity();
  const ptrdiff_t n = call.length;
  const S* const x = call.x + slice * call.x_slice;
  S* const out = call.out + slice * call.out_slice;
  alignas(64) S gathered[few_length<S>];
  const S* from = x;
  if (call.x_length != 1 || call.negate) {
    for (ptrdiff_t l = 0; l < n; ++l)
      gathered[l] = call.negate ? -x[l * call.x_length] : x[l * call.x_length];
    from = gathered;
  }
  S reference;
  if constexpr (backward) {
    reference = call.reference[slice * call.reference_slice];
  } else {
    vec<S> largest = all(-infinity);
    for (ptrdiff_t l = 0; l < n; l += w)
      largest = larger<vec<S>>(load_up_to(from + l, n - l, largest), largest);
    reference = max_of_lanes<S>(largest);
  }
  partition<S> z;
  set_reference<S>(z, all(reference), span_of<S, Op>);
  alignas(64) S e[which == terms::all ? few_length<S> + chunk : 1];
  slice_sum<S> total;
  vec<S> tops = all(-infinity);
  for (ptrdiff_t l = 0; l < n; l += chunk) {
    vec<S> a = opaque_vector(load_up_to(from + l, n - l, all(-infinity)) - z.shift);
    vec<S> b = opaque_vector(load_up_to(from + l + w, n - l - w, all(-infinity)) - z.shift);
    split_pairs<S>(a, b, every_lane<S>{});
    if constexpr (which == terms::others) set_aside_in_order<S>(tops, a, b);
    clear(z.sum);
    add_exp<S, which>(z.sum, z.exponent, z.floor, a, b);
    if constexpr (which == terms::all) {
      join_pairs<S>(a, b, every_lane<S>{});
      store(e + l, a);
      store(e + l + w, b);
    }
    add_pairs<which>(total, z.sum, at_most((n - l + 1) / 2, w));
    if (which == terms::others && ((l + chunk) % flush_step == 0 || l + chunk >= n)) flush(total);
  }
  const S top = reference - z.shift[0];
  coefficients<S> with = coefficients_of<which>(total, all(top), z.exponent);
  if constexpr (Op == forward_op::logsumexp) {
    *out = log_z(x, n, call.x_length, top, z.shift[0], with.high[0], with.low[0]);
    return;
  }
  if constexpr (backward) {
    set_factor<S>(with, all(is_nan(double(reference)) ? reference : call.factor[slice * call.factor_slice]));
  }
  const bool empty = backward && reference == -infinity;  // Z is 0
  const vec<S> shift = which == terms::others ? z.shift : vec<S>{};
  for (ptrdiff_t l = 0; l < n; l += w) {
    vec<S> v =
        which == terms::others ? opaque_vector(load_up_to(from + l, n - l, vec<S>{}) - shift) : load(e + l);
    v = map<S, Op>(v, with);
    if (empty) v = vec<S>{};
    if (call.out_length == 1) {
      store_up_to(out + l, n - l, v);
    } else {
      S lane[w];
      store(lane, v);
      for (ptrdiff_t i = 0; i < w && l + i < n; ++i) out[(l + i) * call.out_length] = lane[i];
    }
  }
}

template <class S, forward_op Op>
void few_short_slices(const forward_call<S>& call) {
  const bool side_by_side = call.x_length == 1 && (Op == forward_op::logsumexp || call.out_length == 1);
  const bool plain = Op != forward_op::logsumexp_backward && side_by_side && !call.negate;
  for (ptrdiff_t i = 0; i < call.count; ++i) {
    if constexpr (Op != forward_op::logsumexp_backward) {
      if (plain &&
          short_slice<S, Op>(call.x + i * call.x_slice, call.out + i * call.out_slice, call.length)) {
        continue;
      }
    }
    one_short_slice<S, Op>(call, i);
  }
}

}  // namespace LOGZ_TARGET
