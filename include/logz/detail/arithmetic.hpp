// SPDX-License-Identifier: MIT
//
// Scalar arithmetic of the generic path: the type it computes in, the standard functions by ADL,
// and error-free sums that survive -ffast-math and contraction.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "../config.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, Eigen::half> || std::is_same_v<T, Eigen::bfloat16>;

/// Scalars narrower than double are computed in double and rounded once; all others in themselves.
template <class T>
using compute_t = std::conditional_t<std::is_same_v<T, float> || is_half<T>, double, T>;

/// Losses and options of half types are float.
template <class T>
using loss_t = std::conditional_t<is_half<T>, float, T>;

/// The loss's type for an expression of logits.
template <class X>
using loss_of = loss_t<typename X::Scalar>;

template <class C>
C infinity() {
  return static_cast<C>(Eigen::NumTraits<C>::infinity());
}
template <class C>
C quiet_nan() {
  return static_cast<C>(Eigen::NumTraits<C>::quiet_NaN());
}

/// A test of the bits where there are known bits, so that -ffinite-math-only cannot fold it.
template <class C>
bool is_nan(const C& x) {
  if constexpr (std::is_same_v<C, double> && std::numeric_limits<double>::is_iec559) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return (bits & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
  } else {
    return !(x == x);
  }
}

template <class C>
C exp_of(const C& x) {
  using std::exp;
  return C(exp(x));
}

template <class C>
C log_of(const C& x) {
  using std::log;
  return C(log(x));
}

namespace adl {
using std::log1p;
template <class C, class = void>
struct has_log1p : std::false_type {};
template <class C>
struct has_log1p<C, std::enable_if_t<std::is_convertible_v<decltype(log1p(std::declval<const C&>())), C>>>
    : std::true_type {};
}  // namespace adl

template <class C>
C log1p_of(const C& x) {
  if constexpr (adl::has_log1p<C>::value) {
    using std::log1p;
    return C(log1p(x));
  } else {
    // log(u) has full relative accuracy at the rounded u = 1 + x; the second term is what u lost.
    const C one(1);
    const C u = one + x;
    const C lost = x - C(u - one);
    return C(log_of(u) + lost / u);
  }
}

/// x itself, with its value hidden from the optimiser: an error-free sum below stays as written under
/// -ffast-math, which would cancel it to 0.
template <class C>
C opaque(C x) {
#if defined(__GNUC__) || defined(__clang__)
  if constexpr (std::is_same_v<C, float> || std::is_same_v<C, double>) {
#if defined(__SSE2__)
    asm("" : "+x"(x));
#elif defined(__aarch64__)
    asm("" : "+w"(x));
#else
    asm("" : "+m"(x));
#endif
  } else if constexpr (std::is_same_v<C, long double>) {
    asm("" : "+m"(x));
  }
#endif
  return x;
}

/// The rounding error of sum = a + b (Knuth's TwoSum): a + b = sum + sum_error exactly.
template <class C>
C sum_error(const C& a, const C& b, const C& sum) {
  const C b_part = opaque<C>(sum - a);
  const C a_part = opaque<C>(sum - b_part);
  const C b_error = opaque<C>(b - b_part);
  const C a_error = opaque<C>(a - a_part);
  return C(a_error + b_error);
}

/// A sum kept as an unevaluated pair: its error does not grow with the number of terms.
template <class C>
class compensated_sum {
 public:
  void add(const C& term) {
    const C sum = opaque<C>(high_ + term);
    low_ += sum_error(high_, term, sum);
    high_ = sum;
  }
  void scale(const C& factor) {
    high_ *= factor;
    low_ *= factor;
  }
  const C& high() const { return high_; }
  const C& low() const { return low_; }
  /// The low part is NaN once the sum is infinite.
  C value() const { return is_nan(low_) ? high_ : C(high_ + low_); }

 private:
  C high_{0};
  C low_{0};
};

/// x - y with the rounding error of the difference. Neither is NaN, and y is finite.
template <class C>
struct difference {
  C value;
  C error;

  difference(const C& x, const C& y) : value(opaque<C>(x - y)), error(0) {
    const C minus_y = -y;
    if (!(value == -infinity<C>())) error = sum_error(x, minus_y, value);
  }
};

/// exp(x - y) for x not far above y, without the rounding of x - y: at |x - y| = 700 that alone is 350 ulp.
template <class C>
C exp_of(const difference<C>& d) {
  const C e = exp_of(d.value);
  return C(e + e * d.error);
}

}  // namespace detail
LOGZ_NAMESPACE_END
