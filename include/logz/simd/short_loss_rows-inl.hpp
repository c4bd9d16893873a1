// SPDX-License-Identifier: MIT
//
// The gradients of losses on short slices whose numbers lie side by side, as short_rows() has softmax. One number at the
// maximum stays out of a row's sum: all there are, and those too many are added in the end.

namespace LOGZ_TARGET {

/// Rows that share a vector of maxima.
template <class S>
struct loss_rows {
  group<S, width<S>> g;
  loss_group<S, width<S>> lg;
  alignas(64) S floor[width<S>];
  ptrdiff_t first = 0, rows = 0;
  const S* x;  // the numbers to exponentiate
  ptrdiff_t x_slice;
};

/// What the kept exps of a row have come to, still in lanes.
template <class S>
struct short_loss_row {
  lane_sum<S> sum;
  vec<S> a, b;  // join the sum while the next pair is exponentiated
  vec<S> ties;  // numbers at the maximum
};
template <class S>
LOGZ_INLINE vec<S> without_top(vec<S> v, vec<S> e, vec<S> top, vec<S>& ties) {
  const auto is_top = v == top;
  ties = is_top ? ties + S(1) : ties;
  return is_top ? vec<S>{} : e;
}
/// The exps of a row, to its place in the result.
template <class S, int Vectors>
LOGZ_INLINE short_loss_row<S> exps_of_loss(const S* x, ptrdiff_t n, vec<S> exponent, vec<S> floor, vec<S> top,
                                           S* to) {
  constexpr ptrdiff_t w = width<S>;
  short_loss_row<S> row;
  clear(row.sum);
  row.ties = vec<S>{};
  ptrdiff_t l = 0;
  if constexpr (Vectors == 0) {
    row.a = row.b = vec<S>{};
    for (; l + 2 * w < n; l += 2 * w) {
      const vec<S> va = load(x + l), vb = load(x + l + w), a = exp_of<S>(va, exponent, floor),
                   b = exp_of<S>(vb, exponent, floor);
      add_rounded(row.sum, row.a, row.b);
      row.a = without_top<S>(va, a, top, row.ties);
      row.b = without_top<S>(vb, b, top, row.ties);
      store(to + l, a);
      store(to + l + w, b);
    }
    add_rounded(row.sum, row.a, row.b);
  }
  row.b = vec<S>{};
  if (Vectors == 2 || (Vectors == 0 && n - l > w)) {
    const vec<S> v = load_last(x + l + w, n - l - w), b = exp_of<S>(v, exponent, floor);
    row.b = without_top<S>(v, b, top, row.ties);
    const vec<S> va = load(x + l), a = exp_of<S>(va, exponent, floor);
    row.a = without_top<S>(va, a, top, row.ties);
    store(to + l, a);
    store_up_to(to + l + w, n - l - w, b);
  } else {
    const vec<S> v = load_last(x + l, n - l), a = exp_of<S>(v, exponent, floor);
    row.a = without_top<S>(v, a, top, row.ties);
    store_up_to(to + l, n - l, a);
  }
  return row;
}
template <class S>
LOGZ_INLINE row_sum_of<S> finished(short_loss_row<S>& row) {
  add_rounded(row.sum, row.a, row.b);
  return in_one_sum(row.sum);
}

/// Adds the numbers at the maximum but one.
template <class S>
LOGZ_INLINE void add_ties(lane_sum<double>& sum, vec<double> ties, vec<double> top_exp) {
  const lane_sum<double> others = times<S>(ties - 1.0, {top_exp, vec<double>{}});
  sum.low += others.low;
  sum.high = two_sum<vec<double>>(sum.high, others.high, sum.low);
}
LOGZ_INLINE void store_sums_of(group<float, width<float>>& g, vec<double>* total, vec<float>* ties) {
  constexpr ptrdiff_t half = width<double>;
  sum_rows(total);
  sum_rows(total + half);
  sum_rows<width<float> / 2>(ties);
  lane_sum<double> a = {total[0], vec<double>{}}, b = {total[half], vec<double>{}};
  if (any<float>(bits<float>(ties[0] > 1.0f))) {
    const vec<float> e = value(exp_parts(load(g.top), load(g.exponent)));
    add_ties<float>(a, first_half(ties[0]), first_half(e));
    add_ties<float>(b, second_half(ties[0]), second_half(e));
  }
  store(g.sum, a.high);
  store(g.sum + half, b.high);
}
LOGZ_INLINE void store_sums_of(group<double, width<double>>& g, lane_sum<double>* total, vec<double>* ties) {
  sum_rows(total);
  sum_rows(ties);
  lane_sum<double> sum = total[0];
  if (any<double>(bits<double>(ties[0] > 1.0)))
    add_ties<double>(sum, ties[0], value(exp_parts(load(g.top), load(g.exponent))));
  store(g.sum, sum.high);
  store(g.rest, sum.low);
}

/// Rows from i on become a group: their maxima, what their targets and options ask of their numbers, and plain numbers in
/// scratch of those that are far from 0.
template <class S, int Vectors>
__attribute__((noinline)) void start_group(loss_rows<S>& of, const forward_call<S>& call, ptrdiff_t i,
                                           ptrdiff_t apart) {
  constexpr ptrdiff_t w = width<S>;
  const loss_terms<S>& terms = *call.loss;
  const ptrdiff_t n = call.length;
  of.first = i;
  of.rows = at_most(call.count - i, w);
  of.x = call.x + i * call.x_slice;
  of.x_slice = call.x_slice;
  const vec<S> tops = tops_of_rows<S, Vectors>(of.x, of.x_slice, of.rows, n);
  partition<S> z;
  set_reference<S>(z, tops, span_of<S, forward_op::cross_entropy_gradient>);
  alignas(64) S largest[w];
  store(largest, tops);
  store(of.g.top, tops - z.shift);
  store(of.g.shift, z.shift);
  store(of.g.exponent, z.exponent);
  store(of.floor, z.floor);
  const bool inspects = terms.has_shares() || terms.argmax != nullptr;
  const S* x = of.x;
  for (ptrdiff_t r = 0; r < of.rows; ++r, x += of.x_slice) {
    if (is_skipped(terms, i + r)) {
      clear_target(of.lg, r);
      continue;
    }
    read_target(of.lg, r, terms, i + r, x, ptrdiff_t{1});
    if (inspects) inspect_row(of.lg, r, terms, i + r, x, n, largest[r]);
  }
  for (ptrdiff_t r = of.rows; r < w; ++r) clear_target(of.lg, r);
  if (is_far(z)) {
    for (ptrdiff_t r = 0; r < of.rows; ++r)
      row_prepare(of.x + r * of.x_slice, n, false, of.g.shift[r], call.scratch + r * apart);
    of.x = call.scratch;
    of.x_slice = apart;
  }
}

template <class S, forward_op Op, int Vectors>
__attribute__((noinline)) void write_group(loss_rows<S>& of, const forward_call<S>& call) {
  const loss_terms<S>& terms = *call.loss;
  const ptrdiff_t n = call.length;
  const bool flat = is_flat(terms), spreads = terms.has_shares();
  S* out = call.out + of.first * call.out_slice;
  for (ptrdiff_t r = 0; r < of.rows; ++r, out += call.out_slice) {
    const ptrdiff_t sample = of.first + r;
    store_losses(of.g, of.lg, r, terms, sample);
    if (flat || terms.ignored(sample)) {
      for (ptrdiff_t l = 0; l < n; ++l) out[l] = 0;
      continue;
    }
    const coefficients<S> with = {all(of.g.high[r]), all(of.g.low[r]), vec<S>{}};
    if (!spreads) {
      map_short<S, Op, Vectors, false>(out, out, n, with);
    } else {
      const share_slopes<S> slopes = slopes_of(terms, row_of_probabilities(terms, sample),
                                               terms.upstream == nullptr ? 1.0 : of.lg.above[r]);
      write_slopes(out, out, n, with, slopes, false);
    }
    if (of.lg.own[r] != 0) {
      const ptrdiff_t y = terms.target[sample];
      out[y] = S(slope_at(of.lg, r, terms, y));
    }
  }
  of.rows = 0;
}

template <class S, forward_op Op, int Vectors>
void short_loss_rows(const forward_call<S>& of) {
  constexpr ptrdiff_t w = width<S>;
  const forward_call<S> call = of;  // the stores might change what is given
  const ptrdiff_t n = call.length, apart = (n + w - 1) / w * w;
  row_sum_of<S> total[w] = {};
  vec<S> ties[w] = {};
  loss_rows<S> groups[2];
  start_group<S, Vectors>(groups[0], call, 0, apart);
  for (ptrdiff_t i = 0, turn = 0; i < call.count; i += w, turn ^= 1) {
    loss_rows<S>& now = groups[turn];
    loss_rows<S>& other = groups[turn ^ 1];
    const S* x = now.x;
    S* out = call.out + i * call.out_slice;
    short_loss_row<S> before = {};
    for (ptrdiff_t r = 0; r < now.rows; ++r, x += now.x_slice, out += call.out_slice) {
      const short_loss_row<S> row =
          exps_of_loss<S, Vectors>(x, n, all(now.g.exponent[r]), all(now.floor[r]), all(now.g.top[r]), out);
      ties[r] = row.ties;
      if (r > 0) total[r - 1] = finished(before);
      before = row;
    }
    total[now.rows - 1] = finished(before);
    write_group<S, Op, Vectors>(other, call);
    if (i + w < call.count) start_group<S, Vectors>(other, call, i + w, apart);
    store_sums_of(now.g, total, ties);
    finish_losses<S, true>(now.g, now.lg, *call.loss, w);
    if (i + w >= call.count) write_group<S, Op, Vectors>(now, call);
  }
}
template <class S, forward_op Op>
void short_loss_rows(const forward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  return call.length <= 2 * w ? short_loss_rows<S, Op, 2>(call) : short_loss_rows<S, Op, 0>(call);
}

}  // namespace LOGZ_TARGET
