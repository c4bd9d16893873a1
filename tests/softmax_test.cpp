// SPDX-License-Identifier: MIT
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <logz/softmax.hpp>

using namespace test;

namespace {

const auto softmax_of = [](const auto& x) { return logz::softmax(x); };
const auto exact_softmax = [](const reals& x) { return softmax(x); };

// The contract's bounds, in ulp.
constexpr long double softmax_bound = 4;
constexpr long double backward_bound = 4;

}  // namespace

TEST_CASE_TEMPLATE("softmax: meets its bound at every length from 1 to 70 in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    check_slicewise(normal_slices<T>(3, length, 3), softmax_of, exact_softmax, softmax_bound);
  }
}

TEST_CASE_TEMPLATE("softmax: meets its bound whatever the spread, offset, order and ties", T, float, double) {
  for (const auto& slices : hard_slices<T>())
    check_slicewise(slices, softmax_of, exact_softmax, softmax_bound);
}

TEST_CASE_TEMPLATE("softmax: a million numbers do not add up their errors", T, float, double) {
  const auto slices = normal_slices<T>(1, std::size_t{1} << 20, 3);
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices);
  const Eigen::Matrix<T, Eigen::Dynamic, 1> p = logz::softmax(x.col(0));
  const reals exact = softmax(to_reals(slices[0]));
  long double worst = 0;
  for (std::size_t l = 0; l < exact.size(); ++l)
    worst = std::max(worst, ulp_error(p(static_cast<Index>(l)), exact[l]));
  CHECK(worst <= softmax_bound);
}

TEST_CASE_TEMPLATE("softmax: special values at every length and place leave the neighbours alone", T, float,
                   double) {
  check_special_values<T>(softmax_of, exact_softmax, softmax_bound);
}

TEST_CASE_TEMPLATE("softmax: one element gives 1, none gives nothing", T, float, double) {
  const Eigen::Array<T, Eigen::Dynamic, 1> one = Eigen::Array<T, 1, 1>(static_cast<T>(-5e8));
  CHECK(Eigen::Array<T, 1, 1>(logz::softmax(one))(0) == 1);
  const matrix<T, Eigen::ColMajor> no_columns(3, 0);
  const matrix<T, Eigen::ColMajor> none = logz::softmax(no_columns.rowwise());
  CHECK(none.rows() == 3);
  CHECK(none.cols() == 0);
  const matrix<T, Eigen::ColMajor> no_rows(0, 3);
  CHECK(matrix<T, Eigen::ColMajor>(logz::softmax(no_rows.rowwise())).rows() == 0);
}

TEST_CASE_TEMPLATE("softmax: adding a constant to a slice changes nothing", T, float, double) {
  // Multiples of 8 up to 1e8 are exact in float, so the shifted slices hold the same differences.
  for (std::size_t length = 1; length <= 70; ++length) {
    auto slices = normal_slices<T>(2, length, 2);
    for (auto& slice : slices) {
      for (T& v : slice) v = 8 * std::round(v);
    }
    auto shifted = slices;
    for (auto& slice : shifted) {
      for (T& v : slice) v += static_cast<T>(1e8);
    }
    const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(slices);
    const auto y = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(shifted);
    const matrix<T, Eigen::ColMajor> p = logz::softmax(x.rowwise());
    const matrix<T, Eigen::ColMajor> q = logz::softmax(y.rowwise());
    for (std::size_t i = 0; i < slices.size(); ++i) {
      const auto exact = softmax(to_reals(slices[i]));
      for (std::size_t l = 0; l < length; ++l) {
        CHECK(ulp_error(p(Index(i), Index(l)), exact[l]) <= 4);
        CHECK(ulp_error(q(Index(i), Index(l)), exact[l]) <= 4);
      }
    }
  }
}

TEST_CASE_TEMPLATE("softmax: a slice's bits depend on nothing but the slice", T, float, double) {
  const auto slices = normal_slices<T>(70, 37, 5);
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(slices);
  const matrix<T, Eigen::ColMajor> all = logz::softmax(x.rowwise());
  const matrix<T, Eigen::ColMajor> few = logz::softmax(x.middleRows(11, 5).rowwise());
  CHECK((all.middleRows(11, 5).array() == few.array()).all());
}

TEST_CASE("softmax: subnormal results are within 2 smallest subnormals") {
  // exp(-88) and on are subnormal in float, exp(-709) and on in double.
  std::vector<float> f{0};
  std::vector<double> d{0};
  for (int i = 0; i < 64; ++i) f.push_back(-87 - 0.27f * static_cast<float>(i));
  for (int i = 0; i < 64; ++i) d.push_back(-707 - 0.61 * i);
  check_slicewise(slice_list<float>{f}, softmax_of, exact_softmax, 2);
  check_slicewise(slice_list<double>{d}, softmax_of, exact_softmax, softmax_bound);
}

TEST_CASE_TEMPLATE("softmin: is softmax of -x, bit for bit", T, float, double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    for_each_storage(normal_slices<T>(3, length, 4), [](const char* name, const auto& view, auto direction) {
      using Plain = typename std::decay_t<decltype(view)>::PlainObject;
      constexpr int d = decltype(direction)::value;
      const Plain minus = -view;
      const Plain expected = logz::softmax(along<d>(minus));
      const Plain got = logz::softmin(along<d>(view));
      INFO(std::string(name));
      CHECK((got.array() == expected.array()).all());
    });
  }
}

