// SPDX-License-Identifier: MIT
//
// Sums of rows that are still in lanes, of as many rows together as a vector of doubles has lanes.

namespace LOGZ_TARGET {

/// A row's sum, still in lanes.
template <class S>
using row_sum_of = std::conditional_t<sizeof(S) == 4, vec<double>, lane_sum<double>>;
LOGZ_INLINE vec<double> in_one_sum(const lane_sum<float>& s) { return s.first + s.second; }
LOGZ_INLINE lane_sum<double> in_one_sum(const lane_sum<double>& s) { return s; }

/// Lanes of a, those with `Block` set in their number of b; and the lanes `Block` away from them.
template <class S, std::size_t Block, std::size_t... I>
LOGZ_INLINE vec<S> own_lanes(vec<S> a, vec<S> b, std::index_sequence<I...>) {
  return select<S>(a, b, std::index_sequence<(I & Block ? sizeof...(I) + I : I)...>{});
}
template <class S, std::size_t Block, std::size_t... I>
LOGZ_INLINE vec<S> other_lanes(vec<S> a, vec<S> b, std::index_sequence<I...>) {
  return select<S>(a, b, std::index_sequence<((I & Block ? sizeof...(I) : 0) + (I ^ Block))...>{});
}
template <std::size_t Block, class V>
LOGZ_INLINE V add_lanes(V a, V b) {
  typedef std::decay_t<decltype(a[0])> S;
  constexpr every_lane<S> all_lanes{};
  return own_lanes<S, Block>(a, b, all_lanes) + other_lanes<S, Block>(a, b, all_lanes);
}
template <std::size_t Block>
LOGZ_INLINE lane_sum<double> add_lanes(const lane_sum<double>& a, const lane_sum<double>& b) {
  constexpr every_lane<double> all_lanes{};
  lane_sum<double> s;
  s.low = add_lanes<Block>(a.low, b.low);
  s.high = two_sum<vec<double>>(own_lanes<double, Block>(a.high, b.high, all_lanes),
                                other_lanes<double, Block>(a.high, b.high, all_lanes), s.low);
  return s;
}
/// Sums of as many rows as a vector has lanes, 2 · Block: rows[0] becomes that of row i in lane i, bit for bit as the row by itself.
template <std::size_t Block = width<double> / 2, class Sum>
LOGZ_INLINE void sum_rows(Sum* rows) {
  if constexpr (Block != 0) {
    LOGZ_UNROLL for (std::size_t i = 0; i < Block; ++i) rows[i] = add_lanes<Block>(rows[i], rows[i + Block]);
    sum_rows<Block / 2>(rows);
  }
}

/// The total of a row by itself, in every lane.
template <class S, std::size_t Block = width<S> / 2>
LOGZ_INLINE vec<S> total_in_lanes(vec<S> v) {
  if constexpr (Block == 0) {
    return v;
  } else {
    return total_in_lanes<S, Block / 2>(v + exchange_blocks<S, Block>(v, every_lane<S>{}));
  }
}

}  // namespace LOGZ_TARGET
