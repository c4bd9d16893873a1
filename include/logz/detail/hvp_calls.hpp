// SPDX-License-Identifier: MIT
//
// The second derivative of cross-entropy by the logits, times a direction v:
//   f (a + s W) p ∘ (v - p·v) + 2 g [log Z · p ∘ (v - p·v) + p (p·v)]     with the factors of loss_terms.hpp.
#pragma once

#include "generic_loss.hpp"
#include "loss_problem.hpp"
#include "map_call.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

template <class Problem>
struct hvp_function {
  using S = typename Problem::Scalar;
  using C = compute_t<S>;
  static constexpr const char* name = "cross_entropy_hvp";

  Problem problem;

  void run(const slice_shape& shape, const slices<const S>& v, const slices<const S>& x,
           const slices<S>& out) const {
    run(shape, v, x, slices<const S>{nullptr, 0, 0, 0}, out);
  }
  void run(const slice_shape& shape, const slices<const S>& v, const slices<const S>& x,
           const slices<const S>& probabilities, const slices<S>& out) const {
    const loss_scale<C> scale = problem.reduced_scale();
    loss_terms<S> terms = problem.terms();
    terms.probability_length = probabilities.length_stride;
    for (Index n = 0; n < shape.inner; ++n) {
      Index target = 0;
      if constexpr (Problem::are_indices) {
        target = problem.targets().of(n);
        terms.target = &target;
      } else {
        terms.probability = probabilities.slice(0, n);
      }
      S* const to = out.slice(0, n);
      if (target < 0 || (scale.loss == C(0) && scale.z == C(0))) {
        generic::fill(shape, out, to, C(0));
        continue;
      }
      const S* const from = x.slice(0, n);
      generic::sample_loss<S> sample;
      sample.take(terms, 0, 0, shape.length, from, x.length_stride);
      const log_partition<C>& z = sample.z();
      if (!z.finite()) {
        generic::fill_nan(shape, out, to);
        continue;
      }
      compensated_sum<C> shares, factors;
      if constexpr (Problem::are_indices) add_product<S>(shares, terms.hit, terms.weight_of(target));
      if (terms.has_shares())
        add_product<S>(shares, Problem::are_indices ? terms.spread : C(1), sample.shares(terms));
      add_product<S>(factors, scale.loss, shares.value());
      if (!(scale.z == C(0))) add_product<S>(factors, C(C(2) * scale.z), z.log_z());
      const C curvature = factors.value();
      const with_rest<C> total = z.total();
      const S* const direction = v.slice(0, n);
      const auto distance = [&](Index l) {
        return difference<C>(generic::element<false>(from, l * x.length_stride), z.top());
      };
      compensated_sum<C> dot;
      for (Index l = 0; l < shape.length; ++l)
        dot.add(C(generic::probability(distance(l), total) *
                  generic::element<false>(direction, l * v.length_stride)));
      const C mean = dot.value();
      for (Index l = 0; l < shape.length; ++l) {
        // The factor first: p alone may be too small to keep its digits.
        C factor = C(curvature * C(generic::element<false>(direction, l * v.length_stride) - mean));
        if (!(scale.z == C(0))) factor += C(C(2) * scale.z * mean);
        to[l * out.length_stride] = static_cast<S>(generic::probability(distance(l), total, factor));
      }
    }
  }
};

}  // namespace detail
LOGZ_NAMESPACE_END
