// SPDX-License-Identifier: MIT
//
// Slices side by side, too few for the lanes of a panel: rows of `Row` numbers, one of each slice, lie one after the
// other, and a vector holds several. Pairs of rows are added in a panel's order, so that every bit is that of a panel's
// lane.

namespace LOGZ_TARGET {

/// v moved down by `By` lanes, round and round.
template <class S, std::size_t By, std::size_t... I>
LOGZ_INLINE vec<S> moved_down(vec<S> v, std::index_sequence<I...>) {
  if constexpr (By == 0) {
    return v;
  } else {
    return select<S>(v, v, std::index_sequence<((I + By) % sizeof...(I))...>{});
  }
}
/// v moved up by `By` lanes, the last of `before` in their place.
template <class S, std::size_t By, std::size_t... I>
LOGZ_INLINE vec<S> moved_up(vec<S> v, vec<S> before, std::index_sequence<I...>) {
  constexpr std::size_t w = sizeof...(I);
  return select<S>(v, before, std::index_sequence<(I < By ? 2 * w - By + I : I - By)...>{});
}
/// The last row of v in the place of every row.
template <class S, std::size_t Row, std::size_t... I>
LOGZ_INLINE vec<S> last_row(vec<S> v, std::index_sequence<I...>) {
  return select<S>(v, v, std::index_sequence<(sizeof...(I) - Row + I % Row)...>{});
}

/// The running sums of the slices, pair of rows by pair in their order, in the first lanes. From -0 on: the compiler
/// leaves out what is added to it.
template <class S>
struct narrow_sum;
template <>
struct narrow_sum<float> {
  vec<double> high;
  vec<float> low;  // not yet in high: flush() comes before it is read
};
template <>
struct narrow_sum<double> {
  vec<double> high, rest;
};
LOGZ_INLINE void clear(narrow_sum<float>& sum) { sum = {all(-0.0), all(-0.0f)}; }
LOGZ_INLINE void clear(narrow_sum<double>& sum) { sum = {all(-0.0), all(-0.0)}; }
LOGZ_INLINE void flush(narrow_sum<float>& sum) {
  sum.high += first_half(sum.low);
  sum.low = vec<float>{};
}
LOGZ_INLINE void flush(narrow_sum<double>&) {}

/// Adds the first `count` rows of what pairs of rows have come to, one after the other.
template <class S, terms Which, ptrdiff_t Row, ptrdiff_t At = 0>
LOGZ_INLINE void add_pairs(narrow_sum<S>& total, const lane_sum<S>& pairs, ptrdiff_t count) {
  if constexpr (At < width<S>) {
    if (At / Row >= count) return;
    constexpr std::size_t by = At % width<double>;
    if constexpr (sizeof(S) == 8) {
      total.rest += moved_down<double, by>(pairs.low, every_lane<double>{});
      total.high = two_sum<vec<double>>(total.high, moved_down<double, by>(pairs.high, every_lane<double>{}),
                                        total.rest);
    } else {
      const vec<double> half = At < width<double> ? pairs.first : pairs.second;
      total.high = opaque_vector(total.high + moved_down<double, by>(half, every_lane<double>{}));
      if constexpr (has_fma && Which == terms::others) {
        total.low = opaque_vector(total.low + moved_down<float, At>(pairs.low, every_lane<float>{}));
      }
    }
    add_pairs<S, Which, Row, At + Row>(total, pairs, count);
  }
}

/// Every other row of a and b, and the rest.
template <class S, std::size_t Row, std::size_t... I>
LOGZ_INLINE void split_pairs(vec<S>& a, vec<S>& b, std::index_sequence<I...>) {
  const vec<S> even = select<S>(a, b, std::index_sequence<(I + I / Row * Row)...>{});
  b = select<S>(a, b, std::index_sequence<(I + I / Row * Row + Row)...>{});
  a = even;
}
template <class S, std::size_t Row, std::size_t... I>
LOGZ_INLINE void join_pairs(vec<S>& a, vec<S>& b, std::index_sequence<I...>) {
  constexpr std::size_t w = sizeof...(I);
  const vec<S> first =
      select<S>(a, b, std::index_sequence<(I / Row % 2 * w + I / Row / 2 * Row + I % Row)...>{});
  b = select<S>(a, b, std::index_sequence<(I / Row % 2 * w + w / 2 + I / Row / 2 * Row + I % Row)...>{});
  a = first;
}

/// The largest up to each row.
template <class S, std::size_t By>
LOGZ_INLINE vec<S> running_max(vec<S> v) {
  if constexpr (By == width<S>) {
    return v;
  } else {
    const vec<S> least = all(-std::numeric_limits<S>::infinity());
    return running_max<S, 2 * By>(larger<vec<S>>(moved_up<S, By>(v, least, every_lane<S>{}), v));
  }
}
/// The pairs one after the other through set_aside(): `tops` holds the largest number of each slice so far, in every row.
template <class S, std::size_t Row>
LOGZ_INLINE void set_aside_in_order(vec<S>& tops, vec<S>& a, vec<S>& b) {
  sort_pairs<S>(a, b);
  const vec<S> after = larger<vec<S>>(running_max<S, Row>(b), tops);
  b = smaller<vec<S>>(moved_up<S, Row>(after, tops, every_lane<S>{}), b);
  tops = last_row<S, Row>(after, every_lane<S>{});
}

/// Two vectors of rows join the sum; `count` of their pairs are not empty. Exps that are kept take their place.
template <class S, terms Which, ptrdiff_t Row>
LOGZ_INLINE void take_rows(narrow_sum<S>& total, vec<S>& tops, vec<S> exponent, vec<S> floor, vec<S>& a,
                           vec<S>& b, ptrdiff_t count) {
  constexpr std::size_t row = Row;
  split_pairs<S, row>(a, b, every_lane<S>{});
  lane_sum<S> pairs;
  clear(pairs);
  if constexpr (Which == terms::kept) {
    a = value(exp_parts(larger(floor, a), exponent));
    b = value(exp_parts(larger(floor, b), exponent));
    vec<S> a_left = a, b_left = b;
    set_aside_in_order<S, row>(tops, a_left, b_left);
    add_rounded(pairs, a_left, b_left);
  } else {
    if constexpr (Which == terms::others) set_aside_in_order<S, row>(tops, a, b);
    add_exp<S, Which>(pairs, exponent, floor, a, b);
  }
  add_pairs<S, Which, Row>(total, pairs, count);
  if constexpr (keeps_exps(Which)) join_pairs<S, row>(a, b, every_lane<S>{});
}

/// What is known of a narrow panel's slices, in every row.
template <class S>
struct narrow_partition {
  partition<S> z;  // z.top, z.aside: the largest so far
  narrow_sum<S> sum;
};

/// Adds exp of n numbers at x to the sums, from a boundary of flush_step rows on. Exps that are kept go to `out`.
template <class S, terms Which, ptrdiff_t Row>
__attribute__((noinline)) void sum_narrow(narrow_partition<S>& p, const S* x, ptrdiff_t n, S* out) {
  constexpr ptrdiff_t w = width<S>, chunk = 2 * w, pairs = w / Row;
  const vec<S> exponent = p.z.exponent, floor = p.z.floor;
  narrow_sum<S> sum = p.sum;
  vec<S> tops = Which == terms::kept ? p.z.aside : p.z.top;
  ptrdiff_t l = 0;
  for (; l + chunk <= n; l += chunk) {
    vec<S> a = load(x + l), b = load(x + l + w);
    take_rows<S, Which, Row>(sum, tops, exponent, floor, a, b, pairs);
    if constexpr (keeps_exps(Which)) {
      store(out + l, a);
      store(out + l + w, b);
    } else if ((l + chunk) % (flush_step * Row) == 0) {
      flush(sum);
    }
  }
  p.sum = sum;
  (Which == terms::kept ? p.z.aside : p.z.top) = tops;
  if (l < n) {
    // What is left, filled up: -∞ adds nothing.
    alignas(64) S tail[chunk];
    const vec<S> least = all(-std::numeric_limits<S>::infinity());
    store(tail, load_up_to(x + l, n - l, least));
    store(tail + w, load_up_to(x + l + w, n - l - w, least));
    sum_narrow<S, Which, Row>(p, tail, chunk, tail);
    if constexpr (keeps_exps(Which)) {
      store_up_to(out + l, n - l, load(tail));
      store_up_to(out + l + w, n - l - w, load(tail + w));
    }
  }
}

/// The same for rows of `row` numbers, a power of two.
template <class S, terms Which, ptrdiff_t Row = width<S> / 2>
LOGZ_INLINE void sum_narrow(ptrdiff_t row, narrow_partition<S>& p, const S* x, ptrdiff_t n, S* out) {
  if constexpr (Row > 1) {
    if (row != Row) return sum_narrow<S, Which, Row / 2>(row, p, x, n, out);
  }
  sum_narrow<S, Which, Row>(p, x, n, out);
}
template <class S, ptrdiff_t Row = width<S> / 2>
LOGZ_INLINE vec<S> max_of_rows(ptrdiff_t row, vec<S> v) {
  if constexpr (Row > 1) {
    if (row != Row) return max_of_rows<S, Row / 2>(row, v);
  }
  return max_in_lanes<S, Row>(v);
}
/// The least that holds so many slices.
LOGZ_INLINE ptrdiff_t row_for(ptrdiff_t slices) {
  ptrdiff_t row = 1;
  while (row < slices) row *= 2;
  return row;
}

/// Rows that lie one after the other.
LOGZ_INLINE bool is_dense(ptrdiff_t row, ptrdiff_t slices, ptrdiff_t length_stride, ptrdiff_t slice_stride) {
  return slices == row && length_stride == row && (row == 1 || slice_stride == 1);
}
template <class S, ptrdiff_t Row = width<S> / 2>
void copy_rows(ptrdiff_t row, const S* x, ptrdiff_t length_stride, ptrdiff_t n, S* to) {
  if constexpr (Row > 1) {
    if (row != Row) return copy_rows<S, Row / 2>(row, x, length_stride, n, to);
  }
  for (ptrdiff_t l = 0; l < n; ++l) __builtin_memcpy(to + l * Row, x + l * length_stride, Row * sizeof(S));
}
/// n rows from x on, side by side: where they are if they lie so, or copied to `to`.
template <class S>
const S* gather_rows(ptrdiff_t row, const S* x, ptrdiff_t length_stride, ptrdiff_t slice_stride,
                     ptrdiff_t slices, ptrdiff_t n, S* to) {
  if (is_dense(row, slices, length_stride, slice_stride)) return x;
  if (slices == row && (row == 1 || slice_stride == 1)) {
    copy_rows(row, x, length_stride, n, to);
    return to;
  }
  for (ptrdiff_t l = 0; l < n; ++l) {
    for (ptrdiff_t i = 0; i < row; ++i)
      to[l * row + i] = x[l * length_stride + at_most(i, slices - 1) * slice_stride];
  }
  return to;
}
template <class S>
void scatter_rows(ptrdiff_t row, const S* from, ptrdiff_t n, S* out, ptrdiff_t length_stride,
                  ptrdiff_t slice_stride, ptrdiff_t slices) {
  for (ptrdiff_t l = 0; l < n; ++l) {
    for (ptrdiff_t i = 0; i < slices; ++i) out[l * length_stride + i * slice_stride] = from[l * row + i];
  }
}

/// A narrow panel, and its scratch.
template <class S, forward_op Op>
struct narrow_panel {
  const forward_call<S>& call;
  ptrdiff_t first, slices;
  ptrdiff_t row;        // numbers in a row
  ptrdiff_t block;      // rows that scratch holds
  ptrdiff_t held = -1;  // the block that scratch holds
  bool held_prepared = false;
  narrow_partition<S> p;

