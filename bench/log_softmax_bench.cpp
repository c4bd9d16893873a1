// SPDX-License-Identifier: MIT

#include <cmath>

#include "bench.hpp"

#include <logz/log_softmax.hpp>

namespace {

const auto library = [](const auto& x, auto& y, auto&...) { y = logz::log_softmax(x.rowwise()); };

const auto eigen = [](const auto& x, auto& y, auto& m, auto& s) {
  if constexpr (bench::is_contiguous<decltype(x)>) {
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      const auto max = x.row(i).maxCoeff();
      y.row(i) = x.row(i) - (max + std::log((x.row(i) - max).exp().sum()));
    }
  } else {
    m = x.rowwise().maxCoeff();
    s = m + (x.colwise() - m).exp().rowwise().sum().log();
    y = x.colwise() - s;
  }
};

[[maybe_unused]] const bool registered = [] {
  bench::add_all<bench::matrix>(bench::candidate{"log_softmax", library},
                                bench::candidate{"log_softmax_eigen", eigen});
  return true;
}();

}  // namespace
