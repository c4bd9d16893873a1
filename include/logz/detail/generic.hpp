// SPDX-License-Identifier: MIT
//
// The generic path: every function on slices in plain templated code. It serves every scalar and architecture
// without kernels, and is the reference that kernels are tested against. Inputs and output may be the same
// memory in the same layout.
#pragma once

#include <cmath>

#include "log_partition.hpp"
#include "slices.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace generic {

/// Calls f(position of slice (o, i) in each operand ...) for every slice; empty ones may have no memory at all.
template <class F, class... T>
void for_each_slice(const slice_shape& shape, const F& f, const slices<T>&... operands) {
  if (shape.length == 0) return;
  for (Index o = 0; o < shape.outer; ++o) {
    for (Index i = 0; i < shape.inner; ++i) f(operands.slice(o, i)...);
  }
}

template <bool Negate, class S>
compute_t<S> element(const S* slice, Index position) {
  const auto x = static_cast<compute_t<S>>(slice[position]);
  return Negate ? compute_t<S>(-x) : x;
}

template <bool Negate, class S>
log_partition<compute_t<S>> partition_of(const slice_shape& shape, const slices<const S>& x, const S* slice) {
  log_partition<compute_t<S>> z;
  z.take(shape.length, [&](Index l) { return element<Negate>(slice, l * x.length_stride); });
  return z;
}

template <class S>
void fill_nan(const slice_shape& shape, const slices<S>& out, S* slice) {
  for (Index l = 0; l < shape.length; ++l)
    slice[l * out.length_stride] = static_cast<S>(quiet_nan<compute_t<S>>());
}

/// exp(x - log Z); of -x with Negate.
template <bool Negate, class S>
void softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  using C = compute_t<S>;
  for_each_slice(
      shape,
      [&](const S* from, S* to) {
        const log_partition<C> z = partition_of<Negate>(shape, x, from);
        if (!z.finite()) return fill_nan(shape, out, to);
        const C total = C(C(1) + z.others());
        for (Index l = 0; l < shape.length; ++l) {
          const difference<C> d(element<Negate>(from, l * x.length_stride), z.top());
          to[l * out.length_stride] = static_cast<S>(C(exp_of(d) / total));
        }
      },
      x, out);
}

/// x - log Z.
template <class S>
void log_softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  using C = compute_t<S>;
  for_each_slice(
      shape,
      [&](const S* from, S* to) {
        const log_partition<C> z = partition_of<false>(shape, x, from);
        if (!z.finite()) return fill_nan(shape, out, to);
        const C excess = z.log_excess();
        for (Index l = 0; l < shape.length; ++l) {
          // Both terms are ≤ 0: nothing cancels.
          const difference<C> d(element<false>(from, l * x.length_stride), z.top());
          to[l * out.length_stride] = static_cast<S>(C(opaque<C>(d.value - excess) + d.error));
        }
      },
      x, out);
}

/// p ∘ (g - Σ g p).
template <class S>
void softmax_backward(const slice_shape& shape, const slices<const S>& grad_output, const slices<const S>& p,
                      const slices<S>& out) {
  using C = compute_t<S>;
  for_each_slice(
      shape,
      [&](const S* g, const S* q, S* to) {
        compensated_sum<C> dot;
        for (Index l = 0; l < shape.length; ++l) {
          const C a = element<false>(g, l * grad_output.length_stride);
          const C b = element<false>(q, l * p.length_stride);
          const C product = opaque<C>(a * b);
          dot.add(product);
          // float inputs have exact products in double.
          if constexpr (std::is_floating_point_v<S> && std::is_same_v<S, C>)
            dot.add(std::fma(a, b, -product));
        }
        const C mean = dot.value();
        for (Index l = 0; l < shape.length; ++l) {
          const C a = element<false>(g, l * grad_output.length_stride);
          const C b = element<false>(q, l * p.length_stride);
          to[l * out.length_stride] = static_cast<S>(C(b * C(a - mean)));
        }
      },
      grad_output, p, out);
}

