// SPDX-License-Identifier: MIT
//
// The vector vocabulary that every target shares: GCC's and Clang's vector types with their own operators (+ - * /,
// comparison ? : selection, integer shifts). What a target does in its own way (fma, exp, partial loads) follows in its
// file. Where there is optimisation everything is forced inline, and no vector crosses a call.

namespace LOGZ_TARGET {

template <class S>
struct lanes;
template <>
struct lanes<float> {
  typedef float vec __attribute__((vector_size(LOGZ_VECTOR_BYTES)));
  typedef float unaligned __attribute__((vector_size(LOGZ_VECTOR_BYTES), aligned(4), may_alias));
  typedef std::uint32_t bits __attribute__((vector_size(LOGZ_VECTOR_BYTES)));
  typedef std::uint32_t bit;
};
template <>
struct lanes<double> {
  typedef double vec __attribute__((vector_size(LOGZ_VECTOR_BYTES)));
  typedef double unaligned __attribute__((vector_size(LOGZ_VECTOR_BYTES), aligned(8), may_alias));
  typedef std::uint64_t bits __attribute__((vector_size(LOGZ_VECTOR_BYTES)));
  typedef std::uint64_t bit;
};

template <class S>
using vec = typename lanes<S>::vec;
template <class S>
using bits = typename lanes<S>::bits;

inline constexpr bool has_fma = LOGZ_HAS_FMA;

/// Numbers in a vector.
template <class S>
constexpr ptrdiff_t width = LOGZ_VECTOR_BYTES / static_cast<ptrdiff_t>(sizeof(S));

template <class S>
LOGZ_INLINE vec<S> load(const S* p) {
  return *reinterpret_cast<const typename lanes<S>::unaligned*>(p);
}
template <class S>
LOGZ_INLINE bits<S> load_bits(const typename lanes<S>::bit* p) {
  return bits<S>(load(reinterpret_cast<const S*>(p)));
}
template <class S>
LOGZ_INLINE void store(S* p, vec<S> v) {
  *reinterpret_cast<typename lanes<S>::unaligned*>(p) = v;
}
/// Numbers in 16 bytes: the columns of a tile that is transposed in registers.
template <class S>
constexpr ptrdiff_t tile = 16 / static_cast<ptrdiff_t>(sizeof(S));
/// 16 bytes, at any address. Copied: Clang forgets a lower alignment in a reference.
typedef float piece __attribute__((vector_size(16)));
LOGZ_INLINE piece load_piece(const void* p) {
  piece v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
LOGZ_INLINE void store_piece(void* p, piece v) { __builtin_memcpy(p, &v, sizeof v); }

template <class S>
LOGZ_INLINE vec<S> all(S x) {
  return x - vec<S>{};
}
/// The larger; b where either is NaN.
template <class V>
LOGZ_INLINE V larger(V a, V b) {
  return a > b ? a : b;
}
/// The smaller; b where either is NaN.
template <class V>
LOGZ_INLINE V smaller(V a, V b) {
  return a < b ? a : b;
}
/// v with its value hidden from the optimiser, so that -ffast-math and contraction leave an error-free sum as written.
template <class V>
LOGZ_INLINE V opaque_vector(V v) {
  asm("" : LOGZ_VECTOR_REGISTER(v));
  return v;
}

/// Stores the first n < width numbers at p and touches nothing else.
template <class S>
LOGZ_INLINE void store_first_by_halves(S* p, ptrdiff_t n, vec<S> v) {
  alignas(64) S whole[width<S>];
  store(whole, v);
  const S* from = whole;
  for (ptrdiff_t half = width<S> / 2; half > 0; half /= 2) {
    if ((n & half) == 0) continue;
    __builtin_memcpy(p, from, static_cast<std::size_t>(half) * sizeof(S));
    p += half;
    from += half;
  }
}

/// Number From... of a and b, counted from a's first.
template <class S, std::size_t... From>
LOGZ_INLINE vec<S> select(vec<S> a, vec<S> b, std::index_sequence<From...>) {
#if LOGZ_GCC_BUILTINS
  return __builtin_shuffle(a, b, bits<S>{From...});
#else
  return __builtin_shufflevector(a, b, From...);
#endif
}
template <class S>
using every_lane = std::make_index_sequence<static_cast<std::size_t>(width<S>)>;

template <class S, std::size_t... I>
LOGZ_INLINE bits<S> lane_bits(std::index_sequence<I...>) {
  return bits<S>{typename lanes<S>::bit(I)...};
}

/// Every number changes places with the one `Block` lanes away.
template <class S, std::size_t Block, std::size_t... I>
LOGZ_INLINE vec<S> exchange_blocks(vec<S> v, std::index_sequence<I...>) {
  return select<S>(v, v, std::index_sequence<(I ^ Block)...>{});
}
/// The largest of all lanes `Step` apart, in each of them.
template <class S, std::size_t Step = 1, std::size_t Block = width<S> / 2>
LOGZ_INLINE vec<S> max_in_lanes(vec<S> v) {
  if constexpr (Block < Step) {
    return v;
  } else {
    return max_in_lanes<S, Step, Block / 2>(larger<vec<S>>(v, exchange_blocks<S, Block>(v, every_lane<S>{})));
  }
}
template <class S>
LOGZ_INLINE S max_of_lanes(vec<S> v) {
  return max_in_lanes<S>(v)[0];
}
/// The sum of all lanes.
template <std::size_t Block = width<double> / 2>
LOGZ_INLINE double total_of(vec<double> v) {
  if constexpr (Block == 0) {
    return v[0];
  } else {
    return total_of<Block / 2>(v + exchange_blocks<double, Block>(v, every_lane<double>{}));
  }
}

/// Numbers before the next vector boundary, at most n.
template <class S>
LOGZ_INLINE ptrdiff_t until_aligned(const S* p, ptrdiff_t n) {
  const std::uintptr_t past = reinterpret_cast<std::uintptr_t>(p) % sizeof(vec<S>);
  const ptrdiff_t head = past == 0 ? 0 : static_cast<ptrdiff_t>((sizeof(vec<S>) - past) / sizeof(S));
  return head < n ? head : n;
}

}  // namespace LOGZ_TARGET
