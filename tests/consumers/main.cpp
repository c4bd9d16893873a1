// SPDX-License-Identifier: MIT
#include <cstdio>
#include <logz/logz.hpp>

float second(const Eigen::VectorXf& x);

int main() {
  const Eigen::VectorXf x = Eigen::VectorXf::LinSpaced(5, 0, 4);
  const Eigen::VectorXf p = logz::softmax(x);
  const bool right = p.sum() > 0.999f && logz::logsumexp(x) == second(x);
  std::printf("%s\n", right ? "consumed" : "wrong");
  return right ? 0 : 1;
}
