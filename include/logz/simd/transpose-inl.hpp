// SPDX-License-Identifier: MIT
//
// Square tiles of vectors, transposed in registers: between rows of slices and a panel's lanes.

namespace LOGZ_TARGET {

/// b's block takes the place of a's in every other block of `Block` numbers, and the other way round.
template <class S, std::size_t Block, std::size_t... I>
LOGZ_INLINE void exchange(vec<S>& a, vec<S>& b, std::index_sequence<I...>) {
  constexpr std::size_t w = sizeof...(I);
  const vec<S> low = select<S>(a, b, std::index_sequence<((I & Block) ? w + I - Block : I)...>{});
  b = select<S>(a, b, std::index_sequence<((I & Block) ? w + I : I + Block)...>{});
  a = low;
}

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

template <class S>
LOGZ_INLINE void transpose(vec<S> (&r)[width<S>]) {
  constexpr every_lane<S> all_lanes{};
  if constexpr (sizeof(S) == 4) {
    LOGZ_UNROLL for (int i = 0; i < width<S>; i += 4) {
      interleave<S, 1>(r[i], r[i + 1], all_lanes);
      interleave<S, 1>(r[i + 2], r[i + 3], all_lanes);
      interleave<S, 2>(r[i], r[i + 2], all_lanes);
      interleave<S, 2>(r[i + 1], r[i + 3], all_lanes);
      const vec<S> second = r[i + 1];
      r[i + 1] = r[i + 2];
      r[i + 2] = second;
    }
  } else {
    LOGZ_UNROLL for (int i = 0; i < width<S>; i += 2) interleave<S, 1>(r[i], r[i + 1], all_lanes);
  }
  constexpr int lane = 16 / sizeof(S);
  if constexpr (width<S> >= 2 * lane) {
    LOGZ_UNROLL for (int i = 0; i < width<S>; ++i) {
      if ((i & lane) == 0) exchange<S, lane>(r[i], r[i + lane], all_lanes);
    }
  }
  if constexpr (width<S> >= 4 * lane) {
    LOGZ_UNROLL for (int i = 0; i < width<S>; ++i) {
      if ((i & (2 * lane)) == 0) exchange<S, 2 * lane>(r[i], r[i + 2 * lane], all_lanes);
    }
  }
}

/// to[j · to_stride + i] = from[i · from_stride + j] for i, j < width.
template <class S>
void transpose_tile(const S* from, ptrdiff_t from_stride, S* to, ptrdiff_t to_stride) {
  vec<S> r[width<S>];
  LOGZ_UNROLL for (int i = 0; i < width<S>; ++i) r[i] = load(from + i * from_stride);
  transpose<S>(r);
  LOGZ_UNROLL for (int i = 0; i < width<S>; ++i) store(to + i * to_stride, r[i]);
}

/// Up to `width` rows of `length` numbers into a column of the panel; lanes without a row get 0. A tail shorter than a
/// vector overlaps what came before.
template <class S>
void pack_transposed(const S* from, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t length, S* to,
                     ptrdiff_t lanes) {
  constexpr ptrdiff_t w = width<S>;
  if (rows >= w && length >= w) {
    for (ptrdiff_t done = 0; done < length; done += w) {
      const ptrdiff_t l = done + w <= length ? done : length - w;
      transpose_tile(from + l, stride, to + l * lanes, lanes);
    }
    return;
  }
  alignas(64) S tile[w * w];
  for (ptrdiff_t i = 0; i < w; ++i) store(tile + i * w, vec<S>{});
  for (ptrdiff_t l = 0; l < length; l += w) {
    for (ptrdiff_t i = 0; i < w && i < rows; ++i) {
      store(tile + i * w, load_up_to(from + i * stride + l, length - l, vec<S>{}));
    }
    // Past the slices' end the panel has room for a tile.
    transpose_tile(tile, w, to + l * lanes, lanes);
  }
}

template <class S>
void unpack_transposed(const S* from, ptrdiff_t lanes, ptrdiff_t rows, ptrdiff_t length, S* to,
                       ptrdiff_t stride) {
  constexpr ptrdiff_t w = width<S>;
  if (rows >= w && length >= w) {
    for (ptrdiff_t done = 0; done < length; done += w) {
      const ptrdiff_t l = done + w <= length ? done : length - w;
      transpose_tile(from + l * lanes, lanes, to + l, stride);
    }
    return;
  }
  alignas(64) S tile[w * w];
  for (ptrdiff_t l = 0; l < length; l += w) {
    transpose_tile(from + l * lanes, lanes, tile, w);
    for (ptrdiff_t i = 0; i < w && i < rows; ++i)
      store_up_to(to + i * stride + l, length - l, load(tile + i * w));
  }
}

}  // namespace LOGZ_TARGET
