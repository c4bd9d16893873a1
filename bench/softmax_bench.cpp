// SPDX-License-Identifier: MIT

#include <cstddef>
#include <cstring>

#include "bench.hpp"

#include <logz/softmax.hpp>

namespace {

const auto library = [](const auto& x, auto& y, auto&...) { y = logz::softmax(x.rowwise()); };

const auto eigen = [](const auto& x, auto& y, auto& m, auto& s) {
  if constexpr (bench::is_contiguous<decltype(x)>) {
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      const auto max = x.row(i).maxCoeff();
      y.row(i) = (x.row(i) - max).exp();
      y.row(i) *= 1 / y.row(i).sum();
    }
  } else {
    m = x.rowwise().maxCoeff();
    y = (x.colwise() - m).exp();
    s = y.rowwise().sum().inverse();
    y.colwise() *= s;
  }
};

/// The bound where memory is the limit.
const auto copy = [](const auto& x, auto& y, auto&...) {
  std::memcpy(y.data(), x.data(), static_cast<std::size_t>(x.size()) * sizeof(*x.data()));
};

[[maybe_unused]] const bool registered = [] {
  bench::add<bench::matrix, Eigen::RowMajor, float>(bench::candidate{"copy", copy});
  bench::add<bench::matrix, Eigen::RowMajor, double>(bench::candidate{"copy", copy});
  bench::add_all<bench::matrix>(bench::candidate{"softmax", library},
                                bench::candidate{"softmax_eigen", eigen});
  return true;
}();

}  // namespace
