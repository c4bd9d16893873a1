// SPDX-License-Identifier: MIT
//
// kl_div and entropy as calls: derivatives, scalars, destinations, lazy arguments, errors.
#include "support/slices.hpp"

#include <logz/divergence.hpp>
#include <logz/log_softmax.hpp>
#include <logz/logsumexp.hpp>
#include <logz/loss.hpp>
#include <logz/softmax.hpp>
#if __has_include(<unsupported/Eigen/AutoDiff>)
#include <unsupported/Eigen/AutoDiff>
#endif

using namespace test;

namespace {

template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

constexpr logz::kl_div_options sum_of_terms{logz::kl_reduction::sum, false};
constexpr logz::kl_div_options sum_of_log_terms{logz::kl_reduction::sum, true};

}  // namespace

TEST_CASE("entropy, kl_div: gradients against central differences in long double") {
  // h² |f'''| / 6 + 2^-62 |f| / h with h = 2^-20, |f'''| ≤ 32 and |f| ≤ 64.
  constexpr real step = 0x1p-20L;
  constexpr real bound = 0x1p-35L;
  using Vector = vector<long double>;
  for (const Index length : {1, 2, 5, 17}) {
    const Vector x = Vector::LinSpaced(length, -2, 3).array().square() / 2;
    const Vector dx = logz::entropy_backward(1.0L, x, logz::entropy(x));
    const Vector p = logz::softmax(Vector::LinSpaced(length, -1, 1));
    const Vector lp = logz::log_softmax(Vector::LinSpaced(length, -1, 1));
    Vector dq;
    Vector log_dq;
    logz::kl_div_with_grad(x, p, dq, sum_of_terms);
    logz::kl_div_with_grad(x, lp, log_dq, sum_of_log_terms);
    for (Index i = 0; i < length; ++i) {
      Vector up = x;
      Vector down = x;
      up(i) += step;
      down(i) -= step;
      const real h_slope = (logz::entropy(up) - logz::entropy(down)) / (2 * step);
      const real slope =
          (logz::kl_div(up, p, sum_of_terms) - logz::kl_div(down, p, sum_of_terms)) / (2 * step);
      const real log_slope =
          (logz::kl_div(up, lp, sum_of_log_terms) - logz::kl_div(down, lp, sum_of_log_terms)) / (2 * step);
      CHECK(std::abs(h_slope - dx(i)) <= bound);
      CHECK(std::abs(slope - dq(i)) <= bound);
      CHECK(std::abs(log_slope - log_dq(i)) <= bound);
    }
  }
}

#if __has_include(<unsupported/Eigen/AutoDiff>)
TEST_CASE("entropy, kl_div: automatic differentiation gives the gradients") {
  using Dual = Eigen::AutoDiffScalar<Eigen::Matrix<double, 5, 1>>;
  using Slice = Eigen::Matrix<double, 5, 1>;
  constexpr double bound = 256 * 0x1p-53;  // a few operations per element on numbers of at most 16
  const Slice x(0.5, -2, 3, 0.25, 1);
  const Slice p = logz::softmax(Slice(1, 2, 0, -1, 0.5));
  const Slice lp = logz::log_softmax(Slice(1, 2, 0, -1, 0.5));
  Eigen::Matrix<Dual, 5, 1> dual;
  Eigen::Matrix<Dual, 5, 1> dual_p;
  Eigen::Matrix<Dual, 5, 1> dual_lp;
  for (int i = 0; i < 5; ++i) {
    dual(i) = Dual(x(i), 5, i);
    dual_p(i) = Dual(p(i), Slice::Zero());
    dual_lp(i) = Dual(lp(i), Slice::Zero());
  }
  const double h = logz::entropy(x);
  const Dual dual_h = logz::entropy(dual);
  CHECK(std::abs(dual_h.value() - h) <= bound);
  CHECK((dual_h.derivatives() - Slice(logz::entropy_backward(1.0, x, h))).cwiseAbs().maxCoeff() <= bound);
  Slice grad;
  const double kl = logz::kl_div_with_grad(x, p, grad);
  const Dual dual_kl = logz::kl_div(dual, dual_p);
  CHECK(std::abs(dual_kl.value() - kl) <= bound);
  CHECK((dual_kl.derivatives() - grad).cwiseAbs().maxCoeff() <= bound);
  const double log_kl = logz::kl_div_with_grad(x, lp, grad, sum_of_log_terms);
  const Dual dual_log_kl = logz::kl_div_per_sample(dual, dual_lp, sum_of_log_terms);
  CHECK(std::abs(dual_log_kl.value() - log_kl) <= bound);
  CHECK((dual_log_kl.derivatives() - grad).cwiseAbs().maxCoeff() <= bound);
}
#endif

