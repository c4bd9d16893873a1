// SPDX-License-Identifier: MIT
//
// Functions of two operands on slices side by side.

namespace LOGZ_TARGET {

/// Rows of numbers, in scratch, where every vector of a panel has a place of its own, or where they are.
template <class S>
struct panel_rows {
  const S* first;
  ptrdiff_t row;

  LOGZ_INLINE const S* at(ptrdiff_t l) const { return first + l * row; }
};

/// A panel of slices in n rows, its vectors where they stand. Four rows at a time, so that the sums of the lanes are fetched
/// and put back once for four.
template <class S, paired_op Op>
void panel_sum(const panel_rows<S>& g, const panel_rows<S>& y, ptrdiff_t n, const panel_shape& shape,
               lane_sum<S>* sum) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t shift = shape.lead - w, last = slice_at<S>(shape.lanes - w, shape);
  ptrdiff_t l = 0;
  for (; l + 4 <= n; l += 4) {
    const S *const g0 = g.at(l), *const g2 = g.at(l + 2), *const y0 = y.at(l), *const y2 = y.at(l + 2);
    for (ptrdiff_t lane = 0, i = 0; lane < shape.lanes; lane += w, i = at_most(lane + shift, last)) {
      lane_sum<S> s = sum[lane / w];
      add_pair<Op>(s, g0 + i, g0 + g.row + i, y0 + i, y0 + y.row + i);
      add_pair<Op>(s, g2 + i, g2 + g.row + i, y2 + i, y2 + y.row + i);
      sum[lane / w] = s;
    }
  }
  for (; l < n; l += 2) {
    const S *const g0 = g.at(l), *const y0 = y.at(l);
    const bool both = l + 1 < n;
    for (ptrdiff_t lane = 0, i = 0; lane < shape.lanes; lane += w, i = at_most(lane + shift, last)) {
      const vec<S> gb = both ? load(g0 + g.row + i) : vec<S>{}, yb = both ? load(y0 + y.row + i) : vec<S>{};
      add_pair<Op>(sum[lane / w], load(g0 + i), gb, load(y0 + i), yb);
    }
  }
}

/// The map of a panel's rows.
template <class S, paired_op Op>
struct paired_map_lanes {
  panel_rows<S> y;
  bool direct;
  const paired_coefficients<S>* with;

  LOGZ_INLINE vec<S> operator()(vec<S> g, const place& at, ptrdiff_t l) const {
    return paired_map<S, Op>(g, load(y.at(l) + (direct ? at.slice : at.lane)), with[at.lane / width<S>]);
  }
};

/// The sums of the slices of a panel, each from its lane.
template <class S>
void store_sums(const lane_sum<S>* of, const panel_shape& shape, double* sum, double* rest) {
  alignas(64) double high[width<S>], low[width<S>] = {};
  for (ptrdiff_t i = 0; i < shape.lanes; i += width<S>) {
    const ptrdiff_t slice = slice_at<S>(i, shape), count = at_most(shape.slices - slice, width<S>);
    store_totals(of[i / width<S>], high, low);
    for (ptrdiff_t k = 0; k < count; ++k) {
      sum[slice + k] = high[k];
      rest[slice + k] = low[k];
    }
  }
}

/// Rows up to which neighbours are worked on vector by vector: both operands of a vector are still in the first level of
/// cache for the map, though rows a power of two apart share its sets, and sums stay in registers.
inline constexpr ptrdiff_t few_paired_rows = 16;
/// A panel of few rows where it stands. The last vector may begin within the one before, which is written by then: what it
/// reads there is not looked at.
template <class S, paired_op Op>
void paired_columns(const paired_call<S>& of, ptrdiff_t first, const panel_shape& shape) {
  const paired_call<S> call = of;  // the stores might change what is given
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t n = call.length;
  for (ptrdiff_t lane = 0, done = 0; lane < shape.lanes; lane += w) {
    const ptrdiff_t slice = slice_at<S>(lane, shape);
    const S *const g = call.g + first + slice, *const y = call.y + first + slice;
    S* const out = call.out + first + slice;
    lane_sum<S> sum;
    clear(sum);
    ptrdiff_t l = 0;
    for (; l + 2 <= n; l += 2) {
      const S *const gl = g + l * call.g_length, *const yl = y + l * call.y_length;
      add_pair<Op>(sum, gl, gl + call.g_length, yl, yl + call.y_length);
    }
    if (l < n)
      add_pair<Op>(sum, load(g + l * call.g_length), vec<S>{}, load(y + l * call.y_length), vec<S>{});
    const paired_coefficients<S> with = coefficients_of<S, Op>(call, rounded_sums(sum));
    // What the next vector writes as well, or the one before has written.
    const ptrdiff_t end = lane == 0 ? shape.lead : slice + w, own = end - done;
    done = end;
    for (l = 0; l < n; ++l) {
      const vec<S> v = paired_map<S, Op>(load(g + l * call.g_length), load(y + l * call.y_length), with);
      S* const to = out + l * call.out_length;
      if (own == w) {
        store(to, v);
      } else if (lane == 0) {
        store_first(to, own, v);
      } else {
        store_last(to + w, own, v);
      }
    }
  }
}

