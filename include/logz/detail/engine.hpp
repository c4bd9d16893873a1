// SPDX-License-Identifier: MIT
//
// The one place that decides which implementation a call runs on: kernels for float and double, the generic path for
// every other scalar. Pointers, sizes and strides cross this boundary, nothing of Eigen's.
#pragma once

#include "../simd/dispatch.hpp"
#include "generic.hpp"
#include "generic_divergence.hpp"
#include "generic_jvp.hpp"
#include "generic_loss.hpp"
#include "slice_sums.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace engine {

using generic::partial;

/// The call of a kernel for one step of outer.
template <class S>
simd::forward_call<S> kernel_call(const slice_shape& shape, const slices<const S>& x, const slices<S>& out,
                                  Index o) {
  simd::forward_call<S> call;
  call.length = shape.length;
  call.count = shape.inner;
  call.all = shape.inner;
  call.x = x.slice(o, 0);
  call.x_length = x.length_stride;
  call.x_slice = x.inner_stride;
  call.out = out.slice(o, 0);
  call.out_length = out.length_stride;
  call.out_slice = out.inner_stride;
  call.reference = nullptr;
  call.loss = nullptr;
  call.negate = false;
  return call;
}

template <simd::forward_op Op, class S>
void run_blocks(const slice_shape& shape, const slices<const S>& x, const slices<S>& out, bool negate,
                const slices<const S>& reference, const slices<const S>& factor) {
  for (Index o = 0; o < shape.outer && shape.inner > 0; ++o) {
    simd::forward_call<S> call = kernel_call(shape, x, out, o);
    if constexpr (Op == simd::forward_op::logsumexp_backward || Op == simd::forward_op::entropy_backward) {
      call.reference = reference.slice(o, 0);
      call.reference_slice = reference.inner_stride;
      call.factor = factor.slice(o, 0);
      call.factor_slice = factor.inner_stride;
    }
    call.negate = negate;
    simd::run<Op>(call);
  }
}

/// One slice of a few numbers that lie side by side, through registers; false, and nothing done, for any other. Inline, as
/// all on the way to a short slice: there a call costs as much as its numbers.
template <simd::forward_op Op, class S>
inline bool run_alone(const slice_shape& shape, const slices<const S>& x, const slices<S>& out,
                      simd::slice_extras<S>& extras) {
  return shape.outer == 1 && shape.inner == 1 && x.length_stride == 1 &&
         (simd::is_reduction<Op> || out.length_stride == 1) &&
         simd::run_short<Op>(x.data, out.data, shape.length, extras);
}

/// Empty slices are the generic path's.
template <simd::forward_op Op, class S>
inline void run_forward(const slice_shape& shape, const slices<const S>& x, const slices<S>& out,
                        bool negate) {
  simd::slice_extras<S> extras;
  if (!negate && run_alone<Op>(shape, x, out, extras)) return;
  run_blocks<Op, S>(shape, x, out, negate, {}, {});
}

/// exp(x - log Z); of -x with Negate.
template <bool Negate, class S>
inline void softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) run_forward<simd::forward_op::softmax>(shape, x, out, Negate);
  } else {
    generic::softmax<Negate>(shape, x, out);
  }
}

/// x - log Z.
template <class S>
inline void log_softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) run_forward<simd::forward_op::log_softmax>(shape, x, out, false);
  } else {
    generic::log_softmax(shape, x, out);
  }
}

/// log Z of each slice.
template <class S>
inline void logsumexp(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) return run_forward<simd::forward_op::logsumexp>(shape, x, out, false);
  }
  generic::logsumexp(shape, x, out);
}

