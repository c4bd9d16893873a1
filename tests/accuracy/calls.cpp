// SPDX-License-Identifier: MIT
#include "calls.hpp"

#include <logz/logz.hpp>

namespace accuracy {
namespace {

using Eigen::Index;

/// The slice stands in the first and last of three, so that it meets a neighbour, its own copy, and lanes that are not
/// full.
constexpr Index slices = 3;

/// Arguments laid out for the calls, and results brought into a type: of one number for each logit, or each slice.
template <class T, int Order>
struct setting {
  using Scalar = T;
  using Loss = std::conditional_t<(std::numeric_limits<T>::digits < 24), float, T>;
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>;
  using Options = logz::cross_entropy_options<Loss>;

  const arguments<T>& given;

  Matrix thrice(const std::vector<T>& slice, double neighbour = 1) const {
    Matrix m(slices, static_cast<Index>(slice.size()));
    for (Index l = 0; l < m.cols(); ++l) {
      m.col(l).setConstant(slice[static_cast<std::size_t>(l)]);
      m(1, l) *= static_cast<T>(neighbour);
    }
    return m;
  }
  template <class Number = T>
  auto thrice(const Number& number) const {
    return Eigen::Matrix<Number, Eigen::Dynamic, 1>::Constant(slices, number).eval();
  }

  Matrix x() const { return thrice(given.x, 0.5); }
  Matrix g() const { return thrice(given.g, 0.5); }
  Matrix p() const { return thrice(given.p); }
  Matrix log_p() const { return thrice(given.log_p); }
  Matrix t() const { return thrice(given.t); }
  std::vector<std::size_t> targets() const { return std::vector<std::size_t>(slices, given.target); }
  auto gradients() const { return thrice(static_cast<T>(upstream)); }
  auto loss_gradients() const { return thrice(static_cast<Loss>(upstream)); }

  Options options(bool smooth, bool weighted, bool with_z) const {
    Options o;
    o.reduction = logz::reduction::sum;
    if (smooth) o.label_smoothing = static_cast<Loss>(smoothing);
    if (with_z) o.z_loss = static_cast<Loss>(z_loss);
    if (!weighted) return o;
    for (const T w : given.weight) {
      o.weight.conservativeResize(o.weight.size() + 1);
      o.weight(o.weight.size() - 1) = static_cast<Loss>(w);
    }
    return o;
  }

