// SPDX-License-Identifier: MIT
//
// Compiled with -ffast-math: for finite inputs the contract holds. The expected values are literals, so that nothing of
// the reference is computed under these flags.
#include <doctest/doctest.h>

#include <logz/logz.hpp>

#include "reference/known_example.hpp"
#include "reference/long_double_reference.hpp"
#include "support/ulp.hpp"

using test::ulp_error;

TEST_CASE("fast-math: the known example meets the contract") {
  using Vector = Eigen::Matrix<double, 5, 1>;
  using namespace known_example;
  const Vector x = Eigen::Map<const Vector>(after);
  const Vector p = logz::softmax(x);
  const Vector lp = logz::log_softmax(x);
  Vector g;
  CHECK(ulp_error(logz::cross_entropy_with_grad(x, target, g), after_cross_entropy[0]) <= 2);
  CHECK(ulp_error(logz::logsumexp(x), after_logsumexp[0]) <= 1);
  for (int i = 1; i < 5; ++i) {
    CHECK(ulp_error(p(i), after_softmax[i]) <= 4);
    CHECK(ulp_error(lp(i), after_log_softmax[i]) <= 2);
    CHECK(ulp_error(g(i), after_cross_entropy_gradient[i]) <= 6);
  }
}

TEST_CASE_TEMPLATE("fast-math: spread, dominated, tied and far slices meet the contract", T, float, double) {
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  namespace reference = long_double_reference;
  for (int s = 0; s < reference::slices; ++s) {
    // The last slice's numbers, around 1e8, are not floats.
    if (sizeof(T) == sizeof(float) && s == reference::slices - 1) continue;
    const Vector x =
        Eigen::Map<const Eigen::Matrix<long double, Eigen::Dynamic, 1>>(reference::x[s], reference::length)
            .template cast<T>();
    const Vector p = logz::softmax(x);
    const Vector lp = logz::log_softmax(x);
    CHECK(ulp_error(logz::logsumexp(x), reference::logsumexp[s]) <= 1);
    for (int i = 0; i < reference::length; ++i) {
      // Where -ffast-math links in flush-to-zero, results below the normal range are 0.
      if (reference::softmax[s][i] >= std::numeric_limits<T>::min())
        CHECK(ulp_error(p(i), reference::softmax[s][i]) <= 4);
      CHECK(ulp_error(lp(i), reference::log_softmax[s][i]) <= 2);
    }
  }
}

TEST_CASE("fast-math: differences that overflow are far below, not NaN") {
  const Eigen::Vector2d x(1e308, -1e308);
  const Eigen::Vector2d p = logz::softmax(x);
  CHECK(p(0) == 1);
  CHECK(p(1) == 0);
  CHECK(logz::logsumexp(x) == 1e308);
  CHECK(logz::cross_entropy(x, 0) == 0);
}

TEST_CASE("fast-math: products keep their rounding errors") {
  // mpmath: 0.7 * 0.1 cancels against the rounded -0.7 * 0.1 / 0.3 times 0.3 but for 9.25e-18.
  const Eigen::Vector3d p(0.1, 0.3, 0.6);
  const Eigen::Vector3d g(0.7, -0.7 * 0.1 / 0.3, 0);
  const Eigen::Vector3d dx = logz::softmax_backward(g, p);
  CHECK(ulp_error(dx(2), -5.5511151231257822e-18L) <= 4);
}
