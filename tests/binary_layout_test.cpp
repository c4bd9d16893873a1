// SPDX-License-Identifier: MIT
//
// Element-wise functions and binary losses of every shape and layout: whole matrices, blocks, single rows and columns, few
// classes and many, with factors of the classes; each against the formula in long double.
#include <logz/binary.hpp>

#include <cmath>
#include <random>

#include <doctest/doctest.h>

#include "support/ulp.hpp"

using test::ulp_error;

namespace {

using Eigen::Index;
using real = long double;

template <class T, int Order>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>;
template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

real softplus(real x) { return std::max(x, real{0}) + std::log1p(std::exp(-std::abs(x))); }
real sigmoid(real x) { return std::exp(-softplus(-x)); }

struct shape {
  Index rows, cols;
};
/// Fewer and more than the 256 numbers that pass together, classes that divide them and do not, vectors of both kinds.
constexpr shape shapes[] = {{700, 3}, {3, 700}, {130, 300}, {300, 130}, {1, 500},
                            {500, 1}, {1, 1},   {0, 3},     {90, 128}};

template <class T, class X, class Out>
void check(const X& x, const X& g, const X& y, Out out) {
  const auto at = [](const auto& v, Index i, Index j) { return static_cast<real>(v(i, j)); };
  const auto worst = [&](const auto& result, const auto& exact, const auto& unit) {
    real largest = 0;
    for (Index j = 0; j < x.cols(); ++j) {
      for (Index i = 0; i < x.rows(); ++i)
        largest = std::max(largest, ulp_error(result(i, j), exact(i, j), unit(i, j)));
    }
    return largest;
  };
  const auto of_x = [&](Index i, Index j) { return softplus(at(x, i, j)); };
  const auto slope = [&](Index i, Index j) { return at(g, i, j) * sigmoid(at(x, i, j)); };
  out = logz::softplus(x);
  CHECK(worst(out, of_x, of_x) <= 2);
  out = logz::softplus_backward(g, x);
  CHECK(worst(out, slope, slope) <= 2);

  for (const int kind : {0, 1, 2}) {  // no factors, one for all, one for each class
    CAPTURE(kind);
    const Index classes = x.IsVectorAtCompileTime ? x.size() : x.cols(), factors = kind < 2 ? kind : classes;
    logz::binary_cross_entropy_options<T> options;
    options.weight = vector<T>::LinSpaced(factors, T(0.5), T(2));
    options.pos_weight = vector<T>::LinSpaced(factors, T(3), T(0.25));
    options.reduction = logz::reduction::sum;
    const auto factor = [&](const vector<T>& of, Index j) {
      return of.size() == 0 ? real{1} : static_cast<real>(of(of.size() == 1 ? 0 : j));
    };
    const auto yes = [&](Index i, Index j) {
      return factor(options.weight, j) * factor(options.pos_weight, j) * at(y, i, j);
    };
    const auto no = [&](Index i, Index j) { return factor(options.weight, j) * (1 - at(y, i, j)); };
    const auto loss = [&](Index i, Index j) {
      return no(i, j) * softplus(at(x, i, j)) + yes(i, j) * softplus(-at(x, i, j));
    };
    const auto of_no = [&](Index i, Index j) { return no(i, j) * sigmoid(at(x, i, j)); };
    const auto of_yes = [&](Index i, Index j) { return yes(i, j) * sigmoid(-at(x, i, j)); };
    real total = 0;
    for (Index i = 0; i < x.size(); ++i) total += loss(i % x.rows(), i / x.rows());
    CHECK(ulp_error(logz::binary_cross_entropy_with_logits(x, y, options), total, total) <= 2);
    CHECK(ulp_error(logz::binary_cross_entropy_with_logits_with_grad(x, y, out, options), total, total) <= 2);
    CHECK(worst(
              out, [&](Index i, Index j) { return of_no(i, j) - of_yes(i, j); },
              [&](Index i, Index j) { return std::max(of_no(i, j), of_yes(i, j)); }) <= 2);
    out = logz::binary_cross_entropy_with_logits_per_element(x, y, options);
    CHECK(worst(out, loss, loss) <= 2);
  }
}

template <class T, int Order, int OutOrder>
void check_layouts(const shape& size) {
  CAPTURE(size.rows);
  CAPTURE(size.cols);
  CAPTURE(Order);
  CAPTURE(OutOrder);
  using Matrix = matrix<T, Order>;
  using Out = matrix<T, OutOrder>;
  std::mt19937 generator(static_cast<unsigned>(1000 * size.rows + size.cols));
  std::normal_distribution<double> normal(0, 4);
  std::uniform_real_distribution<double> uniform(0, 1);
  const auto of = [&](auto& numbers) {
    return Matrix(
        Matrix::NullaryExpr(size.rows, size.cols, [&] { return static_cast<T>(numbers(generator)); }));
  };
  const Matrix x = of(normal), g = of(normal), y = of(uniform);
  Out out(size.rows, size.cols);
  check<T>(x, g, y, Eigen::Ref<Out>(out));
  // Blocks of wider matrices, and of their kind every other number.
  Matrix wide_x = Matrix::Zero(size.rows + 3, size.cols + 2), wide_g = wide_x, wide_y = wide_x;
  Out wide_out = Out::Constant(size.rows + 3, size.cols + 2, T(7));
  const auto block = [&](auto& m) { return m.block(2, 1, size.rows, size.cols); };
  block(wide_x) = x;
  block(wide_g) = g;
  block(wide_y) = y;
  check<T>(block(wide_x), block(wide_g), block(wide_y), block(wide_out));
  CHECK((wide_out.topRows(2).array() == T(7)).all());
  CHECK((wide_out.bottomRows(1).array() == T(7)).all());
  CHECK((wide_out.rightCols(1).array() == T(7)).all());
}

}  // namespace

TEST_CASE_TEMPLATE("binary functions: every shape and layout", T, float, double) {
  for (const shape& size : shapes) {
    check_layouts<T, Eigen::ColMajor, Eigen::ColMajor>(size);
    check_layouts<T, Eigen::RowMajor, Eigen::RowMajor>(size);
    check_layouts<T, Eigen::ColMajor, Eigen::RowMajor>(size);
  }
}

TEST_CASE_TEMPLATE("binary functions: rows and columns of a matrix, beside each other or not", T, float,
                   double) {
  const matrix<T, Eigen::ColMajor> x = matrix<T, Eigen::ColMajor>::Random(40, 600) * T(8);
  matrix<T, Eigen::ColMajor> out = x;
  Eigen::Matrix<T, 1, Eigen::Dynamic> row(600);
  out.row(3) = logz::softplus(x.row(3));
  row = logz::softplus(x.row(5));
  out.col(7) = logz::softplus(x.col(7));
  for (Index i = 0; i < 600; ++i) {
    CHECK(out(3, i) == logz::softplus(x(3, i)));
    CHECK(row(i) == logz::softplus(x(5, i)));
  }
  for (Index i = 0; i < 40; ++i) CHECK(out(i, 7) == logz::softplus(x(i, 7)));
}
