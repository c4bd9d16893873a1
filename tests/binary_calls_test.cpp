// SPDX-License-Identifier: MIT
//
// The binary functions as calls: destinations, vectors, lazy arguments, errors.
#include "support/slices.hpp"

#include <logz/binary.hpp>

using namespace test;

TEST_CASE("binary functions: destinations of any kind, in place, shifted, lazy") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(5, 4) * 6;
  const Eigen::MatrixXf g = Eigen::MatrixXf::Random(5, 4);
  const Eigen::MatrixXf soft = logz::softplus(x);
  const Eigen::MatrixXf dx = logz::softplus_backward(g, x);
  Eigen::MatrixXf a = x;
  a = logz::softplus(a);
  CHECK(a == soft);
  a = g;
  a.noalias() = logz::softplus_backward(a, x);
  CHECK(a == dx);
  a = x;
  a = logz::softplus_backward(g, a);
  CHECK(a == dx);
  a = Eigen::MatrixXf::Zero(6, 4);
  a.topRows(5) = x;
  a.bottomRows(5) = logz::softplus(a.topRows(5));
  CHECK(a.bottomRows(5) == soft);
  a = x;
  a = logz::softplus(a.transpose());
  CHECK(a == soft.transpose());
  CHECK(Eigen::MatrixXf(logz::softplus(x * 1)) == soft);
  CHECK(Eigen::MatrixXf(logz::softplus_backward(g * 1, x * 1)) == dx);
  CHECK(Eigen::ArrayXXf(logz::softplus(x.array())).matrix() == soft);
  CHECK((logz::softplus(x) + Eigen::MatrixXf::Zero(5, 4)).eval() == soft);
  matrix<float, Eigen::RowMajor> row_major = logz::softplus(x);
  CHECK(row_major == soft);
  CHECK(Eigen::RowVectorXf(logz::softplus(x.col(1))) == soft.col(1).transpose());
  CHECK(Eigen::VectorXf(logz::softplus(x.row(1))) == soft.row(1).transpose());
  CHECK(Eigen::VectorXf(logz::softplus_backward(g.col(1).transpose(), x.col(1))) == dx.col(1));
  CHECK(Eigen::VectorXf(logz::softplus_backward(g.col(1), x.col(1).transpose())) == dx.col(1));
  const Eigen::Vector3f fixed = logz::log_sigmoid(Eigen::Vector3f(1, 2, 3));
  CHECK(fixed(1) == logz::log_sigmoid(2.0f));
}

TEST_CASE("binary_cross_entropy_with_logits: grad may be an argument, a block, of another order or kind") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(5, 4) * 6;
  const Eigen::MatrixXf y = (Eigen::MatrixXf::Random(5, 4).array() + 1) / 2;
  Eigen::MatrixXf expected;
  const float loss = logz::binary_cross_entropy_with_logits_with_grad(x, y, expected);
  Eigen::MatrixXf logits = x;
  CHECK(logz::binary_cross_entropy_with_logits_with_grad(logits, y, logits) == loss);
  CHECK(logits == expected);
  Eigen::MatrixXf targets = y;
  CHECK(logz::binary_cross_entropy_with_logits_with_grad(x, targets, targets) == loss);
  CHECK(targets == expected);
  Eigen::MatrixXf big = Eigen::MatrixXf::Constant(7, 9, 3);
  CHECK(logz::binary_cross_entropy_with_logits_with_grad(x, y, big.block(1, 2, 5, 4)) == loss);
  CHECK(big.block(1, 2, 5, 4) == expected);
  big.block(1, 2, 5, 4).setConstant(3);
  CHECK((big.array() == 3).all());
  Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> array;
  CHECK(logz::binary_cross_entropy_with_logits_with_grad(x * 1, y * 1, array) == loss);
  CHECK(array.matrix() == expected);
  CHECK(logz::binary_cross_entropy_with_logits(x, y * 1) == loss);

  // The classes of a vector are its elements, whatever its orientation.
  logz::binary_cross_entropy_options<float> options;
  options.pos_weight = Eigen::Vector4f(1, 2, 3, 4);
  const float row = logz::binary_cross_entropy_with_logits(x.row(2), y.row(2), options);
  CHECK(logz::binary_cross_entropy_with_logits(x.middleRows(2, 1), y.middleRows(2, 1), options) == row);
  CHECK(logz::binary_cross_entropy_with_logits(x.row(2).transpose(), y.row(2), options) == row);
  const Eigen::VectorXf column_x = x.row(2);
  const Eigen::VectorXf column_y = y.row(2);
  Eigen::RowVectorXf grad;
  CHECK(logz::binary_cross_entropy_with_logits_with_grad(column_x, column_y, grad, options) == row);
  Eigen::VectorXf column;
  logz::binary_cross_entropy_with_logits_with_grad(column_x, column_y, column, options);
  CHECK(grad.transpose() == column);

  // The options of an expression may be gone when it is evaluated.
  const auto each = [&] {
    logz::binary_cross_entropy_options<float> gone;
    gone.weight = Eigen::Vector4f(1, 2, 3, 4);
    return logz::binary_cross_entropy_with_logits_per_element(x, y, gone);
  }();
  const Eigen::MatrixXf plain = logz::binary_cross_entropy_with_logits_per_element(x, y);
  const Eigen::MatrixXf weighted = each;
  CHECK((weighted.col(1).array() / plain.col(1).array() == 2).all());
}

