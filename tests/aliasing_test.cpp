// SPDX-License-Identifier: MIT
//
// Destinations that share memory with arguments.
#include "support/logits.hpp"

#include <doctest/doctest.h>

#include <logz/logz.hpp>
#include <vector>

using namespace test;
using Eigen::ArrayXXf;
using Eigen::Index;
using Eigen::MatrixXf;
using Eigen::VectorXf;

TEST_CASE("aliasing: in place") {
  const MatrixXf original = logits(5, 7);
  MatrixXf x = original;
  x = logz::softmax(x.rowwise());
  CHECK(x == rowwise_softmax(original));
  x = original;
  x.noalias() = logz::softmax(x.colwise());
  CHECK(x == colwise_softmax(original));
  x = original;
  x.middleRows(1, 3) = logz::softmax(x.middleRows(1, 3).rowwise());
  CHECK(x.middleRows(1, 3) == rowwise_softmax(original).middleRows(1, 3));
  CHECK(x.row(0) == original.row(0));

  VectorXf v = original.col(2);
  v = logz::log_softmax(v);
  CHECK(v == VectorXf(logz::log_softmax(original.col(2))));
  // The other orientation of the same memory.
  VectorXf w = original.col(2);
  w = logz::log_softmax(w.transpose());
  CHECK(w == v);

  MatrixXf g = logits(5, 7) * 2;
  const MatrixXf p = rowwise_softmax(original);
  const MatrixXf expected = logz::softmax_backward(g.rowwise(), p);
  MatrixXf over_g = g;
  over_g = logz::softmax_backward(over_g.rowwise(), p);
  CHECK(over_g == expected);
  MatrixXf over_p = p;
  over_p = logz::softmax_backward(g.rowwise(), over_p);
  CHECK(over_p == expected);
  MatrixXf both = p;
  both = logz::softmax_backward(both.rowwise(), both);
  CHECK(both == MatrixXf(logz::softmax_backward(p.rowwise(), p)));
}

TEST_CASE("aliasing: a destination that shares memory in another layout") {
  const MatrixXf original = logits(6, 6);
  const MatrixXf expected = rowwise_softmax(original);
  MatrixXf x = original;
  x.transpose() = logz::softmax(x.rowwise());
  CHECK(x.transpose() == expected);
  x = original;
  x = logz::softmax(x.transpose().rowwise());
  CHECK(x == rowwise_softmax(original.transpose()));

  for (const Index shift : {1, 2, 3}) {
    x = original;
    x.topRows(3) = logz::softmax(x.middleRows(shift, 3).rowwise());
    CHECK(x.topRows(3) == expected.middleRows(shift, 3));
    x = original;
    x.middleRows(shift, 3) = logz::softmax(x.topRows(3).rowwise());
    CHECK(x.middleRows(shift, 3) == expected.topRows(3));
    x = original;
    x.leftCols(3) = logz::softmax(x.middleCols(shift, 3).colwise());
    CHECK(x.leftCols(3) == colwise_softmax(original).middleCols(shift, 3));
    x = original;
    x.middleCols(shift, 3) = logz::softmax(x.leftCols(3).colwise());
    CHECK(x.middleCols(shift, 3) == colwise_softmax(original).leftCols(3));
  }

  // Every other column and the ones between them.
  using Strided = Eigen::Map<MatrixXf, 0, Eigen::OuterStride<>>;
  x = original;
  Strided even(x.data(), 6, 3, Eigen::OuterStride<>(12));
  Strided odd(x.data() + 6, 6, 3, Eigen::OuterStride<>(12));
  const MatrixXf odd_softmax = rowwise_softmax(odd);
  even = logz::softmax(odd.rowwise());
  CHECK(even == odd_softmax);

  // Smaller than the destination: the resize must not come before the reading.
  x = original;
  x = logz::softmax(x.topRows(2).rowwise());
  CHECK(x == expected.topRows(2));
  ArrayXXf a = original;
  a = logz::softmax(a.matrix().bottomRows(2).rowwise());
  CHECK(a.matrix() == expected.bottomRows(2));

  // The gradient over part of its argument, and log Z into a column of x.
  x = original;
  const VectorXf lz = logz::logsumexp(x.rowwise());
  x.col(0) = logz::logsumexp(x.rowwise());
  CHECK(x.col(0) == lz);
  x = original;
  x.row(5) = logz::logsumexp(x.rowwise());
  CHECK(x.row(5).transpose() == lz);
  x = original;
  const MatrixXf gradient = logz::logsumexp_backward(x.col(1).eval(), x.rowwise(), lz);
  x = logz::logsumexp_backward(x.col(1), x.rowwise(), lz);
  CHECK(x == gradient);
  // A lazy argument beside a direct one that is the destination.
  MatrixXf p = expected;
  const MatrixXf lazy = logz::softmax_backward((original * 2).eval().rowwise(), expected);
  p = logz::softmax_backward((original * 2).rowwise(), p);
  CHECK(p == lazy);
}

TEST_CASE("aliasing: what dst = expr gets right is right for lazy inputs") {
  const MatrixXf original = logits(5, 5);
  MatrixXf x = original;
  x = logz::softmax((2 * x).rowwise());
  CHECK(x == rowwise_softmax(2 * original));
  x = original;
  x = logz::softmax((x * x).rowwise());  // a product, which Eigen evaluates into a temporary
  CHECK(x == rowwise_softmax(original * original));
  x = original;
  x = logz::softmax((x.colwise() - logz::logsumexp(x.rowwise()).eval()).rowwise());
  CHECK(x == rowwise_softmax(original.colwise() - VectorXf(logz::logsumexp(original.rowwise()))));
  VectorXf v = original.col(0);
  v = logz::logsumexp((original.colwise() + v).rowwise());
  CHECK(v == VectorXf(logz::logsumexp((original.colwise() + original.col(0)).eval().rowwise())));
}

TEST_CASE("aliasing: a lazy argument is read before its destination is resized") {
  const MatrixXf original = logits(5, 5);
  const MatrixXf w = logits(5, 3);
  const VectorXf v = logits(4, 1);
  MatrixXf y = original;
  y = logz::softmax((y * w).rowwise());
  CHECK(y == rowwise_softmax(original * w));
  y = original;
  y = logz::softmax(((y * w) * 0.5f).rowwise());
  CHECK(y == rowwise_softmax((original * w) * 0.5f));
  y = original;
  y = logz::softmax(logz::log_softmax(y.topRows(2).rowwise()).rowwise());
  CHECK(y == rowwise_softmax(logz::log_softmax(original.topRows(2).rowwise())));
  y = original;
  const std::vector<int> targets{0, 1, 2, 2, 1};
  MatrixXf grad;
  logz::cross_entropy_with_grad((original * w).eval().rowwise(), targets, grad);
  logz::cross_entropy_with_grad((y * w).rowwise(), targets, y);
  CHECK(y == grad);
  VectorXf s = VectorXf::LinSpaced(3, -1, 1);
  const VectorXf lz = logz::logsumexp((v * s.transpose()).eval().rowwise());
  s = logz::logsumexp((v * s.transpose()).rowwise());
  CHECK(s == lz);
}
