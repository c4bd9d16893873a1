// SPDX-License-Identifier: MIT
//
// Softmax and the gradient of logsumexp on short slices whose numbers lie side by side: as many rows as a vector has lanes
// share what crosses the lanes (maxima, sums) and what follows from it. Not the functions with a logarithm, which set one
// maximum of each row aside: rows of 16 to 200 take 0.95 to 1.35 of the time of panels then, measured.

namespace LOGZ_TARGET {

/// Rows of more than one vector that leave at most an eighth of theirs empty. Panels, which are transposed, leave nothing:
/// they are faster where more would be (20 and 36 floats of AVX-512, measured; 32, 64 and 100 take 0.65 to 0.95 of their
/// time). A kernel for rows of one vector would take 0.85 and a tenth more of the time to compile.
template <class S>
constexpr bool is_row(ptrdiff_t n) {
  return n > width<S> && (n + width<S> - 1) / width<S> * width<S> - n <= n / 8;
}
/// Vectors of 16 bytes would gain a twentieth, which is not worth another kernel.
inline constexpr bool has_short_rows = LOGZ_VECTOR_BYTES > 16;

/// The last vector of a row, of which n <= width numbers are there.
template <class S>
LOGZ_INLINE vec<S> load_last(const S* p, ptrdiff_t n) {
  return load_up_to(p, n, all(-std::numeric_limits<S>::infinity()));
}
/// The largest of a row in every lane, NaN ignored. `Vectors`: it has so many, the last filled in part; 0: more than two.
template <class S, int Vectors>
LOGZ_INLINE vec<S> largest_in_lanes(const S* x, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  const ptrdiff_t last = Vectors == 0 ? (n - 1) / w * w : (Vectors - 1) * w;
  vec<S> top = larger<vec<S>>(load_last(x + last, n - last), least);
  for (ptrdiff_t l = 0; l < last; l += w) top = larger<vec<S>>(load(x + l), top);
  return top;
}

template <class S, std::size_t Block>
LOGZ_INLINE vec<S> larger_lanes(vec<S> a, vec<S> b) {
  constexpr every_lane<S> all_lanes{};
  return larger<vec<S>>(own_lanes<S, Block>(a, b, all_lanes), other_lanes<S, Block>(a, b, all_lanes));
}
/// Of as many rows as a vector has lanes: rows[0] becomes the largest of row i in lane i.
template <class S, std::size_t Block = width<S> / 2>
LOGZ_INLINE void max_rows(vec<S>* rows) {
  if constexpr (Block != 0) {
    LOGZ_UNROLL for (std::size_t i = 0; i < Block; ++i) rows[i] =
        larger_lanes<S, Block>(rows[i], rows[i + Block]);
    max_rows<S, Block / 2>(rows);
  }
}

/// The largest of each of up to `width` rows.
template <class S, int Vectors>
LOGZ_INLINE vec<S> tops_of_rows(const S* x, ptrdiff_t x_slice, ptrdiff_t rows, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  vec<S> lanes[w];
  constexpr ptrdiff_t step = 4;
  if (Vectors != 0 && rows == w) {
    for (ptrdiff_t r = 0; r < w; r += step, x += step * x_slice) {
      LOGZ_UNROLL for (ptrdiff_t i = 0; i < step; ++i) lanes[r + i] =
          largest_in_lanes<S, Vectors>(x + i * x_slice, n);
    }
  } else {
    for (ptrdiff_t r = 0; r < w; ++r)
      lanes[r] = largest_in_lanes<S, Vectors>(x + at_most(r, rows - 1) * x_slice, n);
  }
  max_rows<S>(lanes);
  return lanes[0];
}

/// What the exps of a row have come to, still in lanes. The last pair joins the sum while the next row is exponentiated: a
/// processor has room for a hundred instructions that wait, and a sum would wait for its exps.
template <class S>
struct short_row {
  lane_sum<S> sum;
  exp_pair<S> late;
};
template <class S>
LOGZ_INLINE row_sum_of<S> finished(short_row<S>& row) {
  join<S, terms::all>(row.sum, row.late);
  return in_one_sum(row.sum);
}
/// The exps of a row, stored in whole vectors.
template <class S, int Vectors>
LOGZ_INLINE short_row<S> exps_of_short(const S* x, ptrdiff_t n, vec<S> exponent, vec<S> floor, S* to) {
  constexpr ptrdiff_t w = width<S>;
  short_row<S> row;
  clear(row.sum);
  row.late = exp_pair<S>{};
  ptrdiff_t l = 0;
  vec<S> a, b;
  if constexpr (Vectors == 0) {
    for (; l + 2 * w < n; l += 2 * w) {
      a = load(x + l);
      b = load(x + l + w);
      join<S, terms::all>(row.sum, row.late);
      row.late = exp_of_pair<S, terms::all>(exponent, floor, a, b);
      store(to + l, a);
      store(to + l + w, b);
    }
    join<S, terms::all>(row.sum, row.late);
  }
  if (Vectors == 0 && n - l <= w) {
    row.late = exp_pair<S>{};
    row.late.a_parts = exp_parts(larger(floor, load_last(x + l, n - l)), exponent);
    row.late.a = value(row.late.a_parts);
    store(to + l, row.late.a);
  } else {
    a = Vectors == 2 ? load(x) : load_last(x + l, n - l);
    b = load_last(x + l + w, n - l - w);
    row.late = exp_of_pair<S, terms::all>(exponent, floor, a, b);
    store(to + l, a);
    store(to + l + w, b);
  }
  return row;
}

/// `Whole`: from whole vectors, as exps in scratch are.
template <class S, forward_op Op, int Vectors, bool Whole = true>
LOGZ_INLINE void map_short(const S* from, S* to, ptrdiff_t n, const coefficients<S>& with) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t last = Vectors == 0 ? (n - 1) / w * w : (Vectors - 1) * w;
  ptrdiff_t l = 0;
  for (; l < last; l += w) store(to + l, map<S, Op>(load(from + l), with));
  const vec<S> v = Whole ? load(from + l) : load_up_to(from + l, n - l, vec<S>{});
  store_up_to(to + l, n - l, map<S, Op>(v, with));
}

