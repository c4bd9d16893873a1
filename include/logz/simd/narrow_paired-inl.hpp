// SPDX-License-Identifier: MIT
//
// Functions of two operands on fewer slices than half a vector has lanes: rows as in narrow-inl.hpp.

namespace LOGZ_TARGET {

/// Two vectors of rows join the sums; `count` of their pairs are not empty.
template <class S, paired_op Op, ptrdiff_t Row>
LOGZ_INLINE void take_products(narrow_sum<S>& total, vec<S> ga, vec<S> gb, vec<S> ya, vec<S> yb,
                               ptrdiff_t count) {
  split_pairs<S, Row>(ga, gb, every_lane<S>{});
  split_pairs<S, Row>(ya, yb, every_lane<S>{});
  lane_sum<S> pairs;
  clear(pairs);
  add_pair<Op>(pairs, ga, gb, ya, yb);
  add_pairs<S, terms::all, Row>(total, pairs, count);
}

/// Adds n numbers of rows side by side, whole pairs but for the last.
template <class S, paired_op Op, ptrdiff_t Row = width<S> / 2>
void sum_narrow(ptrdiff_t row, narrow_sum<S>& total, const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  if constexpr (Row > 1) {
    if (row != Row) return sum_narrow<S, Op, Row / 2>(row, total, g, y, n);
  }
  for (ptrdiff_t l = 0; l < n; l += 2 * w) {
    take_products<S, Op, Row>(total, load_up_to(g + l, n - l, none), load_up_to(g + l + w, n - l - w, none),
                              load_up_to(y + l, n - l, none), load_up_to(y + l + w, n - l - w, none),
                              ((n - l) / Row + 1) / 2);
  }
}
LOGZ_INLINE void store_first_sums(const narrow_sum<float>& s, ptrdiff_t count, double* sum, double* rest) {
  for (ptrdiff_t i = 0; i < count; ++i) {
    sum[i] = s.high[i];
    rest[i] = 0;
  }
}
LOGZ_INLINE void store_first_sums(const narrow_sum<double>& s, ptrdiff_t count, double* sum, double* rest) {
  for (ptrdiff_t i = 0; i < count; ++i) {
    sum[i] = s.high[i];
    rest[i] = s.rest[i];
  }
}

template <class S, paired_op Op>
void narrow_paired(const paired_call<S>& call, ptrdiff_t first, ptrdiff_t slices) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  const ptrdiff_t row = row_for(slices), room = call.scratch_size / 2, block = room / row / 2 * 2;
  S* const out = call.out == nullptr ? nullptr : call.out + first * call.out_slice;
  const bool dense_out = is_dense(row, slices, call.out_length, call.out_slice);
  narrow_sum<S> total;
  clear(total);
  paired_coefficients<S> with;
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
            paired_map<S, Op>(load_up_to(g + l, n - l, none), load_up_to(y + l, n - l, none), with);
        store_up_to(to + l, n - l, v);
      }
      if (!dense_out) {
        scatter_rows(row, to, rows, out + start * call.out_length, call.out_length, call.out_slice, slices);
      }
    }
    if (pass == 0) {
      if constexpr (gives_sums(Op)) {
        store_first_sums(total, slices, call.sum + first, call.rest + first);
        if (call.out == nullptr) return;
      }
      alignas(64) S sum[w];
      store(sum, rounded_sums(total));
      with = coefficients_of<S, Op>(call, in_every_row(row, sum));
    }
  }
}
template <class S>
LOGZ_INLINE bool is_narrow(const paired_call<S>& call, ptrdiff_t slices) {
  return slices == 1 || (slices <= width<S> / 2 && call.g_slice == 1 && call.y_slice == 1);
}

/// One slice of up to `Vectors` vectors, whose numbers lie side by side: a row, in registers.
template <class S, paired_op Op, int Vectors>
LOGZ_INLINE void paired_in_registers(const S* g, const S* y, S* out, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  constexpr vec<S> none = {};
  vec<S> gs[2] = {none, none}, ys[2] = {none, none};
  LOGZ_UNROLL for (int i = 0; i < Vectors; ++i) {
    gs[i] = load_before(g + i * w, n - i * w, none, out);
    ys[i] = load_before(y + i * w, n - i * w, none, out);
  }
  const lane_sum<S> sum =
      Vectors == 1 ? sum_of_one<S, Op>(gs[0], ys[0]) : sum_of_pair<S, Op>(gs[0], gs[1], ys[0], ys[1]);
  const paired_coefficients<S> with = coefficients_of_row<S, Op>(paired_call<S>{}, sum_of_lanes(sum));
  LOGZ_UNROLL for (int i = 0; i < Vectors; ++i)
      store_up_to(out + i * w, n - i * w, paired_map<S, Op>(gs[i], ys[i], with));
}
/// False, and nothing done, for longer slices.
template <class S, paired_op Op>
bool short_paired(const S* g, const S* y, S* out, ptrdiff_t n) {
  if (n <= width<S>) {
    paired_in_registers<S, Op, 1>(g, y, out, n);
  } else if (n <= 2 * width<S>) {
    paired_in_registers<S, Op, 2>(g, y, out, n);
  } else {
    return false;
  }
  return true;
}

}  // namespace LOGZ_TARGET