/// g · p, with p = exp(x - lz) / Σ exp(x - lz).
template <class S>
inline void logsumexp_backward(const slice_shape& shape, const slices<const S>& x,
                               const slices<const S>& grad_lz, const slices<const S>& lz,
                               const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    simd::slice_extras<S> extras;
    if (shape.length != 0 && shape.inner != 0) {
      extras.reference = *lz.data;
      extras.factor = *grad_lz.data;
      if (run_alone<simd::forward_op::logsumexp_backward>(shape, x, out, extras)) return;
      run_blocks<simd::forward_op::logsumexp_backward, S>(shape, x, out, false, lz, grad_lz);
    }
  } else {
    generic::logsumexp_backward(shape, x, grad_lz, lz, out);
  }
}

/// -Σ p log p of each slice.
template <class S>
void entropy(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) return run_blocks<simd::forward_op::entropy, S>(shape, x, out, false, {}, {});
  }
  generic::entropy(shape, x, out);
}

/// -g p (log p + h).
template <class S>
void entropy_backward(const slice_shape& shape, const slices<const S>& x, const slices<const S>& grad_h,
                      const slices<const S>& h, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    if (shape.length != 0) run_blocks<simd::forward_op::entropy_backward, S>(shape, x, out, false, h, grad_h);
  } else {
    generic::entropy_backward(shape, x, grad_h, h, out);
  }
}

/// p ∘ (c (v - Σ p v) + d Σ p v) with a curvature c of each slice.
template <class S>
void hvp(const slice_shape& shape, const slices<const S>& x, const slices<const S>& v,
         const double* curvature, double z_slope, const slices<S>& out, Index all) {
  simd::forward_call<S> call = kernel_call(shape, x, out, 0);
  call.all = all;
  call.second = v.data;
  call.second_length = v.length_stride;
  call.second_slice = v.inner_stride;
  call.curvature = curvature;
  call.z_slope = z_slope;
  simd::run<simd::forward_op::hvp>(call);
}

/// The loss of one sample of a few classes, with its gradient where one is wanted; false, and nothing done, for any other.
template <bool Gradient, class S>
inline bool cross_entropy_alone(const slice_shape& shape, const slices<const S>& x, Index target,
                                const slices<S>& grad, compute_t<S>& loss) {
  if constexpr (simd::has_kernels<S>) {
    constexpr auto op = Gradient ? simd::forward_op::cross_entropy_gradient : simd::forward_op::cross_entropy;
    simd::slice_extras<S> extras;
    extras.target = target;
    if (!run_alone<op>(shape, x, grad, extras)) return false;
    loss = extras.loss;
    return true;
  } else {
    return false;
  }
}

/// The loss of each sample, with its gradient where one is wanted. Of `all` samples these are a block.
template <bool Gradient, class S>
void cross_entropy(const slice_shape& shape, const slices<const S>& x, const loss_terms<S>& terms,
                   const slices<S>& grad, [[maybe_unused]] Index all) {
  for (Index o = 0; o < shape.outer && shape.inner > 0; ++o) {
    const loss_terms<S> these = o == 0 ? terms : terms.from(o * shape.inner);
    if constexpr (simd::has_kernels<S>) {
      simd::forward_call<S> call = kernel_call(shape, x, grad, o);
      call.all = all;
      call.loss = &these;
      simd::run<Gradient ? simd::forward_op::cross_entropy_gradient : simd::forward_op::cross_entropy>(call);
    } else {
      const auto at = [o](auto all_slices) {
        if (all_slices.data != nullptr) all_slices.data += o * all_slices.outer_stride;
        return all_slices;
      };
      generic::cross_entropy(slice_shape{1, shape.length, shape.inner}, at(x), these, at(grad));
    }
  }
}

/// The call of a kernel of two operands for one step of outer. Without out its strides are g's.
template <class S>
simd::paired_call<S> paired_kernel_call(const slice_shape& shape, const slices<const S>& g,
                                        const slices<const S>& y, const slices<S>& out, Index o) {
  simd::paired_call<S> call;
  call.length = shape.length;
  call.count = shape.inner;
  call.g = g.slice(o, 0);
  call.g_length = g.length_stride;
  call.g_slice = g.inner_stride;
  call.y = y.slice(o, 0);
  call.y_length = y.length_stride;
  call.y_slice = y.inner_stride;
  call.out = out.data == nullptr ? nullptr : out.slice(o, 0);
  call.out_length = out.data == nullptr ? g.length_stride : out.length_stride;
  call.out_slice = out.data == nullptr ? g.inner_stride : out.inner_stride;
  call.factor = 0;
  return call;
}

