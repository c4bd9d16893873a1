// SPDX-License-Identifier: MIT
//
// Losses of long slices side by side, which go through the kernels block by block, in scratch, in the result or where
// they are: every option, kind of target and destination gives the loss and the gradient of the formulas.
#include <logz/logz.hpp>

#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "support/ulp.hpp"

using test::ulp_error;

namespace {

using Eigen::Index;
using real = long double;

template <class T, int Order = Eigen::ColMajor>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>;
template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// Longer than scratch holds of a cache line of slices (278528 bytes), and odd; whole vectors of any target and a rest.
constexpr Index classes = 5001;
constexpr Index most_samples = 37;

struct kind {
  const char* name;
  bool weights, smoothing, probabilities, z_loss, ignored;
};
constexpr kind kinds[] = {{"plain", false, false, false, false, false},
                          {"ignored", false, false, false, false, true},
                          {"smoothing", false, true, false, false, false},
                          {"weights and smoothing", true, true, false, false, true},
                          {"all", true, true, false, true, true},
                          {"probabilities", false, false, true, false, false},
                          {"probabilities, all", true, true, true, true, false}};

template <class T>
logz::cross_entropy_options<T> options_of(const kind& k, Index n) {
  logz::cross_entropy_options<T> options;
  options.reduction = logz::reduction::sum;
  if (k.weights) {
    options.weight = vector<T>::LinSpaced(n, T(0.25), T(2));
    options.weight[n / 2] = 0;
  }
  if (k.smoothing) options.label_smoothing = T(0.125);
  if (k.z_loss) options.z_loss = T(0.25);
  return options;
}

/// Logits, probabilities and targets, and what the formulas give for them, in long double by the generic path.
template <class T>
struct problem {
  matrix<T> x, t;
  std::vector<int> y;
  logz::cross_entropy_options<T> options;
  matrix<real> gradient, term;  // term: the larger of W p and the share
  real loss;
  bool probable;

  problem(const kind& k, Index samples, T offset) : probable(k.probabilities) {
    std::mt19937 generator(static_cast<unsigned>(samples));
    std::normal_distribution<double> normal(static_cast<double>(offset), 3);
    x = matrix<T>::NullaryExpr(samples, classes, [&] { return static_cast<T>(normal(generator)); });
    t = matrix<T>::NullaryExpr(samples, classes, [&] { return T(std::abs(normal(generator))); });
    for (Index i = 0; i < samples; ++i) {
      t.row(i) /= t.row(i).sum();
      y.push_back(k.ignored && i % 5 == 1 ? -100 : static_cast<int>((i * 977 + 4999) % classes));
    }
    options = options_of<T>(k, classes);
    const logz::cross_entropy_options<real> exactly = options_of<real>(k, classes);
    auto wide = exactly;
    wide.label_smoothing = static_cast<real>(options.label_smoothing);
    if (k.weights) wide.weight = options.weight.template cast<real>();
    const matrix<real> logits = x.template cast<real>(), targets = t.template cast<real>();
    loss = probable ? logz::cross_entropy_with_grad(logits.rowwise(), targets, gradient, wide)
                    : logz::cross_entropy_with_grad(logits.rowwise(), y, gradient, wide);
    set_term(wide, logz::softmax(logits.rowwise()), logz::logsumexp(logits.rowwise()));
  }

  void set_term(const logz::cross_entropy_options<real>& wide, const matrix<real>& p,
                const vector<real>& lz) {
    const real s = wide.label_smoothing, spread = s / classes;
    term.resize(x.rows(), classes);
    for (Index i = 0; i < x.rows(); ++i) {
      const auto share = [&](Index l) {
        const real w = wide.weight.size() == 0 ? 1 : wide.weight[l];
        const real hit = probable ? static_cast<real>(t(i, l)) : y[static_cast<std::size_t>(i)] == l ? 1 : 0;
        return w * ((1 - s) * hit + spread);
      };
      real all = 0;
      for (Index l = 0; l < classes; ++l) all += share(l);
      const real factor = all + 2 * wide.z_loss * std::abs(lz(i));
      for (Index l = 0; l < classes; ++l) term(i, l) = std::max(factor * p(i, l), share(l));
    }
  }

