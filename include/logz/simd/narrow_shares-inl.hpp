// SPDX-License-Identifier: MIT
//
// Losses that spread over the classes, and the largest class, of a narrow panel: every bit is that of a panel's lane.

namespace LOGZ_TARGET {

/// A number for each row, w[0], w[1], ..., at every number of the vector's rows; the first `rows` of them are there.
template <class S, std::size_t Row, std::size_t... I>
LOGZ_INLINE vec<S> spread_over_rows(const S* w, ptrdiff_t rows, std::index_sequence<I...>) {
  const vec<S> v = load_up_to(w, at_most(rows, width<S> / ptrdiff_t(Row)), vec<S>{});
  return select<S>(v, v, std::index_sequence<(I / Row)...>{});
}
/// Which of the vector's rows a lane is in.
template <class S, std::size_t Row, std::size_t... I>
LOGZ_INLINE bits<S> row_numbers(std::index_sequence<I...>) {
  return bits<S>{typename lanes<S>::bit(I / Row)...};
}

/// What the rows of a narrow panel are inspected for, in the order of a panel's rows; the sums in the first lanes.
template <class S>
struct narrow_shares {
  narrow_sum<S> distances, probable_distances, shares;  // as those of a loss_group
  bits<S> argmax;                                       // the first row of each lane that has the maximum
};
LOGZ_INLINE void start_sum(narrow_sum<float>& sum) { sum = {vec<double>{}, vec<float>{}}; }
LOGZ_INLINE void start_sum(narrow_sum<double>& sum) { sum = {vec<double>{}, vec<double>{}}; }
template <class S>
LOGZ_INLINE void start_shares(narrow_shares<S>& sums) {
  start_sum(sums.distances);
  start_sum(sums.probable_distances);
  start_sum(sums.shares);
  sums.argmax = bits<S>{} + no_position<S>;
}
LOGZ_INLINE lane_sum<double> as_lanes(const narrow_sum<float>& sum) { return {sum.high, vec<double>{}}; }
LOGZ_INLINE lane_sum<double> as_lanes(const narrow_sum<double>& sum) { return {sum.high, sum.rest}; }
template <class S, int Count>
LOGZ_INLINE void store_shares(const narrow_shares<S>& sums, loss_group<S, Count>& lg) {
  store_totals(as_lanes(sums.distances), lg.distances, lg.distances_rest);
  store_totals(as_lanes(sums.probable_distances), lg.probable_distances, lg.probable_rest);
  store_totals(as_lanes(sums.shares), lg.shares, lg.shares_rest);
}

/// Adds u (top - x) of n numbers at x, and u where `shares` are wanted; u = t · w, t and the rows' w being 1 where they are
/// null. What is filled up is at the maximum, where the distance is 0.
template <class S, ptrdiff_t Row>
__attribute__((noinline)) void add_distances(narrow_sum<S>& distances, narrow_sum<S>* shares, const S* x,
                                             const S* t, const S* w, ptrdiff_t n, vec<S> top) {
  constexpr std::size_t row = Row;
  constexpr ptrdiff_t v = width<S>;
  const vec<S> one = all(S(1)), none = {};
  narrow_sum<S> sum = distances;
  for (ptrdiff_t l = 0; l < n; l += 2 * v) {
    const ptrdiff_t left = n - l, count = (left / Row + 1) / 2;
    vec<S> a = load_up_to(x + l, left, top), b = load_up_to(x + l + v, left - v, top);
    split_pairs<S, row>(a, b, every_lane<S>{});
    lane_sum<S> pairs;
    clear(pairs);
    if (t == nullptr && w == nullptr) {
      add_rounded(pairs, opaque_vector(top - a), opaque_vector(top - b));
      add_pairs<S, terms::all, Row>(sum, pairs, count);
      continue;
    }
    vec<S> ua = t == nullptr ? one : load_up_to(t + l, left, none),
           ub = t == nullptr ? one : load_up_to(t + l + v, left - v, none);
    if (w != nullptr) {
      const vec<S> wa = spread_over_rows<S, row>(w + l / Row, left / Row, every_lane<S>{});
      const vec<S> wb = spread_over_rows<S, row>(w + (l + v) / Row, (left - v) / Row, every_lane<S>{});
      ua = wa == 0 ? none : ua * wa;
      ub = wb == 0 ? none : ub * wb;
    }
    split_pairs<S, row>(ua, ub, every_lane<S>{});
    add_products(pairs, distance<S>(top, a, ua), distance<S>(top, b, ub), ua, ub);
    add_pairs<S, terms::all, Row>(sum, pairs, count);
    if (shares == nullptr) continue;
    clear(pairs);
    add_both(pairs, ua, ub);
    add_pairs<S, terms::all, Row>(*shares, pairs, count);
  }
  distances = sum;
}

/// n numbers at x, the rows from `start` on, and their probabilities.
template <class S, ptrdiff_t Row>
__attribute__((noinline)) void inspect_rows(narrow_shares<S>& sums, const loss_terms<S>& terms, const S* x,
                                            const S* t, ptrdiff_t start, ptrdiff_t n, vec<S> top) {
  typedef typename lanes<S>::bit bit;
  constexpr ptrdiff_t w = width<S>;
  const S* const weight = terms.weight == nullptr ? nullptr : terms.weight + start;
  if (t != nullptr) add_distances<S, Row>(sums.probable_distances, &sums.shares, x, t, weight, n, top);
  if (terms.has_shares() && plain_factor(terms).value != 0)
    add_distances<S, Row>(sums.distances, nullptr, x, nullptr, weight, n, top);
  if (terms.argmax == nullptr) return;
  const bits<S> none = bits<S>{} + no_position<S>;
  bits<S> here = row_numbers<S, std::size_t(Row)>(every_lane<S>{}) + bit(start), found = sums.argmax;
  for (ptrdiff_t l = 0; l < n; l += w, here += bit(w / Row)) {
    // What is filled up comes after the number it repeats.
    const bits<S> at = load_up_to(x + l, n - l, top) == top ? here : none;
    found = at < found ? at : found;
  }
  sums.argmax = found;
}
template <class S, ptrdiff_t Row = width<S> / 2>
LOGZ_INLINE void inspect_rows(ptrdiff_t row, narrow_shares<S>& sums, const loss_terms<S>& terms, const S* x,
                              const S* t, ptrdiff_t start, ptrdiff_t n, vec<S> top) {
  if constexpr (Row > 1) {
    if (row != Row) return inspect_rows<S, Row / 2>(row, sums, terms, x, t, start, n, top);
  }
  inspect_rows<S, Row>(sums, terms, x, t, start, n, top);
}

/// f s u of the rows of a narrow panel: weight · (probable · t + common).
template <class S>
struct narrow_slopes {
  vec<S> probable, common;
  const S* t;
  const S* w;
};
/// The gradient of n exps, number l on.
template <class S, ptrdiff_t Row>
LOGZ_INLINE vec<S> slopes_at(vec<S> e, const coefficients<S>& with, const narrow_slopes<S>& slopes,
                             ptrdiff_t l, ptrdiff_t n) {
  vec<S> u = slopes.common;
  if (slopes.t != nullptr) u = fma(load_up_to(slopes.t + l, n - l, vec<S>{}), slopes.probable, u);
  if (slopes.w != nullptr) {
    const vec<S> w =
        spread_over_rows<S, std::size_t(Row)>(slopes.w + l / Row, (n - l) / Row, every_lane<S>{});
    u = w == 0 ? vec<S>{} : u * w;
  }
  return slope_of(e, with, u);
}
template <class S, ptrdiff_t Row>
__attribute__((noinline)) void write_rows(const S* from, S* to, ptrdiff_t n, const coefficients<S>& with,
                                          const narrow_slopes<S>& slopes) {
  for (ptrdiff_t l = 0; l < n; l += width<S>) {
    const vec<S> e = load_up_to(from + l, n - l, vec<S>{});
    store_up_to(to + l, n - l, slopes_at<S, Row>(e, with, slopes, l, n));
  }
}
template <class S, ptrdiff_t Row = width<S> / 2>
LOGZ_INLINE void write_rows(ptrdiff_t row, const S* from, S* to, ptrdiff_t n, const coefficients<S>& with,
                            const narrow_slopes<S>& slopes) {
  if constexpr (Row > 1) {
    if (row != Row) return write_rows<S, Row / 2>(row, from, to, n, with, slopes);
  }
  write_rows<S, Row>(from, to, n, with, slopes);
}

}  // namespace LOGZ_TARGET
