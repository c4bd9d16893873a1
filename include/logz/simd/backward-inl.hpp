// SPDX-License-Identifier: MIT
//
// softmax_backward, p ∘ (g - Σ g p), and log_softmax_backward, g - exp(lp) · Σ g: one sum a slice, then a map. The sums
// keep what rounding loses: floats are summed in double, doubles as high + low.

namespace LOGZ_TARGET {

/// Adds two vectors of products; of g alone for log_softmax. The result is relative to g and to the sum, which may be far
/// below its terms: products of floats are exact in double, of doubles their errors are kept.
template <backward_op Op>
LOGZ_INLINE void add_pair(vec<double>& sum, vec<double> ga, vec<double> gb, vec<double> ya, vec<double> yb) {
  sum += Op == backward_op::softmax ? fma(gb, yb, ga * ya) : ga + gb;
}
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<float>& s, vec<float> ga, vec<float> gb, vec<float> ya, vec<float> yb) {
  add_pair<Op>(s.first, first_half(ga), first_half(gb), first_half(ya), first_half(yb));
  add_pair<Op>(s.second, second_half(ga), second_half(gb), second_half(ya), second_half(yb));
}
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<double>& s, vec<double> ga, vec<double> gb, vec<double> ya,
                          vec<double> yb) {
  if constexpr (Op == backward_op::softmax) {
    const vec<double> a = opaque_vector(ga * ya), b = opaque_vector(gb * yb);
    // Not finite: neither is the sum, and its low part is not looked at.
    s.low += error_of_finite(ga, ya, a) + error_of_finite(gb, yb, b);
    add_both(s, a, b);
  } else {
    add_both(s, ga, gb);
  }
}
/// The same from memory: one instruction widens four floats.
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<float>& s, const float* ga, const float* gb, const float* ya,
                          const float* yb) {
  constexpr ptrdiff_t half = width<double>;
  add_pair<Op>(s.first, widen(ga), widen(gb), widen(ya), widen(yb));
  add_pair<Op>(s.second, widen(ga + half), widen(gb + half), widen(ya + half), widen(yb + half));
}
template <backward_op Op>
LOGZ_INLINE void add_pair(lane_sum<double>& s, const double* ga, const double* gb, const double* ya,
                          const double* yb) {
  add_pair<Op>(s, load(ga), load(gb), load(ya), load(yb));
}

LOGZ_INLINE void merge(lane_sum<float>& s, const lane_sum<float>& other) {
  s.first += other.first;
  s.second += other.second;
}
LOGZ_INLINE void merge(lane_sum<double>& s, const lane_sum<double>& other) {
  s.low += other.low;
  add_exactly(s, other.high);
}

LOGZ_INLINE void store_sums(const lane_sum<float>& s, float* total) {
  narrow(total, s.first);
  narrow(total + width<double>, s.second);
}
LOGZ_INLINE void store_sums(const lane_sum<double>& s, double* total) {
  // Infinite or NaN: the low part is NaN and has nothing to say.
  const vec<double> joined = s.high + s.low;
  store(total, magnitude<double>(s.high) < std::numeric_limits<double>::infinity() ? joined : s.high);
}
LOGZ_INLINE void store_sums(const narrow_sum<float>& s, float* total) { narrow(total, s.high); }
LOGZ_INLINE void store_sums(const narrow_sum<double>& s, double* total) {
  store_sums(lane_sum<double>{s.high, s.rest}, total);
}
LOGZ_INLINE float sum_of_lanes(const lane_sum<float>& s) { return float(total_of(s.first + s.second)); }
LOGZ_INLINE double sum_of_lanes(const lane_sum<double>& s) {
  double total, rest;
  total_of_lanes(s, total, rest);
  return is_finite(total) ? total + rest : total;
}

/// The coefficients of the map. log_softmax: exp(lp) · 2^bias and -Σ g · 2^-bias, the bias such that exp keeps its
/// digits as far down as its product with the sum is above the smallest subnormal: exactly, for |Σ g| < 2^96 (2^940);
/// below floor exp is 0. lp up to 5 (16) is in range, up to 44 (346) for |Σ g| < 2^20 (2^100).
template <class S>
struct backward_coefficients {
  vec<S> sum, exponent, floor;
};

