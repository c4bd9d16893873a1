// SPDX-License-Identifier: MIT
//
// Slices side by side in the lanes of a panel: rows of vectors in scratch, row l holding number l of every slice. No
// reduction crosses lanes. Interleaved slices are copied into it, short contiguous ones transposed, any others gathered.

namespace LOGZ_TARGET {

/// A panel's slices, what is known of them, and its scratch.
template <class S, forward_op Op>
struct panel {
  const forward_call<S>* of;
  ptrdiff_t first;
  panel_shape shape;
  ptrdiff_t lanes;  // shape.lanes
  ptrdiff_t block;  // rows that scratch holds
  S* x;
  S* t;  // probabilities, or v: packed as x's rows are, or null where they are read in place or there are none
  const S* from;  // the rows of a block: in x, or where they are
  ptrdiff_t from_row;
  bool direct;      // the rows are read where they are
  bool in_result;   // exps stay there
  bool tops_known;  // losses: x's maxima are in g.reference
  bool ignores;     // and a sample is ignored
  partition_of<S, Op> z[panel_lanes<S> / width<S>];
  group<S, panel_lanes<S>> g;
  loss_group<S, is_loss<Op> ? panel_lanes<S> : 1> lg;
  weighted_group<S, is_weighted<Op> ? panel_lanes<S> : 1> wg;

  const forward_call<S>& call() const { return *of; }
};

template <class S, forward_op Op>
LOGZ_INLINE window block_at(const panel<S, Op>& p, ptrdiff_t start) {
  return {p.first, p.shape, start, at_most(p.call().length - start, p.block)};
}

/// The slice of a lane; lanes without one stand for the last.
template <class S, forward_op Op>
LOGZ_INLINE ptrdiff_t slice_of_lane(const panel<S, Op>& p, ptrdiff_t lane) {
  return p.first + slice_of<S>(lane, p.shape);
}

template <class S, forward_op Op>
void pack_panel(panel<S, Op>& p, const window& at) {
  pack(p.call().x, p.call().x_length, p.call().x_slice, at, p.x, p.lanes, p.call().in_memory);
  p.from = p.x;
  p.from_row = p.lanes;
  if constexpr (Op == forward_op::hvp) {
    const forward_call<S>& call = p.call();
    pack(call.second, call.second_length, call.second_slice, at, p.t, p.lanes, false);
  }
  if constexpr (is_loss<Op>) {
    const loss_terms<S>& terms = *p.call().loss;
    if (p.t != nullptr) {
      pack(terms.probability, terms.probability_length, terms.probability_slice, at, p.t, p.lanes, false);
    }
  }
}

/// Negated, and what is far from 0 moved there.
template <class S, forward_op Op>
void prepare_columns(panel<S, Op>& p, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    column_prepare<S>(p.x + i, n, p.lanes, p.call().negate, p.z[i / width<S>].shift);
  }
}

/// A block's rows: where they are, unless something is to be changed, or packed and prepared.
template <class S, forward_op Op>
void fetch(panel<S, Op>& p, const window& at, bool prepared) {
  const forward_call<S>& call = p.call();
  if (p.direct && !prepared) {
    p.from = call.x + at.first + at.start * call.x_length;
    p.from_row = call.x_length;
    return;
  }
  pack_panel(p, at);
  if (prepared) prepare_columns(p, at.length);
}
template <class S, forward_op Op>
LOGZ_INLINE const S* column_of(const panel<S, Op>& p, ptrdiff_t lane) {
  return p.from + (p.from == p.x ? lane : slice_at<S>(lane, p.shape));
}

