// SPDX-License-Identifier: MIT
//
// Scalars other than float and double: half types, long double, a type of the user's own, automatic differentiation.
#include "reference/long_double_reference.hpp"
#include "support/slices.hpp"

#include <logz/logz.hpp>

#if __has_include(<boost/multiprecision/cpp_bin_float.hpp>)
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <boost/multiprecision/eigen.hpp>
#endif
#if __has_include(<unsupported/Eigen/AutoDiff>)
#include <unsupported/Eigen/AutoDiff>
#endif

// A user's scalar: a double in a class, with exp and log found by ADL, and no log1p.
namespace user {
struct number {
  double value = std::numeric_limits<double>::quiet_NaN();  // a default says nothing
  number() = default;
  number(double v) : value(v) {}  // NOLINT: implicit, as arithmetic types are
  number(int v) : value(v) {}
  friend number operator+(number a, number b) { return a.value + b.value; }
  friend number operator-(number a, number b) { return a.value - b.value; }
  friend number operator*(number a, number b) { return a.value * b.value; }
  friend number operator/(number a, number b) { return a.value / b.value; }
  friend number operator-(number a) { return -a.value; }
  number& operator+=(number b) { return value += b.value, *this; }
  number& operator-=(number b) { return value -= b.value, *this; }
  number& operator*=(number b) { return value *= b.value, *this; }
  number& operator/=(number b) { return value /= b.value, *this; }
  friend bool operator<(number a, number b) { return a.value < b.value; }
  friend bool operator>(number a, number b) { return a.value > b.value; }
  friend bool operator<=(number a, number b) { return a.value <= b.value; }
  friend bool operator>=(number a, number b) { return a.value >= b.value; }
  friend bool operator==(number a, number b) { return a.value == b.value; }
  friend bool operator!=(number a, number b) { return a.value != b.value; }
  friend number exp(number a) { return std::exp(a.value); }
  friend number log(number a) { return std::log(a.value); }
};
}  // namespace user

namespace Eigen {
template <>
struct NumTraits<user::number> : GenericNumTraits<double> {
  using Real = user::number;
  using NonInteger = user::number;
  using Nested = user::number;
  using Literal = double;
};
}  // namespace Eigen

using namespace test;

TEST_CASE_TEMPLATE("half types: every result is the exact one, rounded once", T, Eigen::half,
                   Eigen::bfloat16) {
  // 0.5 + 2^-10 ulp of the type; its digits and smallest exponent, as std::numeric_limits need not know them.
  const int digits = std::is_same_v<T, Eigen::half> ? 11 : 8;
  const int min_exponent = std::is_same_v<T, Eigen::half> ? -14 : -126;
  const auto error = [&](T got, real exact) -> real {
    const auto value = static_cast<real>(static_cast<float>(got));
    if (value == exact) return 0;
    const int exponent = std::max(std::ilogb(exact), min_exponent);
    return std::abs(value - exact) / std::ldexp(1.0L, exponent - digits + 1);
  };
  for (const Index length : {1, 2, 10, 70, 1000}) {
    using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
    const Eigen::VectorXf numbers =
        Eigen::VectorXf::NullaryExpr(length, [](Index i) { return 3 * std::sin(float(i)); });
    const Vector x = numbers.cast<T>();
    reals exact_x;
    for (Index i = 0; i < length; ++i) exact_x.push_back(static_cast<real>(static_cast<float>(x(i))));
    const Vector p = logz::softmax(x);
    const Vector lp = logz::log_softmax(x);
    const reals exact_p = softmax(exact_x);
    const reals exact_lp = log_softmax(exact_x);
    real worst = error(logz::logsumexp(x), logsumexp(exact_x));
    for (Index i = 0; i < length; ++i) {
      worst = std::max(worst, error(p(i), exact_p[static_cast<std::size_t>(i)]));
      worst = std::max(worst, error(lp(i), exact_lp[static_cast<std::size_t>(i)]));
    }
    CAPTURE(length);
    CHECK(worst <= 0.5L + 0x1p-10L);
    Vector grad;
    logz::cross_entropy_options<float> options;  // losses and options of half types are float
    options.reduction = logz::reduction::sum;
    const float loss = logz::cross_entropy_with_grad(x, 0, grad, options);
    CHECK(ulp_error(loss, cross_entropy(exact_x, 0)) <= 2);
    CHECK(ulp_error(logz::cross_entropy(x, 0), cross_entropy(exact_x, 0)) <= 2);
    const reals slope = cross_entropy_gradient(exact_x, 0);
    const Vector q = logz::softmin(x);
    reals minus_x;
    for (const real v : exact_x) minus_x.push_back(-v);
    const reals exact_q = softmax(minus_x);
    const Vector dx = logz::logsumexp_backward(T(1), x, logz::logsumexp(x));
    for (Index i = 0; i < length; ++i) {
      worst = std::max(worst, error(grad(i), slope[static_cast<std::size_t>(i)]));
      worst = std::max(worst, error(q(i), exact_q[static_cast<std::size_t>(i)]));
      worst = std::max(worst, error(dx(i), exact_p[static_cast<std::size_t>(i)]));
    }
    CHECK(worst <= 0.5L + 0x1p-10L);
  }
}