template <class S, backward_op Op>
LOGZ_INLINE backward_coefficients<S> coefficients_of(vec<S> sum) {
  if constexpr (Op == backward_op::softmax) {
    return {sum, vec<S>{}, vec<S>{}};
  } else {
    constexpr bool single = sizeof(S) == 4;
    constexpr S tiny = single ? S(0x1p-62) : S(0x1p-500), huge = single ? S(0x1p20) : S(0x1p100);
    constexpr S usual_bias = single ? 64 : 500, huge_bias = single ? 120 : 1000;
    constexpr S usual_scale = single ? S(0x1p-64) : S(0x1p-500),
                huge_scale = single ? S(0x1p-120) : S(0x1p-1000);
    constexpr S lowest = single ? 125 : 1021, ln2 = S(0.693147);
    const vec<S> size = magnitude<S>(sum);
    const vec<S> bias = size < tiny ? vec<S>{} : size < huge ? all(usual_bias) : all(huge_bias);
    const vec<S> down = size < tiny ? all(S(1)) : size < huge ? all(usual_scale) : all(huge_scale);
    return {-sum * down, bias, -ln2 * (bias + lowest)};
  }
}

template <class S, backward_op Op>
LOGZ_INLINE vec<S> backward_map(vec<S> g, vec<S> y, const backward_coefficients<S>& c) {
  if constexpr (Op == backward_op::softmax) {
    return y * opaque_vector(g - c.sum);
  } else {
    const vec<S> e = value(exp_parts(y, c.exponent));
    return fma(y < c.floor ? vec<S>{} : e, c.sum, g);
  }
}

template <class S, backward_op Op>
S row_total(const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  lane_sum<S> a, b;
  clear(a);
  clear(b);
  ptrdiff_t l = 0;
  for (; l + 4 * w <= n; l += 4 * w) {
    add_pair<Op>(a, g + l, g + l + w, y + l, y + l + w);
    add_pair<Op>(b, g + l + 2 * w, g + l + 3 * w, y + l + 2 * w, y + l + 3 * w);
  }
  for (; l < n; l += 2 * w) {
    const ptrdiff_t left = n - l;
    add_pair<Op>(a, load_up_to(g + l, left, none), load_up_to(g + l + w, left - w, none),
                 load_up_to(y + l, left, none), load_up_to(y + l + w, left - w, none));
  }
  merge(a, b);
  return sum_of_lanes(a);
}

template <class S, backward_op Op, bool Stream>
void backward_rows(const backward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t n = call.length;
  for (ptrdiff_t i = 0; i < call.count; ++i) {
    const S* const g = call.g + i * call.g_slice;
    const S* const y = call.y + i * call.y_slice;
    S* const out = call.out + i * call.out_slice;
    const backward_coefficients<S> with = coefficients_of<S, Op>(all(row_total<S, Op>(g, y, n)));
    // Whole lines, as row_map() has them; a head of its own costs a row of few vectors more than it gains.
    ptrdiff_t l = Stream || n >= 8 * w ? until_aligned(out, n) : 0;
    if (l != 0) {
      store_first(out, l, backward_map<S, Op>(load_first(g, l, vec<S>{}), load_first(y, l, vec<S>{}), with));
    }
    for (; l + 2 * w <= n; l += 2 * w) {
      const vec<S> a = backward_map<S, Op>(load(g + l), load(y + l), with);
      const vec<S> b = backward_map<S, Op>(load(g + l + w), load(y + l + w), with);
      put<S, Stream>(out + l, a);
      put<S, Stream>(out + l + w, b);
    }
    for (; l < n; l += w) {
      const vec<S> v =
          backward_map<S, Op>(load_up_to(g + l, n - l, vec<S>{}), load_up_to(y + l, n - l, vec<S>{}), with);
      store_up_to(out + l, n - l, v);
    }
  }
}

/// A panel of slices in rows, in scratch or where they are: n rows of `lanes` numbers. Four rows at a time, so that the
/// sums of the lanes are fetched and put back once for four.
template <class S, backward_op Op>
void panel_sum(const S* g, ptrdiff_t g_row, const S* y, ptrdiff_t y_row, ptrdiff_t n, ptrdiff_t lanes,
               lane_sum<S>* sum) {
  ptrdiff_t l = 0;
  for (; l + 4 <= n; l += 4, g += 4 * g_row, y += 4 * y_row) {
    for (ptrdiff_t i = 0; i < lanes; i += width<S>) {
      lane_sum<S> s = sum[i / width<S>];
      add_pair<Op>(s, g + i, g + g_row + i, y + i, y + y_row + i);
      add_pair<Op>(s, g + 2 * g_row + i, g + 3 * g_row + i, y + 2 * y_row + i, y + 3 * y_row + i);
      sum[i / width<S>] = s;
    }
  }
  for (; l < n; l += 2, g += 2 * g_row, y += 2 * y_row) {
    const bool both = l + 1 < n;
    for (ptrdiff_t i = 0; i < lanes; i += width<S>) {
      const vec<S> gb = both ? load(g + g_row + i) : vec<S>{}, yb = both ? load(y + y_row + i) : vec<S>{};
      add_pair<Op>(sum[i / width<S>], load(g + i), gb, load(y + i), yb);
    }
  }
}

