// SPDX-License-Identifier: MIT
//
// AVX-512 (F, BW, DQ, VL): vectors of 64 bytes.

namespace LOGZ_TARGET {

LOGZ_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4);
#else
  return _mm512_fmadd_ps(a, b, c);
#endif
}
LOGZ_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, 4);
#else
  return _mm512_fmadd_pd(a, b, c);
#endif
}

/// The first n < width numbers at p, the rest from `rest`. Reads nothing else.
LOGZ_INLINE vec<float> load_first(const float* p, ptrdiff_t n, vec<float> rest) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_loadups512_mask(p, rest, static_cast<unsigned short>((1u << n) - 1));
#else
  return _mm512_mask_loadu_ps(rest, static_cast<__mmask16>((1u << n) - 1), p);
#endif
}
LOGZ_INLINE vec<double> load_first(const double* p, ptrdiff_t n, vec<double> rest) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_loadupd512_mask(p, rest, static_cast<unsigned char>((1u << n) - 1));
#else
  return _mm512_mask_loadu_pd(rest, static_cast<__mmask8>((1u << n) - 1), p);
#endif
}
LOGZ_INLINE void store_first(float* p, ptrdiff_t n, vec<float> v) {
#if LOGZ_GCC_BUILTINS
  __builtin_ia32_storeups512_mask(p, v, static_cast<unsigned short>((1u << n) - 1));
#else
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
#endif
}
LOGZ_INLINE void store_first(double* p, ptrdiff_t n, vec<double> v) {
#if LOGZ_GCC_BUILTINS
  __builtin_ia32_storeupd512_mask(p, v, static_cast<unsigned char>((1u << n) - 1));
#else
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1), v);
#endif
}
/// Past the caches; p is aligned to a vector.
LOGZ_INLINE void stream(float* p, vec<float> v) {
#if LOGZ_GCC_BUILTINS
  __builtin_ia32_movntps512(p, v);
#else
  _mm512_stream_ps(p, v);
#endif
}
LOGZ_INLINE void stream(double* p, vec<double> v) {
#if LOGZ_GCC_BUILTINS
  __builtin_ia32_movntpd512(p, v);
#else
  _mm512_stream_pd(p, v);
#endif
}

template <int At>
LOGZ_INLINE vec<float> with_piece(vec<float> v, const void* p) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_insertf32x4_mask(v, load_piece(p), At, v, static_cast<unsigned short>(-1));
#else
  return _mm512_insertf32x4(v, load_piece(p), At);
#endif
}
template <int At>
LOGZ_INLINE void store_piece(void* p, vec<float> v) {
#if LOGZ_GCC_BUILTINS
  const piece part = __builtin_ia32_extractf32x4_mask(v, At, piece{}, static_cast<unsigned char>(-1));
#else
  const __m128 part = _mm512_extractf32x4_ps(v, At);
#endif
  store_piece(p, part);
}
/// 16 bytes from p + row[0], p + row[tile<S>], ... side by side.
template <class S>
LOGZ_INLINE vec<S> load_pieces(const S* p, const ptrdiff_t* row) {
#if LOGZ_GCC_BUILTINS
  const vec<float> first = __builtin_ia32_ps512_ps(load_piece(p + row[0]));
#else
  const vec<float> first = _mm512_castps128_ps512(load_piece(p + row[0]));
#endif
  return vec<S>(with_piece<3>(with_piece<2>(with_piece<1>(first, p + row[tile<S>]), p + row[2 * tile<S>]),
                              p + row[3 * tile<S>]));
}
/// Pieces 0, 1, ... of v to rows j, j + tile<S>, ..., as far as they are below `rows`.
template <class S>
LOGZ_INLINE void store_pieces(S* p, ptrdiff_t stride, ptrdiff_t j, ptrdiff_t rows, vec<S> v) {
  if (j < rows) store_piece<0>(p + j * stride, vec<float>(v));
  if (j + tile<S> < rows) store_piece<1>(p + (j + tile<S>)*stride, vec<float>(v));
  if (j + 2 * tile<S> < rows) store_piece<2>(p + (j + 2 * tile<S>)*stride, vec<float>(v));
  if (j + 3 * tile<S> < rows) store_piece<3>(p + (j + 3 * tile<S>)*stride, vec<float>(v));
}

/// Number from[i] of v in lane i.
template <class S>
LOGZ_INLINE vec<S> permuted(vec<S> v, bits<S> from) {
#if LOGZ_GCC_BUILTINS
  return __builtin_shuffle(v, from);
#else
  if constexpr (sizeof(S) == 4) {
    return _mm512_permutexvar_ps(__m512i(from), v);
  } else {
    return _mm512_permutexvar_pd(__m512i(from), v);
  }
#endif
}
/// 32 bytes from p and from q side by side.
LOGZ_INLINE vec<float> load_halves(const void* p, const void* q) {
  typedef float half_vector __attribute__((vector_size(32)));
  half_vector a, b;
  __builtin_memcpy(&a, p, sizeof a);
  __builtin_memcpy(&b, q, sizeof b);
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_insertf32x8_mask(__builtin_ia32_ps512_256ps(a), b, 1, vec<float>{},
                                         static_cast<unsigned short>(-1));
#else
  return _mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1);
