// SPDX-License-Identifier: MIT
//
// The functions on slices whose numbers lie side by side.

namespace LOGZ_TARGET {

/// Rows up to this length are transposed into panels, where no sum crosses lanes. Measured on AVX2: rows
/// catch up between 200 and 300; 224 is what fits in the small scratch.
template <class S>
constexpr ptrdiff_t short_length = 224;
/// The same for weighted sums, which have no narrow panels: a slice of 64 costs 0.6 us in a panel of its own and 0.16 as a
/// row, 512 of them 19 us in panels and 44 in rows.
template <class S>
constexpr ptrdiff_t short_weighted_length = 64;

/// Slices up to this length keep their exponentials in the result (2 MiB, a part of a last-level cache), unless that is
/// streamed; of longer ones they are computed again, so that memory is read twice and written once.
template <class S>
constexpr ptrdiff_t kept_length = 2097152 / static_cast<ptrdiff_t>(sizeof(S));

template <forward_op Op>
constexpr terms summed = Op == forward_op::softmax || Op == forward_op::logsumexp_backward ? terms::all
                         : Op == forward_op::cross_entropy_gradient                        ? terms::kept
                                                                                           : terms::others;

/// The largest number is found beside the sum, which does not find it by itself.
template <forward_op Op>
constexpr bool tracks_top = keeps_exps(summed<Op>) && Op != forward_op::logsumexp_backward;

/// Rows that are negated or far from 0 are copied block by block into scratch, so that the passes see plain numbers.
template <class S>
S top_of_prepared(const forward_call<S>& call, const S* x) {
  S top = -std::numeric_limits<S>::infinity();
  for (ptrdiff_t l = 0; l < call.length; l += block_length<S>) {
    const ptrdiff_t n = at_most(call.length - l, block_length<S>);
    row_prepare(x + l, n, call.negate, S(0), call.scratch);
    const S largest = row_max(call.scratch, n);
    top = largest > top ? largest : top;
  }
  return top;
}
/// Whether a row's first reference is a maximum of samples, and its own is found on the way: the sum alone takes 0.8 of the
/// time, measured. Exps in its place would leave nothing to begin again from.
template <class S>
bool takes_samples(const S* x, const S* kept) {
  return kept == nullptr || kept != x;
}
/// Adds exp of a row to the sum. With kept null the exps are lost.
template <class S, forward_op Op>
void sum_row(partition_of<S, Op>& z, const forward_call<S>& call, const S* x, ptrdiff_t slice, S* kept,
             bool prepared, waiting_row<S>& waiting) {
  constexpr terms which = summed<Op>;
  constexpr bool tracks = tracks_top<Op>;
  constexpr ptrdiff_t one_page = page / static_cast<ptrdiff_t>(sizeof(S));
  // The next row, where one is between a page and two: rows of 1000 doubles take 0.9 of the time, measured.
  const ptrdiff_t ahead = call.length > one_page && call.length <= 2 * one_page ? call.length : one_page;
  if (!prepared) {
    // A row whose maximum was looked for has been read: what is ahead is the next one, where rows are short.
    const bool helps = takes_samples(x, kept) || call.length <= block_length<S>;
    if constexpr (is_weighted<Op>) {
      return weighted_row_sum<S, is_entropy<Op>>(z, x, second_of<Op>(call, slice), call.length);
    }
    S* to = kept;
    if (Op == forward_op::log_softmax && !call.in_memory) to = call.out + slice * call.out_slice;
    row_sum<S, Op, which, tracks>(z, x, call.length, to, helps ? ahead : 0, waiting);
    return;
  }
  for (ptrdiff_t l = 0; l < call.length; l += block_length<S>) {
    const ptrdiff_t n = at_most(call.length - l, block_length<S>);
    if (prepared) row_prepare(x + l, n, call.negate, S(z.shift[0]), call.scratch);
    if constexpr (is_weighted<Op>) {
      const S* const v = second_of<Op>(call, slice);
      weighted_row_sum<S, is_entropy<Op>>(z, prepared ? call.scratch : x + l, v == nullptr ? v : v + l, n);
    } else {
      S* const to = !keeps_exps(which) ? nullptr : kept == nullptr ? call.scratch : kept + l;
      row_sum<S, Op, which, tracks>(z, prepared ? call.scratch : x + l, n, to, prepared ? 0 : ahead);
    }
  }
}

/// log Z; where the maximum is infinite, that or NaN.
template <class S>
S log_z(const S* x, ptrdiff_t n, ptrdiff_t stride, S top, S shift, S high, S low) {
  if (is_finite(top)) return shift == 0 ? S(high + low) : S(double(shift) + (double(high) + double(low)));
  for (ptrdiff_t l = 0; l < n; ++l) {
    if (is_nan(double(x[l * stride]))) return x[l * stride];
  }
  return top;
}

/// What stands in for a row's maximum at first; the maximum where exps are kept or their distances from it are summed.
template <class S, forward_op Op>
S first_reference(const forward_call<S>& call, const S* x, ptrdiff_t slice, const S* kept) {
  if constexpr (Op == forward_op::logsumexp_backward) return call.reference[slice * call.reference_slice];
  return is_weighted<Op> || !takes_samples(x, kept) ? row_max(x, call.length) : row_samples(x, call.length);
}

/// Finds a row's sum. True where its numbers had to be prepared.
template <class S, forward_op Op>
bool find_partition(partition_of<S, Op>& z, const forward_call<S>& call, const S* x, ptrdiff_t slice,
                    S reference, S* kept, waiting_row<S>& waiting) {
  constexpr bool backward = Op == forward_op::logsumexp_backward;
  begin(z);
  if (backward || !call.negate) {
    set_reference(z, all(reference), span_of<S, Op>);
    const bool prepared = z.shift[0] != 0;
    if (backward || !prepared) sum_row<S, Op>(z, call, x, slice, kept, prepared, waiting);
    const bool known = !takes_samples(x, kept), done = known || !is_low(z);
    if (keeps_exps(summed<Op>)) z.top = known ? all(reference) : all(max_of_lanes<S>(z.top));
    if (backward || (!prepared && done)) return prepared;
  }
  const S top = top_of_prepared(call, x);
  set_reference(z, all(top), span_of<S, Op>);
  begin(z);
  sum_row<S, Op>(z, call, x, slice, kept, true, waiting);
  if (keeps_exps(summed<Op>)) z.top = all(top) - z.shift;
  return true;
}

/// exp once more and through the map, for rows that could not keep theirs; prepared ones block by block.
template <class S, forward_op Op>
void row_remake(partition<S> z, const forward_call<S>& call, const S* x, S* to, const coefficients<S>& with,
                bool prepared, bool streams, const share_slopes<S>& slopes) {
  const bool uniform = !is_loss<Op> || slopes.uniform(), whole = !prepared && uniform;
  const ptrdiff_t block = whole ? call.length : block_length<S>;
  const row_coefficients<S> anew = of_exps(is_loss<Op> ? slopes.with(with) : with, z);
  for (ptrdiff_t l = 0; l < call.length; l += block) {
    const ptrdiff_t n = at_most(call.length - l, block);
    if (prepared) row_prepare(x + l, n, call.negate, S(z.shift[0]), call.scratch);
    const S* const from = prepared ? call.scratch : x + l;
    if (uniform) {
      row_map<S, Op>(from, to + l, n, anew, streams);
    } else if constexpr (is_loss<Op>) {
      row_sum<S, Op, summed<Op>, tracks_top<Op>>(z, from, n, call.scratch);
      row_slopes(call.scratch, to + l, n, with, slopes.from(l));
    }
  }
}

/// The last pass over a row waits, but for what comes before the first whole line of its result.
template <class S, forward_op Op>
void let_wait(const S* from, S* to, ptrdiff_t n, const row_coefficients<S>& with, bool streams,
              waiting_row<S>& waiting) {
  const ptrdiff_t head = until_aligned(to, n);
  if (head != 0) row_map<S, Op>(from, to, head, with, false);
  waiting = {from + head, to + head, n - head, streams, with, -1, S(0)};
}
/// What is left to do of a row that has waited: all of its map if no other row has taken it along.
template <class S, forward_op Op>
void settle(waiting_row<S>& waiting) {
  if constexpr (!is_reduction<Op> && !is_weighted<Op>) {
    if (waiting.n > 0) row_map<S, Op>(waiting.from, waiting.to, waiting.n, waiting.with, waiting.streams);
    if (waiting.target >= 0) waiting.to[waiting.target] = waiting.at_target;
    waiting.n = 0;
    waiting.target = -1;
  }
}
template <class S, forward_op Op>
LOGZ_INLINE void write_or_wait(const S* from, S* to, ptrdiff_t n, const row_coefficients<S>& with,
                               bool streams, bool waits, waiting_row<S>& waiting) {
  if (waits) {
    let_wait<S, Op>(from, to, n, with, streams, waiting);
  } else {
    row_map<S, Op>(from, to, n, with, streams);
  }
}

/// The gradient of a loss, and all that is asked of one row.
template <class S, forward_op Op, int Count>
void write_loss_row(const loss_group<S, Count>& lg, ptrdiff_t r, const partition<S>& z,
                    const forward_call<S>& call, ptrdiff_t sample, S* kept, const coefficients<S>& with,
                    bool prepared, bool streams, bool waits, waiting_row<S>& waiting) {
  const loss_terms<S>& terms = *call.loss;
  S* const out = call.out + sample * call.out_slice;
  if (terms.ignored(sample) || is_flat(terms)) {
    for (ptrdiff_t l = 0; l < call.length; ++l) out[l] = 0;
    return;
  }
  const share_slopes<S> slopes =
      slopes_of(terms, row_of_probabilities(terms, sample), terms.upstream == nullptr ? 1.0 : lg.above[r]);
  const bool targeted = lg.own[r] != 0;
  const ptrdiff_t y = targeted ? terms.target[sample] : 0;
  const S at_target = targeted ? S(slope_at(lg, r, terms, y)) : S(0);
  const S* const x = call.x + sample * call.x_slice;
  if (waits && slopes.uniform() && (kept != nullptr || !prepared)) {
    const coefficients<S> all_of_it = slopes.with(with);
    let_wait<S, Op>(kept == nullptr ? x : kept, out, call.length,
                    kept == nullptr ? of_exps(all_of_it, z) : of_kept(all_of_it), streams, waiting);
    waiting.target = targeted ? y - (call.length - waiting.n) : -1;
    waiting.at_target = at_target;
    if (targeted && waiting.target < 0) out[y] = at_target;
    return;
  }
  if (kept == nullptr) {
    row_remake<S, Op>(z, call, x, out, with, prepared, streams, slopes);
  } else {
    write_slopes<S>(kept, out, call.length, with, slopes, streams);
  }
  if (targeted) out[y] = at_target;
}

template <class S, forward_op Op>
void rows(const forward_call<S>& call) {
  constexpr int most = 8, room = most < width<S> ? int(width<S>) : most;
  constexpr terms which = summed<Op>;
  const ptrdiff_t n = call.length;
  const bool streams = call.in_memory && !is_reduction<Op>;
  // A result that is streamed is written once: exps are kept in scratch, past the block of prepared numbers.
  S* const aside = streams ? call.scratch + block_length<S> : nullptr;
  const ptrdiff_t apart = (n + width<S> - 1) / width<S> * width<S>;
  const bool keep =
      keeps_exps(which) && (streams ? apart <= call.scratch_size - block_length<S> : n <= kept_length<S>);
  // As many rows at a time as 64 KiB hold: they share divisions and logarithms, and stay in L2 until the map. Streams want
  // to be read and written by turns: of 16 KiB, rows of 1000 floats take 0.8 of the time, measured.
  const ptrdiff_t fitting = (streams ? 16384 : 65536) / static_cast<ptrdiff_t>(sizeof(S)) / n;
  const ptrdiff_t at_once = fitting < 1 ? 1 : at_most(fitting, most);
  // Two longer rows and their results would not stay in L2: 128256 doubles would take 1.1 to 1.25 of the time, measured.
  // The exps of streamed ones wait in scratch, or are made anew: there 128256 floats take 0.65 of the time, doubles too.
  const bool waits = n * static_cast<ptrdiff_t>(sizeof(S)) <= (streams && !keep ? 1048576 : 262144) &&
                     (!streams || !keep || block_length<S> + 2 * at_once * apart <= call.scratch_size);
  group<S, room> g;
  loss_group<S, is_loss<Op> ? room : 1> lg;
  weighted_group<S, is_weighted<Op> ? room : 1> wg;
  partition_of<S, Op> z;
  waiting_row<S> waiting[most] = {};
  for (waiting_row<S>& row : waiting) row.target = -1;
  for (ptrdiff_t i = 0; i < call.count; i += at_once) {
    const ptrdiff_t rows = at_most(call.count - i, at_once);
    S* kept[most];
    bool prepared = false;
    for (ptrdiff_t r = 0; r < rows; ++r) {
      const S* const x = call.x + (i + r) * call.x_slice;
      kept[r] = !keep ? nullptr : streams ? aside + r * apart : call.out + (i + r) * call.out_slice;
      if (streams && keep && waits && (i / at_once & 1) != 0) kept[r] += at_once * apart;
      if constexpr (is_loss<Op>) {
        if (is_skipped(*call.loss, i + r)) {
          settle<S, Op>(waiting[r]);
          fill(g, r);
          clear_target(lg, r);
          continue;
        }
        read_target(lg, r, *call.loss, i + r, x, ptrdiff_t{1});
      }
      const S reference = first_reference<S, Op>(call, x, i + r, kept[r]);
      if constexpr (which == terms::kept) {
        if (!takes_samples(x, kept[r])) inspect_row(lg, r, *call.loss, i + r, x, n, reference);
      }
      prepared = find_partition<S, Op>(z, call, x, i + r, reference, kept[r], waiting[r]);
      settle<S, Op>(waiting[r]);
      if constexpr (which == terms::others && Op != forward_op::hvp) add_all_but_top(z);
      if constexpr (is_weighted<Op>) total_of_lanes(z.products, wg.products[r], wg.rest[r]);
      if constexpr (is_weighted<Op> && !is_reduction<Op>) wg.factor[r] = weighted_factor_of<Op>(call, i + r);
      if constexpr (which == terms::kept) add_all_but_largest<S>(z);
      if constexpr (is_loss<Op>) {
        if (which != terms::kept || takes_samples(x, kept[r]))
          inspect_row(lg, r, *call.loss, i + r, x, n, z.shift[0] + z.top[0]);
      }
      g.top[r] = z.top[0];
      g.shift[r] = z.shift[0];
      g.exponent[r] = z.exponent[0];
      total_of_lanes(z.sum, g.sum[r], g.rest[r]);
    }
    for (ptrdiff_t r = rows; r % width<S> != 0; ++r) {
      fill(g, r);
      if constexpr (is_loss<Op>) clear_target(lg, r);
    }
    if constexpr (is_loss<Op>) {
      finish_losses<S, which == terms::kept>(g, lg, *call.loss, rows);
    } else if constexpr (is_entropy<Op>) {
      finish_entropies<S, Op == forward_op::entropy_backward>(g, wg, rows);
    } else if constexpr (Op == forward_op::hvp) {
      finish_hvps(g, wg, rows);
    } else {
      finish<which>(g, rows);
    }
    for (ptrdiff_t r = 0; r < rows; ++r) {
      const S* const x = call.x + (i + r) * call.x_slice;
      S* const out = call.out + (i + r) * call.out_slice;
      if constexpr (Op == forward_op::logsumexp) {
        *out = log_z(x, n, ptrdiff_t{1}, g.top[r], g.shift[r], g.high[r], g.low[r]);
        continue;
      }
      if constexpr (Op == forward_op::entropy) {
        *out = wg.entropy[r];
        continue;
      }
      if constexpr (Op == forward_op::entropy_backward) {
        write_entropy_row(call, g, wg, r, i + r, streams);
        continue;
      }
      if constexpr (Op == forward_op::hvp) {
        write_hvp_row(call, g, wg, r, i + r);
        continue;
      }
      if constexpr (is_loss<Op>) store_losses(g, lg, r, *call.loss, i + r);
      if constexpr (Op == forward_op::cross_entropy) continue;
      coefficients<S> with = {all(g.high[r]), all(g.low[r]), all(S(1))};
      if constexpr (which == terms::kept) {
        write_loss_row<S, Op>(lg, r, z, call, i + r, kept[r], with, prepared, streams, waits, waiting[r]);
        continue;
      }
      if constexpr (Op == forward_op::log_softmax) {
        // Far from 0: x - top is exact, and log Z - top has digits of its own.
        if (g.shift[r] != 0) with = {all(g.shift[r]), all(g.high[r]), all(S(1))};
        write_or_wait<S, Op>(x, out, n, of_kept(with), streams, waits, waiting[r]);
        continue;
      }
      if constexpr (Op == forward_op::logsumexp_backward) {
        const S reference = call.reference[(i + r) * call.reference_slice];
        set_factor<S>(with, all(factor_of(call, i + r)));
        if (reference == -std::numeric_limits<S>::infinity()) {  // Z is 0
          for (ptrdiff_t l = 0; l < n; ++l) out[l] = 0;
          continue;
        }
      }
      if (kept[r] != nullptr) {
        write_or_wait<S, Op>(kept[r], out, n, of_kept(with), streams, waits, waiting[r]);
      } else if (waits && !prepared) {
        let_wait<S, Op>(x, out, n, of_exps(with, z), streams, waiting[r]);
      } else {
        row_remake<S, Op>(z, call, x, out, with, prepared, streams, {});  // a group of one
      }
    }
  }
  for (waiting_row<S>& row : waiting) settle<S, Op>(row);
  if (streams) stream_fence();
}

}  // namespace LOGZ_TARGET