template <class S, backward_op Op, bool Stream>
void panel_map(const S* g, ptrdiff_t g_row, const S* y, ptrdiff_t y_row, ptrdiff_t n, ptrdiff_t lanes,
               const backward_coefficients<S>* with, S* out, ptrdiff_t out_row) {
  for (ptrdiff_t l = 0; l < n; ++l) {
    for (ptrdiff_t i = 0; i < lanes; i += width<S>) {
      put<S, Stream>(out + l * out_row + i, backward_map<S, Op>(load(g + l * g_row + i),
                                                                load(y + l * y_row + i), with[i / width<S>]));
    }
  }
}

/// Adds n numbers of rows side by side, whole pairs but for the last.
template <class S, backward_op Op, ptrdiff_t Row = width<S> / 2>
void sum_narrow(ptrdiff_t row, narrow_sum<S>& total, const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  if constexpr (Row > 1) {
    if (row != Row) return sum_narrow<S, Op, Row / 2>(row, total, g, y, n);
  }
  for (ptrdiff_t l = 0; l < n; l += 2 * w) {
    vec<S> ga = load_up_to(g + l, n - l, none), gb = load_up_to(g + l + w, n - l - w, none);
    vec<S> ya = load_up_to(y + l, n - l, none), yb = load_up_to(y + l + w, n - l - w, none);
    split_pairs<S, Row>(ga, gb, every_lane<S>{});
    split_pairs<S, Row>(ya, yb, every_lane<S>{});
    lane_sum<S> pairs;
    clear(pairs);
    add_pair<Op>(pairs, ga, gb, ya, yb);
    add_pairs<S, terms::all, Row>(total, pairs, ((n - l) / Row + 1) / 2);
  }
}
/// Fewer slices than half a vector has lanes: rows as in narrow-inl.hpp.
template <class S, backward_op Op>
void narrow_backward(const backward_call<S>& call, ptrdiff_t first, ptrdiff_t slices) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  const ptrdiff_t row = row_for(slices), room = call.scratch_size / 2, block = room / row / 2 * 2;
  S* const out = call.out + first * call.out_slice;
  const bool dense_out = is_dense(row, slices, call.out_length, call.out_slice);
  narrow_sum<S> total;
  clear(total);
  backward_coefficients<S> with;
  for (int pass = 0; pass < 2; ++pass) {
    for (ptrdiff_t start = 0; start < call.length; start += block) {
      const ptrdiff_t rows = at_most(call.length - start, block), n = rows * row;
      const S* const g = gather_rows(row, call.g + first * call.g_slice + start * call.g_length,
                                     call.g_length, call.g_slice, slices, rows, call.scratch);
      const S* const y = gather_rows(row, call.y + first * call.y_slice + start * call.y_length,
                                     call.y_length, call.y_slice, slices, rows, call.scratch + room);
      if (pass == 0) {
        sum_narrow<S, Op>(row, total, g, y, n);
        continue;
      }
      S* const to = dense_out ? out + start * row : call.scratch;
      for (ptrdiff_t l = 0; l < n; l += w) {
        const vec<S> v =
            backward_map<S, Op>(load_up_to(g + l, n - l, none), load_up_to(y + l, n - l, none), with);
        store_up_to(to + l, n - l, v);
      }
      if (!dense_out) {
        scatter_rows(row, to, rows, out + start * call.out_length, call.out_length, call.out_slice, slices);
      }
    }
    if (pass == 0) {
      S sum[w];
      store_sums(total, sum);
      with = coefficients_of<S, Op>(in_every_row(row, sum));
    }
  }
}
template <class S>
LOGZ_INLINE bool is_narrow(const backward_call<S>& call, ptrdiff_t slices) {
  return slices == 1 || (slices <= width<S> / 2 && call.g_slice == 1 && call.y_slice == 1);
}