#endif
}
/// The first 0 < n < width numbers at p, the rest from `rest`, by loads of what is read: a masked load waits for stores to
/// where it does not read, such as those of a result that lies behind. Pieces from either end, half a vector or 16 bytes.
template <class S>
LOGZ_INLINE vec<S> load_exactly(const S* p, ptrdiff_t n, vec<S> rest) {
  typedef typename lanes<S>::bit bit;
  constexpr ptrdiff_t half = width<S> / 2;
  const bits<S> lane = lane_bits<S>(every_lane<S>{});
  vec<S> v;
  if (n < tile<S>) {
    v = vec<S>{p[0], p[n / 2]};
    if constexpr (sizeof(S) == 4) v = vec<S>{p[0], p[n / 2], p[n - 1]};
  } else if (n < half) {
    const vec<float> both = with_piece<1>(vec<float>(with_piece<0>(vec<float>{}, p)), p + n - tile<S>);
    v = permuted<S>(vec<S>(both), lane < bit(tile<S>) ? lane : lane + bit(half - n));
  } else {
    v = permuted<S>(vec<S>(load_halves(p, p + n - half)), lane < bit(half) ? lane : lane + bit(width<S> - n));
  }
  return lane < bit(n) ? v : rest;
}

/// A vector of floats as two of doubles.
template <int Half>
LOGZ_INLINE vec<double> half_of(vec<float> v) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(32)));
  const half part = __builtin_ia32_extractf32x8_mask(v, Half, half{}, static_cast<unsigned char>(-1));
  return __builtin_ia32_cvtps2pd512_mask(part, vec<double>{}, static_cast<unsigned char>(-1), 4);
#else
  return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, Half));
#endif
}
LOGZ_INLINE vec<double> first_half(vec<float> v) { return half_of<0>(v); }
LOGZ_INLINE vec<double> second_half(vec<float> v) { return half_of<1>(v); }
/// The next `width<double>` floats.
LOGZ_INLINE vec<double> widen(const float* p) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(32)));
  typedef float unaligned_half __attribute__((vector_size(32), aligned(4), may_alias));
  return __builtin_ia32_cvtps2pd512_mask(half(*reinterpret_cast<const unaligned_half*>(p)), vec<double>{}, -1,
                                         4);
#else
  return _mm512_cvtps_pd(_mm256_loadu_ps(p));
#endif
}

/// The first n of them, and 0.
LOGZ_INLINE vec<double> widen_first(const float* p, ptrdiff_t n) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(32)));
  const half part = __builtin_ia32_loadups256_mask(p, half{}, static_cast<unsigned char>((1u << n) - 1));
  return __builtin_ia32_cvtps2pd512_mask(part, vec<double>{}, static_cast<unsigned char>(-1), 4);
#else
  return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << n) - 1), p));
#endif
}

/// The next `width<double>` floats from p on become v rounded.
LOGZ_INLINE void narrow(float* p, vec<double> v) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(32)));
  typedef float unaligned_half __attribute__((vector_size(32), aligned(4), may_alias));
  *reinterpret_cast<unaligned_half*>(p) =
      __builtin_ia32_cvtpd2ps512_mask(v, half{}, static_cast<unsigned char>(-1), 4);
#else
  _mm256_storeu_ps(p, _mm512_cvtpd_ps(v));
#endif
}

/// Two halves, rounded, as a vector of floats.
LOGZ_INLINE vec<float> join(vec<double> a, vec<double> b) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(32)));
  const half first = __builtin_ia32_cvtpd2ps512_mask(a, half{}, static_cast<unsigned char>(-1), 4);
  const half second = __builtin_ia32_cvtpd2ps512_mask(b, half{}, static_cast<unsigned char>(-1), 4);
  return __builtin_ia32_insertf32x8_mask(__builtin_ia32_ps512_256ps(first), second, 1, vec<float>{},
                                         static_cast<unsigned short>(-1));
#else
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a)), _mm512_cvtpd_ps(b), 1);
#endif
}

LOGZ_INLINE vec<double> rounded_to_float(vec<double> v) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(32)));
  const half part = __builtin_ia32_cvtpd2ps512_mask(v, half{}, static_cast<unsigned char>(-1), 4);
  return __builtin_ia32_cvtps2pd512_mask(opaque_vector<half>(part), vec<double>{},
                                         static_cast<unsigned char>(-1), 4);
#else
  return _mm512_cvtps_pd(opaque_vector<__m256>(_mm512_cvtpd_ps(v)));
#endif
}

typedef exp_float_16 exp_float;
LOGZ_INLINE void look_up(bits<float> n, bits<float>& high, vec<float>& low) {
  const vec<float> highs = vec<float>(load_bits<float>(exp_float::high));
  const vec<float> lows = load(exp_float::low);
#if LOGZ_GCC_BUILTINS
  high = bits<float>(__builtin_shuffle(highs, n));
  low = __builtin_shuffle(lows, n);
#else
  high = bits<float>(_mm512_permutexvar_ps(__m512i(n), highs));
  low = _mm512_permutexvar_ps(__m512i(n), lows);
#endif
}

typedef exp_double_16 exp_double;
LOGZ_INLINE void look_up(bits<double> n, bits<double>& high, vec<double>& low) {
  const vec<double> highs = vec<double>(load_bits<double>(exp_double::high));
  const vec<double> highs_8 = vec<double>(load_bits<double>(exp_double::high + 8));
  const vec<double> lows = load(exp_double::low);
  const vec<double> lows_8 = load(exp_double::low + 8);
#if LOGZ_GCC_BUILTINS
  high = bits<double>(__builtin_shuffle(highs, highs_8, n));
  low = __builtin_shuffle(lows, lows_8, n);
#else
  high = bits<double>(_mm512_permutex2var_pd(highs, __m512i(n), highs_8));
  low = _mm512_permutex2var_pd(lows, __m512i(n), lows_8);
#endif
}

}  // namespace LOGZ_TARGET
