// SPDX-License-Identifier: MIT
//
// exp times a power of two that keeps its digits where a factor brings it back, however far below the smallest normal
// number it is.

namespace LOGZ_TARGET {

/// What is exponentiated: numbers <= 0 alone, or any.
enum class exps { falling, all };

/// exp(x) is held times 2^usual, beyond -far times 2^farther, of positive x times 2^positive. exp(-far) · 2^farther is an
/// ordinary number, and beyond -(no_power + farther) ln 2 (-219; -1956) its product with the largest number of S rounds to
/// 0. A positive x keeps its exponential to 133, where no product that is not 0 is a float any more, or 709.
template <class S>
struct exp_power;
template <>
struct exp_power<float> {
  static constexpr float far = 100, usual = 64, farther = 190, positive = -64;
  static constexpr double usual_down = 0x1p-64, farther_down = 0x1p-126, positive_up = 0x1p128;
};
template <>
struct exp_power<double> {
  static constexpr double far = 1200, usual = 900, farther = 1800, positive = 0;
  static constexpr double usual_down = 0x1p-900, farther_down = 0x1p-900, positive_up = 0x1p900;
};

/// exp(x), scaled; -∞ becomes 0, NaN stays.
template <exps Of, class V, class S = std::decay_t<decltype(V{}[0])>>
LOGZ_INLINE parts<S> scaled_parts(V x) {
  vec<S> power = x < -exp_power<S>::far ? all(exp_power<S>::farther) : all(exp_power<S>::usual);
  if constexpr (Of == exps::all) power = x > 0 ? all(exp_power<S>::positive) : power;
  return exp_parts(larger<vec<S>>(floor_for<S>(power), x), power);
}

/// exp of numbers of S as doubles: scaled, what scales it back beside 2^-usual, and itself.
struct scaled_exp {
  vec<double> scaled, rest_of_power, e;
};
template <class S, exps Of>
LOGZ_INLINE scaled_exp scaled_exp_of(vec<double> x, vec<double> scaled) {
  vec<double> rest = x < -double(exp_power<S>::far) ? all(exp_power<S>::farther_down) : all(1.0);
  if constexpr (Of == exps::all) rest = x > 0 ? all(exp_power<S>::positive_up) : rest;
  return {scaled, rest, opaque_vector(scaled * exp_power<S>::usual_down) * rest};
}

/// a + b rounded; the rest is not looked at where the sum is not finite.
LOGZ_INLINE vec<double> rounded(const lane_sum<double>& sum) {
  return magnitude<double>(sum.high) < std::numeric_limits<double>::infinity() ? sum.high + sum.low
                                                                               : sum.high;
}

/// factor · e, or the factor where `whole`; of doubles with what the product loses. A large factor makes up for what e has
/// lost below the smallest normal number; a small one would lose digits itself.
template <class S, class Mask>
LOGZ_INLINE lane_sum<double> times_exp_unless(Mask whole, const lane_sum<double>& factor,
                                              const scaled_exp& at) {
  if constexpr (sizeof(S) == 4) return {whole ? factor.high : factor.high * at.e, vec<double>{}};
  const auto large = magnitude<double>(factor.high) >= 1.0;
  const vec<double> a = opaque_vector(large ? factor.high * exp_power<S>::usual_down : factor.high);
  const vec<double> b = large ? at.scaled : at.e, back = large ? at.rest_of_power : all(1.0);
  const vec<double> product = opaque_vector(a * b);
  const vec<double> lost = error_of_product(a, b, product) * back + factor.low * at.e;
  return {whole ? factor.high : product * back, whole ? factor.low : lost};
}

}  // namespace LOGZ_TARGET
