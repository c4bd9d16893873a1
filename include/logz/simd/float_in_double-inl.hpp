// SPDX-License-Identifier: MIT
//
// Float without fma: exp and sums in double, two numbers a register, where rounding to 2^-53 needs no care.

namespace LOGZ_TARGET {

template <>
struct parts<float> {
  vec<double> first, second;
};

LOGZ_INLINE vec<float> join(vec<double> a, vec<double> b) {
#if defined(__SSE2__)
  return vec<float>(_mm_movelh_ps(_mm_cvtpd_ps(__m128d(a)), _mm_cvtpd_ps(__m128d(b))));
#else
  return vec<float>{float(a[0]), float(a[1]), float(b[0]), float(b[1])};
#endif
}

LOGZ_INLINE vec<double> exp_half(vec<double> x, vec<double> exponent) {
  using k = exp_float_in_double;
  const vec<double> magic = opaque_vector(0x1.8p52 + exponent);
  const vec<double> t = opaque_vector(x * k::inverse_step + magic);
  const vec<double> r = x - (t - magic) * k::step_high;
  const vec<double> r2 = r * r;
  const vec<double> p = (1 + r) + r2 * ((k::c2 + k::c3 * r) + r2 * ((k::c4 + k::c5 * r) + r2 * k::c6));
  return vec<double>(bits<double>(p) + (bits<double>(t) << 52));
}

/// exp(x) · 2^exponent.
LOGZ_INLINE parts<float> exp_parts(vec<float> x, vec<float> exponent) {
  return {exp_half(first_half(x), first_half(exponent)), exp_half(second_half(x), second_half(exponent))};
}
LOGZ_INLINE vec<float> value(const parts<float>& e) { return join(e.first, e.second); }
LOGZ_INLINE vec<double> first_of(const parts<float>& e) { return e.first; }
LOGZ_INLINE vec<double> second_of(const parts<float>& e) { return e.second; }

LOGZ_INLINE void add(lane_sum<float>& sum, const parts<float>& a, const parts<float>& b) {
  sum.first += a.first + b.first;
  sum.second += a.second + b.second;
}
LOGZ_INLINE void flush(lane_sum<float>&) {}
LOGZ_INLINE void add_values(lane_sum<float>& sum, const parts<float>& a, const parts<float>& b, vec<float>,
                            vec<float>) {
  add(sum, a, b);
}

}  // namespace LOGZ_TARGET
