// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <logz/softmax.hpp>

namespace test {

inline Eigen::MatrixXf logits(Eigen::Index rows, Eigen::Index cols) {
  Eigen::MatrixXf x(rows, cols);
  for (Eigen::Index i = 0; i < x.size(); ++i) x(i) = 3 * std::sin(static_cast<float>(7 * i));
  return x;
}

/// The expected values: from a plain destination of the input's own type, which the other tests check.
inline Eigen::MatrixXf rowwise_softmax(const Eigen::MatrixXf& x) {
  Eigen::MatrixXf p = logz::softmax(x.rowwise());
  return p;
}
inline Eigen::MatrixXf colwise_softmax(const Eigen::MatrixXf& x) {
  Eigen::MatrixXf p = logz::softmax(x.colwise());
  return p;
}

}  // namespace test
