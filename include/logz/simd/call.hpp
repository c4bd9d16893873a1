// SPDX-License-Identifier: MIT
//
// What crosses from the engine to a kernel: pointers, counts and strides.
#pragma once

#include <cstddef>

#include "../detail/loss_terms.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace simd {

using std::ptrdiff_t;

/// `count` slices of `length` numbers: number l of slice i of x is x[l * x_length + i * x_slice].
template <class S>
struct forward_call {
  ptrdiff_t length;
  ptrdiff_t count;
  ptrdiff_t all;  // slices of the whole, of which these are a block
  const S* x;
  ptrdiff_t x_length;
  ptrdiff_t x_slice;
  S* out;  // logsumexp: one number a slice, out_length is not used
  ptrdiff_t out_length;
  ptrdiff_t out_slice;
  const S* reference;  // logsumexp_backward, entropy_backward: what the forward function gave each slice
  ptrdiff_t reference_slice;
  const S* factor;  // and the gradient from above
  ptrdiff_t factor_slice;
  const S* second;  // hvp: v
  ptrdiff_t second_length;
  ptrdiff_t second_slice;
  const double* curvature;    // and c of each slice
  double z_slope;             // and d
  const loss_terms<S>* loss;  // the losses
  bool negate;                // the functions of -x
  bool in_memory;             // x and a result of its size do not fit in the cache
  S* scratch;                 // scratch_size numbers, aligned to 64 bytes
  ptrdiff_t scratch_size;
};

/// Functions of two operands: a sum over each slice, and out = f(g, y, sum). Strides as above.
template <class S>
struct paired_call {
  ptrdiff_t length;
  ptrdiff_t count;
  const S* g;
  ptrdiff_t g_length;
  ptrdiff_t g_slice;
  const S* y;
  ptrdiff_t y_length;
  ptrdiff_t y_slice;
  S* out;
  ptrdiff_t out_length;
  ptrdiff_t out_slice;
  double* sum;  // of the functions that give them, with what they have lost; out may be null then
  double* rest;
  S factor;  // of the gradients of divergences
  bool in_memory;
  S* scratch;
  ptrdiff_t scratch_size;
};

/// `count` numbers side by side, one by one: out = f(x), or f(g, x).
template <class S>
struct element_call {
  const S* x;
  const S* g;
  S* out;
  ptrdiff_t count;
};

/// Binary losses of logits x and targets y, with a weight and a pos_weight for each number or one for all.
template <class S>
struct binary_call {
  const S* x;
  const S* y;
  S* out;
  ptrdiff_t count;
  const S* weights;  // null: weight for all
  const S* pos_weights;
  S weight;
  S pos_weight;
  double divisor;  // of the gradient
  double* sum;     // of the losses, and what it has lost
};

/// What a short slice has beside its numbers.
template <class S>
struct slice_extras {
  S reference;  // logsumexp_backward: log Z and the gradient
  S factor;
  ptrdiff_t target;  // the losses
  double loss;       // their result
};

enum class element_op { softplus, log_sigmoid, softplus_backward, log_sigmoid_backward };
constexpr bool has_gradient(element_op op) {
  return op == element_op::softplus_backward || op == element_op::log_sigmoid_backward;
}
enum class binary_op { loss, sum, gradient };  // each loss, their sum, their sum and each gradient
enum class paired_op {
  softmax_backward,      // p (g - Σ g p)
  log_softmax_backward,  // g - exp(lp) Σ g
  log_softmax_jvp,       // v - Σ exp(lp) v
  logsumexp_jvp,         // Σ v p
  divergence,            // Σ p (log p - lq), and p · factor in out
  log_divergence         // Σ exp(t) (t - lq), and exp(t) · factor in out
};
constexpr bool gives_sums(paired_op op) {
  return op == paired_op::logsumexp_jvp || op == paired_op::divergence || op == paired_op::log_divergence;
}
enum class forward_op {
  softmax,
  log_softmax,
  logsumexp,
  logsumexp_backward,
  entropy,
  entropy_backward,
  hvp,                    // p (c (v - Σ p v) + d Σ p v)
  cross_entropy,          // the losses alone, out is not used
  cross_entropy_gradient  // the losses, and their gradient in out
};
template <forward_op Op>
inline constexpr bool is_loss = Op == forward_op::cross_entropy || Op == forward_op::cross_entropy_gradient;
template <forward_op Op>
inline constexpr bool is_entropy = Op == forward_op::entropy || Op == forward_op::entropy_backward;
/// Of two sums, the second one weighted.
template <forward_op Op>
inline constexpr bool is_weighted = is_entropy<Op> || Op == forward_op::hvp;
/// One number a slice, or none.
template <forward_op Op>
inline constexpr bool is_reduction =
    Op == forward_op::logsumexp || Op == forward_op::cross_entropy || Op == forward_op::entropy;

}  // namespace simd
}  // namespace detail
LOGZ_NAMESPACE_END
