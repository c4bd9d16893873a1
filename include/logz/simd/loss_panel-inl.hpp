// SPDX-License-Identifier: MIT
//
// Losses of a panel's slices, and their gradients.

namespace LOGZ_TARGET {

/// Slices up to this length have the gradient at their target set where the row is written, by a comparison for each number;
/// in longer ones a store of its own costs less, 7 cycles (measured).
inline constexpr ptrdiff_t target_rows = 32;

/// Targets of as many slices side by side, without weights: true where one is ignored.
template <class S>
LOGZ_INLINE bool read_plain_targets(const ptrdiff_t* target, const S* x, ptrdiff_t x_length,
                                    ptrdiff_t x_slice, ptrdiff_t count, S* logit,
                                    typename lanes<S>::bit* row) {
  ptrdiff_t least = 0;
  for (ptrdiff_t i = 0; i < count; ++i) {
    const ptrdiff_t y = target[i];
    logit[i] = y < 0 ? S(0) : x[i * x_slice + y * x_length];
    row[i] = static_cast<typename lanes<S>::bit>(y);
    least = at_most(y, least);
  }
  return least < 0;
}
template <class S, forward_op Op>
void read_targets(panel<S, Op>& p) {
  const forward_call<S>& call = p.call();
  const loss_terms<S>& terms = *call.loss;
  const ptrdiff_t* const target = terms.target;
  const S* const x = call.x;
  const ptrdiff_t x_length = call.x_length, x_slice = call.x_slice;
  if (target != nullptr && terms.weight == nullptr && terms.upstream == nullptr && terms.hit != 0) {
    const auto read = [&](ptrdiff_t lane, ptrdiff_t slice, ptrdiff_t count) {
      return read_plain_targets(target + slice, x + slice * x_slice, x_length, x_slice, count,
                                p.lg.logit + lane, p.lg.row + lane);
    };
    p.ignores = false;
    for (ptrdiff_t i = 0; i < p.lanes && p.shape.slices >= width<S>; i += width<S>)
      p.ignores |= read(i, p.first + slice_at<S>(i, p.shape), width<S>);
    for (ptrdiff_t i = 0; i < p.lanes && p.shape.slices < width<S>; ++i)
      p.ignores |= read(i, slice_of_lane(p, i), 1);
    for (ptrdiff_t i = 0; i < p.lanes; i += width<double>) store(p.lg.own + i, all(terms.hit));
    for (ptrdiff_t i = 0; i < p.lanes && p.ignores; ++i) {
      if (p.lg.row[i] == no_position<S>) p.lg.own[i] = 0;
    }
  } else {
    p.ignores = false;
    for (ptrdiff_t i = 0; i < p.lanes; ++i) {
      const ptrdiff_t sample = slice_of_lane(p, i);
      read_target(p.lg, i, terms, sample, x + sample * x_slice, x_length);
      p.lg.row[i] = p.lg.own[i] == 0 ? no_position<S> : static_cast<typename lanes<S>::bit>(target[sample]);
      p.ignores |= terms.ignored(sample);
    }
  }
}

/// The first row of each lane that has its maximum joins what was found before.
template <class S>
void find_in_columns(typename lanes<S>::bit* argmax, const S* x, ptrdiff_t start, ptrdiff_t n,
                     ptrdiff_t lanes_, vec<S> top) {
  const bits<S> none = bits<S>{} + no_position<S>;
  bits<S> found = none;
  for (ptrdiff_t l = n - 1; l >= 0; --l) {
    const bits<S> here = bits<S>{} + static_cast<typename lanes<S>::bit>(start + l);
    found = load(x + l * lanes_) == top ? here : found;
  }
  const bits<S> before = load_bits<S>(argmax);
  store(reinterpret_cast<S*>(argmax), vec<S>(before == none ? found : before));
}

template <class S, forward_op Op>
LOGZ_INLINE probability_rows<S> probabilities_at(const panel<S, Op>& p, ptrdiff_t start) {
  const loss_terms<S>& terms = *p.call().loss;
  const S* const t = probabilities_of(terms);
  if (t == nullptr) return {t, 0, true};
  if (p.t != nullptr) return {p.t, p.lanes, true};
  return {t + p.first + start * terms.probability_length, terms.probability_length, false};
}

/// Nothing has been inspected, or what has been counts no more: the sums begin again where a reference was not one.
template <class S, forward_op Op>
void start_inspection(panel<S, Op>& p) {
  const loss_terms<S>& terms = *p.call().loss;
  if (terms.has_shares()) start_shares(p.lg, p.lanes);
  for (ptrdiff_t i = 0; i < p.lanes && terms.argmax != nullptr; ++i) p.lg.argmax[i] = no_position<S>;
}
/// What only the numbers of a block tell, once the maxima are known; they are in z.top.
template <class S, forward_op Op>
void inspect_columns(panel<S, Op>& p, const window& at) {
  const forward_call<S>& call = p.call();
  const loss_terms<S>& terms = *call.loss;
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    const vec<S> top = p.z[i / width<S>].top;
    if (terms.has_shares()) {
      const probability_rows<S> probabilities = probabilities_at(p, at.start);
      add_column_shares(p.lg, i, terms, column_of(p, i), p.from_row,
                        probabilities.column({i, slice_at<S>(i, p.shape)}), probabilities.row, at.start,
                        at.length, top);
    }
    if (terms.argmax == nullptr) continue;
    find_in_columns<S>(p.lg.argmax + i, column_of(p, i), at.start, at.length, p.from_row, top);
    for (ptrdiff_t k = 0; k < width<S> && at.start == 0; ++k) {
      const S* const slice = call.x + slice_of_lane(p, i + k) * call.x_slice;
      p.lg.has_nan[i + k] = !is_finite(S(top[k])) && has_nan(slice, call.length, call.x_length);
    }
  }
}
/// The same by a pass of its own: for losses alone, whose sums leave x as it was, and where the maxima came late.
template <class S, forward_op Op>
void inspect_blocks(panel<S, Op>& p, bool prepared) {
  if (!p.call().loss->has_shares() && p.call().loss->argmax == nullptr) return;
  start_inspection(p);
  for (ptrdiff_t start = 0; start < p.call().length; start += p.block) {
    const window at = block_at(p, start);
    if (p.block < p.call().length) {
      fetch(p, at, prepared);
    }
    inspect_columns(p, at);
  }
}