/// f(g, y, Σ) of every slice; empty ones have nothing to write.
template <simd::paired_op Op, class S>
inline void run_paired(const slice_shape& shape, const slices<const S>& g, const slices<const S>& y,
                       const slices<S>& out) {
  if (shape.length == 0) return;
  const bool alone = shape.outer == 1 && shape.inner == 1 && g.length_stride == 1 && y.length_stride == 1 &&
                     out.length_stride == 1;
  if (alone && simd::run_short<Op>(g.data, y.data, out.data, shape.length)) return;
  for (Index o = 0; o < shape.outer && shape.inner > 0; ++o) {
    simd::paired_call<S> call = paired_kernel_call(shape, g, y, out, o);
    simd::run<Op>(call);
  }
}

/// Slices whose sums pass through the stack together: as many as the widest panel.
inline constexpr Index most_sums = 1024;

/// The sums of the slices, block by block: done(first slice, count, sums, what they have lost); out, if any, with a factor.
template <simd::paired_op Op, class S, class Done>
void sum_paired(const slice_shape& shape, const slices<const S>& g, const slices<const S>& y,
                const slices<S>& out, S factor, const Done& done) {
  double sum[most_sums], rest[most_sums];
  for (Index first = 0; first < shape.inner; first += most_sums) {
    const slice_shape block{1, shape.length, std::min(most_sums, shape.inner - first)};
    if (shape.length == 0) {
      std::fill_n(sum, block.inner, 0.0);
      std::fill_n(rest, block.inner, 0.0);
    } else {
      simd::paired_call<S> call = paired_kernel_call(block, g.from(first), y.from(first),
                                                     out.data == nullptr ? out : out.from(first), 0);
      call.sum = sum;
      call.rest = rest;
      call.factor = factor;
      simd::run<Op>(call);
    }
    done(first, block.inner, sum, rest);
  }
}
/// A sum and what it has lost, which says nothing where the sum is not finite.
inline double rounded_sum(double sum, double rest) {
  const double both = sum + rest;
  return is_nan(both) ? sum : both;
}

/// p ∘ (g - Σ g p).
template <class S>
inline void softmax_backward(const slice_shape& shape, const slices<const S>& grad_output,
                             const slices<const S>& p, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    run_paired<simd::paired_op::softmax_backward, S>(shape, grad_output, p, out);
  } else {
    generic::softmax_backward(shape, grad_output, p, out);
  }
}

/// g - exp(lp) · Σ g.
template <class S>
inline void log_softmax_backward(const slice_shape& shape, const slices<const S>& grad_output,
                                 const slices<const S>& log_p, const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    run_paired<simd::paired_op::log_softmax_backward, S>(shape, grad_output, log_p, out);
  } else {
    generic::log_softmax_backward(shape, grad_output, log_p, out);
  }
}

/// v - Σ exp(lp) v.
template <class S>
inline void log_softmax_jvp(const slice_shape& shape, const slices<const S>& v, const slices<const S>& log_p,
                            const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    run_paired<simd::paired_op::log_softmax_jvp, S>(shape, v, log_p, out);
  } else {
    generic::log_softmax_jvp(shape, v, log_p, out);
  }
}