  narrow_panel(const forward_call<S>& of, ptrdiff_t from, ptrdiff_t count)
      : call(of), first(from), slices(count), row(row_for(count)) {
    block = (call.scratch_size - 2 * width<S>) / row / flush_step * flush_step;
  }

  bool dense_in() const { return is_dense(row, slices, call.x_length, call.x_slice); }
  bool dense_out() const { return is_dense(row, slices, call.out_length, call.out_slice); }
  ptrdiff_t rows_from(ptrdiff_t start) const { return at_most(call.length - start, block); }
  S* out_at(ptrdiff_t start) const { return call.out + first * call.out_slice + start * call.out_length; }

  /// Rows from `start` on, side by side: where they are, or in scratch; `prepared`: negated and moved by the shift.
  const S* rows_at(ptrdiff_t start, bool prepared) {
    const S* const from = call.x + first * call.x_slice + start * call.x_length;
    const ptrdiff_t n = rows_from(start);
    if (dense_in() && !prepared) return from;
    if (held == start && held_prepared == prepared) return call.scratch;
    S* const to = call.scratch;
    if (gather_rows(row, from, call.x_length, call.x_slice, slices, n, to) != to)
      __builtin_memcpy(to, from, static_cast<std::size_t>(n * row) * sizeof(S));
    if (prepared) {
      const S sign = call.negate ? S(-1) : S(1);
      for (ptrdiff_t i = 0; i < n * row; i += width<S>)
        store(to + i, opaque_vector(load(to + i) * sign) - p.z.shift);
    }
    held = start;
    held_prepared = prepared;
    return to;
  }