TEST_CASE("binary functions: mistakes are named, and nothing is written") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  const Eigen::MatrixXf y = Eigen::MatrixXf::Zero(4, 3);
  Eigen::MatrixXf grad = Eigen::MatrixXf::Constant(2, 2, 7);
  const auto untouched = [&] { return grad.rows() == 2 && grad.cols() == 2 && (grad.array() == 7).all(); };
  CHECK_THROWS_WITH_AS(logz::softplus_backward(x, y),
                       "logz::softplus_backward: grad_output is 3 x 4, but x is 4 x 3",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::log_sigmoid_backward(x, y),
                       "logz::log_sigmoid_backward: grad_output is 3 x 4, but x is 4 x 3",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::binary_cross_entropy_with_logits(x, y),
                       "logz::binary_cross_entropy_with_logits: x is 3 x 4, but y is 4 x 3",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::binary_cross_entropy_with_logits_with_grad(x, y, grad),
                       "logz::binary_cross_entropy_with_logits_with_grad: x is 3 x 4, but y is 4 x 3",
                       std::invalid_argument);
  CHECK_THROWS_AS(logz::binary_cross_entropy_with_logits_per_element(x, y), std::invalid_argument);
  for (const bool pos : {false, true}) {
    logz::binary_cross_entropy_options<float> options;
    (pos ? options.pos_weight : options.weight) = Eigen::VectorXf::Ones(3);
    const std::string message =
        std::string(": ") + (pos ? "pos_weight" : "weight") + " has 3 numbers for 4 classes (x is 3 x 4)";
    CHECK_THROWS_WITH_AS(logz::binary_cross_entropy_with_logits(x, x, options),
                         ("logz::binary_cross_entropy_with_logits" + message).c_str(), std::invalid_argument);
    CHECK_THROWS_WITH_AS(logz::binary_cross_entropy_with_logits_with_grad(x, x, grad, options),
                         ("logz::binary_cross_entropy_with_logits_with_grad" + message).c_str(),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(logz::binary_cross_entropy_with_logits_per_element(x, x, options),
                         ("logz::binary_cross_entropy_with_logits_per_element" + message).c_str(),
                         std::invalid_argument);
  }
  CHECK(untouched());
  CHECK_THROWS_AS(logz::binary_cross_entropy_with_logits_with_grad(x, x, grad.leftCols(2)),
                  std::invalid_argument);
  CHECK_THROWS_AS(grad.leftCols(2) = logz::softplus(x), std::invalid_argument);
  CHECK(untouched());
}

#if __cplusplus >= 202002L
TEST_CASE("binary_cross_entropy_with_logits: C++20 designated initialisers") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  const Eigen::MatrixXf y = Eigen::MatrixXf::Ones(3, 4);
  logz::binary_cross_entropy_options<float> options;
  options.reduction = logz::reduction::sum;
  options.pos_weight = Eigen::Vector4f(1, 2, 3, 4);
  CHECK(logz::binary_cross_entropy_with_logits(
            x, y, {.reduction = logz::reduction::sum, .pos_weight = Eigen::Vector4f(1, 2, 3, 4)}) ==
        logz::binary_cross_entropy_with_logits(x, y, options));
}
#endif
