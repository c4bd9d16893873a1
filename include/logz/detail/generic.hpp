// SPDX-License-Identifier: MIT
//
// The generic path: every function on slices in plain templated code. It serves every scalar and architecture
// without kernels, and is the reference that kernels are tested against. Inputs and output may be the same
// memory in the same layout.
#pragma once

#include "log_partition.hpp"
#include "slices.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace generic {

/// Calls f(n, position of slice n in each operand ...) for every slice n = o · inner + i. Empty slices may have no
/// memory at all: they are not visited.
template <class F, class... T>
void for_each_slice(const slice_shape& shape, const F& f, const slices<T>&... operands) {
  if (shape.length == 0) return;
  for (Index o = 0; o < shape.outer; ++o) {
    for (Index i = 0; i < shape.inner; ++i) f(o * shape.inner + i, operands.slice(o, i)...);
  }
}

template <bool Negate, class S>
compute_t<S> element(const S* slice, Index position) {
  const auto x = static_cast<compute_t<S>>(slice[position]);
  return Negate ? compute_t<S>(-x) : x;
}

template <bool Negate, class S>
void take(log_partition<compute_t<S>>& z, const slice_shape& shape, const slices<const S>& x,
          const S* slice) {
  z.take(shape.length, [&](Index l) { return element<Negate>(slice, l * x.length_stride); });
}

template <bool Negate, class S>
log_partition<compute_t<S>> partition_of(const slice_shape& shape, const slices<const S>& x, const S* slice) {
  log_partition<compute_t<S>> z;
  take<Negate>(z, shape, x, slice);
  return z;
}

template <class S>
void fill(const slice_shape& shape, const slices<S>& out, S* slice, const compute_t<S>& value) {
  for (Index l = 0; l < shape.length; ++l) slice[l * out.length_stride] = static_cast<S>(value);
}
template <class S>
void fill_nan(const slice_shape& shape, const slices<S>& out, S* slice) {
  fill(shape, out, slice, quiet_nan<compute_t<S>>());
}

/// exp(x - top) / total, corrected by what the difference and the total lost.
template <class C>
C probability(const difference<C>& d, const with_rest<C>& total) {
  // Opaque in the loop: -ffast-math would divide once and multiply.
  const C q = opaque<C>(exp_of(d.value) / opaque<C>(total.value));
  return C(q + q * C(d.error - total.rest));
}
/// The same times a factor, which may bring up what is too small by itself.
template <class C>
C probability(const difference<C>& d, const with_rest<C>& total, const C& factor) {
  const C q = opaque<C>(times_exp(factor, d.value) / opaque<C>(total.value));
  return C(q + q * C(d.error - total.rest));
}

/// (x - top) - (log Z - top): both terms are ≤ 0, nothing cancels, and the lost digits of each come back.
template <class C>
with_rest<C> log_probability_parts(const C& x, const C& top, const with_rest<C>& excess) {
  const difference<C> d(x, top);
  if (is_minus_infinity(d.value)) return {d.value, C(0)};
  const C minus_excess = -excess.value;
  const C lp = opaque<C>(d.value + minus_excess);
  return {lp, C(C(sum_error(d.value, minus_excess, lp) + d.error) - excess.rest)};
}
template <class C>
C log_probability(const C& x, const C& top, const with_rest<C>& excess) {
  const with_rest<C> lp = log_probability_parts(x, top, excess);
  return C(lp.value + lp.rest);
}

/// exp(x - log Z); of -x with Negate.
template <bool Negate, class S>
void softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  using C = compute_t<S>;
  const auto one = [&](Index, const S* from, S* to) {
    const log_partition<C> z = partition_of<Negate>(shape, x, from);
    if (!z.finite()) return fill_nan(shape, out, to);
    const with_rest<C> total = z.total();
    for (Index l = 0; l < shape.length; ++l) {
      const difference<C> d(element<Negate>(from, l * x.length_stride), z.top());
      to[l * out.length_stride] = static_cast<S>(probability(d, total));
    }
  };
  for_each_slice(shape, one, x, out);
}

/// x - log Z.
template <class S>
void log_softmax(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  using C = compute_t<S>;
  const auto one = [&](Index, const S* from, S* to) {
    const log_partition<C> z = partition_of<false>(shape, x, from);
    if (!z.finite()) return fill_nan(shape, out, to);
    const with_rest<C> excess = z.log_excess();
    for (Index l = 0; l < shape.length; ++l) {
      const C value = element<false>(from, l * x.length_stride);
      to[l * out.length_stride] = static_cast<S>(log_probability(value, z.top(), excess));
    }
  };
  for_each_slice(shape, one, x, out);
}