template <class S, forward_op Op, bool Track>
void sum_columns(panel<S, Op>& p, const window& at) {
  const forward_call<S>& call = p.call();
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    if constexpr (is_weighted<Op>) {
      const S* const v = Op == forward_op::hvp ? p.t + i : nullptr;
      weighted_sum<S, is_entropy<Op>>(p.z[i / width<S>], column_of(p, i), v, at.length, p.from_row);
      continue;
    }
    S* to = p.x + i;
    if (p.in_result) to = call.out + at.first + slice_at<S>(i, at.shape) + at.start * call.out_length;
    column_sum<S, summed<Op>, Track && keeps_exps(summed<Op>)>(p.z[i / width<S>], column_of(p, i), at.length,
                                                               p.from_row, to,
                                                               p.in_result ? call.out_length : p.lanes);
  }
}

template <class S, forward_op Op>
void track_tops(panel<S, Op>& p, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    auto& z = p.z[i / width<S>];
    z.top = larger<vec<S>>(column_max<S>(column_of(p, i), n, p.from_row), z.top);
  }
}

/// Sums over the whole slices, block by block. A panel that fits in scratch and is `packed` there is not fetched again.
/// `tracked`: the maxima are found too, where the sum does not find them by itself.
template <class S, forward_op Op>
void sum_blocks(panel<S, Op>& p, bool packed, bool prepared, bool tracked) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) begin(p.z[i / width<S>]);
  if constexpr (is_loss<Op>) {
    p.tops_known = !tracked && keeps_exps(summed<Op>);
    if (p.tops_known) start_inspection(p);
    for (ptrdiff_t i = 0; i < p.lanes && p.tops_known; i += width<S>)
      p.z[i / width<S>].top = load(p.g.reference + i) - p.z[i / width<S>].shift;
  }
  for (ptrdiff_t start = 0; start < p.call().length; start += p.block) {
    const window at = block_at(p, start);
    if (!packed) fetch(p, at, prepared);
    if constexpr (is_loss<Op>) {
      if (p.tops_known) inspect_columns(p, at);
    }
    tracked ? sum_columns<S, Op, true>(p, at) : sum_columns<S, Op, false>(p, at);
  }
}

/// The maxima, found by a pass of their own.
template <class S, forward_op Op>
void find_tops(panel<S, Op>& p) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    begin(p.z[i / width<S>]);
    p.z[i / width<S>].shift = vec<S>{};
  }
  for (ptrdiff_t start = 0; start < p.call().length; start += p.block) {
    const window at = block_at(p, start);
    fetch(p, at, p.call().negate);
    track_tops(p, at.length);
  }
}

/// A first reference for every slice: the maximum for softmax where the panel is in scratch, and for weighted sums. The samples of a panel
/// that is neither there nor read where it is are packed by themselves. True where they are all numbers.
template <class S, forward_op Op>
bool take_samples(panel<S, Op>& p, bool packed) {
  const forward_call<S>& call = p.call();
  const ptrdiff_t n = call.length,
                  step = packed && (keeps_exps(summed<Op>) || is_weighted<Op>) ? 1 : sample_step(n),
                  samples = (n + step - 1) / step;
  ptrdiff_t row = p.lanes;
  if (p.direct) {
    p.from = call.x + p.first;
    row = call.x_length * step;
  } else {
    if (!packed) {
      pack(call.x, call.x_length * step, call.x_slice, window{p.first, p.shape, 0, samples}, p.x, p.lanes,
           false);
      if (call.negate) prepare_columns(p, samples);
    } else {
      row *= step;
    }
    p.from = p.x;
  }
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>)
    store(p.g.reference + i, column_max<S>(column_of(p, i), samples, row));
  return step == 1;
}

/// Takes g.reference; true where a slice is far from 0.
template <class S, forward_op Op>
bool set_references(panel<S, Op>& p) {
  bool far = false;
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    set_reference(p.z[i / width<S>], load(p.g.reference + i), span_of<S, Op>);
    far = far || is_far(p.z[i / width<S>]);
  }
  return far;
}

