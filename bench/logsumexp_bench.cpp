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

struct library_backward {
  static constexpr auto reads = bench::contents::logits_and_logsumexps;
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, V& lz, V& g) const {
    y = logz::logsumexp_backward(g, x.rowwise(), lz);
  }
};

struct expression_backward {
  static constexpr auto reads = bench::contents::logits_and_logsumexps;
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, V& lz, V& g) const {
    if constexpr (bench::is_contiguous<X>) {
      for (Eigen::Index i = 0; i < x.rows(); ++i) y.row(i) = (x.row(i) - lz(i)).exp() * g(i);
    } else {
      y = (x.colwise() - lz).exp().colwise() * g;
    }
  }
};

[[maybe_unused]] const bool registered = [] {
  bench::add_all<bench::vector>(bench::candidate{"logsumexp", bench::pick(library, expression)});
  bench::add_all<bench::matrix>(
      bench::candidate{"logsumexp_backward", bench::pick(library_backward{}, expression_backward{})});
  return true;
}();

}  // namespace