/// Σ p v of each slice.
template <class S>
void logsumexp_jvp(const slice_shape& shape, const slices<const S>& v, const slices<const S>& p,
                   const slices<S>& out) {
  if constexpr (simd::has_kernels<S>) {
    sum_paired<simd::paired_op::logsumexp_jvp, S>(
        shape, v, p, {nullptr, 0, 0, 0}, S(0),
        [&](Index first, Index count, const double* sum, const double* rest) {
          for (Index i = 0; i < count; ++i) *out.slice(0, first + i) = S(rounded_sum(sum[i], rest[i]));
        });
  } else {
    generic::logsumexp_jvp(shape, v, p, out);
  }
}

/// Σ p (log p - log q), or of exp(t) (t - log q), of each slice: done(first slice, count, sums, what they have lost). In
/// out, if any, p or exp(t) times the factor.
template <class S, class Done>
void divergence(bool log_target, const slice_shape& shape, const slices<const S>& log_q,
                const slices<const S>& p, const slices<S>& out, S factor, const Done& done) {
  if (log_target) {
    sum_paired<simd::paired_op::log_divergence>(shape, log_q, p, out, factor, done);
  } else {
    sum_paired<simd::paired_op::divergence>(shape, log_q, p, out, factor, done);
  }
}
/// The sum over all slices. What fills memory without a gap is cut into pieces, in memory's order, as if they were the
/// slices: neither short slices nor an axis cost anything.
template <class S, class Add>
void total_divergence(bool log_target, const slice_shape& shape, const slices<const S>& log_q,
                      const slices<const S>& p, const slices<S>& out, S factor, const Add& add) {
  const auto done = [&](Index, Index count, const double* sum, const double* rest) {
    for (Index i = 0; i < count; ++i) add(sum[i], rest[i]);
  };
  const auto every = [&](const auto& holds) {
    return holds(log_q) && holds(p) && (out.data == nullptr || holds(out));
  };
  const bool dense =
      every([&](const auto& s) { return s.length_stride == 1 && s.inner_stride == shape.length; }) ||
      every([&](const auto& s) { return s.inner_stride == 1 && s.length_stride == shape.inner; });
  if (!dense) return divergence(log_target, shape, log_q, p, out, factor, done);
  constexpr Index piece = 4096;
  const auto pieces = [](const auto& s, Index first) {
    auto result = s;
    result.data += s.data == nullptr ? 0 : first;
    result.length_stride = 1;
    result.inner_stride = piece;
    return result;
  };
  const Index numbers = shape.length * shape.inner, whole = numbers / piece, left = numbers % piece;
  for (const slice_shape& part : {slice_shape{1, piece, whole}, slice_shape{1, left, left == 0 ? 0 : 1}}) {
    const Index first = part.length == piece ? 0 : whole * piece;
    divergence(log_target, part, pieces(log_q, first), pieces(p, first), pieces(out, first), factor, done);
  }
}

/// Numbers that pass through the stack together.
inline constexpr Index element_block = 256;

/// A run of numbers side by side: of one slice, or of one number or several of the slices from `first` on.
template <class S>
struct element_run {
  const S* x;
  const S* g;
  S* out;
  Index count;
  Index slice;  // -1: of several
  Index first;
};

