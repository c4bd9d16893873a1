// SPDX-License-Identifier: MIT

#include <cmath>

#include "bench.hpp"

#ifndef BENCH_EIGEN
#include <logz/loss.hpp>
#endif

namespace {

using bench::Index;

/// The loss, and into y its gradient where y is a matrix: with smoothing of the targets or none.
template <bool Smooth>
struct loss {
  static constexpr double smoothing = Smooth ? 0.1 : 0;

#ifndef BENCH_EIGEN
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, V&, V&) const {
    using Scalar = typename X::Scalar;
    logz::cross_entropy_options<Scalar> options;
    options.label_smoothing = static_cast<Scalar>(smoothing);
    const auto& classes = bench::targets<int>({x.rows(), x.cols()});
    if constexpr (Y::IsVectorAtCompileTime) {
      y(0) = logz::cross_entropy(x.rowwise(), classes, options);
    } else {
      Scalar value = logz::cross_entropy_with_grad(x.rowwise(), classes, y, options);
      benchmark::DoNotOptimize(value);
    }
  }
#else
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, V& m, V& s) const {
    using Scalar = typename X::Scalar;
    constexpr bool gradient = !Y::IsVectorAtCompileTime;
    const auto& classes = bench::targets<int>({x.rows(), x.cols()});
    const auto hit = static_cast<Scalar>(1 - smoothing);
    const auto spread = static_cast<Scalar>(smoothing) / static_cast<Scalar>(x.cols());
    const Scalar mean = 1 / static_cast<Scalar>(x.rows());
    Scalar value = 0;
    if constexpr (!bench::is_contiguous<X>) {
      m = x.rowwise().maxCoeff();
      if constexpr (gradient) {
        y = (x.colwise() - m).exp();
        s = y.rowwise().sum();
        y.colwise() *= mean / s;
        if (Smooth) y -= spread * mean;
      } else {
        s = (x.colwise() - m).exp().rowwise().sum();
      }
    }
    for (Index i = 0; i < x.rows(); ++i) {
      const auto row = x.row(i);
      const Index target = classes[static_cast<std::size_t>(i)];
      if constexpr (bench::is_contiguous<X>) {
        m(i) = row.maxCoeff();
        if constexpr (gradient) {
          y.row(i) = (row - m(i)).exp();
          s(i) = y.row(i).sum();
          y.row(i) *= mean / s(i);
          if (Smooth) y.row(i) -= spread * mean;
        } else {
          s(i) = (row - m(i)).exp().sum();
        }
      }
      value += m(i) + std::log(s(i)) - hit * row(target);
      if (Smooth) value -= spread * row.sum();
      if constexpr (gradient) y(i, target) -= hit * mean;
    }
    value *= mean;
    if constexpr (gradient) {
      benchmark::DoNotOptimize(value);
    } else {
      y(0) = value;
    }
  }
#endif
};

[[maybe_unused]] const bool registered = [] {
  bench::add_all<bench::vector>(bench::candidate{"cross_entropy", loss<false>{}});
  bench::add_all<bench::matrix>(bench::candidate{"cross_entropy_with_grad", loss<false>{}});
  bench::add_all<bench::matrix>(bench::candidate{"cross_entropy_smoothed_with_grad", loss<true>{}});
  return true;
}();

}  // namespace
