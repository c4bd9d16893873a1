// SPDX-License-Identifier: MIT
//
// Slices side by side in the lanes of a panel: rows of vectors in scratch, row l holding number l of every slice. No
// reduction crosses lanes. Interleaved slices are copied into it, short contiguous ones transposed, any others gathered.

namespace LOGZ_TARGET {

/// The widest panel: 8 cache lines.
template <class S>
constexpr ptrdiff_t panel_lanes = 512 / static_cast<ptrdiff_t>(sizeof(S));

/// Rows that a panel has room for past its block: a tile's overhang.
template <class S>
constexpr ptrdiff_t overhang = width<S> > 4 ? width<S> : 4;

/// A part of the user's memory: `slices` of them from slice `first` on, of each `length` numbers from `start` on.
struct window {
  ptrdiff_t first, slices, start, length;
};

/// Copies a window into rows of a panel, lane = slice. Lanes without a slice get 0.
template <class S>
void pack(const S* x, ptrdiff_t length_stride, ptrdiff_t slice_stride, const window& at, S* to,
          ptrdiff_t lanes) {
  constexpr ptrdiff_t w = width<S>;
  const S* const from = x + at.first * slice_stride + at.start * length_stride;
  if (slice_stride == 1) {
    const ptrdiff_t whole = at.slices / w * w;
    for (ptrdiff_t l = 0; l < at.length; ++l) {
      const S* const row = from + l * length_stride;
      S* const out = to + l * lanes;
      for (ptrdiff_t i = 0; i < whole; i += w) store(out + i, load(row + i));
      if (whole < at.slices) store(out + whole, load_first(row + whole, at.slices - whole, vec<S>{}));
      for (ptrdiff_t i = (at.slices + w - 1) / w * w; i < lanes; i += w) store(out + i, vec<S>{});
    }
  } else if (length_stride == 1) {
    for (ptrdiff_t i = 0; i < lanes; i += w) {
      pack_transposed(from + i * slice_stride, slice_stride, at.slices - i, at.length, to + i, lanes);
    }
  } else {
    for (ptrdiff_t l = 0; l < at.length; ++l) {
      for (ptrdiff_t i = 0; i < at.slices; ++i)
        to[l * lanes + i] = from[l * length_stride + i * slice_stride];
      for (ptrdiff_t i = at.slices; i < lanes; ++i) to[l * lanes + i] = 0;
    }
  }
}

/// The way back.
template <class S>
void unpack_block(const S* from, ptrdiff_t lanes, const window& at, S* out, ptrdiff_t length_stride,
                  ptrdiff_t slice_stride) {
  constexpr ptrdiff_t w = width<S>;
  S* const to = out + at.first * slice_stride + at.start * length_stride;
  for (ptrdiff_t i = 0; i < at.slices; i += w) {
    const ptrdiff_t slices = at_most(at.slices - i, w);
    if (slice_stride == 1) {
      for (ptrdiff_t l = 0; l < at.length; ++l)
        store_up_to(to + l * length_stride + i, slices, load(from + l * lanes + i));
    } else if (length_stride == 1) {
      unpack_transposed(from + i, lanes, slices, at.length, to + i * slice_stride, slice_stride);
    } else {
      for (ptrdiff_t l = 0; l < at.length; ++l) {
        for (ptrdiff_t s = 0; s < slices; ++s) {
          to[l * length_stride + (i + s) * slice_stride] = from[l * lanes + i + s];
        }
      }
    }
  }
}

/// The rows that fill the last group of four: -∞ adds nothing.
template <class S>
void pad(S* x, ptrdiff_t n, ptrdiff_t lanes) {
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  for (ptrdiff_t i = n * lanes; i < (n + 3) / 4 * 4 * lanes; i += width<S>) store(x + i, least);
}

/// The largest of each lane and of top, NaN ignored.
template <class S>
LOGZ_INLINE vec<S> column_max(const S* x, ptrdiff_t n, ptrdiff_t lanes, vec<S> top) {
  vec<S> a = top, b = top;
  for (ptrdiff_t l = 0; l < n; l += 4) {
    a = larger<vec<S>>(load(x + l * lanes), a);
    b = larger<vec<S>>(load(x + (l + 1) * lanes), b);
    a = larger<vec<S>>(load(x + (l + 2) * lanes), a);
    b = larger<vec<S>>(load(x + (l + 3) * lanes), b);
  }
  return larger<vec<S>>(a, b);
}

/// Adds exp of a column of the panel to the sums of its slices. For softmax the exps take the place of the numbers.
template <class S, terms Which>
__attribute__((noinline)) void column_sum(partition<S>& z, S* x, ptrdiff_t n, ptrdiff_t lanes) {
  const vec<S> exponent = z.exponent;
  const vec<S> floor = z.top - range<S>::reach;
  lane_sum<S> sum = z.sum;
  vec<S> aside = z.aside;
  for (ptrdiff_t l = 0; l < n; l += 4) {
    S* const at = x + l * lanes;
    vec<S> a = load(at), b = load(at + lanes), c = load(at + 2 * lanes), d = load(at + 3 * lanes);
    take<S, Which>(sum, aside, exponent, floor, a, b, c, d);
    if constexpr (Which == terms::all) {
      store(at, a);
      store(at + lanes, b);
      store(at + 2 * lanes, c);
      store(at + 3 * lanes, d);
    }
  }
  z.sum = sum;
  z.aside = aside;
}

/// x = ±x - shift.
template <class S>
void column_prepare(S* x, ptrdiff_t n, ptrdiff_t lanes, bool negate, vec<S> shift) {
  const S sign = negate ? S(-1) : S(1);
  for (ptrdiff_t l = 0; l < n; ++l) store(x + l * lanes, opaque_vector(load(x + l * lanes) * sign) - shift);
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  for (ptrdiff_t l = n; l < (n + 3) / 4 * 4; ++l) store(x + l * lanes, least);
}

/// A panel's slices, what is known of them, and its scratch.
template <class S>
struct panel {
  const forward_call<S>* of;
  ptrdiff_t first;
  ptrdiff_t slices;
  ptrdiff_t lanes;
  ptrdiff_t block;  // rows that scratch holds
  S* x;
  partition<S> z[panel_lanes<S> / width<S>];
  group<S, panel_lanes<S>> g;