  template <class X, class Targets, class Grad>
  void check(const X& logits, const Targets& targets, Grad& grad) const {
    const T value = probable ? logz::cross_entropy_with_grad(logits.rowwise(), targets, grad, options)
                             : logz::cross_entropy_with_grad(logits.rowwise(), y, grad, options);
    CHECK(ulp_error(value, loss) <= 2);
    real worst = 0;
    for (Index i = 0; i < grad.rows(); ++i) {
      for (Index l = 0; l < classes; ++l)
        worst = std::max(worst, ulp_error(grad(i, l), gradient(i, l), term(i, l)));
    }
    CHECK(worst <= 6);
    const T alone = probable ? logz::cross_entropy(logits.rowwise(), targets, options)
                             : logz::cross_entropy(logits.rowwise(), y, options);
    CHECK(ulp_error(alone, loss) <= 2);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("loss: long slices side by side, every option and destination", T, float, double) {
  for (const kind& k : kinds) {
    for (const Index samples : {most_samples, Index{32}, Index{3}}) {
      for (const T offset : {T(0), T(20000)}) {  // far from 0 the maximum is subtracted first
        if ((offset != T(0) || samples == 3) && !k.z_loss) continue;
        CAPTURE(k.name);
        CAPTURE(samples);
        CAPTURE(offset);
        const problem<T> p(k, samples, offset);
        const matrix<T, Eigen::RowMajor> x_rows = p.x, t_rows = p.t;
        matrix<T> grad(samples, classes);
        matrix<T, Eigen::RowMajor> grad_rows(samples, classes);
        p.check(p.x, p.t, grad);
        p.check(p.x, p.t, grad_rows);
        p.check(x_rows, t_rows, grad_rows);
        p.check(x_rows, p.t, grad);
        p.check(p.x, t_rows, grad);
        // Blocks of a wider matrix.
        matrix<T> wide = matrix<T>::Constant(samples + 9, classes, T(7));
        auto block = wide.middleRows(3, samples);
        p.check(p.x, p.t, block);
        CHECK((wide.topRows(3).array() == T(7)).all());
        CHECK((wide.bottomRows(6).array() == T(7)).all());
        // In place: the losses alone have read the logits before.
        matrix<T> x = p.x;
        if (p.probable) {
          logz::cross_entropy_with_grad(x.rowwise(), p.t, x, p.options);
        } else {
          logz::cross_entropy_with_grad(x.rowwise(), p.y, x, p.options);
        }
        p.check(p.x, p.t, grad);
        CHECK(x == grad);
      }
    }
  }
}

TEST_CASE_TEMPLATE("nll_loss: gradients of more samples than pass together, in both layouts", T, float,
                   double) {
  constexpr Index samples = 150, few = 7;  // 64 pass together
  const matrix<T> lp = matrix<T>::Constant(samples, few, T(-2));
  const vector<T> above = vector<T>::LinSpaced(samples, T(-1), T(3));
  std::vector<int> y;
  for (Index i = 0; i < samples; ++i) y.push_back(i % 11 == 3 ? -100 : static_cast<int>(i * i % few));
  for (const double smoothing : {0.0, 0.25}) {
    logz::cross_entropy_options<T> options;
    options.weight = vector<T>::LinSpaced(few, T(0.5), T(2));
    options.label_smoothing = static_cast<T>(smoothing);
    const auto check = [&](auto grad) {
      grad = logz::nll_loss_backward(above, lp.rowwise(), y, options);
      real worst = 0;
      for (Index i = 0; i < samples; ++i) {
        const int target = y[static_cast<std::size_t>(i)];
        for (Index l = 0; l < few; ++l) {
          const real share = target < 0 ? 0 : smoothing / few + (l == target ? 1 - smoothing : 0);
          worst = std::max(worst, ulp_error(grad(i, l), -share * real{options.weight[l]} * real{above[i]}));
        }
      }
      // The contract's: floats are computed in double and rounded once, doubles with options <= 3.
      CHECK(worst <= (std::is_same_v<T, float> ? real(0.5) + real(1) / 1024 : real(3)));
    };
    check(matrix<T>());
    check(matrix<T, Eigen::RowMajor>());
  }
}

TEST_CASE("cross_entropy: the sum of the losses does not depend on where the gradient lies") {
  namespace detail = logz::detail;
  constexpr Index samples = 1100, few_classes = 5;
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(samples, few_classes);
  std::vector<int> y(samples);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<int>(i % few_classes);
  const detail::index_targets<std::vector<int>> targets(y);
  using Problem = detail::loss_problem<float, detail::index_targets<std::vector<int>>,
                                       const logz::cross_entropy_options<float>&>;
  const logz::cross_entropy_options<float> options;
  const Problem problem("cross_entropy", targets, options, samples, few_classes, samples, few_classes);
  std::vector<float> grad(samples * few_classes + 16);
  double first = 0;
  for (Index offset = 0; offset < 16; ++offset) {
    detail::loss_results<float> results;
    detail::loss_pass<Problem> pass(problem, {nullptr, 0, 0, 0}, problem.reduced_scale(), {nullptr, 0, 0, 0},
                                    results);
    pass.run<true>(detail::slice_shape{1, few_classes, samples}, {x.data(), 0, samples, 1},
                   {grad.data() + offset, 0, samples, 1});
    if (offset == 0) first = results.sum.value();
    CHECK(results.sum.value() == first);
  }
}

// 512 samples pass together, and up to 16 that are left join them.
TEST_CASE_TEMPLATE("cross_entropy: a sample is the same at the end of a block as alone", T, float, double) {
  constexpr Index few_classes = 5, part = 97;
  logz::cross_entropy_options<T> options;
  options.reduction = logz::reduction::sum;
  options.z_loss = T(0.125);
  for (const Index samples : {511, 512, 513, 528, 529, 1036, 1040, 1041}) {
    CAPTURE(samples);
    const matrix<T> x = matrix<T>::Random(samples, few_classes), v = matrix<T>::Random(samples, few_classes);
    std::vector<Index> y;
    for (Index i = 0; i < samples; ++i) y.push_back(i % 13 == 5 ? -100 : i * i % few_classes);
    const auto check = [&](auto grad) {
      using Gradient = decltype(grad);
      const Gradient logits = x;
      logz::cross_entropy_outputs<T> outputs;
      logz::cross_entropy_with_grad(logits.rowwise(), y, grad, options, outputs);
      const vector<T> losses = logz::cross_entropy_per_sample(logits.rowwise(), y, options);
      const Gradient hvp = logz::cross_entropy_hvp(v.rowwise(), logits, y, options);
      for (Index first = 0; first < samples; first += part) {
        const Index count = std::min(part, samples - first);
        const std::vector<Index> of_part(y.begin() + first, y.begin() + first + count);
        Gradient alone;
        logz::cross_entropy_outputs<T> outputs_alone;
        logz::cross_entropy_with_grad(logits.middleRows(first, count).rowwise(), of_part, alone, options,
                                      outputs_alone);
        CHECK(grad.middleRows(first, count) == alone);
        CHECK(outputs.log_z.segment(first, count) == outputs_alone.log_z);
        CHECK(outputs.argmax.segment(first, count) == outputs_alone.argmax);
        const vector<T> losses_alone =
            logz::cross_entropy_per_sample(logits.middleRows(first, count).rowwise(), of_part, options);
        CHECK(losses.segment(first, count) == losses_alone);
        const Gradient hvp_alone = logz::cross_entropy_hvp(v.middleRows(first, count).rowwise(),
                                                           logits.middleRows(first, count), of_part, options);
        CHECK(hvp.middleRows(first, count) == hvp_alone);
      }
    };
    check(matrix<T>());
    check(matrix<T, Eigen::RowMajor>());
  }
}