TEST_CASE_TEMPLATE("softmax_backward: meets its bound of the largest term in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    const auto gradients = normal_slices<T>(3, length, 2, 0, 77);
    slice_list<T> probabilities;
    for (const auto& slice : normal_slices<T>(3, length, 3)) {
      std::vector<T> p;
      for (const real v : softmax(to_reals(slice))) p.push_back(static_cast<T>(v));
      probabilities.push_back(p);
    }
    const auto p_column_major = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(probabilities);
    const matrix<T, Eigen::ColMajor> p_transposed = p_column_major.transpose();
    for_each_layout(gradients, [&](const char* name, const auto& g, auto direction) {
      constexpr int d = decltype(direction)::value;
      const auto& p = d == Eigen::Horizontal ? p_column_major : p_transposed;
      const typename std::decay_t<decltype(g)>::PlainObject dx = logz::softmax_backward(along<d>(g), p);
      const auto got = get<d>(dx);
      long double worst = 0;
      for (std::size_t s = 0; s < got.size(); ++s) {
        const reals exact = softmax_backward(to_reals(gradients[s]), to_reals(probabilities[s]));
        real dot = 0;
        for (std::size_t l = 0; l < length; ++l) dot += real(gradients[s][l]) * real(probabilities[s][l]);
        for (std::size_t l = 0; l < length; ++l) {
          const real largest = std::max(std::abs(probabilities[s][l] * real(gradients[s][l])),
                                        std::abs(probabilities[s][l] * dot));
          worst = std::max(worst, ulp_error(got[s][l], exact[l], largest));
        }
      }
      INFO(std::string(name));
      CAPTURE(length);
      CHECK(worst <= backward_bound);
    });
  }
}

TEST_CASE_TEMPLATE("softmax_backward: takes vectors of either orientation and lazy arguments", T, float,
                   double) {
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  const Vector x = Vector::LinSpaced(9, -2, 3);
  const Vector g = Vector::LinSpaced(9, 1, -1).array().square();
  const Vector p = logz::softmax(x);
  const Vector expected = logz::softmax_backward(g, p);
  CHECK(Vector(logz::softmax_backward(g, p.transpose())) == expected);
  CHECK(Vector(logz::softmax_backward(g.transpose(), p)) == expected);
  CHECK(Vector(logz::softmax_backward(g * 1, p)) == expected);
  CHECK(Vector(logz::softmax_backward(g, p * 1)) == expected);
  CHECK(Vector(logz::softmax_backward(g * 1, p * 1)) == expected);
  CHECK(Vector(logz::softmax_backward(g, logz::softmax(x))) == expected);
}

TEST_CASE("softmax_backward: shapes that differ are refused with both") {
  const Eigen::MatrixXf g = Eigen::MatrixXf::Ones(3, 4);
  const Eigen::MatrixXf p = Eigen::MatrixXf::Ones(4, 3);
  CHECK_THROWS_WITH_AS(logz::softmax_backward(g.rowwise(), p),
                       "logz::softmax_backward: grad_output is 3 x 4, but p is 4 x 3", std::invalid_argument);
  CHECK_THROWS_AS(logz::softmax_backward(g.row(0), p.row(0)), std::invalid_argument);
}

// A short slice is not read by a masked load then, which would wait for the result of the call before.
TEST_CASE_TEMPLATE("softmax, softmax_backward: a result right behind its slice is the result anywhere", T,
                   float, double) {
  for (Index n = 1; n <= 40; ++n) {
    CAPTURE(n);
    std::vector<T> memory(static_cast<std::size_t>(2 * n + 3), T(50));
    Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> x(memory.data(), n);
    x = Eigen::Array<T, Eigen::Dynamic, 1>::LinSpaced(n, T(-3), T(4)).sin() * T(9);
    for (Index gap = 0; gap < 3; ++gap) {
      Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> y(memory.data() + n + gap, n);
      const Eigen::Array<T, Eigen::Dynamic, 1> p = logz::softmax(x);
      y.setConstant(T(60));
      y = logz::softmax(x);
      CHECK((y == p).all());
      const Eigen::Array<T, Eigen::Dynamic, 1> dx = logz::softmax_backward(x, p);
      y.setConstant(T(60));
      y = logz::softmax_backward(x, p);
      CHECK((y == dx).all());
      y.setConstant(T(60));
      const Eigen::Array<T, Eigen::Dynamic, 1> dp = logz::softmax_backward(p, x);
      y = logz::softmax_backward(p, x);
      CHECK((y == dp).all());
    }
  }
}

TEST_CASE("softmax_backward: the output may come with its axis") {
  const Eigen::MatrixXf g = Eigen::MatrixXf::Random(3, 4);
  const Eigen::MatrixXf p = logz::softmax(Eigen::MatrixXf::Random(3, 4).rowwise());
  CHECK(Eigen::MatrixXf(logz::softmax_backward(g.rowwise(), p.rowwise())) ==
        Eigen::MatrixXf(logz::softmax_backward(g.rowwise(), p)));
  CHECK(Eigen::MatrixXf(logz::softmax_backward(g.colwise(), p.colwise())) ==
        Eigen::MatrixXf(logz::softmax_backward(g.colwise(), p)));
}
