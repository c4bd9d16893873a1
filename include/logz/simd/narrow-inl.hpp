// SPDX-License-Identifier: MIT
//
// Narrow panels: what a panel does, for slices too few for its lanes.

namespace LOGZ_TARGET {

/// A narrow panel, and its scratch.
template <class S, forward_op Op>
struct narrow_panel {
  const forward_call<S>& call;
  ptrdiff_t first, slices;
  ptrdiff_t row;        // numbers in a row
  ptrdiff_t block;      // rows that scratch holds
  ptrdiff_t held = -1;  // the block that scratch holds
  bool held_prepared = false;
  S* probable = nullptr;  // room for as many probabilities, where they are not read in place
  narrow_partition<S> p;
  narrow_shares<S> shares;

  narrow_panel(const forward_call<S>& of, ptrdiff_t from, ptrdiff_t count)
      : call(of), first(from), slices(count), row(row_for(count)) {
    ptrdiff_t size = call.scratch_size - 2 * width<S>;
    if constexpr (is_loss<Op>) {
      const loss_terms<S>& terms = *call.loss;
      start_shares(shares);
      if (probabilities_of(terms) != nullptr &&
          !is_dense(row, slices, terms.probability_length, terms.probability_slice)) {
        size /= 2;
        probable = call.scratch + size;
      }
    }
    block = size / row / flush_step * flush_step;
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

  /// The probabilities of the rows from `start` on, side by side; null where there are none.
  const S* probabilities_from(ptrdiff_t start) const {
    const loss_terms<S>& terms = *call.loss;
    if (probabilities_of(terms) == nullptr) return nullptr;
    const S* const from =
        terms.probability + first * terms.probability_slice + start * terms.probability_length;
    return gather_rows(row, from, terms.probability_length, terms.probability_slice, slices, rows_from(start),
                       probable);
  }
  bool inspects() const { return call.loss->has_shares() || call.loss->argmax != nullptr; }

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

  /// Sums over the whole slices, of these maxima. With `kept` the exps go there, otherwise into scratch.
  void sum_blocks(vec<S> tops, bool prepared, S* kept) {
    begin(p.z);
    p.z.aside = vec<S>{};
    clear(p.sum);
    for (ptrdiff_t start = 0; start < call.length; start += block) {
      const S* const x = rows_at(start, prepared);
      S* const to = kept == nullptr ? call.scratch : kept + start * row;
      if constexpr (is_loss<Op>) {
        if (inspects()) {
          inspect_rows<S>(row, shares, *call.loss, x, probabilities_from(start), start,
                          rows_from(start) * row, tops - p.z.shift);
        }
      }
      if (keeps_exps(summed<Op>) && kept == nullptr) held = -1;
      sum_narrow<S, summed<Op>>(row, p, x, rows_from(start) * row, to);
    }
    flush(p.sum);
  }

  /// A block through the map.
  void write(const S* from, ptrdiff_t start, const coefficients<S>& with, narrow_slopes<S>& slopes) {
    const bool dense = dense_out();
    S* const out = out_at(start);
    S* const to = dense ? out : call.scratch;
    if (!dense) held = -1;
    write_block(from, start, to, with, slopes);
    if (!dense) scatter_rows(row, to, rows_from(start), out, call.out_length, call.out_slice, slices);
  }
  void write_block(const S* from, ptrdiff_t start, S* to, const coefficients<S>& with,
                   [[maybe_unused]] narrow_slopes<S>& slopes) {
    const ptrdiff_t n = rows_from(start) * row;
    if constexpr (is_loss<Op>) {
      if (call.loss->has_shares()) {
        slopes.t = probabilities_from(start);
        slopes.w = call.loss->weight == nullptr ? nullptr : call.loss->weight + start;
        return write_rows<S>(row, from, to, n, with, slopes);
      }
    }
    row_map<S, is_loss<Op> ? forward_op::softmax : Op>(from, to, n, with, row, false);
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

/// The first row of each slice that has its maximum.
template <class S, int Count>
void find_argmax(const narrow_shares<S>& shares, ptrdiff_t row, loss_group<S, Count>& lg) {
  typedef typename lanes<S>::bit bit;
  alignas(64) bit of_lanes[width<S>];
  store(reinterpret_cast<S*>(of_lanes), vec<S>(shares.argmax));
  for (ptrdiff_t i = 0; i < row; ++i) {
    bit first = no_position<S>;
    for (ptrdiff_t k = i; k < width<S>; k += row) first = of_lanes[k] < first ? of_lanes[k] : first;
    lg.argmax[i] = first;
  }
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
  if constexpr (is_loss<Op>) {
    // Before exps may take the place of x.
    for (ptrdiff_t i = 0; i < slices && call.loss->argmax != nullptr; ++i) {
      const S* const slice = call.x + (first + i) * call.x_slice;
      lg.has_nan[i] = !is_finite(S(tops[i])) && has_nan(slice, call.length, call.x_length);
    }
  }
  panel.sum_blocks(tops, prepared, in_result ? panel.out_at(0) : nullptr);

  const vec<S> top = tops - z.shift;
  store(g.top, backward ? vec<S>{} : top);
  store(g.shift, z.shift);
  store(g.exponent, z.exponent);
  store(g.sum, panel.p.sum.high);
  if constexpr (sizeof(S) == 8) store(g.rest, panel.p.sum.rest);
  if constexpr (is_loss<Op>) {
    if (call.loss->has_shares()) {
      store_shares(panel.shares, lg);
      join_shares(lg, *call.loss, row);
    }
    if (call.loss->argmax != nullptr) find_argmax(panel.shares, row, lg);
    finish_losses<S, which == terms::kept>(g, lg, *call.loss, row);
    store_losses(g, lg, *call.loss, first, shape_for<S>(slices), true);
  } else {
    finish<which>(g, row);
  }
  if constexpr (Op == forward_op::logsumexp) store_logs(call, g, first, shape_for<S>(slices));
  if constexpr (!is_reduction<Op>) {
    coefficients<S> with = {in_every_row(row, g.high), in_every_row(row, g.low), all(S(1))};
    if constexpr (backward) set_factor<S>(with, factors);
    narrow_slopes<S> slopes = {};
    if constexpr (is_loss<Op>) {
      if (call.loss->has_shares()) {
        set_slopes(lg, *call.loss, row);
        slopes = {in_every_row(row, lg.probable), in_every_row(row, lg.common), nullptr, nullptr};
      }
    }
    for (ptrdiff_t start = 0; start < call.length; start += panel.block) {
      const S* from = in_result ? panel.out_at(start) : call.scratch;
      if (remade || which == terms::others) from = panel.rows_at(start, prepared);
      if (remade) {
        panel.held = -1;
        sum_narrow<S, which>(row, panel.p, from, panel.rows_from(start) * row, call.scratch);
        from = call.scratch;
      }
      panel.write(from, start, with, slopes);
    }
  }
  if constexpr (backward) clear_empty(call, first, shape_for<S>(slices), g.reference);
  if constexpr (which == terms::kept) finish_gradients(call, lg, first, shape_for<S>(slices));
}

}  // namespace LOGZ_TARGET