  template <class E>
  Matrix each(const E& expression) const {
    return expression;
  }
  template <class E>
  Eigen::Matrix<T, Eigen::Dynamic, 1> one(const E& expression) const {
    return expression;
  }
  template <class E>
  Eigen::Matrix<Loss, Eigen::Dynamic, 1> loss(const E& expression) const {
    return expression;
  }
};

/// The numbers of the first and last slice.
template <class Result>
results taken(const Result& all) {
  results r{{}, format_of<typename Result::Scalar>()};
  r.values.reserve(2 * static_cast<std::size_t>(all.cols()));
  for (const Index row : {Index(0), slices - 1}) {
    for (Index l = 0; l < all.cols(); ++l) r.values.push_back(static_cast<long double>(all(row, l)));
  }
  return r;
}

template <class T, class F>
named_call<T> entry(const std::string& function, const F& f) {
  return {function, [f](const arguments<T>& a, layout l) {
            return l == layout::contiguous ? taken(f(setting<T, Eigen::RowMajor>{a}))
                                           : taken(f(setting<T, Eigen::ColMajor>{a}));
          }};
}

template <class T>
void add_core(std::vector<named_call<T>>& list) {
  list.push_back(entry<T>("softmax", [](const auto& s) { return s.each(logz::softmax(s.x().rowwise())); }));
  list.push_back(
      entry<T>("softmin", [](const auto& s) { return s.each(logz::softmin((-s.x()).eval().rowwise())); }));
  list.push_back(
      entry<T>("log_softmax", [](const auto& s) { return s.each(logz::log_softmax(s.x().rowwise())); }));
  list.push_back(
      entry<T>("logsumexp", [](const auto& s) { return s.one(logz::logsumexp(s.x().rowwise())); }));
  list.push_back(entry<T>("softmax_backward", [](const auto& s) {
    return s.each(logz::softmax_backward(s.g().rowwise(), s.p()));
  }));
  list.push_back(entry<T>("log_softmax_backward", [](const auto& s) {
    return s.each(logz::log_softmax_backward(s.g().rowwise(), s.log_p()));
  }));
  list.push_back(entry<T>("logsumexp_backward", [](const auto& s) {
    return s.each(logz::logsumexp_backward(s.gradients(), s.x().rowwise(), s.thrice(s.given.log_z)));
  }));
  list.push_back(entry<T>("softmax_jvp",
                          [](const auto& s) { return s.each(logz::softmax_jvp(s.g().rowwise(), s.p())); }));
  list.push_back(entry<T>("log_softmax_jvp", [](const auto& s) {
    return s.each(logz::log_softmax_jvp(s.g().rowwise(), s.log_p()));
  }));
  list.push_back(entry<T>("logsumexp_jvp",
                          [](const auto& s) { return s.one(logz::logsumexp_jvp(s.g().rowwise(), s.p())); }));
  list.push_back(entry<T>("logsumexp_hvp",
                          [](const auto& s) { return s.each(logz::logsumexp_hvp(s.g().rowwise(), s.p())); }));
}

/// Of targets(setting), class indices or probabilities, with options(setting).
template <class T, class Targets, class Options>
void add_cross_entropy(std::vector<named_call<T>>& list, const std::string& kind, const Targets& targets,
                       const Options& options) {
  list.push_back(entry<T>("cross_entropy" + kind, [=](const auto& s) {
    return s.loss(logz::cross_entropy_per_sample(s.x().rowwise(), targets(s), options(s)));
  }));
  list.push_back(entry<T>("cross_entropy gradient" + kind, [=](const auto& s) {
    auto grad = s.x();
    logz::cross_entropy_with_grad(s.x().rowwise(), targets(s), grad, options(s));
    return grad;
  }));
  list.push_back(entry<T>("cross_entropy_backward" + kind, [=](const auto& s) {
    const auto x = s.x();
    return s.each(logz::cross_entropy_backward(s.loss_gradients(), x.rowwise(), targets(s), options(s)));
  }));
  list.push_back(entry<T>("cross_entropy_hvp" + kind, [=](const auto& s) {
    const auto x = s.x();
    return s.each(logz::cross_entropy_hvp(s.g().rowwise(), x, targets(s), options(s)));
  }));
}

template <class T>
void add_losses(std::vector<named_call<T>>& list) {
  const auto indices = [](const auto& s) { return s.targets(); };
  const auto probabilities = [](const auto& s) { return s.t(); };
  const auto none = [](const auto& s) { return s.options(false, false, false); };
  const auto smoothed = [](const auto& s) { return s.options(true, false, false); };
  const auto all = [](const auto& s) { return s.options(true, true, true); };
  add_cross_entropy<T>(list, "", indices, none);
  add_cross_entropy<T>(list, ", smoothed", indices, smoothed);
  add_cross_entropy<T>(list, ", all options", indices, all);
  add_cross_entropy<T>(list, ", probabilities", probabilities, none);
  add_cross_entropy<T>(list, ", probabilities, all options", probabilities, all);
  list.push_back(entry<T>("nll_loss, smoothed, weighted", [](const auto& s) {
    return s.loss(logz::nll_loss_per_sample(s.log_p().rowwise(), s.targets(), s.options(true, true, false)));
  }));
  list.push_back(entry<T>("nll_loss gradient, smoothed, weighted", [](const auto& s) {
    auto grad = s.x();
    logz::nll_loss_with_grad(s.log_p().rowwise(), s.targets(), grad, s.options(true, true, false));
    return grad;
  }));
}

template <class T>
void add_companions(std::vector<named_call<T>>& list) {
  list.push_back(entry<T>("entropy", [](const auto& s) { return s.one(logz::entropy(s.x().rowwise())); }));
  list.push_back(entry<T>("entropy_backward", [](const auto& s) {
    return s.each(logz::entropy_backward(s.gradients(), s.x().rowwise(), s.thrice(s.given.entropy)));
  }));
  list.push_back(entry<T>(
      "kl_div", [](const auto& s) { return s.loss(logz::kl_div_per_sample(s.log_p().rowwise(), s.t())); }));
  list.push_back(entry<T>("kl_div, log_target", [](const auto& s) {
    return s.loss(logz::kl_div_per_sample(s.x().rowwise(), s.log_p(), {logz::kl_reduction::sum, true}));
  }));
  list.push_back(entry<T>("kl_div gradient, log_target", [](const auto& s) {
    auto grad = s.x();
    logz::kl_div_with_grad(s.x().rowwise(), s.log_p(), grad, {logz::kl_reduction::sum, true});
    return grad;
  }));
  list.push_back(entry<T>("softplus", [](const auto& s) { return s.each(logz::softplus(s.x())); }));
  list.push_back(entry<T>("log_sigmoid", [](const auto& s) { return s.each(logz::log_sigmoid(s.x())); }));
  list.push_back(entry<T>("softplus_backward",
                          [](const auto& s) { return s.each(logz::softplus_backward(s.g(), s.x())); }));
  list.push_back(entry<T>("log_sigmoid_backward",
                          [](const auto& s) { return s.each(logz::log_sigmoid_backward(s.g(), s.x())); }));
  list.push_back(entry<T>("binary_cross_entropy_with_logits", [](const auto& s) {
    using Setting = std::decay_t<decltype(s)>;
    Eigen::Matrix<typename Setting::Loss, Eigen::Dynamic, Eigen::Dynamic> each =
        logz::binary_cross_entropy_with_logits_per_element(s.x(), s.t());
    return each;
  }));
  list.push_back(entry<T>("binary_cross_entropy_with_logits gradient", [](const auto& s) {
    using Setting = std::decay_t<decltype(s)>;
    logz::binary_cross_entropy_options<typename Setting::Loss> options;
    options.reduction = logz::reduction::sum;
    auto grad = s.x();
    logz::binary_cross_entropy_with_logits_with_grad(s.x(), s.t(), grad, options);
    return grad;
  }));
}

}  // namespace

template <class T>
const std::vector<named_call<T>>& calls() {
  static const auto all = [] {
    std::vector<named_call<T>> list;
    add_core(list);
    add_losses(list);
    add_companions(list);
    return list;
  }();
  return all;
}

#ifndef ACCURACY_OTHER_SCALARS
std::vector<std::string> cpu_targets() {
#if LOGZ_KERNELS
  std::vector<std::string> names;
  for (const logz::cpu_target target : logz::supported_cpu_targets()) names.emplace_back(logz::name(target));
  return names;
#else
  return {"generic"};
#endif
}
void use_cpu_target([[maybe_unused]] const std::string& name) {
#if LOGZ_KERNELS
  for (const logz::cpu_target target : logz::supported_cpu_targets()) {
    if (name == logz::name(target)) logz::set_cpu_target(target);
  }
#endif
}
std::string compiler() {
#ifdef __clang__
  return "Clang " __clang_version__ " " ACCURACY_FLAGS;
#elif defined(__GNUC__)
  return "GCC " __VERSION__ " " ACCURACY_FLAGS;
#else
  return ACCURACY_FLAGS;
#endif
}
#endif

#ifdef ACCURACY_OTHER_SCALARS
template const std::vector<named_call<long double>>& calls<long double>();
template const std::vector<named_call<Eigen::half>>& calls<Eigen::half>();
template const std::vector<named_call<Eigen::bfloat16>>& calls<Eigen::bfloat16>();
#else
template const std::vector<named_call<float>>& calls<float>();
template const std::vector<named_call<double>>& calls<double>();
#endif

}  // namespace accuracy