  /// The largest of each slice, in every row, NaN ignored.
  vec<S> find_tops() {
    const vec<S> least = all(-std::numeric_limits<S>::infinity());
    vec<S> a = least, b = least;
    p.z.shift = vec<S>{};
    for (ptrdiff_t start = 0; start < call.length; start += block) {
      const S* const x = rows_at(start, call.negate);
      const ptrdiff_t n = rows_from(start) * row;
      ptrdiff_t l = 0;
      for (; l + 2 * width<S> <= n; l += 2 * width<S>) {
        a = larger<vec<S>>(load(x + l), a);
        b = larger<vec<S>>(load(x + l + width<S>), b);
      }
      for (; l < n; l += width<S>) a = larger<vec<S>>(load_up_to(x + l, n - l, least), a);
    }
    return max_of_rows<S>(row, larger<vec<S>>(a, b));
  }

  /// Sums over the whole slices. With `kept` the exps go there, otherwise into scratch.
  void sum_blocks(bool prepared, S* kept) {
    begin(p.z);
    p.z.aside = vec<S>{};
    clear(p.sum);
    for (ptrdiff_t start = 0; start < call.length; start += block) {
      const S* const x = rows_at(start, prepared);
      S* const to = kept == nullptr ? call.scratch : kept + start * row;
      if (keeps_exps(summed<Op>) && kept == nullptr) held = -1;
      sum_narrow<S, summed<Op>>(row, p, x, rows_from(start) * row, to);
    }
    flush(p.sum);
  }

