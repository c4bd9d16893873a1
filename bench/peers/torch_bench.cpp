// SPDX-License-Identifier: MIT
//
// libtorch at its best: out-variants into tensors made beforehand, one thread, no autograd. Slices are contiguous in a
// tensor of slices x length reduced over dimension 1, interleaved in one of length x slices over dimension 0.
#include <cstdint>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/api/include/torch/version.h>

#include "../grid.hpp"

namespace {

using bench::layout;
using bench::shape;

template <class Scalar>
constexpr at::ScalarType scalar_type = std::is_same_v<Scalar, double> ? at::kDouble : at::kFloat;

/// A cell's arrays as tensors, and what the functions need beside them.
template <class Scalar>
struct tensors {
  tensors(const shape& size, layout order, bench::contents kind)
      : dim(order == layout::contiguous ? 1 : 0),
        sizes(dim == 1 ? std::vector<std::int64_t>{size.slices, size.length}
                       : std::vector<std::int64_t>{size.length, size.slices}) {
    const bench::arrays<Scalar> a = bench::make_arrays<Scalar>(size, order, kind);
    x = view(a.x);
    if (a.g != nullptr) g = view(a.g);
    y = view(a.y);
    if (a.lz != nullptr) lz = at::from_blob(const_cast<Scalar*>(a.lz), {size.slices}, scalar_type<Scalar>);
    per_slice = at::from_blob(a.y, {size.slices}, scalar_type<Scalar>);
  }
  at::Tensor view(Scalar* data) const { return at::from_blob(data, sizes, scalar_type<Scalar>); }

  std::int64_t dim;
  std::vector<std::int64_t> sizes;
  at::Tensor x, g, y, lz;
  at::Tensor per_slice;  // in y's place
};

/// Times what prepare(tensors, size) returns.
template <class Scalar, class Prepare>
void add_one(const std::string& function, bench::contents kind, int matrices, const Prepare& prepare) {
  for (const layout order : {layout::contiguous, layout::interleaved}) {
    for (const shape& size : bench::shapes) {
      const auto timed = [=](benchmark::State& state) {
        const c10::InferenceMode no_autograd;
        at::set_num_threads(1);
        tensors<Scalar> t(size, order, kind);
        auto f = prepare(t, size);
        for (auto _ : state) {
          f();
          benchmark::ClobberMemory();
        }
        bench::count<Scalar>(state, size, matrices);
      };
      benchmark::RegisterBenchmark(bench::cell_name<Scalar>(function, order, size).c_str(), timed)
          ->Unit(benchmark::kMicrosecond);
    }
  }
}
template <class Prepare>
void add(const std::string& function, bench::contents kind, int matrices, const Prepare& prepare) {
  add_one<float>(function, kind, matrices, prepare);
  add_one<double>(function, kind, matrices, prepare);
}

/// The steps of cross_entropy_loss and of its backward, as autograd runs them, without their allocations. Interleaved
/// logits are one image of 1 x slices pixels and length channels: nll_loss2d reads these where they are, nll_loss
/// would copy them.
template <class Scalar>
struct cross_entropy_steps {
  cross_entropy_steps(const tensors<Scalar>& t, const shape& size, bool gradient)
      : x(image(t, t.x)), y(image(t, t.y)), dim(1), planar(t.dim == 0) {
    const std::vector<std::int64_t>& classes = bench::targets<std::int64_t>(size);
    target = at::from_blob(const_cast<std::int64_t*>(classes.data()), size.slices, at::kLong);
    if (planar) target = target.view({1, 1, size.slices});
    const auto options = at::TensorOptions(scalar_type<Scalar>);
    loss = at::empty({}, options);
    weight = at::empty({}, options);
    one = at::ones({}, options);
    log_p = gradient ? at::ones_like(x) : y;
    if (gradient) by_log_p = at::ones_like(x);
  }
  static at::Tensor image(const tensors<Scalar>& t, const at::Tensor& matrix) {
    return t.dim == 1 ? matrix : matrix.view({1, t.sizes[0], 1, t.sizes[1]});
  }
  void value() {
    at::_log_softmax_out(log_p, x, dim, false);
    if (planar) {
      at::nll_loss2d_forward_out(loss, weight, log_p, target, {}, at::Reduction::Mean, -100);
    } else {
      at::nll_loss_forward_out(loss, weight, log_p, target, {}, at::Reduction::Mean, -100);
    }
  }
  void gradient() {
    if (planar) {
      at::nll_loss2d_backward_out(by_log_p, one, log_p, target, {}, at::Reduction::Mean, -100, weight);
    } else {
      at::nll_loss_backward_out(by_log_p, one, log_p, target, {}, at::Reduction::Mean, -100, weight);
    }
    at::_log_softmax_backward_data_out(y, by_log_p, log_p, dim, scalar_type<Scalar>);
  }

  at::Tensor x, y, target, loss, weight, one, log_p, by_log_p;
  std::int64_t dim;
  bool planar;
};

[[maybe_unused]] const bool registered = [] {
  using bench::contents;
  bench::say("libtorch " TORCH_VERSION);
  add("softmax", contents::logits, 2,
      [](auto& t, const shape&) { return [&t] { at::_softmax_out(t.y, t.x, t.dim, false); }; });
  add("log_softmax", contents::logits, 2,
      [](auto& t, const shape&) { return [&t] { at::_log_softmax_out(t.y, t.x, t.dim, false); }; });
  add("logsumexp", contents::logits, 1,
      [](auto& t, const shape&) { return [&t] { at::logsumexp_out(t.per_slice, t.x, {t.dim}); }; });
  add("softmax_backward", contents::probabilities, 3, [](auto& t, const shape&) {
    return [&t] { at::_softmax_backward_data_out(t.y, t.g, t.x, t.dim, t.x.scalar_type()); };
  });
  add("log_softmax_backward", contents::log_probabilities, 3, [](auto& t, const shape&) {
    return [&t] { at::_log_softmax_backward_data_out(t.y, t.g, t.x, t.dim, t.x.scalar_type()); };
  });
  // Autograd's formula, grad * (self - result).exp().
  add("logsumexp_backward", contents::logits_and_logsumexps, 2, [](auto& t, const shape& size) {
    at::Tensor g = at::empty_like(t.lz);
    for (std::ptrdiff_t i = 0; i < size.slices; ++i) g[i] = bench::normal<double>(i);
    return [&t, lz = t.lz.unsqueeze(t.dim), g = g.unsqueeze(t.dim)] {
      at::sub_out(t.y, t.x, lz);
      t.y.exp_().mul_(g);
    };
  });
  add("cross_entropy", contents::logits, 1, [](auto& t, const shape& size) {
    return [steps = cross_entropy_steps(t, size, false)]() mutable { steps.value(); };
  });
  add("cross_entropy_with_grad", contents::logits, 2, [](auto& t, const shape& size) {
    return [steps = cross_entropy_steps(t, size, true)]() mutable {
      steps.value();
      steps.gradient();
    };
  });
  return true;
}();

}  // namespace
