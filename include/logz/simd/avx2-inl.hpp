// SPDX-License-Identifier: MIT
//
// AVX2 and FMA: vectors of 32 bytes.

namespace LOGZ_TARGET {

LOGZ_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_vfmaddps256(a, b, c);
#else
  return _mm256_fmadd_ps(a, b, c);
#endif
}
LOGZ_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_vfmaddpd256(a, b, c);
#else
  return _mm256_fmadd_pd(a, b, c);
#endif
}

/// The first n < width numbers at p, the rest from `rest`. Reads nothing else.
LOGZ_INLINE vec<float> load_first(const float* p, ptrdiff_t n, vec<float> rest) {
  typedef int mask __attribute__((vector_size(32)));
  const mask taken = mask{0, 1, 2, 3, 4, 5, 6, 7} < static_cast<int>(n);
#if LOGZ_GCC_BUILTINS
  const vec<float> v = __builtin_ia32_maskloadps256(reinterpret_cast<const vec<float>*>(p), taken);
#else
  const vec<float> v = _mm256_maskload_ps(p, __m256i(taken));
#endif
  return taken ? v : rest;
}
LOGZ_INLINE vec<double> load_first(const double* p, ptrdiff_t n, vec<double> rest) {
  typedef long long mask __attribute__((vector_size(32)));
  const mask taken = mask{0, 1, 2, 3} < static_cast<long long>(n);
#if LOGZ_GCC_BUILTINS
  const vec<double> v = __builtin_ia32_maskloadpd256(reinterpret_cast<const vec<double>*>(p), taken);
#else
  const vec<double> v = _mm256_maskload_pd(p, __m256i(taken));
#endif
  return taken ? v : rest;
}
LOGZ_INLINE piece first_piece(vec<float> v) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_ps_ps256(v);
#else
  return _mm256_castps256_ps128(v);
#endif
}
LOGZ_INLINE piece second_piece(vec<float> v) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_vextractf128_ps256(v, 1);
#else
  return _mm256_extractf128_ps(v, 1);
#endif
}
/// By halves: a masked store is 42 microinstructions on Zen 3.
template <class S>
LOGZ_INLINE void store_first(S* p, ptrdiff_t n, vec<S> v) {
  typedef double halves __attribute__((vector_size(16)));
  halves left = halves(first_piece(vec<float>(v)));
  if ((n & tile<S>) != 0) {
    store_piece(p, piece(left));
    p += tile<S>;
    left = halves(second_piece(vec<float>(v)));
  }
  if ((n & (tile<S> / 2)) != 0) {
    const double half = left[0];
    __builtin_memcpy(p, &half, sizeof half);
    p += tile<S> / 2;
    left = halves{left[1], left[1]};
  }
  if constexpr (sizeof(S) == 4) {
    if ((n & 1) != 0) *p = piece(left)[0];
  }
}
/// Past the caches; p is aligned to a vector.
LOGZ_INLINE void stream(float* p, vec<float> v) {
#if LOGZ_GCC_BUILTINS
  __builtin_ia32_movntps256(p, v);
#else
  _mm256_stream_ps(p, v);
#endif
}
LOGZ_INLINE void stream(double* p, vec<double> v) {
#if LOGZ_GCC_BUILTINS
  __builtin_ia32_movntpd256(p, v);
#else
  _mm256_stream_pd(p, v);
#endif
}

/// 16 bytes from p + row[0], p + row[tile<S>], ... side by side.
template <class S>
LOGZ_INLINE vec<S> load_pieces(const S* p, const ptrdiff_t* row) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(16)));
  const half first = load_piece(p + row[0]), second = load_piece(p + row[tile<S>]);
  return vec<S>(__builtin_ia32_vinsertf128_ps256(__builtin_ia32_ps256_ps(first), second, 1));
#else
  return vec<S>(
      _mm256_insertf128_ps(_mm256_castps128_ps256(load_piece(p + row[0])), load_piece(p + row[tile<S>]), 1));
