// SPDX-License-Identifier: MIT
#include <cstdio>
#include <logz/logz.hpp>

int main() {
  Eigen::MatrixXf x(2, 5);  // two samples with five logits each; the second is the first after a step
  x << -999, 1, 2, 5, 6,    //
      -990, 1.5f, 2.1f, 5.6f, 6.8f;

  const Eigen::MatrixXf p = logz::softmax(x.rowwise());
  const Eigen::MatrixXf lp = logz::log_softmax(x.rowwise());

  // The gradient of each row's first output by its five logits.
  Eigen::MatrixXf first = Eigen::MatrixXf::Zero(2, 5);
  first.col(0).setOnes();
  const Eigen::MatrixXf dp = logz::softmax_backward(first.rowwise(), p);
  const Eigen::MatrixXf dlp = logz::log_softmax_backward(first.rowwise(), lp);

  std::printf("    logit   softmax   log_softmax   d softmax[0]   d log_softmax[0]\n");
  for (int i = 0; i < x.rows(); ++i) {
    for (int j = 0; j < x.cols(); ++j)
      std::printf("%9.1f %9.4f %13.5g %14.4f %18.4f\n", x(i, j), p(i, j), lp(i, j), dp(i, j), dlp(i, j));
  }
}
