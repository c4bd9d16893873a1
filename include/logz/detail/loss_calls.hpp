// SPDX-License-Identifier: MIT
//
// Cross-entropy behind the public calls: samples in blocks through the engine, sums and outputs on the way.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <tuple>

#include "../loss_options.hpp"
#include "functions.hpp"
#include "lazy_pieces.hpp"
#include "loss_problem.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// Samples that pass through the engine together: what is kept per sample fits on the stack. A few that are left at the end
/// join the last of them.
inline constexpr Index loss_block = 512, most_in_block = loss_block + 16;

/// The samples of the block from `first` on: blocks of results side by side begin on cache lines after the first.
template <class S>
inline Index samples_in_block(const slices<S>& out, Index first, Index samples) {
  const Index left = samples - first;
  if (left <= most_in_block) return left;
  if (first != 0 || out.inner_stride != 1) return loss_block;
  return loss_block - static_cast<Index>(reinterpret_cast<std::uintptr_t>(out.data) % 64 / sizeof(S));
}

/// What becomes of the samples' losses: sums in a fixed order, one number each, outputs.
template <class S>
struct loss_results {
  using C = compute_t<S>;
  using Loss = loss_t<S>;

  compensated_sum<C> sum;
  compensated_sum<C> z_sum;  // of (log Z)²
  slices<Loss> each{nullptr, 0, 0, 0};
  cross_entropy_outputs<Loss>* outputs = nullptr;
};

/// One pass over the samples of a problem.
template <class Problem>
class loss_pass {
  using S = typename Problem::Scalar;
  using C = compute_t<S>;
  using Loss = loss_t<S>;

 public:
  loss_pass(const Problem& problem, const slices<const S>& probabilities, const loss_scale<C>& scale,
            const slices<const Loss>& upstream, loss_results<S>& results)
      : problem_(problem), probabilities_(probabilities), upstream_(upstream), results_(results) {
    terms_ = problem.terms();
    terms_.set_scales(scale.loss, scale.z);
    terms_.probability_length = probabilities.length_stride;
    terms_.probability_slice = probabilities.inner_stride;
    terms_.upstream_slice = upstream.inner_stride;
    const bool outputs = results.outputs != nullptr;
    if (outputs) {
      results.outputs->log_z.resize(problem.samples());
      results.outputs->argmax.resize(problem.samples());
      results.outputs->correct.resize(problem.samples());
      terms_.argmax = argmax_.data();
    }
    terms_.loss = loss_.data();
    terms_.log_z = outputs || !(problem.z_loss() == C(0)) ? log_z_.data() : nullptr;
  }

  /// Samples in memory.
  template <bool Gradient>
  void run(const slice_shape& shape, const slices<const S>& x, const slices<S>& grad) {
    for (Index first = 0, count = 0; first < shape.inner; first += count) {
      count = samples_in_block(grad, first, shape.inner);
      engine::cross_entropy<Gradient>(slice_shape{1, shape.length, count}, x.from(first), begin(first, count),
                                      Gradient ? grad.from(first) : grad, shape.inner);
      finish(first, count);
    }
  }

  /// Samples of a lazy expression, without a gradient.
  template <class Argument>
  void run_pieces(const Argument& x) {
    const Index length = problem_.classes();
    std::array<generic::sample_loss<S>, slice_block> sample;
    for_each_piece(
        x,
        [&](const slice_shape& piece, const slices<const S>& values, Index first, Index start) {
          if (start == 0) begin(first, piece.inner);
          if (piece.length == length) {
            engine::cross_entropy<false>(piece, values, terms_, slices<S>{nullptr, 0, 0, 0}, piece.inner);
            return;
          }
          for (Index i = 0; i < piece.inner; ++i) {
            sample[static_cast<std::size_t>(i)].take(terms_, i, start, piece.length, values.slice(0, i),
                                                     values.length_stride);
          }
        },
        [&](Index first, Index count) {
          const bool in_pieces = !sample[0].empty();
          for (Index i = 0; i < count && in_pieces; ++i) {
            generic::store_outputs(terms_, i, sample[static_cast<std::size_t>(i)]);
            sample[static_cast<std::size_t>(i)] = {};
          }
          finish(first, count);
        });
  }

 private:
  const loss_terms<S>& begin(Index first, Index count) {
    if constexpr (Problem::are_indices) {
      for (Index i = 0; i < count; ++i)
        target_[static_cast<std::size_t>(i)] = problem_.targets().of(first + i);
      terms_.target = target_.data();
    } else {
      terms_.probability = probabilities_.slice(0, first);
    }
    if (upstream_.data != nullptr) terms_.upstream = upstream_.slice(0, first);
    return terms_;
  }

