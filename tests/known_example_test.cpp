// SPDX-License-Identifier: MIT
//
// The example everyone knows: x = (-999, 1, 2, 5, 6), and the same after a step.
#include <doctest/doctest.h>

#include <cstdio>
#include <logz/logz.hpp>
#include <string>

#include "reference/known_example.hpp"
#include "support/ulp.hpp"

namespace {

std::string text(const char* format, double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

template <class T>
Eigen::Matrix<T, 5, 1> vector_of(const double (&x)[5]) {
  return Eigen::Map<const Eigen::Matrix<double, 5, 1>>(x).template cast<T>();
}

}  // namespace

TEST_CASE_TEMPLATE("known example: the digits in every textbook", T, float, double) {
  const Eigen::Matrix<T, 5, 1> x = vector_of<T>(known_example::before);
  const Eigen::Matrix<T, 5, 1> p = logz::softmax(x);
  const Eigen::Matrix<T, 5, 1> lp = logz::log_softmax(x);
  const char* const softmax_digits[] = {"0.0000", "0.0048", "0.0131", "0.2641", "0.7179"};
  const char* const log_softmax_digits[] = {"-1005.3", "-5.3314", "-4.3314", "-1.3314", "-0.33141"};
  for (int i = 0; i < 5; ++i) {
    CHECK(text("%.4f", static_cast<double>(p(i))) == softmax_digits[i]);
    CHECK(text("%.5g", static_cast<double>(lp(i))) == log_softmax_digits[i]);
  }
}

TEST_CASE_TEMPLATE(
    "known example: an underflowed softmax is dead, log_softmax moves and its gradient is alive", T, float,
    double) {
  const Eigen::Matrix<T, 5, 1> before = vector_of<T>(known_example::before);
  const Eigen::Matrix<T, 5, 1> after = vector_of<T>(known_example::after);
  const Eigen::Matrix<T, 5, 1> p = logz::softmax(after);
  const Eigen::Matrix<T, 5, 1> lp = logz::log_softmax(after);
  CHECK(p(0) == 0);
  CHECK(lp(0) - Eigen::Matrix<T, 5, 1>(logz::log_softmax(before))(0) > 8);

  const Eigen::Matrix<T, 5, 1> first = Eigen::Matrix<T, 5, 1>::Unit(0);
  CHECK((Eigen::Matrix<T, 5, 1>(logz::softmax_backward(first, p)).array() == 0).all());
  const Eigen::Matrix<T, 5, 1> alive = logz::log_softmax_backward(first, lp);
  CHECK(alive(0) == 1);
  CHECK(alive(4) < static_cast<T>(-0.76));
}

TEST_CASE("known example: float meets the contract against 30 digits") {
  using Vector = Eigen::Matrix<float, 5, 1>;
  const Vector x = vector_of<float>(known_example::before);  // integers: exact in float
  const Vector p = logz::softmax(x);
  const Vector lp = logz::log_softmax(x);
  Vector g;
  CHECK(test::ulp_error(logz::cross_entropy_with_grad(x, known_example::target, g),
                        known_example::before_cross_entropy[0]) <= 2);
  CHECK(test::ulp_error(logz::logsumexp(x), known_example::before_logsumexp[0]) <= 1);
  for (int i = 1; i < 5; ++i) {
    CHECK(test::ulp_error(p(i), known_example::before_softmax[i]) <= 4);
    CHECK(test::ulp_error(g(i), known_example::before_cross_entropy_gradient[i]) <= 6);
    CHECK(test::ulp_error(lp(i), known_example::before_log_softmax[i]) <= 2);
  }
}

TEST_CASE("known example: double meets the contract against 30 digits") {
  const auto check = [](const double(&slice)[5], const long double* softmax, const long double* log_softmax,
                        long double logsumexp, long double loss, const long double* gradient) {
    using Vector = Eigen::Matrix<double, 5, 1>;
    const Vector x = vector_of<double>(slice);
    const Vector p = logz::softmax(x);
    const Vector lp = logz::log_softmax(x);
    Vector g;
    CHECK(test::ulp_error(logz::cross_entropy_with_grad(x, known_example::target, g), loss) <= 2);
    CHECK(test::ulp_error(logz::cross_entropy(x, known_example::target), loss) <= 2);
    CHECK(test::ulp_error(logz::logsumexp(x), logsumexp) <= 1);
    for (int i = 0; i < 5; ++i) {
      // exp(-999 - ...) is below the smallest double: exactly 0.
      if (i > 0) CHECK(test::ulp_error(p(i), softmax[i]) <= 4);
      if (i > 0) CHECK(test::ulp_error(g(i), gradient[i]) <= 6);
      CHECK(test::ulp_error(lp(i), log_softmax[i]) <= 2);
    }
    CHECK(p(0) == 0);
    CHECK(g(0) == 0);
  };
  using namespace known_example;
  check(before, before_softmax, before_log_softmax, before_logsumexp[0], before_cross_entropy[0],
        before_cross_entropy_gradient);
  check(after, after_softmax, after_log_softmax, after_logsumexp[0], after_cross_entropy[0],
        after_cross_entropy_gradient);
}