  const forward_call<S>& call() const { return *of; }
};

template <class S>
LOGZ_INLINE window block_at(const panel<S>& p, ptrdiff_t start) {
  return {p.first, p.slices, start, at_most(p.call().length - start, p.block)};
}

template <class S>
void pack_panel(panel<S>& p, const window& at) {
  pack(p.call().x, p.call().x_length, p.call().x_slice, at, p.x, p.lanes);
  pad(p.x, at.length, p.lanes);
}

template <class S, terms Which>
void sum_columns(panel<S>& p, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>)
    column_sum<S, Which>(p.z[i / width<S>], p.x + i, n, p.lanes);
}

/// Negated, and what is far from 0 moved there.
template <class S>
void prepare_columns(panel<S>& p, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    column_prepare<S>(p.x + i, n, p.lanes, p.call().negate, p.z[i / width<S>].shift);
  }
}

/// A panel that fits in scratch.
template <class S, forward_op Op>
void sum_whole(panel<S>& p) {
  const ptrdiff_t n = p.call().length;
  pack_panel(p, block_at(p, 0));
  if (p.call().negate) prepare_columns(p, n);
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    partition<S>& z = p.z[i / width<S>];
    const vec<S> top = Op == forward_op::logsumexp_backward ? load(p.g.reference + i)
                                                            : column_max<S>(p.x + i, n, p.lanes, z.top);
    set_top<S>(z, top);
    if (is_far<S>(top)) column_prepare<S>(p.x + i, n, p.lanes, false, z.shift);
  }
  sum_columns<S, summed<Op>>(p, n);
}