/// Rows that share a vector of maxima, their exps in scratch.
template <class S>
struct short_group {
  ptrdiff_t rows = 0;
  const S* x;  // the numbers to exponentiate
  ptrdiff_t x_slice;
  S* exps;
  S* out;
  alignas(64) S exponent[width<S>], floor[width<S>];
  alignas(64) S high[width<S>], low[width<S>];          // of the map
  alignas(64) S factor[width<S>], reference[width<S>];  // logsumexp_backward
};

/// Rows from i on become a group: references of all, and plain numbers in scratch of those that are negated or far from 0.
template <class S, forward_op Op, int Vectors>
__attribute__((noinline)) void start_group(short_group<S>& g, const forward_call<S>& call, ptrdiff_t i,
                                           ptrdiff_t rows, ptrdiff_t apart) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t n = call.length;
  g.rows = rows;
  g.out = call.out + i * call.out_slice;
  g.x = call.x + i * call.x_slice;
  g.x_slice = call.x_slice;
  const auto prepare = [&](bool negate, const S* shift) {
    for (ptrdiff_t r = 0; r < rows; ++r)
      row_prepare(g.x + r * g.x_slice, n, negate, shift == nullptr ? S(0) : shift[r], g.exps + r * apart);
    g.x = g.exps;
    g.x_slice = apart;
  };
  if (call.negate) prepare(true, nullptr);
  vec<S> tops;
  if constexpr (Op == forward_op::logsumexp_backward) {
    for (ptrdiff_t r = 0; r < w; ++r) {
      const ptrdiff_t slice = i + at_most(r, rows - 1);
      g.reference[r] = call.reference[slice * call.reference_slice];
      g.factor[r] = factor_of(call, slice);
    }
    tops = load(g.reference);
  } else {
    tops = tops_of_rows<S, Vectors>(g.x, g.x_slice, rows, n);
  }
  partition<S> z;
  set_reference<S>(z, tops, span_of<S, Op>);
  store(g.exponent, z.exponent);
  store(g.floor, z.floor);
  if (is_far(z)) {
    alignas(64) S shift[w];
    store(shift, z.shift);
    prepare(false, shift);
  }
}

