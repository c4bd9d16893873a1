// SPDX-License-Identifier: MIT
//
// oneDNN: softmax and log-softmax and their gradients, in float; primitives and memory made outside the loop. Slices are
// contiguous in a matrix of slices x length and axis 1, interleaved in one of length x slices and axis 0.
#include <unordered_map>

#include <oneapi/dnnl/dnnl.hpp>

#include "../grid.hpp"

namespace {

using bench::layout;
using bench::shape;
using dnnl::memory;

/// The CPU, in the order of calls. A oneDNN built with SYCL reaches the CPU through an OpenCL driver, which a Python
/// package brings but does not register.
struct processor {
  dnnl::engine engine;
  dnnl::stream stream;
  processor() {
#ifdef BENCH_OPENCL_DRIVER
    setenv("OCL_ICD_FILENAMES", BENCH_OPENCL_DRIVER, 0);
#endif
    engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
    stream = dnnl::stream(engine, dnnl::stream::flags::in_order);
  }
};
processor& cpu() {
  static processor one;
  return one;
}

#if DNNL_VERSION_MAJOR >= 3
auto description(dnnl::prop_kind kind, dnnl::algorithm algorithm, const memory::desc& matrix, int axis) {
  return dnnl::softmax_forward::primitive_desc(cpu().engine, kind, algorithm, matrix, matrix, axis);
}
dnnl::primitive forward_primitive(dnnl::algorithm algorithm, const memory::desc& matrix, int axis) {
  return dnnl::softmax_forward(description(dnnl::prop_kind::forward_inference, algorithm, matrix, axis));
}
dnnl::primitive backward_primitive(dnnl::algorithm algorithm, const memory::desc& matrix, int axis) {
  const auto forward = description(dnnl::prop_kind::forward_training, algorithm, matrix, axis);
  return dnnl::softmax_backward({cpu().engine, algorithm, matrix, matrix, matrix, axis, forward});
}
#else
auto description(dnnl::prop_kind kind, dnnl::algorithm algorithm, const memory::desc& matrix, int axis) {
  return dnnl::softmax_v2_forward::primitive_desc({kind, algorithm, matrix, matrix, axis}, cpu().engine);
}
dnnl::primitive forward_primitive(dnnl::algorithm algorithm, const memory::desc& matrix, int axis) {
  return dnnl::softmax_v2_forward(description(dnnl::prop_kind::forward_inference, algorithm, matrix, axis));
}
dnnl::primitive backward_primitive(dnnl::algorithm algorithm, const memory::desc& matrix, int axis) {
  const auto forward = description(dnnl::prop_kind::forward_training, algorithm, matrix, axis);
  return dnnl::softmax_v2_backward({{algorithm, matrix, matrix, matrix, axis}, cpu().engine, forward});
}
#endif

void time_softmax(benchmark::State& state, const shape& size, layout order, dnnl::algorithm algorithm,
                  bool backward) {
  try {
    const dnnl::engine& engine = cpu().engine;
    const bool contiguous = order == layout::contiguous;
    const int axis = contiguous ? 1 : 0;
    const memory::dims dims =
        contiguous ? memory::dims{size.slices, size.length} : memory::dims{size.length, size.slices};
    const memory::desc matrix(dims, memory::data_type::f32, memory::format_tag::ab);
    const bool log = algorithm == dnnl::algorithm::softmax_log;
    const bench::arrays<float> a = bench::make_arrays<float>(
        size, order,
        !backward ? bench::contents::logits
                  : (log ? bench::contents::log_probabilities : bench::contents::probabilities));
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;
    if (backward) {
      primitive = backward_primitive(algorithm, matrix, axis);
      arguments = {{DNNL_ARG_DST, {matrix, engine, a.x}},
                   {DNNL_ARG_DIFF_DST, {matrix, engine, a.g}},
                   {DNNL_ARG_DIFF_SRC, {matrix, engine, a.y}}};
    } else {
      primitive = forward_primitive(algorithm, matrix, axis);
      arguments = {{DNNL_ARG_SRC, {matrix, engine, a.x}}, {DNNL_ARG_DST, {matrix, engine, a.y}}};
    }
    for (auto _ : state) {
      primitive.execute(cpu().stream, arguments);
      cpu().stream.wait();
      benchmark::ClobberMemory();
    }
    bench::count<float>(state, size, backward ? 3 : 2);
  } catch (const dnnl::error& error) {
    state.SkipWithError(error.what());
  }
}

std::string runtime(unsigned number) {
  switch (number) {
    case DNNL_RUNTIME_SEQ:
      return "sequential";
    case DNNL_RUNTIME_OMP:
      return "OpenMP";
    case DNNL_RUNTIME_TBB:
      return "TBB";
    default:
      return "SYCL";
  }
}

[[maybe_unused]] const bool registered = [] {
  const dnnl_version_t& version = *dnnl_version();
  bench::say("oneDNN " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
             std::to_string(version.patch) + " (" + runtime(version.cpu_runtime) + ")");
  for (const bool backward : {false, true}) {
    for (const auto algorithm : {dnnl::algorithm::softmax_accurate, dnnl::algorithm::softmax_log}) {
      const std::string name =
          std::string(algorithm == dnnl::algorithm::softmax_log ? "log_softmax" : "softmax") +
          (backward ? "_backward" : "");
      for (const layout order : {layout::contiguous, layout::interleaved}) {
        for (const shape& size : bench::shapes) {
          benchmark::RegisterBenchmark(
              bench::cell_name<float>(name, order, size).c_str(),
              [=](benchmark::State& state) { time_softmax(state, size, order, algorithm, backward); })
              ->Unit(benchmark::kMicrosecond)
              ->UseRealTime();  // SYCL works in a thread of its own
        }
      }
    }
  }
  return true;
}();

}  // namespace
