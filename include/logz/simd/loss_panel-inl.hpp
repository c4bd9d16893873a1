// SPDX-License-Identifier: MIT
//
// Losses of a panel's slices, and their gradients.

namespace LOGZ_TARGET {

template <class S, forward_op Op>
void read_targets(panel<S, Op>& p) {
  const forward_call<S>& call = p.call();
  const loss_terms<S>& terms = *call.loss;
  const bool plain = terms.target != nullptr && terms.weight == nullptr && terms.upstream == nullptr;
  const ptrdiff_t* const target = terms.target;
  const S* const x = call.x;
  const ptrdiff_t x_length = call.x_length, x_slice = call.x_slice;
  const double hit = terms.hit;
  for (ptrdiff_t i = 0; i < p.lanes; ++i) {
    const ptrdiff_t sample = slice_of_lane(p, i);
    if (!plain) {
      read_target(p.lg, i, terms, sample, x + sample * x_slice, x_length);
      continue;
    }
    const ptrdiff_t y = target[sample];
    p.lg.logit[i] = y < 0 ? S(0) : x[sample * x_slice + y * x_length];
    p.lg.own[i] = y < 0 ? 0.0 : hit;
  }
  if (terms.has_shares()) start_shares(p.lg, terms, p.lanes);
  for (ptrdiff_t i = 0; i < p.lanes && terms.argmax != nullptr; ++i) p.lg.argmax[i] = no_position<S>;
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
  if (t == nullptr) return {t, 0, 0};
  if (p.t != nullptr) return {p.t, p.lanes, p.lanes + width<S>};  // every lane has a place of its own
  return {t + p.first + start * terms.probability_length, terms.probability_length, p.slices};
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
      add_column_shares(p.lg, i, terms, column_of(p, i), p.from_row, probabilities.column(i),
                        probabilities.row, at.start, at.length, top);
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
  for (ptrdiff_t start = 0; start < p.call().length; start += p.block) {
    const window at = block_at(p, start);
    if (p.block < p.call().length) {
      fetch(p, at, prepared);
    }
    inspect_columns(p, at);
  }
}

/// What leaves the gradient beside the exps.
template <class S, forward_op Op>
void set_slopes(panel<S, Op>& p) {
  const loss_terms<S>& terms = *p.call().loss;
  const double common = terms.has_shares() ? terms.scaled_spread : 0.0;
  for (ptrdiff_t i = 0; i < p.lanes; ++i) {
    const double above = terms.upstream == nullptr ? 1.0 : p.lg.above[i];
    p.lg.probable[i] = S(terms.scaled_hit * above);
    p.lg.common[i] = S(common * above);
  }
}

/// What makes a block's rows, from `start` on, the result.
template <class S, forward_op Op>
auto lanes_map(const panel<S, Op>& p, [[maybe_unused]] ptrdiff_t start) {
  if constexpr (Op == forward_op::cross_entropy_gradient) {
    const loss_terms<S>& terms = *p.call().loss;
    const bool weighted = terms.has_shares() && terms.weight != nullptr;
    return gradient_lanes<S>{p.g, p.lg, probabilities_at(p, start),
                             weighted ? terms.weight + start : nullptr};
  } else if constexpr (Op == forward_op::entropy_backward) {
    return weighted_map_lanes<S, entropy_slope<S>>{p.g, p.wg, nullptr, 0, S(0), {}};
  } else if constexpr (Op == forward_op::hvp) {
    return weighted_map_lanes<S, hvp_slope<S>>{p.g, p.wg, p.t, p.lanes, hvp_lift<S>, {p.call().z_slope}};
  } else {
    return map_lanes<S, Op>{p.g};
  }
}

}  // namespace LOGZ_TARGET