TEST_CASE("long double: within 4 ulp plus the error of its own exp and log, 1 ulp") {
  using Vector = Eigen::Matrix<long double, Eigen::Dynamic, 1>;
  constexpr real bound = 5;
  namespace reference = long_double_reference;
  for (int s = 0; s < reference::slices; ++s) {
    const Vector x = Eigen::Map<const Vector>(reference::x[s], reference::length);
    const Vector p = logz::softmax(x);
    const Vector lp = logz::log_softmax(x);
    CHECK(ulp_error(logz::logsumexp(x), reference::logsumexp[s]) <= bound);
    for (Index i = 0; i < reference::length; ++i) {
      CHECK(ulp_error(p(i), reference::softmax[s][i]) <= bound);
      CHECK(ulp_error(lp(i), reference::log_softmax[s][i]) <= bound);
    }
  }
}

TEST_CASE("user's scalar: exp and log by ADL are all it takes") {
  using Vector = Eigen::Matrix<user::number, Eigen::Dynamic, 1>;
  using Matrix = Eigen::Matrix<user::number, Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::MatrixXd d = Eigen::MatrixXd::Random(7, 9) * 6;
  Matrix x(7, 9);
  for (Index i = 0; i < d.size(); ++i) x(i) = d(i);
  const Matrix p = logz::softmax(x.rowwise());
  const Matrix lp = logz::log_softmax(x.rowwise());
  const Vector lz = logz::logsumexp(x.rowwise());
  const Matrix dp = logz::softmax_backward(x.rowwise(), p);
  const Matrix dlp = logz::log_softmax_backward(x.rowwise(), lp);
  const Matrix dlz = logz::logsumexp_backward(lz, x.rowwise(), lz);
  const std::vector<int> targets{0, 1, 2, 3, 4, 5, 6};
  Matrix grad;
  const user::number loss = logz::cross_entropy_with_grad(x.rowwise(), targets, grad);
  const user::number nll = logz::nll_loss(lp.rowwise(), targets);

  const Eigen::MatrixXd pd = logz::softmax(d.rowwise());
  const Eigen::MatrixXd lpd = logz::log_softmax(d.rowwise());
  const Eigen::VectorXd lzd = logz::logsumexp(d.rowwise());
  const Eigen::MatrixXd dpd = logz::softmax_backward(d.rowwise(), pd);
  const Eigen::MatrixXd dlpd = logz::log_softmax_backward(d.rowwise(), lpd);
  const Eigen::MatrixXd dlzd = logz::logsumexp_backward(lzd, d.rowwise(), lzd);
  Eigen::MatrixXd gradd;
  const double lossd = logz::cross_entropy_with_grad(d.rowwise(), targets, gradd);
  const auto close = [](const Matrix& a, const Eigen::MatrixXd& b, real bound) {
    real worst = 0;
    for (Index i = 0; i < b.size(); ++i) worst = std::max(worst, ulp_error(a(i).value, real(b(i))));
    CHECK(worst <= bound);
  };
  // Both within 4 ulp of the truth, their own log1p included.
  close(p, pd, 8);
  close(lp, lpd, 8);
  close(lz, lzd, 8);
  close(dlz, dlzd, 8);
  close(grad, gradd, 8);
  CHECK(ulp_error(loss.value, real(lossd)) <= 8);
  CHECK(ulp_error(nll.value, real(lossd)) <= 8);
  for (Index i = 0; i < d.size(); ++i) {
    CHECK(std::abs(dp(i).value - dpd(i)) <= 8 * 0x1p-52 * d.cwiseAbs().maxCoeff());
    CHECK(std::abs(dlp(i).value - dlpd(i)) <= 8 * 0x1p-52 * d.cwiseAbs().sum());
  }
  const Vector dominated = (Vector(2) << 0, -40).finished();
  CHECK(ulp_error(Vector(logz::log_softmax(dominated))(0).value, -4.24835425529158898630590547627e-18L) <= 4);
}

