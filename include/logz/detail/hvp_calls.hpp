// SPDX-License-Identifier: MIT
//
// The second derivative of cross-entropy by the logits, times a direction v:
//   f (a + s W) p ∘ (v - p·v) + 2 g [log Z · p ∘ (v - p·v) + p (p·v)]     with the factors of loss_terms.hpp.
#pragma once

#include "loss_calls.hpp"
#include "map_call.hpp"
#include "slice_sums.hpp"

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
    if constexpr (simd::has_kernels<S>) {
      run_blocks(shape, v, x, probabilities, out);
    } else {
      run_slices(shape, v, x, probabilities, out);
    }
  }

 private:
  /// Through the engine: f (a + s W) + 2 g log Z of each sample, and the slices that are 0.
  void run_blocks(const slice_shape& shape, const slices<const S>& v, const slices<const S>& x,
                  const slices<const S>& probabilities, const slices<S>& out) const {
    const loss_scale<C> scale = problem.reduced_scale();
    const bool squares = !(scale.z == C(0)), flat = scale.loss == C(0) && !squares;
    loss_terms<S> terms = problem.terms();
    terms.probability_length = probabilities.length_stride;
    terms.probability_slice = probabilities.inner_stride;
    double curvature[most_in_block];
    S log_z[most_in_block];
    for (Index first = 0, count = 0; first < shape.inner; first += count) {
      count = samples_in_block(out, first, shape.inner);
      const slice_shape block{1, shape.length, count};
      const slices<const S> logits = x.from(first);
      if constexpr (!Problem::are_indices) terms.probability = probabilities.slice(0, first);
      if (squares) engine::logsumexp(block, logits, slices<S>{log_z, 0, 0, 1});
      compensated_sum<C> shares[most_in_block];
      if constexpr (Problem::are_indices) {
        for (Index i = 0; i < block.inner; ++i) {
          const Index target = problem.targets().of(first + i);
          if (target >= 0) add_product<S>(shares[i], terms.hit, terms.weight_of(target));
          if (terms.has_shares()) add_product<S>(shares[i], terms.spread, terms.weight_sum);
        }
      } else {
        for_each_number(block.length, 0, block.inner, is_interleaved(probabilities),
                        [&](Index l, Index i) { shares[i].add(generic::share(terms, i, l)); });
      }
      for (Index i = 0; i < block.inner; ++i) {
        compensated_sum<C> factors;
        add_product<S>(factors, scale.loss, shares[i].value());
        if (squares) add_product<S>(factors, C(C(2) * scale.z), static_cast<C>(log_z[i]));
        curvature[i] = factors.value();
      }
      engine::hvp(block, logits, v.from(first), curvature, 2 * scale.z, out.from(first), shape.inner);
      for (Index i = 0; i < block.inner; ++i) {
        bool zero = flat;
        if constexpr (Problem::are_indices) zero = zero || problem.targets().of(first + i) < 0;
        if (zero) generic::fill(shape, out, out.slice(0, first + i), C(0));
      }
    }
  }

  void run_slices(const slice_shape& shape, const slices<const S>& v, const slices<const S>& x,
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
