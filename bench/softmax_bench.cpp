// SPDX-License-Identifier: MIT

#include <cstddef>
#include <cstring>

#include "bench.hpp"

#include <logz/softmax.hpp>

namespace {

const auto library = [](const auto& x, auto& y, auto&, auto&) { y = logz::softmax(x.rowwise()); };

const auto expression = [](const auto& x, auto& y, auto& m, auto& s) {
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

struct library_backward {
  static constexpr auto reads = bench::contents::probabilities;
  template <class X, class Y, class V>
  void operator()(const X& g, const X& p, Y& y, V&, V&) const {
    y = logz::softmax_backward(g.rowwise(), p);
  }
};

struct expression_backward {
  static constexpr auto reads = bench::contents::probabilities;
  template <class X, class Y, class V>
  void operator()(const X& g, const X& p, Y& y, V& m, V&) const {
    if constexpr (bench::is_contiguous<X>) {
      for (Eigen::Index i = 0; i < p.rows(); ++i) {
        const auto dot = (g.row(i) * p.row(i)).sum();
        y.row(i) = p.row(i) * (g.row(i) - dot);
      }
    } else {
      m = (g * p).rowwise().sum();
      y = p * (g.colwise() - m);
    }
  }
};

/// The bound where memory is the limit.
const auto copy = [](const auto& x, auto& y, auto&, auto&) {
  std::memcpy(y.data(), x.data(), static_cast<std::size_t>(x.size()) * sizeof(*x.data()));
};

/// One slice of ten, dynamic and fixed.
template <class Vector>
void one_slice(benchmark::State& state) {
  Vector x(10), y = Vector::Ones(10);
  for (Eigen::Index i = 0; i < 10; ++i) x(i) = static_cast<float>(i * 7 % 10);
  const auto f = bench::pick([](const auto& v, auto& out) { out = logz::softmax(v); },
                             [](const auto& v, auto& out) {
                               out = (v - v.maxCoeff()).exp();
                               out *= 1 / out.sum();
                             });
  for (auto _ : state) {
    benchmark::DoNotOptimize(x.data());
    f(x, y);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
}

[[maybe_unused]] const bool registered = [] {
  const std::string eigen = "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." +
                            std::to_string(EIGEN_MAJOR_VERSION) + "." + std::to_string(EIGEN_MINOR_VERSION);
#ifdef BENCH_EIGEN
  bench::say(eigen);
#else
  bench::say("logz " + std::to_string(LOGZ_VERSION_MAJOR) + "." + std::to_string(LOGZ_VERSION_MINOR) + "." +
             std::to_string(LOGZ_VERSION_PATCH) + " (" + eigen + ")");
#endif
  bench::add<bench::matrix, Eigen::RowMajor, float>(bench::candidate{"copy", copy});
  bench::add<bench::matrix, Eigen::RowMajor, double>(bench::candidate{"copy", copy});
  bench::add_all<bench::matrix>(bench::candidate{"softmax", bench::pick(library, expression)});
  bench::add_all<bench::matrix>(
      bench::candidate{"softmax_backward", bench::pick(library_backward{}, expression_backward{})});
  benchmark::RegisterBenchmark("BM_softmax<float>/dynamic/1x10", one_slice<Eigen::ArrayXf>);
  benchmark::RegisterBenchmark("BM_softmax<float>/fixed/1x10", one_slice<Eigen::Array<float, 10, 1>>);
  return true;
}();

}  // namespace