/// Panels of neighbours are worked on where they are; any others are packed into scratch, block by block.
template <class S, paired_op Op>
void paired_panels(const paired_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  const bool neighbours = call.g_slice == 1 && call.y_slice == 1 && call.out_slice == 1;
  const ptrdiff_t half = call.scratch_size / 2 / line<S> * line<S>;
  ptrdiff_t wide = half / (call.length + overhang) / line<S> * line<S>;
  ptrdiff_t block = call.length;
  if (wide == 0) {
    wide = line<S>;
    block = (half / line<S> - overhang) / 2 * 2;  // whole pairs
  }
  // Worked on in place, as wide as a page: in memory and L3 twice as fast as 512 bytes, narrower ones slower still.
  constexpr ptrdiff_t widest = 2 * widest_panel<S>, room = widest + line<S>;
  lane_sum<S> sum[room / w];
  paired_coefficients<S> with[room / w];
  const ptrdiff_t before =
      neighbours ? slices_before_line(call.out, call.out_length, call.out_slice, call.count) : 0;
  for (ptrdiff_t first = 0; first < call.count;) {
    const ptrdiff_t left = call.count - first;
    // What does not fill a vector is packed.
    const bool direct = neighbours && left >= w;
    const panel_shape shape = direct ? next_panel<S>(left, first == 0 ? before : 0, widest, room)
                                     : shape_for<S>(at_most(left, at_most(wide, widest_panel<S>)));
    if (is_narrow(call, shape.slices)) {
      narrow_paired<S, Op>(call, first, shape.slices);
      first += shape.slices;
      continue;
    }
    if constexpr (Op == paired_op::softmax_backward) {
      if (direct && !call.in_memory && call.length <= few_paired_rows) {
        paired_columns<S, Op>(call, first, shape);
        first += shape.slices;
        continue;
      }
    }
    const panel_rows<S> g =
        direct ? panel_rows<S>{call.g + first, call.g_length} : panel_rows<S>{call.scratch, shape.lanes};
    const panel_rows<S> y = direct ? panel_rows<S>{call.y + first, call.y_length}
                                   : panel_rows<S>{call.scratch + half, shape.lanes};
    const panel_shape in_rows = direct ? shape : shape_for<S>(shape.lanes);
    const paired_map_lanes<S, Op> map = {y, direct, with};
    const ptrdiff_t step = direct ? call.length : block;
    for (ptrdiff_t i = 0; i < shape.lanes / w; ++i) clear(sum[i]);
    for (int pass = 0; pass < 2; ++pass) {
      for (ptrdiff_t start = 0; start < call.length; start += step) {
        const window at = {first, shape, start, at_most(call.length - start, step)};
        if (!direct && (pass == 0 || block < call.length)) {
          pack(call.g, call.g_length, call.g_slice, at, call.scratch, shape.lanes, false);
          pack(call.y, call.y_length, call.y_slice, at, call.scratch + half, shape.lanes, false);
        }
        if (pass == 0) {
          panel_sum<S, Op>(g, y, at.length, in_rows, sum);
        } else if (direct) {
          S* const out = call.out + first;
          if (call.in_memory && can_stream(out + shape.lead, call.out_length, call.out_slice)) {
            write_neighbours<S, true>(g.first, g.row, true, shape.lanes, at, out, call.out_length, map);
          } else {
            write_neighbours<S, false>(g.first, g.row, true, shape.lanes, at, out, call.out_length, map);
          }
        } else {
          unpack(call.scratch, shape.lanes, at, call.out, call.out_length, call.out_slice, map);
        }
      }
      if (pass != 0) continue;
      if constexpr (gives_sums(Op)) {
        store_sums<S>(sum, shape, call.sum + first, call.rest + first);
        if (call.out == nullptr) break;
      }
      for (ptrdiff_t i = 0; i < shape.lanes / w; ++i)
        with[i] = coefficients_of<S, Op>(call, rounded_sums(sum[i]));
    }
    first += shape.slices;
  }
}

template <class S, paired_op Op>
void paired(const paired_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  if (call.g_length != 1 || call.y_length != 1 || call.out_length != 1) {
    if (call.count == 1) {
      narrow_paired<S, Op>(call, 0, 1);
    } else {
      paired_panels<S, Op>(call);
    }
  } else if (call.in_memory && call.length > 2 * w) {
    paired_rows<S, Op, true>(call);
  } else if (call.length > 2 * w) {
    paired_rows<S, Op, false>(call);
  } else if (call.length > w) {
    paired_short_rows<S, Op, 2>(call);
  } else {
    paired_short_rows<S, Op, 1>(call);
  }
  if (call.in_memory) stream_fence();
}

}  // namespace LOGZ_TARGET
