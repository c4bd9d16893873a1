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
  LOGZ_INLINE vec<S> operator()(vec<S> v, const place& at, ptrdiff_t) const {
    return map<S, Op>(v, coefficients_at(g, at.lane));
  }
};
/// Functions of weighted sums; v: rows of `lanes` numbers of the other operand, or null.
template <class S, class Function>
struct weighted_map_lanes {
  const group<S, panel_lanes<S>>& g;
  const weighted_group<S, panel_lanes<S>>& wg;
  const S* v;
  ptrdiff_t row;
  S lift;
  Function f;
  LOGZ_INLINE vec<S> operator()(vec<S> x, const place& at, ptrdiff_t l) const {
    const ptrdiff_t lane = at.lane;
    const ptrdiff_t half = sizeof(S) == 4 ? lane + width<double> : lane;
    return weighted_map_of<S>(load(g.exponent + lane) + lift, weighted_at(wg, lane), weighted_at(wg, half),
                              f)(x, v == nullptr ? x : load(v + l * row + lane));
  }
};
/// The probabilities of a block of a panel: rows `row` numbers apart, packed or where they are; null: none.
template <class S>
struct probability_rows {
  const S* t;
  ptrdiff_t row;
  bool packed;

  LOGZ_INLINE const S* column(const place& at) const {
    return t == nullptr ? t : t + (packed ? at.lane : at.slice);
  }
};

/// The gradient of losses: e · c less the share f s u = weight · (probable · t + common).
template <class S>
struct gradient_lanes {
  const group<S, panel_lanes<S>>& g;
  const loss_group<S, panel_lanes<S>>& lg;
  probability_rows<S> probabilities;
  const S* weight;  // of the rows; null: 1
  bool targets;     // are set, too

  LOGZ_INLINE vec<S> operator()(vec<S> v, const place& at, ptrdiff_t l) const {
    const ptrdiff_t lane = at.lane;
    const coefficients<S> with = {load(g.high + lane), load(g.low + lane), load(lg.common + lane)};
    vec<S> u = with.factor;
    const S* const t = probabilities.column(at);
    if (t != nullptr) u = fma(load(t + l * probabilities.row), load(lg.probable + lane), u);
    if (weight != nullptr) u = weight[l] == 0 ? vec<S>{} : u * weight[l];
    const vec<S> slope = slope_of(v, with, u);
    if (!targets) return slope;
    const bits<S> row = bits<S>{} + static_cast<typename lanes<S>::bit>(l);
    return load_bits<S>(lg.row + lane) == row ? load(lg.at_target + lane) : slope;
  }
};

/// The last n numbers of v before `end`, and nothing else: a store into a line that has just been streamed waits for it.
template <class S>
LOGZ_INLINE void store_last(S* end, ptrdiff_t n, vec<S> v) {
  alignas(64) S numbers[2 * width<S>];
  store(numbers, v);
  store_first(end - n, n, load(numbers + width<S> - n));
}

/// Rows of vectors through f(v, place, row) to slices side by side. In a panel every vector has a place of its own; in the
/// result, where the rows may be too, they overlap: the last is taken before the others are written, and the first writes
/// what is its own.
template <class S, bool Stream, class Function>
void write_neighbours(const S* from, ptrdiff_t row, bool in_result, ptrdiff_t lanes, const window& at, S* to,
                      ptrdiff_t to_row, const Function& f) {
  constexpr ptrdiff_t w = width<S>;
  const panel_shape& shape = at.shape;
  const ptrdiff_t shift = shape.lead - w, last = lanes - w, last_slice = slice_at<S>(last, shape);
  const bool overlaps = shape.slices - last_slice != w || last_slice != last + shift;
  if (!overlaps && shift == 0) {
    for (ptrdiff_t l = 0; l < at.length; ++l, from += row, to += to_row) {
      for (ptrdiff_t i = 0; i < lanes; i += w) put<S, Stream>(to + i, f(load(from + i), {i, i}, l));
    }
    return;
  }
  for (ptrdiff_t l = 0; l < at.length; ++l, from += row, to += to_row) {
    const S* const rest = in_result ? from + shift : from;
    if (Stream && shift != 0) prefetch_line(to + 8 * to_row);
    if (Stream && overlaps) prefetch_line(to + 8 * to_row + shape.slices - 1);
    vec<S> tail = {};
    if (overlaps) tail = f(load(in_result ? from + last_slice : from + last), {last, last_slice}, l);
    ptrdiff_t i = 0;
    if (shift != 0) {
      store_first(to, shape.lead, f(load(from), {0, 0}, l));
      i = w;
    }
    for (; i < last; i += w) put<S, Stream>(to + shift + i, f(load(rest + i), {i, shift + i}, l));
    if (!overlaps) {
      put<S, Stream>(to + shift + i, f(load(rest + i), {i, shift + i}, l));
    } else if (Stream) {
      store_last(to + shape.slices, shape.slices - last - shift, tail);
    } else {
      store_up_to(to + last_slice, shape.slices - last_slice, tail);
    }
  }
}