/// Calls f(run) for all numbers of x, in runs that lie side by side, or come and go by way of the stack. Null data: there
/// is no such operand. Where the next run begins where one ends, up to most_slices runs of a slice, or most_across runs of a
/// number of each, are one.
template <class S, class Function>
void for_each_run(const slice_shape& shape, const slices<const S>& x, const slices<const S>& g,
                  const slices<S>& out, Index most_slices, Index most_across, const Function& f) {
  const bool paired = g.data != nullptr, writes = out.data != nullptr;
  const auto every = [&](const auto& holds) {
    return holds(x) && (!paired || holds(g)) && (!writes || holds(out));
  };
  const bool along = every([](const auto& s) { return s.length_stride == 1; });
  const bool across = every([](const auto& s) { return s.inner_stride == 1; });
  // The stride of an axis of one number says nothing.
  const bool sliced = shape.length != 1 && (shape.inner == 1 || along || (!across && !is_interleaved(x)));
  const Index count = sliced ? shape.length : shape.inner, runs = sliced ? shape.inner : shape.length;
  const auto step = [sliced](const auto& s) { return sliced ? s.length_stride : s.inner_stride; };
  const auto leap = [sliced](const auto& s) { return sliced ? s.inner_stride : s.length_stride; };
  const auto from = [&](const auto& s, Index r) { return s.data + r * leap(s); };
  const bool direct = sliced ? along : across;
  const bool dense = direct && every([&](const auto& s) { return leap(s) == count; });
  const Index together = dense ? std::min(sliced ? most_slices : most_across, runs) : 1;
  S xs[element_block], gs[element_block];
  for (Index r = 0; r < runs; r += together) {
    const Index slice = sliced && together == 1 ? r : -1;
    if (direct) {
      f(element_run<S>{from(x, r), paired ? from(g, r) : nullptr, writes ? from(out, r) : nullptr,
                       count * std::min(together, runs - r), slice, 0});
      continue;
    }
    for (Index start = 0; start < count; start += element_block) {
      const Index n = std::min(element_block, count - start);
      for (Index i = 0; i < n; ++i) xs[i] = from(x, r)[(start + i) * step(x)];
      for (Index i = 0; i < n && paired; ++i) gs[i] = from(g, r)[(start + i) * step(g)];
      f(element_run<S>{xs, gs, xs, n, slice, start});
      for (Index i = 0; i < n && writes; ++i) from(out, r)[(start + i) * step(out)] = xs[i];
    }
  }
}

/// out = f(x), or f(g, x), number by number.
template <simd::element_op Op, class S>
void elements(const slice_shape& shape, const slices<const S>& g, const slices<const S>& x,
              const slices<S>& out) {
  for_each_run(shape, x, g, out, shape.inner, shape.length, [](const element_run<S>& run) {
    simd::run<Op>(simd::element_call<S>{run.x, run.g, run.out, run.count});
  });
}

/// Factors of the slices: none for 1, one for all, or one each. Where there are few slices they are repeated, for runs of
/// several numbers of each.
template <class S>
class slice_factors {
 public:
  slice_factors(const S* data, Index size) : data_(data), size_(size) {
    for (Index i = 0; i < element_block && repeats(); ++i)
      repeated_[i] = i < size ? data[i] : repeated_[i - size];
  }
  bool one_each() const { return size_ > 1; }
  S of(Index slice) const { return size_ == 0 ? S(1) : data_[one_each() && slice >= 0 ? slice : 0]; }
  const S* from(const element_run<S>& run) const {
    if (!one_each() || run.slice >= 0) return nullptr;
    return repeats() && run.first == 0 ? repeated_ : data_ + run.first;
  }

 private:
  bool repeats() const { return one_each() && size_ <= element_block; }

  const S* data_;
  Index size_;
  S repeated_[element_block];
};

/// Binary losses, their sum or their gradient; add(sum, what it lost) for every run.
template <simd::binary_op Op, class S, class Add>
void binary(const slice_shape& shape, const slices<const S>& x, const slices<const S>& y,
            const slices<S>& out, const slice_factors<S>& weight, const slice_factors<S>& pos_weight,
            double divisor, const Add& add) {
  const bool alike = !weight.one_each() && !pos_weight.one_each();
  const Index repeats = std::max<Index>(element_block / std::max<Index>(shape.inner, 1), 1);
  for_each_run(shape, x, y, out, alike ? shape.inner : 1, alike ? shape.length : repeats,
               [&](const element_run<S>& run) {
                 double sum[2] = {0, 0};
                 simd::run<Op>(simd::binary_call<S>{run.x, run.g, run.out, run.count, weight.from(run),
                                                    pos_weight.from(run), weight.of(run.slice),
                                                    pos_weight.of(run.slice), divisor, sum});
                 add(sum[0], sum[1]);
               });
}

}  // namespace engine
}  // namespace detail
LOGZ_NAMESPACE_END