/// log Z of each slice.
template <class S>
void logsumexp(const slice_shape& shape, const slices<const S>& x, const slices<S>& out) {
  using C = compute_t<S>;
  if (shape.length == 0) {
    for (Index o = 0; o < shape.outer; ++o) {
      for (Index i = 0; i < shape.inner; ++i) *out.slice(o, i) = static_cast<S>(log_partition<C>().log_z());
    }
  }
  const auto one = [&](Index, const S* from, S* to) {
    *to = static_cast<S>(partition_of<false>(shape, x, from).log_z());
  };
  for_each_slice(shape, one, x, out);
}

/// p ∘ (g - Σ g p).
template <class S>
void softmax_backward(const slice_shape& shape, const slices<const S>& grad_output, const slices<const S>& p,
                      const slices<S>& out) {
  using C = compute_t<S>;
  const auto one = [&](Index, const S* g, const S* q, S* to) {
    compensated_sum<C> dot;
    for (Index l = 0; l < shape.length; ++l) {
      add_product<S>(dot, element<false>(g, l * grad_output.length_stride),
                     element<false>(q, l * p.length_stride));
    }
    const C mean = dot.value();
    for (Index l = 0; l < shape.length; ++l) {
      const C a = element<false>(g, l * grad_output.length_stride);
      const C b = element<false>(q, l * p.length_stride);
      to[l * out.length_stride] = static_cast<S>(C(b * C(a - mean)));
    }
  };
  for_each_slice(shape, one, grad_output, p, out);
}

/// g - exp(lp) · Σ g.
template <class S>
void log_softmax_backward(const slice_shape& shape, const slices<const S>& grad_output,
                          const slices<const S>& log_p, const slices<S>& out) {
  using C = compute_t<S>;
  const auto one = [&](Index, const S* g, const S* lp, S* to) {
    compensated_sum<C> sum;
    for (Index l = 0; l < shape.length; ++l) sum.add(element<false>(g, l * grad_output.length_stride));
    const C total = sum.value();
    for (Index l = 0; l < shape.length; ++l) {
      const C a = element<false>(g, l * grad_output.length_stride);
      // Opaque: -ffast-math would take a vectorised exp of another accuracy.
      const C p = exp_of(opaque<C>(element<false>(lp, l * log_p.length_stride)));
      to[l * out.length_stride] = static_cast<S>(C(a - C(p * total)));
    }
  };
  for_each_slice(shape, one, grad_output, log_p, out);
}

/// g · p, with p = exp(x - lz) / Σ exp(x - lz): lz stands in for the maximum, and its rounding cancels.
template <class S>
void logsumexp_backward(const slice_shape& shape, const slices<const S>& x, const slices<const S>& grad_lz,
                        const slices<const S>& lz, const slices<S>& out) {
  using C = compute_t<S>;
  const auto one = [&](Index, const S* from, const S* g, const S* reference_of, S* to) {
    const C reference = element<false>(reference_of, 0);
    const C factor = element<false>(g, 0);
    if (is_nan(reference) || is_plus_infinity(reference)) return fill_nan(shape, out, to);
    if (is_minus_infinity(reference)) return fill(shape, out, to, C(0));
    compensated_sum<C> sum;
    for (Index l = 0; l < shape.length; ++l) {
      const difference<C> d(element<false>(from, l * x.length_stride), reference);
      const C e = exp_of(d.value);
      sum.add(e, C(e * d.error));
    }
    const C total = sum.high();
    const C rest = C(sum.low() / total);
    for (Index l = 0; l < shape.length; ++l) {
      const difference<C> d(element<false>(from, l * x.length_stride), reference);
      to[l * out.length_stride] = static_cast<S>(probability(d, {total, rest}, factor));
    }
  };
  for_each_slice(shape, one, x, grad_lz, lz, out);
}

/// log Z of a slice that comes in pieces.
template <class S>
class partial {
 public:
  bool empty() const { return empty_; }
  void take(Index length, const S* piece, Index stride) {
    empty_ = false;
    generic::take<false>(z_, slice_shape{1, length, 1}, slices<const S>{piece, 0, stride, 0}, piece);
  }
  S logsumexp() const { return static_cast<S>(z_.log_z()); }

 private:
  log_partition<compute_t<S>> z_;
  bool empty_ = true;
};

}  // namespace generic
}  // namespace detail
LOGZ_NAMESPACE_END