  void finish(Index first, Index count) {
    // In registers while they are added to. An ignored sample's loss is 0, which changes no bit of the sum.
    compensated_sum<C> sum = results_.sum, z_sum = results_.z_sum;
    add_losses(sum, first, count);
    const bool squares = !(problem_.z_loss() == C(0));
    for (Index i = 0; i < count && squares; ++i) {
      const auto k = static_cast<std::size_t>(i);
      if (terms_.ignored(i)) continue;
      add_product<S>(z_sum, log_z_[k], log_z_[k]);
      if (results_.each.data == nullptr) continue;
      compensated_sum<C> square;
      add_product<S>(square, log_z_[k], log_z_[k]);
      loss_[k] = Problem::with_z_loss(loss_[k], square, problem_.z_loss());
    }
    results_.sum = sum;
    results_.z_sum = z_sum;
    for (Index i = 0; i < count && results_.each.data != nullptr; ++i)
      *results_.each.slice(0, first + i) = static_cast<Loss>(loss_[static_cast<std::size_t>(i)]);
    if (results_.outputs != nullptr) put_out(first, count);
  }

  /// Where C has digits to spare, what plain sums of a few hundred lose is nothing: 2^-44 of losses of one sign. In four
  /// chains; which of them a sample joins, and where they are joined, does not depend on the blocks.
  void add_losses(compensated_sum<C>& sum, Index first, Index count) {
    const auto loss = [&](Index i) { return loss_[static_cast<std::size_t>(i)]; };
    if constexpr (std::is_floating_point_v<C> && !keeps_rest<S, C>) {
      std::array<C, 4> chain = chain_;
      const auto add_one = [&](Index i) { chain[static_cast<std::size_t>((first + i) % 4)] += loss(i); };
      for (Index i = 0; i < count;) {
        const Index stop = std::min(count, i + loss_block - (first + i) % loss_block);
        for (; i < stop && (first + i) % 4 != 0; ++i) add_one(i);
        for (; i + 4 <= stop; i += 4) {
          chain[0] += loss(i);
          chain[1] += loss(i + 1);
          chain[2] += loss(i + 2);
          chain[3] += loss(i + 3);
        }
        for (; i < stop; ++i) add_one(i);
        if ((first + i) % loss_block != 0 && first + i != problem_.samples()) continue;
        sum.add(C(chain[0] + chain[1]));
        sum.add(C(chain[2] + chain[3]));
        chain = {};
      }
      chain_ = chain;
    } else {
      for (Index i = 0; i < count; ++i) sum.add(loss(i));
    }
  }

  void put_out(Index first, Index count) {
    for (Index i = 0; i < count; ++i) {
      const auto k = static_cast<std::size_t>(i);
      results_.outputs->log_z[first + i] = static_cast<Loss>(log_z_[k]);
      results_.outputs->argmax[first + i] = argmax_[k];
      // No slice of finite numbers has an infinite log Z: elsewhere there is no distribution.
      const bool distribution =
          !is_nan(log_z_[k]) && !is_plus_infinity(log_z_[k]) && !is_minus_infinity(log_z_[k]);
      results_.outputs->correct[first + i] = distribution && is_hit(i, argmax_[k]);
    }
  }
  bool is_hit(Index i, Index argmax) const {
    if constexpr (Problem::are_indices) {
      return target_[static_cast<std::size_t>(i)] == argmax;
    } else {
      const S* const t = terms_.probability + i * terms_.probability_slice;
      for (Index l = 0; l < problem_.classes(); ++l) {
        if (t[l * terms_.probability_length] > t[argmax * terms_.probability_length]) return false;
      }
      return true;
    }
  }

  const Problem& problem_;
  slices<const S> probabilities_;
  slices<const Loss> upstream_;
  loss_results<S>& results_;
  loss_terms<S> terms_{};
  std::array<C, 4> chain_{};
  std::array<Index, most_in_block> target_;
  std::array<Index, most_in_block> argmax_;
  std::array<C, most_in_block> loss_;
  std::array<C, most_in_block> log_z_;
};

/// Losses that are not reduced: that of one sample of a few classes, without options; false, and nothing done, for any other
/// problem.
template <class Problem, class S>
inline bool run_alone([[maybe_unused]] const Problem& problem, [[maybe_unused]] const slice_shape& shape,
                      [[maybe_unused]] const slices<const S>& x, [[maybe_unused]] loss_results<S>& results) {
  if constexpr (Problem::are_indices) {
    if (results.each.data == nullptr || problem.samples() != 1 || !problem.is_plain()) return false;
    const Index target = problem.targets().of(0);
    compute_t<S> loss;
    const slices<S> none{nullptr, 0, 0, 0};
    if (target < 0 || !engine::cross_entropy_alone<false>(shape, x, target, none, loss)) return false;
    *results.each.data = static_cast<loss_t<S>>(loss);
    return true;
  } else {
    return false;
  }
}

