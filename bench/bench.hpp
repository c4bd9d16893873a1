// SPDX-License-Identifier: MIT
//
// What the library's benchmarks and the Eigen expressions' share. The files are compiled twice, into logz_bench with
// the library and, with BENCH_EIGEN, into eigen_bench with the Eigen expression a user would write.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>

#include <Eigen/Core>

#include "grid.hpp"
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

/// A slice is a row: contiguous in RowMajor order, interleaved with its neighbours in ColMajor.
template <class Scalar, int Order>
using matrix = Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic, Order>;
/// One number per slice; Order only lets it stand where matrix stands.
template <class Scalar, int Order = Eigen::ColMajor>
using vector = Eigen::Array<Scalar, Eigen::Dynamic, 1>;

template <class X>
inline constexpr bool is_contiguous = std::decay_t<X>::IsRowMajor;

/// Its member `reads`, or logits.
template <class Function, class = void>
inline constexpr contents reads = contents::logits;
template <class Function>
inline constexpr contents reads<Function, std::void_t<decltype(Function::reads)>> = Function::reads;

/// Times f(x, y, m, s), or f(g, x, y, m, s): x the input, g a second one, y the output, m and s vectors at the function's
/// disposal: at first m holds the slices' log-sum-exps, where they are read, and s numbers for a gradient.
template <class X, class Y, class Function>
void run(benchmark::State& state, const shape& size, const Function& f) {
  using Scalar = typename X::Scalar;
  using Matrix = Eigen::Map<X, Eigen::AlignedMax>;
  using Result = Eigen::Map<Y, Eigen::AlignedMax>;
  constexpr bool two_inputs = has_gradient(reads<Function>);
  const layout order = X::IsRowMajor ? layout::contiguous : layout::interleaved;
  const arrays<Scalar> a = make_arrays<Scalar>(size, order, reads<Function>);
  const Matrix x(a.x, size.slices, size.length);
  Result y(a.y, size.slices, Y::IsVectorAtCompileTime ? 1 : size.length);
  vector<Scalar> m(size.slices);
  if (a.lz != nullptr) std::copy_n(a.lz, size.slices, m.data());
  vector<Scalar> s = vector<Scalar>::NullaryExpr(size.slices, [](Index i) { return normal<Scalar>(i); });
  const Matrix g(two_inputs ? a.g : a.x, size.slices, size.length);
  for (auto _ : state) {
    if constexpr (two_inputs) {
      f(g, x, y, m, s);
    } else {
      f(x, y, m, s);
    }
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
#ifndef BENCH_EIGEN
  state.SetLabel(logz::name(logz::active_cpu_target()));
#endif
  count<Scalar>(state, size, 1 + two_inputs + !Y::IsVectorAtCompileTime);
}

/// A function under its name, which follows BM_.
template <class Function>
struct candidate {
  std::string name;
  Function function;
};
template <class Function>
candidate(const char*, Function) -> candidate<Function>;

/// Registers a candidate in one layout and scalar, at each shape. Output: matrix or vector.
template <template <class, int> class Output, int Order, class Scalar, class Function>
void add(const candidate<Function>& c) {
  for (const shape& size : shapes) {
    const auto timed = [size, f = c.function](benchmark::State& state) {
      run<matrix<Scalar, Order>, Output<Scalar, Order>>(state, size, f);
    };
    const layout order = Order == Eigen::RowMajor ? layout::contiguous : layout::interleaved;
    benchmark::RegisterBenchmark(cell_name<Scalar>(c.name, order, size).c_str(), timed)
        ->Unit(benchmark::kMicrosecond);
  }
}

/// Registers it in both layouts and scalars.
template <template <class, int> class Output, class Function>
void add_all(const candidate<Function>& c) {
  add<Output, Eigen::RowMajor, float>(c);
  add<Output, Eigen::ColMajor, float>(c);
  add<Output, Eigen::RowMajor, double>(c);
  add<Output, Eigen::ColMajor, double>(c);
}

}  // namespace bench