/// Finds references and sums. True where the numbers had to be prepared.
template <class S, forward_op Op>
bool find_partitions(panel<S, Op>& p) {
  const bool packed = !p.direct && p.block >= p.call().length, negate = p.call().negate;
  if constexpr (Op != forward_op::logsumexp_backward) {
    for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) p.z[i / width<S>].shift = vec<S>{};
    if (packed) {
      pack_panel(p, block_at(p, 0));
      if (negate) prepare_columns(p, p.call().length);
    }
    // Exps that take the place of x would leave nothing to begin again from.
    if (packed || (!(p.in_result && p.call().x == p.call().out) && !is_weighted<Op>)) {
      const bool exact = take_samples<S, Op>(p, packed);
      if (!set_references(p)) {
        sum_blocks(p, packed, negate && !packed, !exact);
        bool low = false;
        for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) low = low || is_low(p.z[i / width<S>]);
        if (!low) return negate;
      }
    }
    find_tops(p);
    for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) store(p.g.reference + i, p.z[i / width<S>].top);
  }
  const bool prepared = set_references(p) || negate;
  sum_blocks(p, false, prepared, false);
  return prepared;
}

/// f, after exp where numbers have not been exponentiated yet.
template <class S, class Partition, class Function>
struct exp_lanes {
  const Partition* z;  // null: they have
  Function f;
  LOGZ_INLINE vec<S> operator()(vec<S> v, const place& at, ptrdiff_t l) const {
    if (z != nullptr) v = exp_of<S>(v, z[at.lane / width<S>].exponent, z[at.lane / width<S>].floor);
    return f(v, at, l);
  }
};
template <class S, class Partition, class Function>
LOGZ_INLINE exp_lanes<S, Partition, Function> after_exp(const Partition* z, const Function& f) {
  return {z, f};
}

/// Writes a block of the panel through f(v, lane, row); `numbers`: streamed, and not exps yet.
template <class S, forward_op Op, class Function>
LOGZ_INLINE void write_panel(const panel<S, Op>& p, const window& at, bool streams, bool numbers,
                             const Function& f) {
  const forward_call<S>& call = p.call();
  S* const to = call.out + at.first + at.start * call.out_length;
  const bool packed = keeps_exps(summed<Op>) || p.from == p.x;
  const S* const from = packed ? p.x : p.from;
  const ptrdiff_t row = packed ? p.lanes : p.from_row;
  if (streams) {
    if constexpr (keeps_exps(summed<Op>)) {
      const auto all_of_it = after_exp<S>(numbers ? p.z : nullptr, f);
      return write_neighbours<S, true>(from, row, !packed, p.lanes, at, to, call.out_length, all_of_it);
    }
    write_neighbours<S, true>(from, row, !packed, p.lanes, at, to, call.out_length, f);
  } else if (call.out_slice == 1) {
    write_neighbours<S, false>(from, row, !packed, p.lanes, at, to, call.out_length, f);
  } else {
    unpack(p.x, p.lanes, at, call.out, call.out_length, call.out_slice, f);  // packed: reads_directly()
  }
}

