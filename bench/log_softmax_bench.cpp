// SPDX-License-Identifier: MIT

#include <cmath>

#include "bench.hpp"

#include <logz/log_softmax.hpp>

namespace {

const auto library = [](const auto& x, auto& y, auto&, auto&) { y = logz::log_softmax(x.rowwise()); };

const auto expression = [](const auto& x, auto& y, auto& m, auto& s) {
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

struct library_backward {
  static constexpr auto reads = bench::contents::log_probabilities;
  template <class X, class Y, class V>
  void operator()(const X& g, const X& lp, Y& y, V&, V&) const {
    y = logz::log_softmax_backward(g.rowwise(), lp);
  }
};

struct expression_backward {
  static constexpr auto reads = bench::contents::log_probabilities;
  template <class X, class Y, class V>
  void operator()(const X& g, const X& lp, Y& y, V& m, V&) const {
    if constexpr (bench::is_contiguous<X>) {
      for (Eigen::Index i = 0; i < lp.rows(); ++i) {
        const auto sum = g.row(i).sum();
        y.row(i) = g.row(i) - lp.row(i).exp() * sum;
      }
    } else {
      m = g.rowwise().sum();
      y = g - lp.exp().colwise() * m;
    }
  }
};

[[maybe_unused]] const bool registered = [] {
  bench::add_all<bench::matrix>(bench::candidate{"log_softmax", bench::pick(library, expression)});
  bench::add_all<bench::matrix>(
      bench::candidate{"log_softmax_backward", bench::pick(library_backward{}, expression_backward{})});
  return true;
}();

}  // namespace