/// Block by block, with references that move up with the maxima. False where a number too far from 0 was met.
template <class S, terms Which>
bool sum_moving(panel<S>& p) {
  for (ptrdiff_t start = 0; start < p.call().length; start += p.block) {
    const window at = block_at(p, start);
    pack_panel(p, at);
    for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
      partition<S>& z = p.z[i / width<S>];
      const vec<S> top = column_max<S>(p.x + i, at.length, p.lanes, z.top);
      if (is_far<S>(top)) return false;
      const vec<S> before = z.exponent;
      set_top<S>(z, top);
      if (start != 0) scale_by_power<S>(z.sum, z.exponent - before);
    }
    sum_columns<S, Which>(p, at.length);
  }
  return true;
}

/// Block by block, the maxima found beforehand.
template <class S, forward_op Op>
void sum_fixed(panel<S>& p) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) begin(p.z[i / width<S>]);
  for (ptrdiff_t start = 0; start < p.call().length && Op != forward_op::logsumexp_backward;
       start += p.block) {
    const window at = block_at(p, start);
    pack_panel(p, at);
    prepare_columns(p, at.length);
    for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
      partition<S>& z = p.z[i / width<S>];
      z.top = column_max<S>(p.x + i, at.length, p.lanes, z.top);
    }
  }
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    partition<S>& z = p.z[i / width<S>];
    set_top<S>(z, Op == forward_op::logsumexp_backward ? load(p.g.reference + i) : z.top);
  }
  for (ptrdiff_t start = 0; start < p.call().length; start += p.block) {
    const window at = block_at(p, start);
    pack_panel(p, at);
    prepare_columns(p, at.length);
    sum_columns<S, summed<Op>>(p, at.length);
  }
}

template <class S>
LOGZ_INLINE coefficients<S> coefficients_at(const group<S, panel_lanes<S>>& g, ptrdiff_t i) {
  return {load(g.high + i), load(g.low + i), load(g.factor + i)};
}

/// Writes a block of the panel through the map to where it belongs.
template <class S, forward_op Op, bool Stream>
void unpack(panel<S>& p, const window& at) {
  constexpr ptrdiff_t w = width<S>;
  const forward_call<S>& call = p.call();
  S* const out = call.out + at.first * call.out_slice + at.start * call.out_length;
  if (call.out_slice == 1) {
    const ptrdiff_t whole = at.slices / w * w;
    for (ptrdiff_t l = 0; l < at.length; ++l) {
      const S* const row = p.x + l * p.lanes;
      S* const to = out + l * call.out_length;
      for (ptrdiff_t i = 0; i < whole; i += w) {
        put<S, Stream>(to + i, map<S, Op>(load(row + i), coefficients_at(p.g, i)));
      }
      if (whole < at.slices) {
        store_first(to + whole, at.slices - whole,
                    map<S, Op>(load(row + whole), coefficients_at(p.g, whole)));
      }
    }
    return;
  }
  for (ptrdiff_t i = 0; i < p.lanes; i += w) {
    const coefficients<S> with = coefficients_at(p.g, i);
    for (ptrdiff_t l = 0; l < at.length; ++l) {
      S* const v = p.x + l * p.lanes + i;
      store(v, map<S, Op>(load(v), with));
    }
  }
  unpack_block(p.x, p.lanes, at, call.out, call.out_length, call.out_slice);
}

/// A reference that is NaN spreads, whatever the slice holds.
template <class S>
void read_factors(panel<S>& p) {
  for (ptrdiff_t i = 0; i < p.lanes; ++i) {
    const ptrdiff_t slice = p.first + at_most(i, p.slices - 1);
    const S reference = p.call().reference[slice * p.call().reference_slice];
    p.g.reference[i] = reference;
    p.g.factor[i] = is_nan(double(reference)) ? reference : p.call().factor[slice * p.call().factor_slice];
  }
}
template <class S>
void apply_factors(panel<S>& p) {
  for (ptrdiff_t i = 0; i < p.lanes; i += width<S>) {
    coefficients<S> with = coefficients_at(p.g, i);
    set_factor<S>(with, with.factor);
    store(p.g.high + i, with.high);
    store(p.g.low + i, with.low);
    store(p.g.factor + i, with.factor);
  }
}
/// The gradient of logsumexp is 0 where Z is 0.
template <class S>
void clear_empty(panel<S>& p) {
  for (ptrdiff_t i = 0; i < p.slices; ++i) {
    if (p.g.reference[i] != -std::numeric_limits<S>::infinity()) continue;
    S* const out = p.call().out + (p.first + i) * p.call().out_slice;
    for (ptrdiff_t l = 0; l < p.call().length; ++l) out[l * p.call().out_length] = 0;
  }
}