TEST_CASE_TEMPLATE("entropy, kl_div: half types compute in double and round once", T, Eigen::half,
                   Eigen::bfloat16) {
  const Eigen::MatrixXf numbers =
      Eigen::MatrixXf::NullaryExpr(6, 9, [](Index i, Index j) { return 3 * std::sin(float(7 * i + j)); });
  const matrix<T, Eigen::ColMajor> x = numbers.cast<T>();
  const matrix<T, Eigen::ColMajor> p = logz::softmax(numbers.cast<T>().colwise());
  const Eigen::MatrixXd wide_x = x.template cast<float>().template cast<double>();
  const Eigen::MatrixXd wide_p = p.template cast<float>().template cast<double>();
  const vector<T> h = logz::entropy(x.rowwise());
  const Eigen::VectorXd wide_h = logz::entropy(wide_x.rowwise());
  CHECK(h == vector<T>(wide_h.template cast<T>()));
  const vector<T> g = vector<T>::Constant(6, T(1));
  const matrix<T, Eigen::ColMajor> dx = logz::entropy_backward(g, x.rowwise(), h);
  const Eigen::MatrixXd wide_dx = logz::entropy_backward(Eigen::VectorXd::Ones(6), wide_x.rowwise(), wide_h);
  CHECK(dx == (matrix<T, Eigen::ColMajor>(wide_dx.template cast<T>())));
  matrix<T, Eigen::ColMajor> grad;
  Eigen::MatrixXd wide_grad;
  const float kl = logz::kl_div_with_grad(x.rowwise(), p, grad);
  const double wide_kl = logz::kl_div_with_grad(wide_x.rowwise(), wide_p, wide_grad);
  CHECK(ulp_error(kl, wide_kl) <= 0.51L);
  CHECK(grad == (matrix<T, Eigen::ColMajor>(wide_grad.template cast<T>())));
  const Eigen::VectorXf each = logz::kl_div_per_sample(x.rowwise(), p);
  const Eigen::VectorXd wide_each = logz::kl_div_per_sample(wide_x.rowwise(), wide_p);
  for (Index i = 0; i < 6; ++i) CHECK(ulp_error(each(i), wide_each(i)) <= 0.51L);
}

TEST_CASE_TEMPLATE("entropy: a million numbers do not add up their errors", T, float, double) {
  const auto slices = normal_slices<T>(1, std::size_t{1} << 20, 3);
  const vector<T> x = Eigen::Map<const vector<T>>(slices[0].data(), Index{1} << 20);
  const reals exact = to_reals(slices[0]);
  const partition z = partition_of(exact);
  real sum = 0;
  for (const real v : exact) sum += std::exp(v - z.top) * (z.top - v);
  CHECK(ulp_error(logz::entropy(x), z.excess + sum / (1 + z.others)) <= 2);
}