/// The gradient at the targets is set with the rows.
template <class S, forward_op Op>
LOGZ_INLINE bool sets_targets(const panel<S, Op>& p) {
  return p.call().loss->target != nullptr && p.call().length <= target_rows;
}
/// What leaves the gradient beside the exps, and the gradient at the targets where the rows set it.
template <class S, forward_op Op>
void set_slopes(panel<S, Op>& p) {
  const loss_terms<S>& terms = *p.call().loss;
  set_slopes(p.lg, terms, p.lanes);
  for (ptrdiff_t i = 0; i < p.lanes; i += width<double>)
    store_double(p.lg.at_target + i, load(p.lg.slope + i));
  if (!sets_targets(p) || terms.spread == 0) return;
  for (ptrdiff_t i = 0; i < p.lanes; ++i) {
    if (p.lg.row[i] != no_position<S>)
      p.lg.at_target[i] = S(slope_at(p.lg, i, terms, static_cast<ptrdiff_t>(p.lg.row[i])));
  }
}

/// What makes a block's rows, from `start` on, the result.
template <class S, forward_op Op>
auto lanes_map(const panel<S, Op>& p, [[maybe_unused]] ptrdiff_t start) {
  if constexpr (Op == forward_op::cross_entropy_gradient) {
    const loss_terms<S>& terms = *p.call().loss;
    const bool weighted = terms.has_shares() && terms.weight != nullptr;
    return gradient_lanes<S>{p.g, p.lg, probabilities_at(p, start), weighted ? terms.weight + start : nullptr,
                             sets_targets(p)};
  } else if constexpr (Op == forward_op::entropy_backward) {
    return weighted_map_lanes<S, entropy_slope<S>>{p.g, p.wg, nullptr, 0, S(0), {}};
  } else if constexpr (Op == forward_op::hvp) {
    return weighted_map_lanes<S, hvp_slope<S>>{p.g, p.wg, p.t, p.lanes, hvp_lift<S>, {p.call().z_slope}};
  } else {
    return map_lanes<S, Op>{p.g};
  }
}

}  // namespace LOGZ_TARGET
