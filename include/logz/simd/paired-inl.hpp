// SPDX-License-Identifier: MIT
//
// Functions of two operands: a sum over each slice, and a map of both and of that sum. Here of slices whose numbers lie
// side by side.

namespace LOGZ_TARGET {

/// The coefficients of the map. log_softmax_backward: exp(lp) · 2^bias and -Σ g · 2^-bias, the bias such that exp keeps its
/// digits as far down as its product with the sum is above the smallest subnormal: exactly, for |Σ g| < 2^96 (2^940);
/// below floor exp is 0. lp up to 5 (16) is in range, up to 44 (346) for |Σ g| < 2^20 (2^100).
template <class S>
struct paired_coefficients {
  vec<S> sum, exponent, floor;
};

/// The biases, and the sums that take the usual one.
template <class S>
struct exp_bias;
template <>
struct exp_bias<float> {
  static constexpr float tiny = 0x1p-62, huge = 0x1p20, usual = 64, of_huge = 120;
  static constexpr float usual_scale = 0x1p-64, huge_scale = 0x1p-120;
  static constexpr float lowest = 125;
};
template <>
struct exp_bias<double> {
  static constexpr double tiny = 0x1p-500, huge = 0x1p100, usual = 500, of_huge = 1000;
  static constexpr double usual_scale = 0x1p-500, huge_scale = 0x1p-1000;
  static constexpr double lowest = 1021;
};
/// Below it exp · 2^bias is 0.
template <class S, class V>
LOGZ_INLINE V floor_of(V bias) {
  return -S(0.693147) * (bias + exp_bias<S>::lowest);
}

/// The gradients of the divergences do not know the sum: their factor is the call's, of at most 1, so that a bias of a few
/// bits more than a subnormal number has is enough, and leaves t up to 67 (668) in range.
template <class S, paired_op Op>
LOGZ_INLINE paired_coefficients<S> coefficients_of(const paired_call<S>& call, vec<S> sum) {
  if constexpr (gives_sums(Op)) {
    constexpr bool single = sizeof(S) == 4;
    constexpr S bias = Op == paired_op::divergence ? S(0) : single ? S(30) : S(60);
    constexpr S down = Op == paired_op::divergence ? S(1) : single ? S(0x1p-30) : S(0x1p-60);
    return {all(call.factor * down), all(bias), all(floor_of<S>(bias))};
  } else if constexpr (Op != paired_op::log_softmax_backward) {
    return {sum, vec<S>{}, vec<S>{}};
  } else {
    using k = exp_bias<S>;
    const vec<S> size = magnitude<S>(sum);
    const vec<S> bias = size < k::tiny ? vec<S>{} : size < k::huge ? all(k::usual) : all(k::of_huge);
    const vec<S> down = size < k::tiny   ? all(S(1))
                        : size < k::huge ? all(k::usual_scale)
                                         : all(k::huge_scale);
    return {-sum * down, bias, floor_of<S>(bias)};
  }
}
/// The same of one slice. Of a usual sum nothing but the factor waits for it: exps begin before it is known (rows of 96
/// floats take 0.7 of the time, measured).
template <class S, paired_op Op>
LOGZ_INLINE paired_coefficients<S> coefficients_of_row(const paired_call<S>& call, S sum) {
  if constexpr (Op == paired_op::log_softmax_backward) {
    using k = exp_bias<S>;
    const S size = sum < 0 ? -sum : sum;
    if (size >= k::tiny && size < k::huge)
      return {all(-sum * k::usual_scale), opaque_vector(all(k::usual)),
              opaque_vector(all(floor_of<S>(k::usual)))};
  }
  return coefficients_of<S, Op>(call, all(sum));
}

template <class S, paired_op Op>
LOGZ_INLINE vec<S> paired_map(vec<S> g, vec<S> y, const paired_coefficients<S>& c) {
  if constexpr (Op == paired_op::softmax_backward) {
    return y * opaque_vector(g - c.sum);
  } else if constexpr (Op == paired_op::log_softmax_backward || Op == paired_op::log_divergence) {
    const vec<S> e = value(exp_parts(y, c.exponent));
    return fma(y < c.floor ? vec<S>{} : e, c.sum, gives_sums(Op) ? vec<S>{} : g);
  } else if constexpr (Op == paired_op::divergence) {
    return fma(y, c.sum, vec<S>{});
  } else {
    return g - c.sum;
  }
}

template <class S, paired_op Op>
LOGZ_INLINE lane_sum<S> row_total(const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  lane_sum<S> a, b;
  clear(a);
  clear(b);
  ptrdiff_t l = 0;
  for (; l + 4 * w <= n; l += 4 * w) {
    add_pair<Op>(a, g + l, g + l + w, y + l, y + l + w);
    add_pair<Op>(b, g + l + 2 * w, g + l + 3 * w, y + l + 2 * w, y + l + 3 * w);
  }
  for (; l + 2 * w <= n; l += 2 * w) add_pair<Op>(a, g + l, g + l + w, y + l, y + l + w);
  if (l < n) add_last<Op>(a, g + l, y + l, n - l);
  if (n >= 4 * w) merge(a, b);
  return a;
}

template <class S, paired_op Op, bool Stream>
void paired_rows(const paired_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t n = call.length;
  for (ptrdiff_t i = 0; i < call.count; ++i) {
    const S* const g = call.g + i * call.g_slice;
    const S* const y = call.y + i * call.y_slice;
    const lane_sum<S> total = row_total<S, Op>(g, y, n);
    if constexpr (gives_sums(Op)) {
      total_of_lanes(total, call.sum[i], call.rest[i]);
      if (call.out == nullptr) continue;
    }
    S* const out = call.out + i * call.out_slice;
    const paired_coefficients<S> with = coefficients_of_row<S, Op>(call, sum_of_lanes(total));
    // Whole lines, as row_map() has them; a head of its own costs a row of few vectors more than it gains.
    ptrdiff_t l = Stream || n >= 8 * w ? until_aligned(out, n) : 0;
    if (l != 0) {
      store_first(out, l, paired_map<S, Op>(load_first(g, l, vec<S>{}), load_first(y, l, vec<S>{}), with));
    }
    for (; l + 2 * w <= n; l += 2 * w) {
      const vec<S> a = paired_map<S, Op>(load(g + l), load(y + l), with);
      const vec<S> b = paired_map<S, Op>(load(g + l + w), load(y + l + w), with);
      put<S, Stream>(out + l, a);
      put<S, Stream>(out + l + w, b);
    }
    for (; l < n; l += w) {
      const vec<S> v =
          paired_map<S, Op>(load_up_to(g + l, n - l, vec<S>{}), load_up_to(y + l, n - l, vec<S>{}), with);
      store_up_to(out + l, n - l, v);
    }
  }
}

/// Rows of up to two vectors whose lanes are summed together.
inline constexpr ptrdiff_t rows_at_once = width<double>;

template <class S, paired_op Op, int Vectors>
LOGZ_INLINE void map_short(const S* g, const S* y, S* out, ptrdiff_t n, const paired_coefficients<S>& with) {
  constexpr ptrdiff_t w = width<S>, last = (Vectors - 1) * w;
  constexpr vec<S> none = {};
  if (Vectors == 2) store(out, paired_map<S, Op>(load(g), load(y), with));
  const vec<S> v =
      paired_map<S, Op>(load_up_to(g + last, n - last, none), load_up_to(y + last, n - last, none), with);
  store_up_to(out + last, n - last, v);
}
/// Rows of `Vectors` vectors, the last filled in part: their sums cross the lanes together, and what a row of its own would
/// wait for is done once for all. Rows of 16 and 32 floats take 0.5 and 0.8 of the time, measured.
template <class S, paired_op Op, int Vectors>
void paired_short_rows(const paired_call<S>& of) {
  const paired_call<S> call = of;  // the stores might change what is given
  const ptrdiff_t n = call.length;
  const S *g = call.g, *y = call.y;
  S* out = call.out;
  row_sum_of<S> total[rows_at_once] = {};
  alignas(64) S slope[width<S>], exponent[width<S>], floor[width<S>];
  for (ptrdiff_t i = 0; i < call.count; i += rows_at_once) {
    const ptrdiff_t rows = at_most(call.count - i, rows_at_once);
    const S *g_row = g, *y_row = y;
    if (rows == rows_at_once) {
      LOGZ_UNROLL for (ptrdiff_t r = 0; r < rows_at_once; ++r) {
        total[r] = in_one_sum(sum_of_short<S, Op, Vectors>(g_row, y_row, n));
        g_row += call.g_slice;
        y_row += call.y_slice;
      }
    } else {
      for (ptrdiff_t r = 0; r < rows; ++r)
        total[r] = in_one_sum(sum_of_short<S, Op, Vectors>(g + r * call.g_slice, y + r * call.y_slice, n));
    }
    sum_rows(total);
    if constexpr (gives_sums(Op)) store_rows(total[0], rows, call.sum + i, call.rest + i);
    if (out != nullptr) {
      const paired_coefficients<S> c = coefficients_of<S, Op>(call, rounded_rows(total[0]));
      store(slope, c.sum);
      store(exponent, c.exponent);
      store(floor, c.floor);
      for (ptrdiff_t r = 0; r < rows; ++r) {
        map_short<S, Op, Vectors>(g + r * call.g_slice, y + r * call.y_slice, out, n,
                                  {all(slope[r]), all(exponent[r]), all(floor[r])});
        out += call.out_slice;
      }
    }
    g = g_row;
    y = y_row;
  }
}

}  // namespace LOGZ_TARGET