TEST_CASE("entropy, kl_div: in place, of lazy arguments, of vectors of either orientation") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(5, 6) * 3;
  const Eigen::MatrixXf p = logz::softmax(Eigen::MatrixXf::Random(5, 6).rowwise());
  const Eigen::MatrixXf log_q = logz::log_softmax(x.rowwise());
  const Eigen::VectorXf h = logz::entropy(x.rowwise());
  const Eigen::VectorXf g = Eigen::VectorXf::LinSpaced(5, -1, 2);
  const Eigen::MatrixXf dx = logz::entropy_backward(g, x.rowwise(), h);
  Eigen::MatrixXf a = x;
  a = logz::entropy_backward(g, a.rowwise(), h);
  CHECK(a == dx);
  a = x;
  a.col(2) = logz::entropy(a.rowwise());
  CHECK(a.col(2) == h);
  CHECK(Eigen::VectorXf(logz::entropy((x * 1).rowwise())) == h);
  CHECK(Eigen::RowVectorXf(logz::entropy(x.transpose().colwise())) == h.transpose());
  CHECK(Eigen::MatrixXf(logz::entropy_backward(g * 1, (x * 1).rowwise(), h.transpose())) == dx);
  CHECK(logz::entropy(x.row(3)) == h(3));
  CHECK(logz::entropy(x.row(3) * 1) == h(3));
  CHECK(Eigen::VectorXf(logz::entropy_backward(g(3), x.row(3), h(3))) == dx.row(3).transpose());

  Eigen::MatrixXf expected;
  const float kl = logz::kl_div_with_grad(log_q.rowwise(), p, expected);
  for (const bool over_q : {true, false}) {
    Eigen::MatrixXf q = log_q;
    Eigen::MatrixXf r = p;
    CHECK(logz::kl_div_with_grad(q.rowwise(), r, over_q ? q : r) == kl);
    CHECK((over_q ? q : r) == expected);
  }
  Eigen::MatrixXf big = Eigen::MatrixXf::Constant(7, 9, 3);
  CHECK(logz::kl_div_with_grad(log_q.rowwise(), p, big.block(1, 2, 5, 6)) == kl);
  CHECK(big.block(1, 2, 5, 6) == expected);
  big.block(1, 2, 5, 6).setConstant(3);
  CHECK((big.array() == 3).all());
  CHECK(logz::kl_div((log_q * 1).rowwise(), (p * 1).rowwise()) == kl);
  CHECK(logz::kl_div(logz::log_softmax(x.rowwise()).rowwise(), p) == kl);
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> row_major;
  CHECK(logz::kl_div_with_grad((log_q * 1).rowwise(), p * 1, row_major) == kl);
  CHECK(row_major == expected);
  const Eigen::VectorXf each = logz::kl_div_per_sample(log_q.rowwise(), p);
  CHECK(logz::kl_div_per_sample(log_q.row(1), p.row(1)) == each(1));
  CHECK(logz::kl_div(log_q.row(1).transpose(), p.row(1), sum_of_terms) == each(1));
  CHECK(logz::kl_div(log_q.row(1), p.row(1), {logz::kl_reduction::batchmean, false}) == each(1));
  Eigen::RowVectorXf row;
  CHECK(logz::kl_div_with_grad(log_q.row(1).transpose(), p.row(1), row, sum_of_terms) == each(1));
  CHECK(row == -p.row(1));
}

TEST_CASE_TEMPLATE(
    "entropy, kl_div, derivatives: contiguous slices have the same bits alone and among others", T, float,
    double) {
  for (const std::size_t length : sizes{1, 3, 4, 8, 9, 10, 16, 17, 20, 31, 32, 33, 37, 64, 65, 100, 225}) {
    CAPTURE(length);
    const auto x = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(normal_slices<T>(70, length, 5));
    using Plain = std::decay_t<decltype(x)>;
    const Plain p = logz::softmax(x.rowwise());
    const vector<T> ones = vector<T>::Ones(70);
    const std::vector<int> targets(70, 0);
    logz::cross_entropy_options<T> options;
    options.reduction = logz::reduction::sum;
    const vector<T> h = logz::entropy(x.rowwise());
    const vector<T> kl = logz::kl_div_per_sample(x.rowwise(), p);
    const vector<T> derivative = logz::logsumexp_jvp(x.rowwise(), p);
    const Plain dx = logz::entropy_backward(ones, x.rowwise(), h);
    const Plain jvp = logz::log_softmax_jvp(p.rowwise(), x);
    const Plain hvp = logz::cross_entropy_hvp(p.rowwise(), x, targets, options);
    const Plain of_softmax = logz::softmax_backward(x.rowwise(), p);
    const Plain of_log_softmax = logz::log_softmax_backward(p.rowwise(), x);
    for (const Index count : {1, 2, 5, 9, 17}) {
      const auto part = x.middleRows(31, count);
      const auto of_p = p.middleRows(31, count);
      const std::vector<int> some(static_cast<std::size_t>(count), 0);
      CHECK(h.segment(31, count) == vector<T>(logz::entropy(part.rowwise())));
      CHECK(kl.segment(31, count) == vector<T>(logz::kl_div_per_sample(part.rowwise(), of_p)));
      CHECK(derivative.segment(31, count) == vector<T>(logz::logsumexp_jvp(part.rowwise(), of_p)));
      CHECK(dx.middleRows(31, count) ==
            Plain(logz::entropy_backward(ones.head(count), part.rowwise(), h.segment(31, count))));
      CHECK(jvp.middleRows(31, count) == Plain(logz::log_softmax_jvp(of_p.rowwise(), part)));
      CHECK(of_softmax.middleRows(31, count) == Plain(logz::softmax_backward(part.rowwise(), of_p)));
      CHECK(of_log_softmax.middleRows(31, count) == Plain(logz::log_softmax_backward(of_p.rowwise(), part)));
      CHECK(hvp.middleRows(31, count) == Plain(logz::cross_entropy_hvp(of_p.rowwise(), part, some, options)));
    }
  }
}

