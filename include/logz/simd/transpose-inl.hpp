// SPDX-License-Identifier: MIT
//
// Tiles of 16 bytes by a vector's lanes, transposed in registers: between rows of slices and a panel's lanes.

namespace LOGZ_TARGET {

/// Interleaves blocks of `Block` numbers within every 16 bytes: the first half of a's and b's, and the second.
template <class S, std::size_t Block, std::size_t... I>
LOGZ_INLINE void interleave(vec<S>& a, vec<S>& b, std::index_sequence<I...>) {
  constexpr std::size_t w = sizeof...(I);
  constexpr std::size_t lane = 16 / sizeof(S);
  // Number j of the 16 bytes comes from block j / (2 Block); odd blocks are b's.
  using first = std::index_sequence<(I / lane * lane + I % lane / (2 * Block) * Block + I % Block +
                                     ((I & Block) ? w : 0))...>;
  using second = std::index_sequence<(I / lane * lane + lane / 2 + I % lane / (2 * Block) * Block +
                                      I % Block + ((I & Block) ? w : 0))...>;
  const vec<S> low = select<S>(a, b, first{});
  b = select<S>(a, b, second{});
  a = low;
}

/// Register j holds numbers 0, 1, ... of rows j, j + tile, ...; afterwards number j of rows 0, 1, ..., or the other way
/// round.
template <class S>
LOGZ_INLINE void transpose(vec<S> (&r)[tile<S>]) {
  constexpr every_lane<S> all_lanes{};
  interleave<S, 1>(r[0], r[1], all_lanes);
  if constexpr (tile<S> == 4) {
    interleave<S, 1>(r[2], r[3], all_lanes);
    interleave<S, 2>(r[0], r[2], all_lanes);
    interleave<S, 2>(r[1], r[3], all_lanes);
    const vec<S> second = r[1];
    r[1] = r[2];
    r[2] = second;
  }
}

/// Up to `width` rows of length >= tile numbers into a column of the panel; lanes without a row get the last one. The
/// last tile overlaps what came before.
template <class S>
void pack_transposed(const S* from, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t length, S* to,
                     ptrdiff_t lanes) {
  ptrdiff_t row[width<S>];
  for (ptrdiff_t i = 0; i < width<S>; ++i) row[i] = at_most(i, rows - 1) * stride;
  for (ptrdiff_t done = 0; done < length; done += tile<S>) {
    const ptrdiff_t l = at_most(done, length - tile<S>);
    vec<S> r[tile<S>];
    LOGZ_UNROLL for (int j = 0; j < tile<S>; ++j) r[j] = load_pieces(from + l, row + j);
    transpose<S>(r);
    LOGZ_UNROLL for (int j = 0; j < tile<S>; ++j) store(to + (l + j) * lanes, r[j]);
  }
}

/// The way back, through f(v, place, row).
template <class S, class Function, class Place>
LOGZ_INLINE void unpack_transposed(const S* from, ptrdiff_t lanes, ptrdiff_t rows, ptrdiff_t length, S* to,
                                   ptrdiff_t stride, const Function& f, const Place& column) {
  for (ptrdiff_t done = 0; done < length; done += tile<S>) {
    const ptrdiff_t l = at_most(done, length - tile<S>);
    vec<S> r[tile<S>];
    LOGZ_UNROLL for (int j = 0; j < tile<S>; ++j) r[j] = f(load(from + (l + j) * lanes), column, l + j);
    transpose<S>(r);
    LOGZ_UNROLL for (int j = 0; j < tile<S>; ++j) store_pieces(to + l, stride, j, rows, r[j]);
  }
}

}  // namespace LOGZ_TARGET
