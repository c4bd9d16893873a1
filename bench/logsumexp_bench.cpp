// SPDX-License-Identifier: MIT

#include <cmath>

#include "bench.hpp"

#include <logz/logsumexp.hpp>

namespace {

const auto library = [](const auto& x, auto& lz, auto&, auto&) { lz = logz::logsumexp(x.rowwise()); };

const auto expression = [](const auto& x, auto& lz, auto& m, auto&) {
  if constexpr (bench::is_contiguous<decltype(x)>) {
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      const auto max = x.row(i).maxCoeff();
      lz(i) = max + std::log((x.row(i) - max).exp().sum());
    }
  } else {
    m = x.rowwise().maxCoeff();
    lz = m + (x.colwise() - m).exp().rowwise().sum().log();
  }
};

[[maybe_unused]] const bool registered = [] {
  bench::add_all<bench::vector>(bench::candidate{"logsumexp", bench::pick(library, expression)});
  return true;
}();

}  // namespace
