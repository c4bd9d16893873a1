// SPDX-License-Identifier: MIT
//
// libtorch on the same matrices: interleaved slices as a (length, slices) tensor reduced over dimension 0, cross_entropy's
// as the (slices, length) view of it. Outputs are preallocated, tensors made outside the loop, one thread, no autograd.

#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/headeronly/version.h>

#include "../bench.hpp"

namespace {

using bench::Index;

/// The tensors of one benchmark; of g only where there is one.
struct tensors {
  const void* key = nullptr;
  std::int64_t axis = 1;
  at::Tensor x, y, g;
  at::Tensor logits;  // (slices, length)
  at::Tensor targets, log_p, slope, loss, weight;
};

template <class X>
at::Tensor tensor_of(X& x, bool samples_first = false) {
  using Scalar = typename std::decay_t<X>::Scalar;
  auto* const data = const_cast<Scalar*>(x.data());
  const auto type = sizeof(Scalar) == 4 ? at::kFloat : at::kDouble;
  if (x.cols() == 1) return at::from_blob(data, {x.rows()}, type);
  if (bench::is_contiguous<X>) return at::from_blob(data, {x.rows(), x.cols()}, type);
  if (samples_first) return at::from_blob(data, {x.rows(), x.cols()}, {1, x.rows()}, type);
  return at::from_blob(data, {x.cols(), x.rows()}, type);
}

template <class X, class Y>
tensors& tensors_for(const X& x, Y& y, const X* g = nullptr) {
  static tensors t;
  if (t.key == x.data() && t.y.defined() && t.y.data_ptr() == y.data()) return t;
  t = {};
  t.key = x.data();
  t.axis = bench::is_contiguous<X> ? 1 : 0;
  t.x = tensor_of(x);
  t.y = tensor_of(y);
  if (g != nullptr) t.g = tensor_of(*g);
  t.logits = tensor_of(x, true);
  std::vector<std::int64_t> classes;
  for (Index n = 0; n < x.rows(); ++n) classes.push_back(n * 7919 % x.cols());
  t.targets = at::tensor(classes, at::kLong);
  t.log_p = at::empty_like(t.logits);
  t.slope = at::empty_like(t.logits);
  return t;
}

template <class F>
struct one_input {
  F f;
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, V&, V&) const {
    const c10::InferenceMode guard;
    f(tensors_for(x, y));
  }
};
template <class F>
one_input(F) -> one_input<F>;

template <bool OfLog>
struct backward {
  static constexpr bool of_log = OfLog;
  template <class X, class Y, class V>
  void operator()(const X& g, const X& p, Y& y, V&, V&) const {
    const c10::InferenceMode guard;
    tensors& t = tensors_for(p, y, &g);
    if constexpr (OfLog) {
      at::_log_softmax_backward_data_out(t.y, t.g, t.x, t.axis, t.x.scalar_type());
    } else {
      at::_softmax_backward_data_out(t.y, t.g, t.x, t.axis, t.x.scalar_type());
    }
  }
};

/// The mean and its gradient by the four kernels that autograd would run.
void cross_entropy_with_grad(tensors& t, at::Tensor& grad) {
  if (!t.loss.defined()) {
    t.loss = at::empty({}, t.x.options());
    t.weight = at::empty({}, t.x.options());
  }
  at::_log_softmax_out(t.log_p, t.logits, 1, false);
  at::nll_loss_forward_out(t.loss, t.weight, t.log_p, t.targets, {}, at::Reduction::Mean, -100);
  static const at::Tensor one = at::ones({}, at::kFloat);
  at::nll_loss_backward_out(t.slope, one.to(t.x.scalar_type()), t.log_p, t.targets, {}, at::Reduction::Mean,
                            -100, t.weight);
  at::_log_softmax_backward_data_out(grad, t.slope, t.log_p, 1, t.x.scalar_type());
}

[[maybe_unused]] const bool registered = [] {
  at::set_num_threads(1);
  benchmark::AddCustomContext("libtorch", TORCH_VERSION);
  bench::add_all<bench::matrix>(
      bench::candidate{"softmax", one_input{[](tensors& t) { at::_softmax_out(t.y, t.x, t.axis, false); }}});
  bench::add_all<bench::matrix>(bench::candidate{
      "log_softmax", one_input{[](tensors& t) { at::_log_softmax_out(t.y, t.x, t.axis, false); }}});
  bench::add_all<bench::vector>(
      bench::candidate{"logsumexp", one_input{[](tensors& t) { at::logsumexp_out(t.y, t.x, {t.axis}); }}});
  bench::add_all<bench::matrix>(bench::candidate{"softmax_backward", backward<false>{}});
  bench::add_all<bench::matrix>(bench::candidate{"log_softmax_backward", backward<true>{}});
  bench::add_all<bench::vector>(bench::candidate{
      "cross_entropy", one_input{[](tensors& t) { t.loss = at::cross_entropy_loss(t.logits, t.targets); }}});
  bench::add_all<bench::matrix>(bench::candidate{"cross_entropy_with_grad", one_input{[](tensors& t) {
                                                   at::Tensor grad =
                                                       t.y.sizes() == t.logits.sizes() ? t.y : t.y.t();
                                                   cross_entropy_with_grad(t, grad);
                                                 }}});
  return true;
}();

}  // namespace