/// Losses without a gradient.
template <class Argument, class Problem>
void run_values(const Argument& x, const Problem& problem, loss_results<typename Problem::Scalar>& results) {
  using S = typename Problem::Scalar;
  using Cut = typename Argument::Cut;
  if constexpr (Argument::direct) {
    if (run_alone(problem, shape_of(x.xpr(), Cut{}), slices<const S>(slices_of(x.xpr(), Cut{})), results))
      return;
  }
  const auto run = [&](const slices<const S>& probabilities) {
    loss_pass<Problem> pass(problem, probabilities, problem.each_scale(), {nullptr, 0, 0, 0}, results);
    if constexpr (Argument::direct) {
      pass.template run<false>(shape_of(x.xpr(), Cut{}), slices_of(x.xpr(), Cut{}), {nullptr, 0, 0, 0});
    } else {
      pass.run_pieces(x);
    }
  };
  if constexpr (Problem::are_indices) {
    run({nullptr, 0, 0, 0});
  } else {
    const auto& probabilities = problem.targets().argument();
    run(staged<std::decay_t<decltype(probabilities)>>(probabilities, false).view());
  }
}

/// A function of logits, then of probabilities and of gradients above where there are any: the gradient by the logits,
/// with the losses on the way. Held: a problem, or a reference to one that outlives the function.
template <class Held, class Above>
struct cross_entropy_gradient {
  using Problem = std::decay_t<Held>;
  using S = typename Problem::Scalar;
  using Loss = loss_t<S>;
  static constexpr const char* name = "cross_entropy_backward";

  Held problem;
  Above above;
  loss_results<S>* results = nullptr;

  template <class... Rest>
  void run(const slice_shape& shape, const slices<const S>& x, const Rest&... rest) const {
    const std::tuple<const Rest&...> all(rest...);
    slices<const S> probabilities{nullptr, 0, 0, 0};
    slices<const Loss> upstream = above.view();
    if constexpr (!Problem::are_indices) probabilities = std::get<0>(all);
    if constexpr (Above::per_sample) upstream = std::get<sizeof...(Rest) - 2>(all);
    loss_results<S> unused;
    const slices<S>& grad = std::get<sizeof...(Rest) - 1>(all);
    loss_pass<Problem> pass(problem, probabilities,
                            Above::per_sample ? problem.each_scale() : problem.reduced_scale(), upstream,
                            results == nullptr ? unused : *results);
    pass.template run<true>(shape, x, grad);
  }
};

/// The same with the reduced loss on the way. A sole sample without options, whose class has been found to be one, is its
/// own mean: of a few classes it takes a third of the time so. The problem is made, and checked, before where it may
/// speak of an error.
template <class MakeProblem, class Problem>
struct loss_with_gradient {
  using S = typename Problem::Scalar;
  using Loss = loss_t<S>;
  static constexpr const char* name = "cross_entropy_with_grad";

  const MakeProblem& make;
  std::optional<Problem>& problem;
  Index sole;  // negative: none
  loss_results<S>& results;
  std::optional<Loss>& alone;

  template <class... Rest>
  void run(const slice_shape& shape, const slices<const S>& x, const Rest&... rest) const {
    if (sole >= 0) {
      compute_t<S> loss;
      const slices<S>& grad = std::get<sizeof...(Rest) - 1>(std::tuple<const Rest&...>(rest...));
      if (engine::cross_entropy_alone<true>(shape, x, sole, grad, loss)) {
        alone = static_cast<Loss>(loss);
        return;
      }
      problem.emplace(make());
    }
    using Above = no_gradient_above<Loss>;
    cross_entropy_gradient<const Problem&, Above>{*problem, Above{}, &results}.run(shape, x, rest...);
  }
};

/// A function of logits, and of probabilities where there are any: the loss of each sample.
template <class Problem>
struct cross_entropy_per_sample_function {
  static constexpr const char* name = "cross_entropy_per_sample";
  static constexpr bool of_expressions = true;
  using Each = slices<typename Problem::Loss>;

  Problem problem;

  template <class Argument>
  void run(const Argument& x, const Each& each) const {
    loss_results<typename Problem::Scalar> results;
    results.each = each;
    run_values(x, problem, results);
  }
  template <class Argument, class Probabilities>
  void run(const Argument& x, const Probabilities&, const Each& each) const {
    run(x, each);  // the problem has them
  }
};

}  // namespace detail
LOGZ_NAMESPACE_END
