// SPDX-License-Identifier: MIT
//
// From the rows of a panel to the result, and what is written slice by slice.

namespace LOGZ_TARGET {

template <class S>
LOGZ_INLINE coefficients<S> coefficients_at(const group<S, panel_lanes<S>>& g, ptrdiff_t i) {
  return {load(g.high + i), load(g.low + i), load(g.factor + i)};
}

template <class S, forward_op Op>
struct map_lanes {
  const group<S, panel_lanes<S>>& g;
  LOGZ_INLINE vec<S> operator()(vec<S> v, ptrdiff_t lane) const {
    return map<S, Op>(v, coefficients_at(g, lane));
  }
};

/// Rows of vectors through f(v, lane) to slices side by side. In a panel the last vector has a place of its own; in the
/// result, where the rows may be too, it overlaps the one before.
template <class S, bool Stream, class Function>
void write_neighbours(const S* from, ptrdiff_t row, bool in_result, ptrdiff_t lanes, const window& at, S* to,
                      ptrdiff_t to_row, const Function& f) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t whole = at.slices / w * w, last = slice_at<S>(lanes - w, at.slices);
  for (ptrdiff_t l = 0; l < at.length; ++l, from += row, to += to_row) {
    vec<S> tail = {};
    if (whole < lanes) tail = f(load(from + (in_result ? last : whole)), whole);
    for (ptrdiff_t i = 0; i < whole; i += w) put<S, Stream>(to + i, f(load(from + i), i));
    if (whole < lanes) store_up_to(to + last, at.slices - last, tail);
  }
}

/// Exps stay in the result where it is in the cache and its slices lie side by side.
template <class S, forward_op Op>
bool keeps_in_result(const forward_call<S>& call, ptrdiff_t slices) {
  if (!keeps_exps(summed<Op>) || call.in_memory || call.out_slice != 1 || slices < width<S>) return false;
  if constexpr (is_loss<Op>) return !call.loss->has_shares();
  return true;
}

/// Streaming stores need whole vectors on their boundaries.
template <class S>
LOGZ_INLINE bool can_stream(const S* out, ptrdiff_t length_stride, ptrdiff_t slice_stride) {
  const std::uintptr_t row = static_cast<std::uintptr_t>(length_stride) * sizeof(S);
  return slice_stride == 1 && (reinterpret_cast<std::uintptr_t>(out) | row) % sizeof(vec<S>) == 0;
}

/// The gradient of logsumexp is 0 where Z is 0.
template <class S>
void clear_empty(const forward_call<S>& call, ptrdiff_t first, ptrdiff_t slices, const S* reference) {
  for (ptrdiff_t i = 0; i < slices; ++i) {
    if (reference[lane_of<S>(i, slices)] != -std::numeric_limits<S>::infinity()) continue;
    S* const out = call.out + (first + i) * call.out_slice;
    for (ptrdiff_t l = 0; l < call.length; ++l) out[l * call.out_length] = 0;
  }
}

/// The gradients of a loss at the targets, and those that are 0.
template <class S, int Count>
void finish_gradients(const forward_call<S>& call, const loss_group<S, Count>& lg, ptrdiff_t first,
                      ptrdiff_t slices) {
  const loss_terms<S>& terms = *call.loss;
  const bool flat = is_flat(terms);
  if (terms.target == nullptr && !flat) return;
  for (ptrdiff_t i = 0; i < slices; ++i) {
    S* const out = call.out + (first + i) * call.out_slice;
    const ptrdiff_t y = flat ? -1 : terms.target[first + i], lane = lane_of<S>(i, slices);
    if (y < 0) {
      for (ptrdiff_t l = 0; l < call.length; ++l) out[l * call.out_length] = 0;
    } else if (lg.own[lane] != 0) {
      out[y * call.out_length] = S(slope_at(lg, lane, terms, y));
    }
  }
}

}  // namespace LOGZ_TARGET
