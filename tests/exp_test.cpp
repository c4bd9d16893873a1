// SPDX-License-Identifier: MIT
//
// exp by itself, as the kernels compute it. With Σ g = -1 and g = 0 at an element, log_softmax_backward there is exp(lp).
// Compiled with -O2, as the references take most of the time. LOGZ_ALL_INPUTS in the environment: every float, and 10^9
// doubles.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <logz/log_softmax.hpp>

#include "support/slices.hpp"

using namespace test;

namespace {

/// DESIGN's bound, in ulp of the result.
constexpr double bound = 0.7;
/// Below the normal range the result's own rounding is another half of a smallest subnormal.
constexpr double subnormal_bound = bound + 0.5;

constexpr Index block = 4096;

bool all_inputs() { return std::getenv("LOGZ_ALL_INPUTS") != nullptr; }

template <class T>
struct exp_of {
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  Vector lp = Vector::Zero(block), g = -Vector::Unit(block, 0), e{block};

  /// of all elements but the first
  void run() { e = logz::log_softmax_backward(g, lp); }
};

template <class T>
T from_bits(std::uint64_t bits) {
  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> same = static_cast<decltype(same)>(bits);
  T x;
  std::memcpy(&x, &same, sizeof x);
  return x;
}

}  // namespace

// Reference: exp of double, whose error is 2^-29 ulp of float. Up to 5, which log-probabilities do not exceed.
TEST_CASE("exp of floats within 0.7 ulp") {
  const std::uint64_t step = all_inputs() ? 1 : 211, end = std::uint64_t{1} << 32;
  exp_of<float> exp;
  double worst = 0, worst_subnormal = 0;
  std::size_t wrong = 0;
  for (std::uint64_t bits = 0; bits < end;) {
    for (Index i = 1; i < block; ++i, bits += step) {
      const float x = bits < end ? from_bits<float>(bits) : 0;
      exp.lp(i) = x > 5 ? 5 : x;
    }
    exp.run();
    for (Index i = 1; i < block; ++i) {
      const float x = exp.lp(i), result = exp.e(i);
      const double exact = std::exp(static_cast<double>(x));
      if (std::isnan(x) || std::isinf(x)) {
        wrong += !(std::isnan(x) ? std::isnan(result) : result == 0);
      } else {
        const bool normal = exact >= std::numeric_limits<float>::min();
        double& most = normal ? worst : worst_subnormal;
        most = std::max(most, std::abs(result - exact) / static_cast<double>(ulp_at<float>(exact)));
      }
    }
  }
  CHECK(worst <= bound);
  CHECK(worst_subnormal <= subnormal_bound);
  CHECK(wrong == 0);
  MESSAGE("exp of floats: at most " << worst << " ulp, subnormal " << worst_subnormal);
}

// Reference: exp of long double, whose error is 2^-10 ulp of double.
TEST_CASE("exp of doubles within 0.7 ulp") {
  exp_of<double> exp;
  std::mt19937_64 engine(1);
  // Even elements: over the whole range; odd ones: every exponent down to 2^-30 alike, and some positive.
  std::uniform_real_distribution<double> wide(-745.2, 5), exponent(-30, 9.5);
  const int repeats = all_inputs() ? 1000000000 / static_cast<int>(block - 1) : 100;
  real worst = 0, worst_subnormal = 0;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    for (Index i = 1; i < block; ++i) exp.lp(i) = i % 2 == 0 ? wide(engine) : -std::exp2(exponent(engine));
    exp.run();
    for (Index i = 1; i < block; ++i) {
      const real exact = std::exp(static_cast<real>(exp.lp(i)));
      real& most = exact >= std::numeric_limits<double>::min() ? worst : worst_subnormal;
      most = std::max(most, ulp_error(exp.e(i), exact));
    }
  }
  CHECK(worst <= real(bound));
  CHECK(worst_subnormal <= real(subnormal_bound));
  MESSAGE("exp of doubles: at most " << static_cast<double>(worst) << " ulp, subnormal "
                                     << static_cast<double>(worst_subnormal));
}
