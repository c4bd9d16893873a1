// SPDX-License-Identifier: MIT
//
// nll_loss behind the public calls: from log-probabilities, with no exponential anywhere.
#pragma once

#include <algorithm>
#include <array>

#include "functions.hpp"
#include "generic_loss.hpp"
#include "lazy_pieces.hpp"
#include "loss_problem.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// Calls done(n, loss of sample n) in order, from any expression of log-probabilities.
template <class Argument, class Problem, class Done>
void for_each_nll(const Argument& x, const Problem& problem, const Done& done) {
  using C = typename Problem::C;
  using S = typename Problem::Scalar;
  using Xpr = typename Argument::Xpr;
  constexpr bool rowwise = std::is_same_v<typename Argument::Cut, cut_along<Eigen::Horizontal>>;
  constexpr bool interleaved = rowwise != static_cast<bool>(Xpr::IsRowMajor);
  const auto terms = problem.terms();
  const bool smooths = !(terms.spread == C(0));
  // One evaluator for all: a product inside the expression is computed once.
  const Eigen::internal::evaluator<Xpr> log_p(x.xpr());
  const auto add_loss = [&](compensated_sum<C>& sum, Index n, Index l, const with_rest<C>& factor) {
    const auto lp = rowwise ? log_p.coeff(n, l) : log_p.coeff(l, n);
    if (!(factor.value == C(0))) generic::add_scaled<S>(sum, factor, C(-static_cast<C>(lp)), C(0));
  };
  std::array<compensated_sum<C>, slice_block> smooth;
  for (Index first = 0; first < problem.samples(); first += slice_block) {
    const Index count = std::min(slice_block, problem.samples() - first);
    smooth.fill(compensated_sum<C>{});
    if (smooths) {
      const auto take = [&](Index i, Index l) {
        add_loss(smooth[static_cast<std::size_t>(i)], first + i, l, {terms.weight_of(l), C(0)});
      };
      if (interleaved) {
        for (Index l = 0; l < problem.classes(); ++l) {
          for (Index i = 0; i < count; ++i) take(i, l);
        }
      } else {
        for (Index i = 0; i < count; ++i) {
          for (Index l = 0; l < problem.classes(); ++l) take(i, l);
        }
      }
    }
    for (Index i = 0; i < count; ++i) {
      const Index target = problem.targets().of(first + i);
      compensated_sum<C> loss;
      if (target >= 0) {
        add_loss(loss, first + i, target, generic::product_of<S>(terms.hit, terms.weight_of(target)));
        const compensated_sum<C>& shared = smooth[static_cast<std::size_t>(i)];
        if (smooths)
          generic::add_scaled<S>(loss, {terms.spread, terms.spread_rest}, shared.high(), shared.low());
      }
      done(first + i, loss.value());
    }
  }
}

/// The reduced loss of nll_loss.
template <class Argument, class Problem>
typename Problem::Loss reduced_nll(const Argument& x, const Problem& problem) {
  compensated_sum<typename Problem::C> sum;
  for_each_nll(x, problem, [&](Index, const typename Problem::C& loss) { sum.add(loss); });
  return problem.reduced(sum, {});
}

/// The gradient of nll_loss by the log-probabilities, which it does not depend on.
template <class Problem, class Above>
struct nll_gradient {
  using S = typename Problem::Scalar;
  using Loss = loss_t<S>;
  using C = compute_t<S>;
  static constexpr const char* name =
      std::is_same_v<Above, no_gradient_above<Loss>> ? "nll_loss_with_grad" : "nll_loss_backward";
  static constexpr bool of_shape = true;

  Problem problem;
  Above above;

  void run(const slice_shape& shape, const slices<S>& out) const { run_all(shape, above.view(), out); }
  void run(const slice_shape& shape, const slices<const Loss>& upstream, const slices<S>& out) const {
    run_all(shape, upstream, out);
  }

 private:
  void run_all(const slice_shape& shape, const slices<const Loss>& upstream, const slices<S>& out) const {
    const auto terms = problem.terms();
    const C scale = Above::per_sample ? C(1) : problem.reduced_scale().loss;
    const bool shares = !(terms.spread == C(0));
    std::array<Index, slice_block> target;
    std::array<C, slice_block> factor;
    for (Index first = 0; first < shape.inner; first += slice_block) {
      const Index count = std::min(slice_block, shape.inner - first);
      for (Index i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        target[at] = problem.targets().of(first + i);
        const C from_above = upstream.data == nullptr ? C(1) : static_cast<C>(*upstream.slice(0, first + i));
        factor[at] = C(-C(scale * from_above));
      }
      for_each_number(shape.length, first, count, is_interleaved(out), [&](Index l, Index i) {
        const auto at = static_cast<std::size_t>(i - first);
        C slope(0);
        if (shares && target[at] >= 0) slope = C(terms.spread * terms.weight_of(l));
        if (l == target[at]) slope += C(terms.hit * terms.weight_of(l));
        number_at(out, l, i) = static_cast<S>(slope == C(0) ? slope : C(factor[at] * slope));
      });
    }
  }
};

template <class Problem>
struct nll_per_sample_function {
  static constexpr const char* name = "nll_loss_per_sample";
  static constexpr bool of_expressions = true;

  Problem problem;

  template <class Argument>
  void run(const Argument& x, const slices<typename Problem::Loss>& each) const {
    using Loss = typename Problem::Loss;
    for_each_nll(x, problem, [&](Index n, const typename Problem::C& loss) {
      *each.slice(0, n) = static_cast<Loss>(loss);
    });
  }
};

}  // namespace detail
LOGZ_NAMESPACE_END
