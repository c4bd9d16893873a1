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
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  for (ptrdiff_t l = 0; l < n; l += chunk) {
    vec<S> a, b;
    load_pair(x + l, n - l, least, a, b);  // filled up: -∞ adds nothing
    take_rows<S, Which, Row>(sum, tops, exponent, floor, a, b, pairs);
    if constexpr (keeps_exps(Which)) {
      store_pair(out + l, n - l, a, b);
    } else if ((l + chunk) % (flush_step * Row) == 0) {
      flush(sum);
    }
  }
  p.sum = sum;
  (Which == terms::kept ? p.z.aside : p.z.top) = tops;
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
  ptrdiff_t l = 0;
  if (slice_stride == 1) {
    // What a vector holds past its row is overwritten by the next; the last ones would be written past the end.
    for (; (n - l) * row >= width<S>; ++l)
      store(to + l * row, load_first(x + l * length_stride, slices, vec<S>{}));
  }
  for (; l < n; ++l) {
    for (ptrdiff_t i = 0; i < row; ++i)
      to[l * row + i] = x[l * length_stride + at_most(i, slices - 1) * slice_stride];
  }
  return to;
}
template <class S>
void scatter_rows(ptrdiff_t row, const S* from, ptrdiff_t n, S* out, ptrdiff_t length_stride,
                  ptrdiff_t slice_stride, ptrdiff_t slices) {
  ptrdiff_t l = 0;
  if (slice_stride == 1) {
    for (; (n - l) * row >= width<S>; ++l) store_first(out + l * length_stride, slices, load(from + l * row));
  }
  for (; l < n; ++l) {
    for (ptrdiff_t i = 0; i < slices; ++i) out[l * length_stride + i * slice_stride] = from[l * row + i];
  }
}

}  // namespace LOGZ_TARGET