/// A reference that is NaN spreads, whatever the slice holds.
template <class S, forward_op Op>
void read_factors(panel<S, Op>& p) {
  for (ptrdiff_t i = 0; i < p.lanes; ++i) {
    const ptrdiff_t slice = slice_of_lane(p, i);
    p.g.reference[i] = p.call().reference[slice * p.call().reference_slice];
    p.g.factor[i] = factor_of(p.call(), slice);
  }
}
template <class S, forward_op Op>
void apply_factors(panel<S, Op>& p) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    coefficients<S> with = coefficients_at(p.g, i);
    set_factor<S>(with, with.factor);
    store(p.g.high + i, with.high);
    store(p.g.low + i, with.low);
    store(p.g.factor + i, with.factor);
  }
}
template <class S, forward_op Op>
void one_panel(panel<S, Op>& p, bool streams) {
  constexpr ptrdiff_t w = width<S>;
  constexpr terms which = summed<Op>;
  const forward_call<S>& call = p.call();
  if constexpr (Op == forward_op::logsumexp_backward) read_factors(p);
  if constexpr (is_loss<Op>) read_targets(p);
  if constexpr (is_weighted<Op> && !is_reduction<Op>) {
    for (ptrdiff_t i = 0; i < p.lanes; ++i)
      p.wg.factor[i] = weighted_factor_of<Op>(call, slice_of_lane(p, i));
  }
  const bool prepared = find_partitions<S, Op>(p);
  if constexpr (is_loss<Op>) {
    if (!p.tops_known) inspect_blocks(p, prepared);
    if (call.loss->has_shares()) join_shares(p.lg, *call.loss, p.lanes);
  }
  for (ptrdiff_t i = 0; i < p.lanes; i += w) {
    const auto& z = p.z[i / w];
    if constexpr (is_weighted<Op>) store_totals(z.products, p.wg.products + i, p.wg.rest + i);
    store(p.g.top + i, z.top);
    store(p.g.shift + i, z.shift);
    store(p.g.exponent + i, z.exponent);
    store_totals(z.sum, p.g.sum + i, p.g.rest + i);
  }
  if constexpr (is_loss<Op>) {
    finish_losses<S, which == terms::kept>(p.g, p.lg, *call.loss, p.lanes);
    store_losses(p.g, p.lg, *call.loss, p.first, p.shape, p.ignores);
  } else if constexpr (is_entropy<Op>) {
    finish_entropies<S, Op == forward_op::entropy_backward>(p.g, p.wg, p.lanes);
    if constexpr (is_reduction<Op>) store_entropies(call, p.wg, p.first, p.shape);
  } else if constexpr (Op == forward_op::hvp) {
    finish_hvps(p.g, p.wg, p.lanes);
  } else {
    finish<which>(p.g, p.lanes);
  }
  if constexpr (Op == forward_op::logsumexp) store_logs(call, p.g, p.first, p.shape);
  if constexpr (is_reduction<Op>) return;
  if constexpr (Op == forward_op::logsumexp_backward) apply_factors(p);
  if constexpr (is_loss<Op>) set_slopes(p);
  if (p.in_result) {
    const window whole = {p.first, p.shape, 0, call.length};
    S* const e = call.out + p.first;
    write_neighbours<S, false>(e, call.out_length, true, p.lanes, whole, e, call.out_length, lanes_map(p, 0));
  }
  for (ptrdiff_t start = 0; start < call.length && !p.in_result; start += p.block) {
    const window at = block_at(p, start);
    const bool again = p.block < call.length;
    if (again) fetch(p, at, prepared);
    if constexpr (keeps_exps(which)) {
      if (again && !streams) sum_columns<S, Op, false>(p, at);  // exp once more
    }
    write_panel<S, Op>(p, at, streams, again, lanes_map(p, start));
  }
  if (streams) stream_fence();
  if constexpr (Op == forward_op::logsumexp_backward) clear_empty(call, p.first, p.shape, p.g.reference);
  if constexpr (which == terms::kept) {
    if (!sets_targets(p) || p.ignores || is_flat(*call.loss)) finish_gradients(call, p.lg, p.first, p.shape);
  }
}

/// Whether that many slices make a narrow panel.
template <class S, forward_op Op>
LOGZ_INLINE bool is_narrow(const forward_call<S>& call, ptrdiff_t slices) {
  return slices <= width<S> / 2 && (slices == 1 || call.x_slice == 1);
}

/// Whether scratch holds whole slices. Rows are not packed by fewer than four cache lines at a time (1024x3000 floats: by one
/// twice as long as in blocks, 1024x2000 by two 1.2 times), and in memory, where nothing is written, blocks are wider (0.9).
template <class S, forward_op Op>
LOGZ_INLINE bool holds_panels(const forward_call<S>& call, ptrdiff_t scratch_lanes) {
  // A result in another order has no place for exps: in blocks they would be computed twice.
  const bool stays = is_reduction<Op> || call.out_slice == 1;
  if (call.x_slice != 1 || !stays) return scratch_lanes >= line<S>;
  return scratch_lanes >= 4 * line<S> && !(is_reduction<Op> && call.in_memory);
}

