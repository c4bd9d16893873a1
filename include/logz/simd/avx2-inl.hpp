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
LOGZ_INLINE vec<float> two_pieces(piece a, piece b) {
#if LOGZ_GCC_BUILTINS
  return __builtin_ia32_vinsertf128_ps256(__builtin_ia32_ps256_ps(a), b, 1);
#else
  return _mm256_insertf128_ps(_mm256_castps128_ps256(a), b, 1);
#endif
}

typedef double piece_halves __attribute__((vector_size(16)));
/// The first n numbers at p that fill no 16 bytes, the rest from `rest`.
template <class S>
LOGZ_INLINE piece load_first_of_piece(const S* p, ptrdiff_t n, piece rest) {
  if constexpr (sizeof(S) == 8) {
    if ((n & 1) != 0) return piece(piece_halves{*p, piece_halves(rest)[1]});
  } else {
    if ((n & 2) != 0) {
      double half;
      __builtin_memcpy(&half, p, sizeof half);
      rest = piece(piece_halves{half, piece_halves(rest)[1]});
      if ((n & 1) != 0) rest[2] = p[2];
    } else if ((n & 1) != 0) {
      rest[0] = *p;
    }
  }
  return rest;
}
/// The first n < width numbers at p, the rest from `rest`. Reads nothing else. By halves, as store_first() writes them: a
/// masked load waits for stores to where it does not read, such as those of the slice before.
template <class S>
LOGZ_INLINE vec<S> load_first(const S* p, ptrdiff_t n, vec<S> rest) {
  const piece first = first_piece(vec<float>(rest)), second = second_piece(vec<float>(rest));
  if ((n & tile<S>) != 0)
    return vec<S>(two_pieces(load_piece(p), load_first_of_piece(p + tile<S>, n, second)));
  return vec<S>(two_pieces(load_first_of_piece(p, n, first), second));
}
/// A masked store is 42 microinstructions on Zen 3.
template <class S>
LOGZ_INLINE void store_first(S* p, ptrdiff_t n, vec<S> v) {
  piece_halves left = piece_halves(first_piece(vec<float>(v)));
  if ((n & tile<S>) != 0) {
    store_piece(p, piece(left));
    p += tile<S>;
    left = piece_halves(second_piece(vec<float>(v)));
  }
  if ((n & (tile<S> / 2)) != 0) {
    const double half = left[0];
    __builtin_memcpy(p, &half, sizeof half);
    p += tile<S> / 2;
    left = piece_halves{left[1], left[1]};
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
  return vec<S>(two_pieces(load_piece(p + row[0]), load_piece(p + row[tile<S>])));
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

/// The first n of them, and 0.
LOGZ_INLINE vec<double> widen_first(const float* p, ptrdiff_t n) {
  return first_half(load_first(p, n, vec<float>{}));
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

/// Two halves, rounded, as a vector of floats.
LOGZ_INLINE vec<float> join(vec<double> a, vec<double> b) {
#if LOGZ_GCC_BUILTINS
  return two_pieces(__builtin_ia32_cvtpd2ps256(a), __builtin_ia32_cvtpd2ps256(b));
#else
  return two_pieces(_mm256_cvtpd_ps(a), _mm256_cvtpd_ps(b));
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
