// SPDX-License-Identifier: MIT
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <logz/log_softmax.hpp>

using namespace test;

namespace {

const auto log_softmax_of = [](const auto& x) { return logz::log_softmax(x); };
const auto exact_log_softmax = [](const reals& x) { return log_softmax(x); };

// The contract's bounds, in ulp.
constexpr long double log_softmax_bound = 2;
constexpr long double backward_bound = 4;

}  // namespace

TEST_CASE_TEMPLATE("log_softmax: meets its bound at every length from 1 to 70 in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    check_slicewise(normal_slices<T>(3, length, 3), log_softmax_of, exact_log_softmax, log_softmax_bound);
  }
}

TEST_CASE_TEMPLATE("log_softmax: meets its bound whatever the spread, offset, order and ties", T, float,
                   double) {
  for (const auto& slices : hard_slices<T>()) {
    check_slicewise(slices, log_softmax_of, exact_log_softmax, log_softmax_bound);
  }
}

TEST_CASE_TEMPLATE("log_softmax: what a long sum has lost counts where one entry is above it", T, float,
                   double) {
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  for (const Eigen::Index n : {1000, 4099, 20000}) {
    for (const double share : {0.3, 0.45, 0.49, 0.6, 3.0}) {
      for (const Eigen::Index slices : {1, 24}) {
        matrix x = matrix::Constant(slices, n, static_cast<T>(std::log(share / static_cast<double>(n - 1))));
        x.col(n / 3).setZero();
        const matrix lp = logz::log_softmax(x.rowwise());
        const long double others =
            static_cast<long double>(n - 1) * std::exp(static_cast<long double>(x(0, 0)));
        for (Eigen::Index i = 0; i < slices; ++i)
          CHECK(ulp_error(lp(i, n / 3), -std::log1p(others)) <= log_softmax_bound);
      }
    }
  }
}

TEST_CASE_TEMPLATE("log_softmax: a million numbers do not add up their errors", T, float, double) {
  const auto slices = normal_slices<T>(1, std::size_t{1} << 20, 3);
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices);
  const Eigen::Matrix<T, Eigen::Dynamic, 1> lp = logz::log_softmax(x.col(0));
  const reals exact = log_softmax(to_reals(slices[0]));
  long double worst = 0;
  for (std::size_t l = 0; l < exact.size(); ++l)
    worst = std::max(worst, ulp_error(lp(static_cast<Index>(l)), exact[l]));
  CHECK(worst <= log_softmax_bound);
}

TEST_CASE_TEMPLATE("log_softmax: special values at every length and place leave the neighbours alone", T,
                   float, double) {
  check_special_values<T>(log_softmax_of, exact_log_softmax, log_softmax_bound);
}

TEST_CASE("log_softmax: the dominant class keeps its relative accuracy") {
  // mpmath, 30 digits: -log1p(exp(-40)).
  const Eigen::Vector2d x(0, -40);
  const Eigen::Vector2d lp = logz::log_softmax(x);
  CHECK(ulp_error(lp(0), -4.24835425529158898630590547627e-18L) <= log_softmax_bound);
  CHECK(lp(1) == -40);
}

TEST_CASE_TEMPLATE("log_softmax: a slice's bits depend on nothing but the slice", T, float, double) {
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(normal_slices<T>(70, 37, 5));
  const matrix<T, Eigen::ColMajor> all = logz::log_softmax(x.rowwise());
  const matrix<T, Eigen::ColMajor> few = logz::log_softmax(x.middleRows(11, 5).rowwise());
  CHECK((all.middleRows(11, 5).array() == few.array()).all());
}

TEST_CASE_TEMPLATE("log_softmax: one element gives 0, none gives nothing", T, float, double) {
  const Eigen::Matrix<T, 1, 1> one(static_cast<T>(-5e8));
  const Eigen::Matrix<T, 1, 1> lp = logz::log_softmax(one);
  CHECK(lp(0) == 0);
  CHECK_FALSE(std::signbit(lp(0)));
  const matrix<T, Eigen::RowMajor> none(3, 0);
  CHECK(matrix<T, Eigen::RowMajor>(logz::log_softmax(none.rowwise())).rows() == 3);
}

TEST_CASE_TEMPLATE("log_softmax_backward: meets its bound of the largest term in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    const auto gradients = normal_slices<T>(3, length, 2, 0, 77);
    slice_list<T> log_probabilities;
    for (const auto& slice : normal_slices<T>(3, length, 3)) {
      std::vector<T> lp;
      for (const real v : log_softmax(to_reals(slice))) lp.push_back(static_cast<T>(v));
      log_probabilities.push_back(lp);
    }
    const auto lp_column_major = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(log_probabilities);
    const matrix<T, Eigen::ColMajor> lp_transposed = lp_column_major.transpose();
    for_each_layout(gradients, [&](const char* name, const auto& g, auto direction) {
      constexpr int d = decltype(direction)::value;
      const auto& lp = d == Eigen::Horizontal ? lp_column_major : lp_transposed;
      const typename std::decay_t<decltype(g)>::PlainObject dx = logz::log_softmax_backward(along<d>(g), lp);
      const auto got = get<d>(dx);
      long double worst = 0;
      for (std::size_t s = 0; s < got.size(); ++s) {
        const reals exact = log_softmax_backward(to_reals(gradients[s]), to_reals(log_probabilities[s]));
        for (std::size_t l = 0; l < length; ++l) {
          const real largest =
              std::max(std::abs(real(gradients[s][l])), std::abs(gradients[s][l] - exact[l]));
          worst = std::max(worst, ulp_error(got[s][l], exact[l], largest));
        }
      }
      INFO(std::string(name));
      CAPTURE(length);
      CHECK(worst <= backward_bound);
    });
  }
}

TEST_CASE("log_softmax_backward: where the log-probability is -inf the gradient is grad_output") {
  Eigen::Vector3f x(1, -std::numeric_limits<float>::infinity(), 2);
  const Eigen::Vector3f g(0.5f, -3, 0.25f);
  const Eigen::Vector3f lp = logz::log_softmax(x);
  const Eigen::Vector3f dx = logz::log_softmax_backward(g, lp);
  CHECK(dx(1) == -3);
}

TEST_CASE("log_softmax_backward: shapes that differ are refused with both") {
  const Eigen::MatrixXf g = Eigen::MatrixXf::Ones(3, 4);
  const Eigen::MatrixXf lp = Eigen::MatrixXf::Ones(3, 5);
  CHECK_THROWS_WITH_AS(logz::log_softmax_backward(g.colwise(), lp.colwise()),
                       "logz::log_softmax_backward: grad_output is 3 x 4, but log_p is 3 x 5",
                       std::invalid_argument);
}

TEST_CASE("log_softmax_backward: the output may come with its axis") {
  const Eigen::MatrixXf g = Eigen::MatrixXf::Random(3, 4);
  const Eigen::MatrixXf lp = logz::log_softmax(Eigen::MatrixXf::Random(3, 4).rowwise());
  CHECK(Eigen::MatrixXf(logz::log_softmax_backward(g.rowwise(), lp.rowwise())) ==
        Eigen::MatrixXf(logz::log_softmax_backward(g.rowwise(), lp)));
}