  /// A block through the map.
  void write(const S* from, ptrdiff_t start, const coefficients<S>& with) {
    constexpr forward_op how = is_loss<Op> ? forward_op::softmax : Op;
    const ptrdiff_t n = rows_from(start) * row;
    S* const to = out_at(start);
    if (dense_out()) return row_map<S, how, false>(from, to, n, with, row);
    held = -1;
    row_map<S, how, false>(from, call.scratch, n, with, row);
    scatter_rows(row, call.scratch, rows_from(start), to, call.out_length, call.out_slice, slices);
  }
};

/// a of the first row, in every row.
template <class S>
LOGZ_INLINE vec<S> in_every_row(ptrdiff_t row, const S* a) {
  if (row == 1) return all(a[0]);
  alignas(64) S lane[width<S>];
  for (ptrdiff_t i = 0; i < width<S>; ++i) lane[i] = a[i & (row - 1)];
  return load(lane);
}

template <class S, forward_op Op>
void narrow(const forward_call<S>& call, ptrdiff_t first, ptrdiff_t slices) {
  constexpr ptrdiff_t w = width<S>;
  constexpr terms which = summed<Op>;
  constexpr bool backward = Op == forward_op::logsumexp_backward;
  narrow_panel<S, Op> panel(call, first, slices);
  const ptrdiff_t row = panel.row;
  partition<S>& z = panel.p.z;
  group<S, w> g;
  loss_group<S, is_loss<Op> ? w : 1> lg;
  vec<S> references = {}, factors = {};
  if constexpr (is_loss<Op>) {
    // Lanes without a sample get one that is harmless.
    store(lg.logit, vec<S>{});
    store(lg.own, vec<double>{});
    store(lg.above, vec<double>{});
    for (ptrdiff_t i = 0; i < row; ++i) {
      const ptrdiff_t slice = first + at_most(i, slices - 1);
      read_target(lg, i, *call.loss, slice, call.x + slice * call.x_slice, call.x_length);
    }
  } else if constexpr (backward) {
    for (ptrdiff_t i = 0; i < row; ++i) {
      const ptrdiff_t slice = first + at_most(i, slices - 1);
      g.reference[i] = call.reference[slice * call.reference_slice];
      g.factor[i] = factor_of(call, slice);
    }
    references = in_every_row(row, g.reference);
    factors = in_every_row(row, g.factor);
  }
  const vec<S> tops = backward ? references : panel.find_tops();
  set_reference<S>(z, tops, span_of<S, Op>);
  const bool prepared = call.negate || is_far(z);
  if (is_far(z)) panel.held = -1;
  // Exps stay in the result, or in scratch, or have to be computed once more.
  const bool in_result = keeps_exps(which) && panel.dense_out() && !call.in_memory;
  const bool remade = keeps_exps(which) && !in_result && call.length > panel.block;
  panel.sum_blocks(prepared, in_result ? panel.out_at(0) : nullptr);

  const vec<S> top = tops - z.shift;
  store(g.top, backward ? vec<S>{} : top);
  store(g.shift, z.shift);
  store(g.exponent, z.exponent);
  store(g.sum, panel.p.sum.high);
  if constexpr (sizeof(S) == 8) store(g.rest, panel.p.sum.rest);
  if constexpr (is_loss<Op>) {
    finish_losses<S, which == terms::kept>(g, lg, *call.loss, row);
    store_losses(g, lg, *call.loss, first, shape_for<S>(slices), true);
  } else {
    finish<which>(g, row);
  }
  if constexpr (Op == forward_op::logsumexp) store_logs(call, g, first, shape_for<S>(slices));
  if constexpr (!is_reduction<Op>) {
    coefficients<S> with = {in_every_row(row, g.high), in_every_row(row, g.low), all(S(1))};
    if constexpr (backward) set_factor<S>(with, factors);
    for (ptrdiff_t start = 0; start < call.length; start += panel.block) {
      const S* from = in_result ? panel.out_at(start) : call.scratch;
      if (remade || which == terms::others) from = panel.rows_at(start, prepared);
      if (remade) {
        panel.held = -1;
        sum_narrow<S, which>(row, panel.p, from, panel.rows_from(start) * row, call.scratch);
        from = call.scratch;
      }
      panel.write(from, start, with);
    }
  }
  if constexpr (backward) clear_empty(call, first, shape_for<S>(slices), g.reference);
  if constexpr (which == terms::kept) finish_gradients(call, lg, first, shape_for<S>(slices));
}

}  // namespace LOGZ_TARGET