/// Panels of neighbours are worked on where they are; any others are packed into scratch, block by block.
template <class S, backward_op Op>
void backward_panels(const backward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  constexpr ptrdiff_t most = panel_lanes<S>;
  constexpr ptrdiff_t line = 64 / static_cast<ptrdiff_t>(sizeof(S));
  const bool neighbours = call.g_slice == 1 && call.y_slice == 1 && call.out_slice == 1;
  ptrdiff_t wide = call.scratch_size / 2 / (call.length + overhang) / line * line;
  ptrdiff_t block = call.length;
  if (wide == 0) {
    wide = line;
    block = (call.scratch_size / 2 / line - overhang) / 2 * 2;  // whole pairs
  }
  wide = at_most(wide, most);
  // Worked on in place, as wide as a page: in memory and L3 twice as fast as 512 bytes, narrower ones slower still.
  constexpr ptrdiff_t widest = 2 * most;
  lane_sum<S> sum[widest / w];
  backward_coefficients<S> with[widest / w];
  const ptrdiff_t before = neighbours && call.in_memory
                               ? slices_before_line(call.out, call.out_length, call.out_slice, call.count)
                               : 0;
  for (ptrdiff_t first = 0; first < call.count;) {
    const ptrdiff_t left = first == 0 && before != 0 ? before : call.count - first;
    // Whole vectors of neighbours; what is left of them is packed.
    const ptrdiff_t whole = at_most(left, widest) / w * w;
    const bool direct = neighbours && whole != 0;
    const ptrdiff_t slices = direct ? whole : at_most(left, wide);
    if (is_narrow(call, slices)) {
      narrow_backward<S, Op>(call, first, slices);
      first += slices;
      continue;
    }
    const ptrdiff_t lanes = (slices + w - 1) / w * w;
    const S* g = direct ? call.g + first : call.scratch;
    const S* y = direct ? call.y + first : call.scratch + call.scratch_size / 2 / line * line;
    const ptrdiff_t g_row = direct ? call.g_length : lanes;
    const ptrdiff_t y_row = direct ? call.y_length : lanes;
    const ptrdiff_t step = direct ? call.length : block;
    for (ptrdiff_t i = 0; i < lanes / w; ++i) clear(sum[i]);
    for (int pass = 0; pass < 2; ++pass) {
      for (ptrdiff_t start = 0; start < call.length; start += step) {
        const window at = {first, slices, start, at_most(call.length - start, step)};
        if (!direct && (pass == 0 || block < call.length)) {
          pack(call.g, call.g_length, call.g_slice, at, call.scratch, lanes, false);
          pack(call.y, call.y_length, call.y_slice, at, call.scratch + call.scratch_size / 2 / line * line,
               lanes, false);
        }
        if (pass == 0) {
          panel_sum<S, Op>(g, g_row, y, y_row, at.length, lanes, sum);
        } else if (direct) {
          S* const out = call.out + first;
          if (call.in_memory && can_stream(out, call.out_length, call.out_slice)) {
            panel_map<S, Op, true>(g, g_row, y, y_row, at.length, lanes, with, out, call.out_length);
          } else {
            panel_map<S, Op, false>(g, g_row, y, y_row, at.length, lanes, with, out, call.out_length);
          }
        } else {
          panel_map<S, Op, false>(g, g_row, y, y_row, at.length, lanes, with, call.scratch, lanes);
          unpack(call.scratch, lanes, at, call.out, call.out_length, call.out_slice, unchanged{});
        }
      }
      if (pass == 0) {
        for (ptrdiff_t i = 0; i < lanes / w; ++i) {
          S total[w];
          store_sums(sum[i], total);
          with[i] = coefficients_of<S, Op>(load(total));
        }
      }
    }
    first += slices;
  }
}

template <class S, backward_op Op>
void backward(const backward_call<S>& call) {
  const bool contiguous = call.g_length == 1 && call.y_length == 1 && call.out_length == 1;
  if (contiguous && call.length > short_backward_length<S>) {
    if (call.in_memory) {
      backward_rows<S, Op, true>(call);
    } else {
      backward_rows<S, Op, false>(call);
    }
  } else if (call.count == 1) {
    narrow_backward<S, Op>(call, 0, 1);
  } else {
    backward_panels<S, Op>(call);
  }
  if (call.in_memory) stream_fence();
}

}  // namespace LOGZ_TARGET
