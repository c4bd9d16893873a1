// SPDX-License-Identifier: MIT
//
// What the benchmarks share: shapes, layouts, inputs, and the registration under names like
// BM_log_softmax<float>/interleaved/8192x1000 (slices x length). The files are compiled twice, into logz_bench with the
// library and, with BENCH_EIGEN, into eigen_bench with the Eigen expression a user would write.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <type_traits>

#include <benchmark/benchmark.h>

#include <Eigen/Core>
#ifndef BENCH_EIGEN
#include <logz/cpu_target.hpp>
#endif

namespace bench {

/// The one of the two that this executable times.
template <class Library, class Expression>
auto pick([[maybe_unused]] const Library& library, [[maybe_unused]] const Expression& expression) {
#ifdef BENCH_EIGEN
  return expression;
#else
  return library;
#endif
}

using Eigen::Index;

struct shape {
  Index slices;
  Index length;
};

/// One slice of ten classes to a language model's vocabulary, in cache and out of it.
inline constexpr shape shapes[] = {
    {1, 10},    {64, 10},    {8192, 10},  {4096, 32},   {1024, 100},   {512, 1000},
    {64, 8192}, {16, 32000}, {4, 128256}, {8192, 1000}, {256, 128256},
};

/// A slice is a row: contiguous in RowMajor order, interleaved with its neighbours in ColMajor.
template <class Scalar, int Order>
using matrix = Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic, Order>;
/// One number per slice; Order only lets it stand where matrix stands.
template <class Scalar, int Order = Eigen::ColMajor>
using vector = Eigen::Array<Scalar, Eigen::Dynamic, 1>;

template <class X>
inline constexpr bool is_contiguous = std::decay_t<X>::IsRowMajor;

/// Normal numbers, sigma 3. A block of a prime number of them, repeated: to draw each would take longer than
/// the benchmark.
template <class X>
X logits(const shape& s) {
  using Scalar = typename X::Scalar;
  static const vector<Scalar> block = [] {
    std::mt19937 generator(1);
    std::normal_distribution<Scalar> normal(0, 3);
    vector<Scalar> numbers(65521);
    for (Scalar& number : numbers) number = normal(generator);
    return numbers;
  }();
  X x(s.slices, s.length);
  for (Index i = 0; i < x.size(); i += block.size())
    std::copy_n(block.data(), std::min(block.size(), x.size() - i), x.data() + i);
  return x;
}

/// Times f(x, y, m, s), or f(g, x, y, m, s): x the input, g a second one, y the output, m and s vectors at the function's
/// disposal.
template <class X, class Y, class Function>
void run(benchmark::State& state, const shape& size, const Function& f) {
  using Scalar = typename X::Scalar;
  // Ones, as the pages of zeros from calloc would fault in the timed loop; and y before x, as memcpy by
  // rep movsb on Zen 3 is up to 18 times slower where y lies a few bytes above x, modulo 4096.
  Y y = Y::Ones(size.slices, Y::IsVectorAtCompileTime ? 1 : size.length);
  X x = logits<X>(size);
  vector<Scalar> m(size.slices), s(size.slices);
  constexpr bool two_inputs =
      std::is_invocable_v<Function, const X&, const X&, Y&, vector<Scalar>&, vector<Scalar>&>;
  X g;
  if constexpr (two_inputs) {
    // x: the output of log_softmax or, up to a factor, softmax.
    g = x;
    if constexpr (Function::of_log) {
      x = -x.abs();
    } else {
      x = x.abs() / Scalar(2.4 * static_cast<double>(size.length));
    }
  }
  for (auto _ : state) {
    if constexpr (two_inputs) {
      f(g, x, y, m, s);
    } else {
      f(x, y, m, s);
    }
    benchmark::DoNotOptimize(y.data());
  }
#ifndef BENCH_EIGEN
  state.SetLabel(logz::name(logz::active_cpu_target()));
#endif
  state.SetItemsProcessed(state.iterations() * x.size());
  state.SetBytesProcessed(state.iterations() * (x.size() + g.size() + y.size()) *
                          static_cast<Index>(sizeof(Scalar)));
  state.counters["time_per_element"] =
      benchmark::Counter(static_cast<double>(x.size()),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// A function under its name, which follows BM_.
template <class Function>
struct candidate {
  std::string name;
  Function function;
};
template <class Function>
candidate(const char*, Function) -> candidate<Function>;

/// Registers the candidates in one layout and scalar, side by side at each shape. Output: matrix or vector.
template <template <class, int> class Output, int Order, class Scalar, class... Functions>
void add(const candidate<Functions>&... candidates) {
  constexpr bool is_double = std::is_same_v<Scalar, double>;
  const std::string scalar = is_double ? "<double>" : "<float>";
  const std::string layout = Order == Eigen::RowMajor ? "/contiguous/" : "/interleaved/";
  for (const shape& size : shapes) {
    const auto add_one = [&](const auto& c) {
      const std::string name =
          "BM_" + c.name + scalar + layout + std::to_string(size.slices) + "x" + std::to_string(size.length);
      const auto timed = [size, f = c.function](benchmark::State& state) {
        run<matrix<Scalar, Order>, Output<Scalar, Order>>(state, size, f);
      };
      benchmark::RegisterBenchmark(name.c_str(), timed)->Unit(benchmark::kMicrosecond);
    };
    (add_one(candidates), ...);
  }
}

/// Registers them in both layouts and scalars.
template <template <class, int> class Output, class... Functions>
void add_all(const candidate<Functions>&... candidates) {
  add<Output, Eigen::RowMajor, float>(candidates...);
  add<Output, Eigen::ColMajor, float>(candidates...);
  add<Output, Eigen::RowMajor, double>(candidates...);
  add<Output, Eigen::ColMajor, double>(candidates...);
}

}  // namespace bench
