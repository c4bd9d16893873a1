// SPDX-License-Identifier: MIT
#include <cstdio>
#include <logz/logz.hpp>

int main() {
  Eigen::MatrixXf x(2, 5);  // five logits, before and after a step
  x << -999, 1, 2, 5, 6, -990, 1.5f, 2.1f, 5.6f, 6.8f;

  const Eigen::MatrixXf p = logz::softmax(x.rowwise());  // each row is one distribution
  const Eigen::MatrixXf lp = logz::log_softmax(x.rowwise());

  const Eigen::MatrixXf g = Eigen::VectorXf::Unit(5, 0).transpose().replicate(2, 1);  // d output[0]
  const Eigen::MatrixXf dp = logz::softmax_backward(g.rowwise(), p);
  const Eigen::MatrixXf dlp = logz::log_softmax_backward(g.rowwise(), lp);

  std::printf("   logit  softmax  log_softmax  d softmax[0]  d log_softmax[0]\n");
  for (int i = 0; i < x.rows(); ++i)
    for (int j = 0; j < x.cols(); ++j)
      std::printf("%8.1f %8.4f %12.5g %13.4f %17.4f\n", x(i, j), p(i, j), lp(i, j), dp(i, j), dlp(i, j));
}
