// SPDX-License-Identifier: MIT
//
// Functions of two operands on slices side by side.

namespace LOGZ_TARGET {

/// A panel of slices in rows, in scratch or where they are: n rows of `lanes` numbers. Four rows at a time, so that the
/// sums of the lanes are fetched and put back once for four.
template <class S, paired_op Op>
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

template <class S, paired_op Op, bool Stream>
void panel_map(const S* g, ptrdiff_t g_row, const S* y, ptrdiff_t y_row, ptrdiff_t n, ptrdiff_t lanes,
               const paired_coefficients<S>* with, S* out, ptrdiff_t out_row) {
  for (ptrdiff_t l = 0; l < n; ++l) {
    for (ptrdiff_t i = 0; i < lanes; i += width<S>) {
      put<S, Stream>(out + l * out_row + i,
                     paired_map<S, Op>(load(g + l * g_row + i), load(y + l * y_row + i), with[i / width<S>]));
    }
  }
}

/// The sums of the slices of a panel, each from its lane.
template <class S>
void store_sums(const lane_sum<S>* of, ptrdiff_t lanes, ptrdiff_t slices, double* sum, double* rest) {
  alignas(64) double high[width<S>], low[width<S>] = {};
  for (ptrdiff_t i = 0; i < lanes; i += width<S>) {
    const ptrdiff_t slice = slice_at<S>(i, slices), count = at_most(slices - slice, width<S>);
    store_totals(of[i / width<S>], high, low);
    for (ptrdiff_t k = 0; k < count; ++k) {
      sum[slice + k] = high[k];
      rest[slice + k] = low[k];
    }
  }
}

/// Panels of neighbours are worked on where they are; any others are packed into scratch, block by block.
template <class S, paired_op Op>
void paired_panels(const paired_call<S>& call) {
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
  paired_coefficients<S> with[widest / w];
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
      narrow_paired<S, Op>(call, first, slices);
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
      if (pass != 0) continue;
      if constexpr (gives_sums(Op)) {
        store_sums<S>(sum, lanes, slices, call.sum + first, call.rest + first);
        if (call.out == nullptr) break;
      }
      for (ptrdiff_t i = 0; i < lanes / w; ++i) with[i] = coefficients_of<S, Op>(call, rounded_sums(sum[i]));
    }
    first += slices;
  }
}

template <class S, paired_op Op>
void paired(const paired_call<S>& call) {
  const bool contiguous = call.g_length == 1 && call.y_length == 1 && call.out_length == 1;
  if (contiguous && call.length > short_paired_length<S>) {
    if (call.in_memory) {
      paired_rows<S, Op, true>(call);
    } else {
      paired_rows<S, Op, false>(call);
    }
  } else if (call.count == 1) {
    narrow_paired<S, Op>(call, 0, 1);
  } else {
    paired_panels<S, Op>(call);
  }
  if (call.in_memory) stream_fence();
}

}  // namespace LOGZ_TARGET