/// g - exp(lp) · Σ g.
template <class S>
void log_softmax_backward(const slice_shape& shape, const slices<const S>& grad_output,
                          const slices<const S>& log_p, const slices<S>& out) {
  using C = compute_t<S>;
  for_each_slice(
      shape,
      [&](const S* g, const S* lp, S* to) {
        compensated_sum<C> sum;
        for (Index l = 0; l < shape.length; ++l) sum.add(element<false>(g, l * grad_output.length_stride));
        const C total = sum.value();
        for (Index l = 0; l < shape.length; ++l) {
          const C a = element<false>(g, l * grad_output.length_stride);
          const C p = exp_of(element<false>(lp, l * log_p.length_stride));
          to[l * out.length_stride] = static_cast<S>(C(a - C(p * total)));
        }
      },
      grad_output, log_p, out);
}

/// g · p, with p = exp(x - lz) / Σ exp(x - lz): lz stands in for the maximum, and its rounding cancels.
template <class S>
void logsumexp_backward(const slice_shape& shape, const slices<const S>& x,
                        const slices<const S>& grad_output, const slices<const S>& log_z,
                        const slices<S>& out) {
  using C = compute_t<S>;
  for_each_slice(
      shape,
      [&](const S* from, const S* g, const S* lz, S* to) {
        const C reference = element<false>(lz, 0);
        const C factor = element<false>(g, 0);
        if (is_nan(reference) || reference == infinity<C>()) return fill_nan(shape, out, to);
        if (reference == -infinity<C>()) {
          for (Index l = 0; l < shape.length; ++l) to[l * out.length_stride] = static_cast<S>(C(0));
          return;
        }
        const auto e = [&](Index l) {
          return exp_of(difference<C>(element<false>(from, l * x.length_stride), reference));
        };
        compensated_sum<C> sum;
        for (Index l = 0; l < shape.length; ++l) sum.add(e(l));
        const C total = sum.value();
        for (Index l = 0; l < shape.length; ++l) {
          to[l * out.length_stride] = static_cast<S>(C(factor * C(e(l) / total)));
        }
      },
      x, grad_output, log_z, out);
}

/// Takes a piece of each slice into its log_partition.
template <class S>
void take_piece(const slice_shape& shape, const slices<const S>& x, log_partition<compute_t<S>>* z) {
  for (Index i = 0; i < shape.inner; ++i) {
    const S* slice = x.slice(0, i);
    z[i].take(shape.length, [&](Index l) { return element<false>(slice, l * x.length_stride); });
  }
}

/// log Z of `count` slices; leaves the partitions empty for the next ones.
template <class S>
void logsumexp(Index count, log_partition<compute_t<S>>* z, const slices<S>& out) {
  for (Index i = 0; i < count; ++i) {
    *out.slice(0, i) = static_cast<S>(z[i].log_z());
    z[i] = {};
  }
}

/// log Z - target_logit: NaN where the slice has no distribution, +∞ at a logit of -∞.
template <class C>
C cross_entropy(const log_partition<C>& z, const C& target_logit) {
  if (!z.finite()) return quiet_nan<C>();
  const difference<C> d(target_logit, z.top());
  return C(opaque<C>(z.log_excess() - d.value) - d.error);
}

/// The loss of each sample, and scale · (p - [target]).
template <class S>
void cross_entropy_with_grad(const slice_shape& shape, const slices<const S>& x, const Index* targets,
                             const compute_t<S>& scale, compute_t<S>* losses, const slices<S>& grad) {
  using C = compute_t<S>;
  for (Index i = 0; i < shape.inner; ++i) {
    const S* from = x.slice(0, i);
    S* to = grad.slice(0, i);
    const log_partition<C> z = partition_of<false>(shape, x, from);
    const C target_logit = element<false>(from, targets[i] * x.length_stride);
    losses[i] = cross_entropy(z, target_logit);
    if (!z.finite()) {
      fill_nan(shape, grad, to);
      continue;
    }
    const C others = z.others();
    const C total = C(C(1) + others);
    for (Index l = 0; l < shape.length; ++l) {
      const C logit = element<false>(from, l * x.length_stride);
      C slope = C(exp_of(difference<C>(logit, z.top())) / total);
      if (l == targets[i]) {
        // p - 1, from the sum of the others where p may be near 1; elsewhere p ≤ 1/2 and nothing cancels.
        slope = logit == z.top() ? C(-others / total) : C(slope - C(1));
      }
      to[l * grad.length_stride] = static_cast<S>(C(slope * scale));
    }
  }
}

}  // namespace generic
}  // namespace detail
LOGZ_NAMESPACE_END