template <class S, forward_op Op, bool Stream>
void one_panel(panel<S>& p) {
  constexpr ptrdiff_t w = width<S>;
  constexpr terms which = summed<Op>;
  const forward_call<S>& call = p.call();
  if constexpr (Op == forward_op::logsumexp_backward) read_factors(p);
  for (ptrdiff_t i = 0; i < p.lanes; i += w) begin(p.z[i / w]);
  const bool fits = p.block >= call.length;
  bool prepared = false;
  if (fits) {
    sum_whole<S, Op>(p);
  } else {
    prepared = Op == forward_op::logsumexp_backward || call.negate || !sum_moving<S, which>(p);
    if (prepared) sum_fixed<S, Op>(p);
  }
  for (ptrdiff_t i = 0; i < p.lanes; i += w) {
    const partition<S>& z = p.z[i / w];
    store(p.g.top + i, z.top);
    store(p.g.shift + i, z.shift);
    store(p.g.exponent + i, z.exponent);
    store_totals(z.sum, p.g.sum + i, p.g.rest + i);
  }
  if constexpr (which == terms::all) {
    finish_softmax(p.g, p.lanes);
  } else {
    finish_log(p.g, p.lanes);
  }
  if constexpr (Op == forward_op::logsumexp) {
    for (ptrdiff_t i = 0; i < p.slices; ++i) {
      const S* const slice = call.x + (p.first + i) * call.x_slice;
      call.out[(p.first + i) * call.out_slice] =
          log_z(slice, call.length, call.x_length, p.g.top[i], p.g.shift[i], p.g.high[i], p.g.low[i]);
    }
    return;
  }
  if constexpr (Op == forward_op::logsumexp_backward) apply_factors(p);
  for (ptrdiff_t start = 0; start < call.length; start += p.block) {
    const window at = block_at(p, start);
    if (!fits) {
      pack_panel(p, at);
      if (prepared) prepare_columns(p, at.length);
      if constexpr (which == terms::all) sum_columns<S, which>(p, at.length);  // exp once more
    }
    unpack<S, Op, Stream>(p, at);
  }
  if constexpr (Op == forward_op::logsumexp_backward) clear_empty(p);
}

/// Streaming stores need whole vectors on their boundaries.
template <class S>
LOGZ_INLINE bool can_stream(const S* out, ptrdiff_t length_stride, ptrdiff_t slice_stride) {
  const std::uintptr_t row = static_cast<std::uintptr_t>(length_stride) * sizeof(S);
  return slice_stride == 1 && (reinterpret_cast<std::uintptr_t>(out) | row) % sizeof(vec<S>) == 0;
}

/// Panels as wide as scratch allows, in whole cache lines: a wide one has more to do at a time. Longer slices than
/// scratch holds are cut into blocks.
template <class S, forward_op Op>
void panels(const forward_call<S>& call) {
  constexpr ptrdiff_t line = 64 / static_cast<ptrdiff_t>(sizeof(S));
  panel<S> p;
  p.of = &call;
  p.x = call.scratch;
  ptrdiff_t lanes = call.scratch_size / (call.length + overhang<S>) / line * line;
  p.block = call.length;
  if (lanes == 0) {
    lanes = panel_lanes<S>;
    p.block = (call.scratch_size / lanes - overhang<S>) / 4 * 4;
  }
  lanes = at_most(lanes, panel_lanes<S>);
  const bool streams =
      call.stream && Op != forward_op::logsumexp && can_stream(call.out, call.out_length, call.out_slice);
  for (p.first = 0; p.first < call.count; p.first += lanes) {
    p.slices = at_most(call.count - p.first, lanes);
    p.lanes = (p.slices + width<S> - 1) / width<S> * width<S>;
    if (streams) {
      one_panel<S, Op, true>(p);
    } else {
      one_panel<S, Op, false>(p);
    }
  }
  if (streams) stream_fence();
}

}  // namespace LOGZ_TARGET