/// Exps stay in the result where it is in the cache and its slices lie side by side.
template <class S, forward_op Op>
bool keeps_in_result(const forward_call<S>& call, ptrdiff_t slices) {
  if (!keeps_exps(summed<Op>) || call.in_memory || call.out_slice != 1 || slices < width<S>) return false;
  if constexpr (is_loss<Op>)
    return probabilities_of(*call.loss) == nullptr || reads_probabilities(call, slices);
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
void clear_empty(const forward_call<S>& call, ptrdiff_t first, const panel_shape& shape, const S* reference) {
  for (ptrdiff_t i = 0; i < shape.slices; ++i) {
    if (reference[lane_of<S>(i, shape)] != -std::numeric_limits<S>::infinity()) continue;
    S* const out = call.out + (first + i) * call.out_slice;
    for (ptrdiff_t l = 0; l < call.length; ++l) out[l * call.out_length] = 0;
  }
}

/// The losses and outputs of a panel's slices, samples from `first` on. Most calls want the losses alone.
template <class S, int Count>
void store_losses(const group<S, Count>& g, const loss_group<S, Count>& lg, const loss_terms<S>& terms,
                  ptrdiff_t first, const panel_shape& shape, bool ignores) {
  double* const loss = terms.loss + first;
  for (ptrdiff_t i = 0; i < shape.lanes && shape.slices >= width<S>; i += width<S>) {
    double* const to = loss + slice_at<S>(i, shape);
    for (ptrdiff_t k = 0; k < width<S>; k += width<double>) store(to + k, load(lg.loss + i + k));
  }
  for (ptrdiff_t i = 0; i < shape.slices && shape.slices < width<S>; ++i) loss[i] = lg.loss[i];
  for (ptrdiff_t i = 0; i < shape.slices && ignores; ++i) {
    if (terms.ignored(first + i)) loss[i] = 0;
  }
  if (terms.log_z == nullptr) return;
  double* const log_z = terms.log_z + first;
  for (ptrdiff_t i = 0; i < shape.slices; ++i) log_z[i] = lg.log_z[lane_of<S>(i, shape)];
  for (ptrdiff_t i = 0; i < shape.slices && terms.argmax != nullptr; ++i)
    store_argmax(g, lg, lane_of<S>(i, shape), terms, first + i);
}

/// log Z of a panel's slices: of ordinary ones, side by side, a vector at a time.
template <class S, int Count>
void store_logs(const forward_call<S>& call, const group<S, Count>& g, ptrdiff_t first,
                const panel_shape& shape) {
  constexpr S infinity = std::numeric_limits<S>::infinity();
  for (ptrdiff_t i = 0; i < shape.lanes; i += width<S>) {
    const ptrdiff_t slice = first + slice_at<S>(i, shape),
                    count = at_most(first + shape.slices - slice, width<S>);
    S* const out = call.out + slice * call.out_slice;
    const bool ordinary =
        !any<S>(bits<S>(!(magnitude<S>(load(g.top + i)) < infinity)) | bits<S>(load(g.shift + i) != 0));
    if (ordinary && call.out_slice == 1) {
      store_up_to(out, count, load(g.high + i) + load(g.low + i));
      continue;
    }
    for (ptrdiff_t k = 0; k < count; ++k) {
      out[k * call.out_slice] = log_z(call.x + (slice + k) * call.x_slice, call.length, call.x_length,
                                      g.top[i + k], g.shift[i + k], g.high[i + k], g.low[i + k]);
    }
  }
}

template <class S, int Count>
void store_entropies(const forward_call<S>& call, const weighted_group<S, Count>& wg, ptrdiff_t first,
                     const panel_shape& shape) {
  for (ptrdiff_t i = 0; i < shape.slices; ++i)
    call.out[(first + i) * call.out_slice] = wg.entropy[lane_of<S>(i, shape)];
}

/// The gradients of a loss at the targets, and those that are 0.
template <class S, int Count>
void finish_gradients(const forward_call<S>& call, const loss_group<S, Count>& lg, ptrdiff_t first,
                      const panel_shape& shape) {
  const loss_terms<S>& terms = *call.loss;
  const bool flat = is_flat(terms), smooth = terms.spread != 0;
  if (terms.target == nullptr && !flat) return;
  const ptrdiff_t* const target = flat ? nullptr : terms.target + first;
  const ptrdiff_t length = call.length, out_length = call.out_length, out_slice = call.out_slice;
  S* const out = call.out + first * out_slice;
  std::uint16_t empty[Count];
  ptrdiff_t empty_slices = 0;
  for (ptrdiff_t i = 0; i < shape.slices; ++i) {
    const ptrdiff_t y = flat ? -1 : target[i], lane = lane_of<S>(i, shape);
    if (y < 0) {
      empty[empty_slices++] = static_cast<std::uint16_t>(i);
    } else if (lg.own[lane] != 0) {
      out[i * out_slice + y * out_length] = S(smooth ? slope_at(lg, lane, terms, y) : lg.slope[lane]);
    }
  }
  if (empty_slices == 0) return;
  for (ptrdiff_t l = 0; l < length; ++l) {
    for (ptrdiff_t k = 0; k < empty_slices; ++k) out[empty[k] * out_slice + l * out_length] = 0;
  }
}

}  // namespace LOGZ_TARGET
