// SPDX-License-Identifier: MIT
//
// Between slices where they are and the rows of a panel: interleaved ones are copied, contiguous ones transposed, any
// others gathered.

namespace LOGZ_TARGET {

/// The widest panel: in memory 32 cache lines, up to 1.6 times as fast as 16 where a row is as wide, and those twice as
/// fast as 8; half of it in the caches.
template <class S>
constexpr ptrdiff_t panel_lanes = 2048 / static_cast<ptrdiff_t>(sizeof(S));

/// Rows that a panel has room for past its block: the one that fills the last pair.
inline constexpr ptrdiff_t overhang = 1;

/// A part of the user's memory: `slices` of them from slice `first` on, of each `length` numbers from `start` on.
struct window {
  ptrdiff_t first, slices, start, length;
};

/// The slices of a panel's vectors: the last one overlaps the one before rather than be filled in part, unless it is
/// the only one. `lane` is the first of a vector.
template <class S>
LOGZ_INLINE ptrdiff_t slice_at(ptrdiff_t lane, ptrdiff_t slices) {
  return slices < width<S> ? lane : at_most(lane, slices - width<S>);
}
template <class S>
LOGZ_INLINE ptrdiff_t lane_of(ptrdiff_t slice, ptrdiff_t slices) {
  const ptrdiff_t whole = slices / width<S> * width<S>;
  return slice < whole || whole == 0 ? slice : slice + whole + width<S> - slices;
}

/// The slices, side by side in memory, before the first that begins a cache line in every row. They make a panel of their
/// own, so that all other panels can be streamed: Eigen aligns to 16 bytes unless it is told more. A narrow panel costs a
/// good part of a wide one: worth it, measured, for 8192 slices of 1000 floats (1.2 to 1.4 times as fast), not for 256.
/// `count`: of all slices, though these may be a block of them.
template <class S>
ptrdiff_t slices_before_line(const S* p, ptrdiff_t length_stride, ptrdiff_t slice_stride, ptrdiff_t count) {
  constexpr ptrdiff_t line = 64 / static_cast<ptrdiff_t>(sizeof(S));
  if (slice_stride != 1 || length_stride % line != 0 || count < 8 * panel_lanes<S>) return 0;
  const std::uintptr_t past = reinterpret_cast<std::uintptr_t>(p) % 64;
  return static_cast<ptrdiff_t>((64 - past) % 64 / sizeof(S));
}

/// Copies a window into rows of a panel. Lanes without a slice get something harmless.
template <class S>
void pack(const S* x, ptrdiff_t length_stride, ptrdiff_t slice_stride, const window& at, S* to,
          ptrdiff_t lanes, bool in_memory) {
  constexpr ptrdiff_t w = width<S>;
  const S* const from = x + at.first * slice_stride + at.start * length_stride;
  if (slice_stride == 1) {
    const ptrdiff_t whole = at.slices / w * w, last = slice_at<S>(lanes - w, at.slices);
    for (ptrdiff_t l = 0; l < at.length; ++l) {
      const S* const row = from + l * length_stride;
      S* const out = to + l * lanes;
      for (ptrdiff_t i = 0; i < whole; i += w) {
        // Rows lie in pages of their own, where the hardware does not look ahead: measured, a tenth to a quarter
        // faster in memory and a tenth slower in cache.
        if (in_memory && i % (64 / static_cast<ptrdiff_t>(sizeof(S))) == 0) {
          __builtin_prefetch(row + i + 8 * length_stride);
        }
        store(out + i, load(row + i));
      }
      if (whole < lanes) store(out + whole, load_up_to(row + last, at.slices - last, vec<S>{}));
    }
    return;
  }
  for (ptrdiff_t i = 0; i < lanes; i += w) {
    const ptrdiff_t slice = slice_at<S>(i, at.slices), slices = at_most(at.slices - slice, w);
    const S* const column = from + slice * slice_stride;
    if (length_stride == 1 && at.length >= tile<S>) {
      pack_transposed(column, slice_stride, slices, at.length, to + i, lanes);
      continue;
    }
    for (ptrdiff_t l = 0; l < at.length; ++l) {
      for (ptrdiff_t s = 0; s < w; ++s) {
        to[l * lanes + i + s] = column[l * length_stride + at_most(s, slices - 1) * slice_stride];
      }
    }
  }
}

/// Rows next to each other are read where they are: farther apart they would fall on the same few sets of the cache, and
/// on pages of their own; and in memory a column at a time is a third of the speed. In place, the last vector would find
/// what the one before has left.
template <class S, forward_op Op>
bool reads_directly(const forward_call<S>& call, ptrdiff_t slices) {
  if (Op == forward_op::hvp || call.in_memory || call.x_slice != 1 || call.negate || slices < width<S>)
    return false;
  if (call.x_length >= 2 * slices || (!is_reduction<Op> && call.out_slice != 1)) return false;
  if constexpr (is_loss<Op>) {
    if (probabilities_of(*call.loss) != nullptr) return false;
  }
  return !keeps_exps(summed<Op>) || slices % width<S> == 0;
}

/// Probabilities beside each other are read where they are.
template <class S>
bool reads_probabilities(const forward_call<S>& call, ptrdiff_t slices) {
  return call.loss->probability_slice == 1 && slices >= width<S>;
}

/// What unpack() and write_panel() write as it is.
struct unchanged {
  template <class V>
  LOGZ_INLINE V operator()(V v, ptrdiff_t, ptrdiff_t) const {
    return v;
  }
};

/// The way back, through f(v, lane, row).
template <class S, class Function>
LOGZ_INLINE void unpack(const S* from, ptrdiff_t lanes, const window& at, S* out, ptrdiff_t length_stride,
                        ptrdiff_t slice_stride, const Function& f) {
  constexpr ptrdiff_t w = width<S>;
  for (ptrdiff_t i = 0; i < lanes; i += w) {
    const ptrdiff_t slice = slice_at<S>(i, at.slices), slices = at_most(at.slices - slice, w);
    S* const to = out + (at.first + slice) * slice_stride + at.start * length_stride;
    if (slice_stride == 1) {
      for (ptrdiff_t l = 0; l < at.length; ++l) {
        store_up_to(to + l * length_stride, slices, f(load(from + l * lanes + i), i, l));
      }
    } else if (length_stride == 1 && at.length >= tile<S>) {
      unpack_transposed(from + i, lanes, slices, at.length, to, slice_stride, f, i);
    } else {
      for (ptrdiff_t l = 0; l < at.length; ++l) {
        alignas(64) S lane[w];
        store(lane, f(load(from + l * lanes + i), i, l));
        for (ptrdiff_t s = 0; s < slices; ++s) to[l * length_stride + s * slice_stride] = lane[s];
      }
    }
  }
}

}  // namespace LOGZ_TARGET
