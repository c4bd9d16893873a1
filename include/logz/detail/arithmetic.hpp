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

/// Infinity and NaN of the type itself, or made from double's.
template <class C>
C infinity() {
  using own = std::numeric_limits<C>;
  if constexpr (own::has_infinity) {
    return static_cast<C>(own::infinity());
  } else {
    return static_cast<C>(std::numeric_limits<double>::infinity());
  }
}
template <class C>
C quiet_nan() {
  using own = std::numeric_limits<C>;
  if constexpr (own::has_quiet_NaN) {
    return static_cast<C>(own::quiet_NaN());
  } else {
    return static_cast<C>(std::numeric_limits<double>::quiet_NaN());
  }
}

/// Tests of the bits where the bits are known, so that -ffinite-math-only cannot fold them: a difference of finite
/// numbers may overflow.
inline std::uint64_t bits_of(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline double double_of(std::uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
template <class C>
inline constexpr bool has_known_bits = std::is_same_v<C, double>&& std::numeric_limits<double>::is_iec559;

template <class C>
bool is_nan(const C& x) {
  if constexpr (has_known_bits<C>) {
    return (bits_of(x) & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
  } else {
    return !(x == x);
  }
}
template <class C>
bool is_plus_infinity(const C& x) {
  if constexpr (has_known_bits<C>) {
    return bits_of(x) == 0x7ff0000000000000u;
  } else {
    return x == infinity<C>();
  }
}
template <class C>
bool is_minus_infinity(const C& x) {
  if constexpr (has_known_bits<C>) {
    return bits_of(x) == 0xfff0000000000000u;
  } else {
    return x == -infinity<C>();
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

/// The rounding error of product = a · b (Dekker's product: std::fma is a library call without the hardware, and
/// -ffast-math takes it apart). 0 where the product is not finite.
template <class C>
C product_error(const C& a, const C& b, const C& product) {
  const C splitter = C((std::int64_t{1} << ((std::numeric_limits<C>::digits + 1) / 2)) + 1);
  const auto high_half = [&](const C& x) {
    const C y = opaque<C>(splitter * x);
    return opaque<C>(y - opaque<C>(y - x));
  };
  const C a_high = high_half(a);
  const C b_high = high_half(b);
  const C a_low = opaque<C>(a - a_high);
  const C b_low = opaque<C>(b - b_high);
  const C rest = opaque<C>(opaque<C>(a_high * b_high) - product);
  const C error =
      C(opaque<C>(opaque<C>(rest + opaque<C>(a_high * b_low)) + opaque<C>(a_low * b_high)) + a_low * b_low);
  if (!is_nan(error)) return error;
  if (is_nan(product) || is_plus_infinity(product) || is_minus_infinity(product)) return C(0);
  // The halves of a number within the splitter of the largest overflow; the other is small.
  const auto size = [](const C& x) { return x < C(0) ? C(-x) : x; };
  const bool first = size(a) > size(b);
  const C down = C(C(1) / C(splitter * splitter)), large = opaque<C>((first ? a : b) * down);
  return C(product_error(large, first ? b : a, opaque<C>(product * down)) / down);
}

/// A sum kept as an unevaluated pair: its error does not grow with the number of terms.
template <class C>
class compensated_sum {
 public:
  /// Adds term + correction; the correction is small against the term.
  void add(const C& term, const C& correction = C(0)) {
    const C sum = opaque<C>(high_ + term);
    low_ += C(sum_error(high_, term, sum) + correction);
    high_ = sum;
  }
  void scale(const C& factor) {
    // Opaque: -ffast-math would multiply two factors first, and that product may underflow.
    high_ = opaque<C>(high_ * factor);
    low_ = opaque<C>(low_ * factor);
  }
  const C& high() const { return high_; }
  const C& low() const { return low_; }
  /// The low part is NaN once the sum is infinite.
  C value() const { return is_nan(low_) ? high_ : C(high_ + low_); }

 private:
  C high_{0};
  C low_{0};
};

/// C has no digits to spare over S: what a sum or product of numbers of S loses must be kept beside it.
template <class S, class C>
inline constexpr bool keeps_rest = std::is_floating_point_v<S>&& std::is_same_v<S, C>;

/// Adds a · b; the product of two numbers of S is exact before it is added.
template <class S, class C>
void add_product(compensated_sum<C>& sum, const C& a, const C& b) {
  const C product = opaque<C>(a * b);
  if constexpr (keeps_rest<S, C>) {
    sum.add(product, product_error(a, b, product));
  } else {
    sum.add(product);
  }
}

/// x - y with the rounding error of the difference: at |x - y| = 700 that alone is 350 ulp of exp(x - y). Neither is
/// NaN, and y is finite.
template <class C>
struct difference {
  C value;
  C error;

  difference(const C& x, const C& y) : value(opaque<C>(x - y)), error(0) {
    const C minus_y = -y;
    if (!is_minus_infinity(value)) error = sum_error(x, minus_y, value);
  }
};

/// Half of log of the largest number: exp and sums of exp of up to this stay finite, and exp of more than minus this
/// keeps all its digits.
template <class C>
C half_range() {
  // A type that does not tell its range is taken for a double in a class.
  using own = std::numeric_limits<C>;
  using exponents = std::conditional_t<own::is_specialized, own, std::numeric_limits<double>>;
  constexpr double half_log_2 = 0.34657359027997265;
  return C(half_log_2 * exponents::max_exponent);
}

/// factor · exp(x), with no underflow on the way that the factor makes up for: where exp(x) comes near the smallest normal
/// number, it is the square of its root, at an ulp more.
template <class C>
C times_exp(const C& factor, const C& x) {
  if (x < C(C(2) - C(2) * half_range<C>())) {
    const C root = exp_of(C(x / C(2)));
    return C(opaque<C>(factor * root) * root);
  }
  return C(factor * exp_of(x));
}

}  // namespace detail
LOGZ_NAMESPACE_END