/// 1 / Z of rows, from their sums still in lanes.
LOGZ_INLINE void find_inverses(vec<double>* total, vec<float>& high, vec<float>& low) {
  constexpr ptrdiff_t half = width<double>;
  const vec<double> none = {};
  sum_rows(total);
  sum_rows(total + half);
  const lane_sum<double> a = inverse_of<float>(total[0], none), b = inverse_of<float>(total[half], none);
  high = join(a.high, b.high);
  low = join(a.low, b.low);
}
LOGZ_INLINE void find_inverses(lane_sum<double>* total, vec<double>& high, vec<double>& low) {
  sum_rows(total);
  const lane_sum<double> inverse = inverse_of<double>(total[0].high, total[0].low);
  high = inverse.high;
  low = inverse.low;
}

template <class S, forward_op Op, int Vectors>
__attribute__((noinline)) void write_group(short_group<S>& g, const forward_call<S>& call, ptrdiff_t apart) {
  constexpr bool backward = Op == forward_op::logsumexp_backward;
  S* out = g.out;
  const S* e = g.exps;
  for (ptrdiff_t r = 0; r < g.rows; ++r, e += apart, out += call.out_slice) {
    if (backward && g.reference[r] == -std::numeric_limits<S>::infinity()) {  // Z is 0
      for (ptrdiff_t l = 0; l < call.length; ++l) out[l] = 0;
      continue;
    }
    const coefficients<S> with = {all(g.high[r]), all(g.low[r]), all(backward ? g.factor[r] : S(1))};
    map_short<S, Op, Vectors>(e, out, call.length, with);
  }
  g.rows = 0;
}

/// Group by group. Between the exps of one and their sum come the last pass of the group before and the maxima of the next,
/// so that no row waits for what crosses the lanes.
template <class S, forward_op Op, int Vectors>
void short_rows(const forward_call<S>& of) {
  constexpr ptrdiff_t w = width<S>;
  const forward_call<S> call = of;  // the stores might change what is given
  const ptrdiff_t n = call.length, apart = (n + 2 * w - 1) / (2 * w) * (2 * w);
  const ptrdiff_t together = 2 * w * apart <= call.scratch_size ? w : w / 2;
  row_sum_of<S> total[w] = {};
  short_group<S> groups[2];
  groups[0].exps = call.scratch;
  groups[1].exps = call.scratch + together * apart;
  start_group<S, Op, Vectors>(groups[0], call, 0, at_most(call.count, together), apart);
  for (ptrdiff_t i = 0, turn = 0; i < call.count; i += together, turn ^= 1) {
    short_group<S>& g = groups[turn];
    short_group<S>& other = groups[turn ^ 1];
    const S* x = g.x;
    S* e = g.exps;
    short_row<S> before = exps_of_short<S, Vectors>(x, n, all(g.exponent[0]), all(g.floor[0]), e);
    for (ptrdiff_t r = 1; r < g.rows; ++r) {
      x += g.x_slice;
      e += apart;
      const short_row<S> row = exps_of_short<S, Vectors>(x, n, all(g.exponent[r]), all(g.floor[r]), e);
      total[r - 1] = finished(before);
      before = row;
    }
    total[g.rows - 1] = finished(before);
    write_group<S, Op, Vectors>(other, call, apart);
    const ptrdiff_t next = i + together;
    if (next < call.count)
      start_group<S, Op, Vectors>(other, call, next, at_most(call.count - next, together), apart);
    coefficients<S> with;
    find_inverses(total, with.high, with.low);
    if constexpr (Op == forward_op::logsumexp_backward) {
      set_factor<S>(with, load(g.factor));
      store(g.factor, with.factor);
    }
    store(g.high, with.high);
    store(g.low, with.low);
    if (next >= call.count) write_group<S, Op, Vectors>(g, call, apart);
  }
}
template <class S, forward_op Op>
void short_rows(const forward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  return call.length <= 2 * w ? short_rows<S, Op, 2>(call) : short_rows<S, Op, 0>(call);
}

}  // namespace LOGZ_TARGET
