// SPDX-License-Identifier: MIT
//
// XNNPACK: softmax of contiguous floats; the operator made and set up outside the loop.
#include <xnnpack.h>

#include "../grid.hpp"

namespace {

using bench::shape;

void time_softmax(benchmark::State& state, const shape& size) {
  const bench::arrays<float> a =
      bench::make_arrays<float>(size, bench::layout::contiguous, bench::contents::logits);
  const auto length = static_cast<std::size_t>(size.length);
  xnn_operator_t op = nullptr;
  if (xnn_initialize(nullptr) != xnn_status_success ||
      xnn_create_softmax_nc_f32(length, length, length, 0, &op) != xnn_status_success ||
      xnn_setup_softmax_nc_f32(op, static_cast<std::size_t>(size.slices), a.x, a.y, nullptr) !=
          xnn_status_success) {
    state.SkipWithError("XNNPACK cannot run here");
    return;
  }
  for (auto _ : state) {
    xnn_run_operator(op, nullptr);
    benchmark::ClobberMemory();
  }
  xnn_delete_operator(op);
  bench::count<float>(state, size, 2);
}

[[maybe_unused]] const bool registered = [] {
  bench::say("XNNPACK " BENCH_XNNPACK_VERSION);
  for (const shape& size : bench::shapes) {
    benchmark::RegisterBenchmark(bench::cell_name<float>("softmax", bench::layout::contiguous, size).c_str(),
                                 [=](benchmark::State& state) { time_softmax(state, size); })
        ->Unit(benchmark::kMicrosecond);
  }
  return true;
}();

}  // namespace