TEST_CASE_TEMPLATE("entropy, kl_div: a slice's bits depend on nothing but the slice", T, float, double) {
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(normal_slices<T>(150, 37, 5));
  const matrix<T, Eigen::ColMajor> p = logz::softmax(x.rowwise());
  const matrix<T, Eigen::RowMajor> row_major = x;
  const vector<T> h = logz::entropy(x.rowwise());
  const vector<T> kl = logz::kl_div_per_sample(x.rowwise(), p);
  CHECK(h.segment(61, 5) == vector<T>(logz::entropy(x.middleRows(61, 5).rowwise())));
  CHECK(kl.segment(61, 5) ==
        vector<T>(logz::kl_div_per_sample(x.middleRows(61, 5).rowwise(), p.middleRows(61, 5))));
  CHECK(kl == vector<T>(logz::kl_div_per_sample(row_major.rowwise(), p)));
  CHECK(logz::kl_div(row_major.rowwise(), p) == logz::kl_div(x.rowwise(), p));
}

TEST_CASE("entropy, kl_div: mistakes are named, and nothing is written") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  const Eigen::MatrixXf p = Eigen::MatrixXf::Ones(4, 3);
  const Eigen::VectorXf three = Eigen::VectorXf::Ones(3);
  Eigen::MatrixXf grad = Eigen::MatrixXf::Constant(2, 2, 7);
  CHECK_THROWS_WITH_AS(logz::kl_div(x.rowwise(), p), "logz::kl_div: log_q is 3 x 4, but p is 4 x 3",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::kl_div_per_sample(x.colwise(), p.colwise()),
                       "logz::kl_div_per_sample: log_q is 3 x 4, but p is 4 x 3", std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::kl_div_with_grad(x.rowwise(), p, grad),
                       "logz::kl_div_with_grad: log_q is 3 x 4, but p is 4 x 3", std::invalid_argument);
  CHECK_THROWS_AS(logz::kl_div(x.row(0), p.row(0)), std::invalid_argument);
  CHECK_THROWS_AS(logz::kl_div_with_grad(x.rowwise(), x, grad.leftCols(2)), std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::entropy_backward(Eigen::VectorXf::Ones(4), x.rowwise(), three),
                       "logz::entropy_backward: grad_h has 4 numbers for 3 slices", std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::entropy_backward(three, x.colwise(), Eigen::VectorXf::Ones(4)),
                       "logz::entropy_backward: grad_h has 3 numbers for 4 slices", std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::entropy_backward(three, x.rowwise(), Eigen::VectorXf::Ones(4)),
                       "logz::entropy_backward: h has 4 numbers for 3 slices", std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      grad.col(0) = logz::entropy(x.rowwise()),
      "logz::entropy: the result is 3 x 1, but the destination is 2 x 1 and cannot be resized",
      std::invalid_argument);
  CHECK_THROWS_AS(grad.leftCols(2) = logz::entropy_backward(three, x.rowwise(), three),
                  std::invalid_argument);
  CHECK((grad.rows() == 2 && grad.cols() == 2 && (grad.array() == 7).all()));
}

#if __cplusplus >= 202002L
TEST_CASE("kl_div: C++20 designated initialisers") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  CHECK(logz::kl_div(x.rowwise(), x, {.reduction = logz::kl_reduction::sum, .log_target = true}) ==
        logz::kl_div(x.rowwise(), x, sum_of_log_terms));
}
#endif