/// Panels as wide as scratch allows, in whole cache lines: a wide one has more to do at a time. Longer slices than
/// scratch holds are cut into blocks, which of what is in the cache stay in its first level.
template <class S, forward_op Op>
void panels(const forward_call<S>& call) {
  panel<S, Op> p;
  p.of = &call;
  p.x = call.scratch;
  bool probable = Op == forward_op::hvp;
  if constexpr (is_loss<Op>) probable = probabilities_of(*call.loss) != nullptr;
  const ptrdiff_t half = call.scratch_size / 2 / line<S> * line<S>;
  const ptrdiff_t scratch_lanes = (probable ? half : call.scratch_size) / (call.length + overhang);
  const bool fits = holds_panels<S, Op>(call, scratch_lanes), over = call.x == call.out,
             few = call.length <= few_rows;
  const bool direct = reads_directly<S, Op>(call, fits);
  // Scratch holds whole slices: packed, or the exps of a few rows, and those that would take the place of what is read.
  const bool whole = fits && (!direct || (keeps_exps(summed<Op>) && (over || few)));
  const ptrdiff_t room = at_most(whole ? scratch_lanes : panel_lanes<S>, panel_lanes<S>);
  const ptrdiff_t usual = direct && few              ? widest_panel<S> / 4
                          : direct || call.in_memory ? widest_panel<S>
                                                     : widest_panel<S> / 2;
  const ptrdiff_t widest = at_most(usual, room / line<S> * line<S>);
  // Vectors begin where those of the result do, or of x where it is alone.
  const bool reduces = is_reduction<Op>;
  const bool neighbours = call.x_slice == 1 && (reduces || call.out_slice == 1);
  const ptrdiff_t before = !neighbours ? 0
                           : reduces   ? slices_before_line(call.x, call.x_length, ptrdiff_t{1}, call.all)
                                     : slices_before_line(call.out, call.out_length, ptrdiff_t{1}, call.all);
  for (p.first = 0; p.first < call.count; p.first += p.shape.slices) {
    p.shape = next_panel<S>(call.count - p.first, p.first == 0 ? before : 0, widest, room);
    if constexpr (!is_weighted<Op>) {
      if (is_narrow<S, Op>(call, p.shape.slices)) {
        narrow<S, Op>(call, p.first, p.shape.slices);
        continue;
      }
    }
    p.lanes = p.shape.lanes;
    p.in_result = !whole && keeps_in_result<S, Op>(call, p.shape.slices);
    p.direct = direct && p.shape.slices >= width<S>;
    // In place, the last vector would find what the one before has left, and the second what the first has.
    if (p.in_result && over && p.shape.slices != p.lanes) p.direct = false;
    p.block = call.length;
    const bool packs =
        probable && (fits || Op == forward_op::hvp || !reads_probabilities(call, p.shape.slices));
    p.t = packs ? call.scratch + half : nullptr;
    if (!whole && (p.direct || !fits)) {
      const ptrdiff_t size = p.t != nullptr ? half : call.scratch_size;
      const ptrdiff_t rows = (call.in_memory ? size : at_most(size, block_length<S>)) / p.lanes;
      p.block = rows < flush_step + overhang ? flush_step : (rows - overhang) / flush_step * flush_step;
    }
    if (!p.direct && p.block >= call.length) p.in_result = false;  // scratch holds them after all
    const S* const second = call.out + (p.first + p.shape.lead) * call.out_slice;
    one_panel<S, Op>(p, call.in_memory && !reduces && can_stream(second, call.out_length, call.out_slice));
  }
}

}  // namespace LOGZ_TARGET
