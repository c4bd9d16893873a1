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
