// SPDX-License-Identifier: MIT
//
// The baseline target: vectors of 16 bytes, no fma, no permutes by a variable index; any architecture.

namespace LOGZ_TARGET {

/// 0 < n numbers. Their places are known to the compiler: others would go through memory.
template <class S>
LOGZ_INLINE vec<S> load_first(const S* p, ptrdiff_t n, vec<S> rest) {
  rest[0] = p[0];
  if constexpr (sizeof(S) == 4) {
    if (n > 1) rest[1] = p[1];
    if (n > 2) rest[2] = p[2];
  }
  return rest;
}
template <class S>
LOGZ_INLINE void store_first(S* p, ptrdiff_t n, vec<S> v) {
  store_first_by_halves(p, n, v);
}
/// Past the caches; p is aligned to a vector.
template <class S>
LOGZ_INLINE void stream(S* p, vec<S> v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, reinterpret_cast<vec<S>*>(p));
#elif defined(__SSE2__)
  if constexpr (sizeof(S) == 4) {
    __builtin_ia32_movntps(p, v);
  } else {
    __builtin_ia32_movntpd(p, v);
  }
#else
  store(p, v);
#endif
}

/// 16 bytes from p + row[0], p + row[tile], ... side by side.
template <class S>
LOGZ_INLINE vec<S> load_pieces(const S* p, const ptrdiff_t* row) {
  return load(p + row[0]);
}
/// Pieces 0, 1, ... of v to rows j, j + tile, ..., as far as they are below `rows`.
template <class S>
LOGZ_INLINE void store_pieces(S* p, ptrdiff_t stride, ptrdiff_t j, ptrdiff_t rows, vec<S> v) {
  if (j < rows) store(p + j * stride, v);
}

template <class V>
LOGZ_INLINE V fma(V a, V b, V c) {
  return opaque_vector(a * b) + c;  // -ffast-math takes a common factor out
}

/// A vector of floats as two of doubles.
LOGZ_INLINE vec<double> first_half(vec<float> v) {
#if defined(__SSE2__)
  return vec<double>(_mm_cvtps_pd(__m128(v)));
#else
  return vec<double>{double(v[0]), double(v[1])};
#endif
}
LOGZ_INLINE vec<double> second_half(vec<float> v) {
#if defined(__SSE2__)
  return vec<double>(_mm_cvtps_pd(_mm_movehl_ps(__m128(v), __m128(v))));
#else
  return vec<double>{double(v[2]), double(v[3])};
#endif
}
/// The next `width<double>` floats.
LOGZ_INLINE vec<double> widen(const float* p) { return vec<double>{double(p[0]), double(p[1])}; }

/// The next `width<double>` floats from p on become v rounded.
LOGZ_INLINE void narrow(float* p, vec<double> v) {
  p[0] = opaque(float(v[0]));
  p[1] = opaque(float(v[1]));
}

LOGZ_INLINE vec<double> rounded_to_float(vec<double> v) {
  return vec<double>{double(opaque(float(v[0]))), double(opaque(float(v[1])))};
}

typedef exp_double_128 exp_double;
LOGZ_INLINE void look_up(bits<double> n, bits<double>& high, vec<double>& low) {
  const std::uint64_t* const a = &exp_double::pairs[2 * (n[0] & 127)];
  const std::uint64_t* const b = &exp_double::pairs[2 * (n[1] & 127)];
  high = bits<double>{a[0], b[0]};
  low = vec<double>(bits<double>{a[1], b[1]});
}

}  // namespace LOGZ_TARGET
