// SPDX-License-Identifier: MIT
//
// Compiled with -fno-exceptions: an error prints its message and aborts.
#include <logz/logz.hpp>
#include <vector>

int main() {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Ones(3, 4);
  const Eigen::MatrixXf p = logz::softmax(x.rowwise());  // aborts where LOGZ_CPU_TARGET names no target
  if (p.size() != x.size()) return 1;
  return static_cast<int>(logz::cross_entropy(x.rowwise(), std::vector<int>{0, 1, 4}));
}