#endif
}
/// Pieces 0, 1, ... of v to rows j, j + tile<S>, ..., as far as they are below `rows`.
template <class S>
LOGZ_INLINE void store_pieces(S* p, ptrdiff_t stride, ptrdiff_t j, ptrdiff_t rows, vec<S> v) {
  if (j < rows) store_piece(p + j * stride, first_piece(vec<float>(v)));
  if (j + tile<S> < rows) store_piece(p + (j + tile<S>)*stride, second_piece(vec<float>(v)));
}

/// A vector of floats as two of doubles.
LOGZ_INLINE vec<double> first_half(vec<float> v) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_cvtps2pd256(__builtin_ia32_ps_ps256(v));
#else
  return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
#endif
}
LOGZ_INLINE vec<double> second_half(vec<float> v) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_cvtps2pd256(__builtin_ia32_vextractf128_ps256(v, 1));
#else
  return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
#endif
}
/// The next `width<double>` floats.
LOGZ_INLINE vec<double> widen(const float* p) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(16)));
  typedef float unaligned_half __attribute__((vector_size(16), aligned(4), may_alias));
  return __builtin_ia32_cvtps2pd256(half(*reinterpret_cast<const unaligned_half*>(p)));
#else
  return _mm256_cvtps_pd(_mm_loadu_ps(p));
#endif
}

/// The next `width<double>` floats from p on become v rounded.
LOGZ_INLINE void narrow(float* p, vec<double> v) {
#if LOGZ_GCC_BUILTINS
  typedef float unaligned_half __attribute__((vector_size(16), aligned(4), may_alias));
  *reinterpret_cast<unaligned_half*>(p) = __builtin_ia32_cvtpd2ps256(v);
#else
  _mm_storeu_ps(p, _mm256_cvtpd_ps(v));
#endif
}

LOGZ_INLINE vec<double> rounded_to_float(vec<double> v) {
#if LOGZ_GCC_BUILTINS
  typedef float half __attribute__((vector_size(16)));
  return __builtin_ia32_cvtps2pd256(opaque_vector<half>(__builtin_ia32_cvtpd2ps256(v)));
#else
  return _mm256_cvtps_pd(opaque_vector<__m128>(_mm256_cvtpd_ps(v)));
#endif
}

typedef exp_float_4 exp_float;
/// table[n modulo 4]: a permute within the halves costs half of one across them.
LOGZ_INLINE vec<float> permute(vec<float> table, bits<float> n) {
#if LOGZ_GCC_BUILTINS
  typedef int index __attribute__((vector_size(32)));
  return __builtin_ia32_vpermilvarps256(table, index(n));
#else
  return _mm256_permutevar_ps(table, __m256i(n));
#endif
}
LOGZ_INLINE void look_up(bits<float> n, bits<float>& high, vec<float>& low) {
  high = bits<float>(permute(vec<float>(load_bits<float>(exp_float::high)), n));
  low = permute(load(exp_float::low), n);
}

typedef exp_double_128 exp_double;
LOGZ_INLINE vec<double> two_halves(const double* a, const double* b) {
#if LOGZ_GCC_BUILTINS
  typedef double half __attribute__((vector_size(16)));
  typedef double unaligned_half __attribute__((vector_size(16), aligned(8), may_alias));
  const half first = *reinterpret_cast<const unaligned_half*>(a);
  const half second = *reinterpret_cast<const unaligned_half*>(b);
  return __builtin_ia32_vinsertf128_pd256(__builtin_ia32_pd256_pd(first), second, 1);
#else
  return _mm256_loadu2_m128d(b, a);
#endif
}
LOGZ_INLINE void look_up(bits<double> n, bits<double>& high, vec<double>& low) {
  // A pair for each number, then transposed within the halves of the register.
  const double* const table = reinterpret_cast<const double*>(exp_double::pairs);
  const bits<double> at = (n & (exp_double::entries - 1)) * 2;
  const vec<double> even = two_halves(table + at[0], table + at[2]);
  const vec<double> odd = two_halves(table + at[1], table + at[3]);
#if LOGZ_GCC_BUILTINS
  high = bits<double>(__builtin_ia32_unpcklpd256(even, odd));
  low = __builtin_ia32_unpckhpd256(even, odd);
#else
  high = bits<double>(_mm256_unpacklo_pd(even, odd));
  low = _mm256_unpackhi_pd(even, odd);
#endif
}

}  // namespace LOGZ_TARGET