// A user's default may hold anything, here NaN: nothing that is not set is read.
TEST_CASE("user's scalar: losses with options, entropy, kl_div and derivatives are double's") {
  using Vector = Eigen::Matrix<user::number, Eigen::Dynamic, 1>;
  using Matrix = Eigen::Matrix<user::number, Eigen::Dynamic, Eigen::Dynamic>;
  const auto cast = [](const Eigen::MatrixXd& of) {
    Matrix x(of.rows(), of.cols());
    for (Index i = 0; i < of.size(); ++i) x(i) = of(i);
    return x;
  };
  const Eigen::MatrixXd d = Eigen::MatrixXd::Random(5, 7) * 6, td = logz::softmax((d * -0.5).rowwise());
  const Matrix x = cast(d), t = cast(td);
  logz::cross_entropy_options<user::number> options;
  logz::cross_entropy_options<double> of_double;
  options.label_smoothing = 0.125;
  of_double.label_smoothing = 0.125;
  options.z_loss = 0.25;
  of_double.z_loss = 0.25;
  const std::vector<int> targets{0, 1, 2, 3, 4};
  // Both within their bounds of the truth, of terms of at most 64: 12 ulp of the second derivatives.
  constexpr real bound = 2 * 12 * 64 * 0x1p-53L;
  const auto close = [&](const Matrix& a, const Eigen::MatrixXd& b) {
    REQUIRE(a.size() == b.size());
    for (Index i = 0; i < b.size(); ++i) CHECK(std::abs(real(a(i).value) - real(b(i))) <= bound);
  };
  const auto check = [&](const auto& y, const auto& yd) {
    Matrix grad;
    Eigen::MatrixXd gradd;
    const user::number loss = logz::cross_entropy_with_grad(x.rowwise(), y, grad, options);
    const double lossd = logz::cross_entropy_with_grad(d.rowwise(), yd, gradd, of_double);
    CHECK(std::abs(real(loss.value) - real(lossd)) <= bound);
    close(grad, gradd);
    close(logz::cross_entropy_per_sample(x.rowwise(), y, options),
          logz::cross_entropy_per_sample(d.rowwise(), yd, of_double));
    close(logz::cross_entropy_hvp(t.rowwise(), x, y, options),
          logz::cross_entropy_hvp(td.rowwise(), d, yd, of_double));
  };
  check(targets, targets);
  check(t, td);
  const Vector h = logz::entropy(x.rowwise());
  const Eigen::VectorXd hd = logz::entropy(d.rowwise());
  close(h, hd);
  close(logz::entropy_backward(h, x.rowwise(), h), logz::entropy_backward(hd, d.rowwise(), hd));
  close(logz::kl_div_per_sample(x.rowwise(), t), logz::kl_div_per_sample(d.rowwise(), td));
  close(logz::log_softmax_jvp(x.rowwise(), cast(logz::log_softmax(d.rowwise()))),
        logz::log_softmax_jvp(d.rowwise(), logz::log_softmax(d.rowwise())));
  close(logz::logsumexp_jvp(x.rowwise(), t), logz::logsumexp_jvp(d.rowwise(), td));
  CHECK(std::abs(real(logz::kl_div(x.rowwise(), t).value) - real(logz::kl_div(d.rowwise(), td))) <= bound);
}

#if __has_include(<boost/multiprecision/cpp_bin_float.hpp>)
TEST_CASE("boost multiprecision: far more digits than double has") {
  using number = boost::multiprecision::cpp_bin_float_50;
  using Vector = Eigen::Matrix<number, Eigen::Dynamic, 1>;
  Vector x(2);
  x << 0, -40;
  const Vector lp = logz::log_softmax(x);
  const Vector p = logz::softmax(x);
  const number lz = logz::logsumexp(x * number(1));
  // mpmath, 52 digits: log1p(exp(-40)).
  const number exact("4.248354255291588986304977843631582181877750679822975e-18");
  const number bound = 5 * std::numeric_limits<number>::epsilon();  // 4 ulp and 1 for its own exp and log
  CHECK(abs(lp(0) / exact + 1) <= bound);
  CHECK(abs(lz / exact - 1) <= bound);
  CHECK(abs(p.sum() - 1) <= bound);
}
#endif

#if __has_include(<unsupported/Eigen/AutoDiff>)
TEST_CASE("AutoDiffScalar: derivatives of the value functions are the written gradients, ties included") {
  using Derivatives = Eigen::VectorXd;
  using Dual = Eigen::AutoDiffScalar<Derivatives>;
  using Vector = Eigen::Matrix<Dual, Eigen::Dynamic, 1>;
  for (const bool tied : {false, true}) {
    Eigen::VectorXd values = Eigen::VectorXd::LinSpaced(6, -2, 3);
    if (tied) values(1) = values(5);
    Vector x(6);
    for (Index i = 0; i < 6; ++i) x(i) = Dual(values(i), Eigen::VectorXd::Unit(6, i));

    const Eigen::VectorXd p = logz::softmax(values);
    const Eigen::VectorXd lp = logz::log_softmax(values);
    const auto close = [](const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
      // A few roundings of numbers of size 1.
      CHECK((a - b).cwiseAbs().maxCoeff() <= 8 * 0x1p-52);
    };
    const Dual lz = logz::logsumexp(x);
    close(lz.derivatives(), p);
    const Vector softmax = logz::softmax(x);
    const Vector log_softmax = logz::log_softmax(x);
    for (Index i = 0; i < 6; ++i) {
      const Eigen::VectorXd unit = Eigen::VectorXd::Unit(6, i);
      close(softmax(i).derivatives(), logz::softmax_backward(unit, p));
      close(log_softmax(i).derivatives(), logz::log_softmax_backward(unit, lp));
      Eigen::VectorXd grad;
      (void)logz::cross_entropy_with_grad(values, i, grad);
      close(logz::cross_entropy(x, i).derivatives(), grad);
    }
  }
}
#endif
