// SPDX-License-Identifier: MIT
//
// Between slices where they are and the rows of a panel: interleaved ones are copied, contiguous ones transposed, any
// others gathered.

namespace LOGZ_TARGET {

/// Numbers in a cache line.
template <class S>
constexpr ptrdiff_t line = 64 / static_cast<ptrdiff_t>(sizeof(S));
/// The widest panel: in memory 32 cache lines, up to 1.6 times as fast as 16 where a row is as wide, and those twice as
/// fast as 8; half of it in the caches. What a panel has room for: a line more, for slices that would be too few for a
/// panel of their own.
template <class S>
constexpr ptrdiff_t widest_panel = 32 * line<S>;
template <class S>
constexpr ptrdiff_t panel_lanes = widest_panel<S> + line<S>;

/// Rows that a panel has room for past its block: the one that fills the last pair.
inline constexpr ptrdiff_t overhang = 1;

/// How the vectors of a panel stand on its slices: the second begins `lead` slices after the first, so that it and those
/// after it may begin where memory is aligned; the last overlaps the one before rather than be filled in part, unless it is
/// the only one.
struct panel_shape {
  ptrdiff_t slices, lead, lanes;
};
template <class S>
LOGZ_INLINE panel_shape shape_for(ptrdiff_t slices, ptrdiff_t lead = width<S>) {
  constexpr ptrdiff_t w = width<S>;
  if (slices <= w) return {slices, w, w};
  return {slices, lead, w + (slices - lead + w - 1) / w * w};
}
/// The first slice of the vector that begins with a lane.
template <class S>
LOGZ_INLINE ptrdiff_t slice_at(ptrdiff_t lane, const panel_shape& shape) {
  if (lane == 0 || shape.slices < width<S>) return lane;
  return at_most(lane - width<S> + shape.lead, shape.slices - width<S>);
}
/// A vector's first lane and its first slice.
struct place {
  ptrdiff_t lane, slice;
};
/// The slice of any lane; those past the last stand for it.
template <class S>
LOGZ_INLINE ptrdiff_t slice_of(ptrdiff_t lane, const panel_shape& shape) {
  const ptrdiff_t in_vector = lane % width<S>;
  return at_most(slice_at<S>(lane - in_vector, shape) + in_vector, shape.slices - 1);
}
/// A lane of a slice.
template <class S>
LOGZ_INLINE ptrdiff_t lane_of(ptrdiff_t slice, const panel_shape& shape) {
  if (slice < width<S>) return slice;
  const ptrdiff_t last = shape.lanes - width<S>, start = shape.slices - width<S>;
  const ptrdiff_t lane = slice - shape.lead + width<S>;
  return lane < last ? lane : last + slice - start;
}

/// A part of the user's memory: those slices from slice `first` on, of each `length` numbers from `start` on.
struct window {
  ptrdiff_t first;
  const panel_shape&
      shape;  // a copy by vectors would wait for the panel before: its numbers have just been written
  ptrdiff_t start, length;
};

/// The slices, side by side in memory, before the first that begins a cache line in every row: Eigen aligns to 16 bytes
/// unless it is told more, and a store across two lines costs two, and cannot be streamed. To begin vectors there takes one
/// more of them in all, and saves a tenth to a fifth (1024x100, 512x1000, measured).
/// `count`: of all slices, though these may be a block of them.
template <class S>
ptrdiff_t slices_before_line(const S* p, ptrdiff_t length_stride, ptrdiff_t slice_stride, ptrdiff_t count) {
  if (slice_stride != 1 || length_stride % line<S> != 0 || count < 16 * width<S>) return 0;
  const std::uintptr_t past = reinterpret_cast<std::uintptr_t>(p) % 64;
  return static_cast<ptrdiff_t>((64 - past) % 64 / sizeof(S));
}
/// The next panel, up to `widest` lanes or, rather than leave slices that fill no vector, up to `room`. It ends where a
/// line does if `before` slices are before the first.
template <class S>
LOGZ_INLINE panel_shape next_panel(ptrdiff_t left, ptrdiff_t before, ptrdiff_t widest, ptrdiff_t room) {
  if (widest <= line<S>) before = 0;
  const ptrdiff_t lead = before % width<S> == 0 ? width<S> : before % width<S>;
  const ptrdiff_t usual = before == 0 ? widest : widest - line<S> + before;
  const panel_shape all_left = shape_for<S>(left, lead);
  const bool takes_all = left <= usual || (left - usual <= width<S> && all_left.lanes <= room);
  return takes_all ? all_left : shape_for<S>(usual, lead);
}

/// Copies a window into rows of a panel. Lanes without a slice get something harmless.
template <class S>
void pack(const S* x, ptrdiff_t length_stride, ptrdiff_t slice_stride, const window& at, S* to,
          ptrdiff_t lanes, bool in_memory) {
  constexpr ptrdiff_t w = width<S>;
  const S* const from = x + at.first * slice_stride + at.start * length_stride;
  if (slice_stride == 1) {
    const ptrdiff_t last = lanes - w, last_slice = slice_at<S>(last, at.shape), shift = at.shape.lead - w;
    for (ptrdiff_t l = 0; l < at.length; ++l) {
      const S* const row = from + l * length_stride;
      S* const out = to + l * lanes;
      const S* in = row;
      for (ptrdiff_t i = 0; i < last; i += w, in = row + shift + i) {
        // Rows lie in pages of their own, where the hardware does not look ahead: measured, a tenth to a quarter
        // faster in memory and a tenth slower in cache.
        if (in_memory && i % line<S> == 0) __builtin_prefetch(in + 8 * length_stride);
        store(out + i, load(in));
      }
      store(out + last, load_up_to(row + last_slice, at.shape.slices - last_slice, vec<S>{}));
    }
    return;
  }
  for (ptrdiff_t i = 0; i < lanes; i += w) {
    const ptrdiff_t slice = slice_at<S>(i, at.shape), slices = at_most(at.shape.slices - slice, w);
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

/// Rows up to which a panel's exps stay in the first level of cache: they wait in scratch, and a panel is a quarter as wide
/// as others (8192x10 and 4096x32, measured: 0.8 to 0.95 of the time).
inline constexpr ptrdiff_t few_rows = 32;

/// Slices side by side are read where they are: packing them first costs a store and a load of every number, a quarter of
/// the time of 1024x100. Not what is changed beforehand, nor in memory, where a column at a time is a third of the speed.
/// Exps go to the result, which is read again for the last pass: rows apart of more than 4 MiB take as long as packed
/// ones or longer (512x1000 0.75, 4096x128 0.6, 2048x1000 1.0 to 1.4 of the time). In place they go to scratch, whose panels
/// are narrow: a good third longer than packed in 2 MiB, and shorter in half of one.
template <class S, forward_op Op>
bool reads_directly(const forward_call<S>& call, bool fits) {
  if (Op == forward_op::hvp || call.in_memory || call.x_slice != 1 || call.negate || call.count < width<S>)
    return false;
  if (!is_reduction<Op> && call.out_slice != 1) return false;
  if constexpr (is_loss<Op>) {
    if (probabilities_of(*call.loss) != nullptr) return false;
  }
  if (!keeps_exps(summed<Op>) || call.length <= few_rows) return true;
  const bool in_scratch = call.x == call.out && fits;
  if (!in_scratch && call.x_length <= widest_panel<S>) return true;  // rows next to each other
  const ptrdiff_t bytes = call.length * call.all * static_cast<ptrdiff_t>(sizeof(S));
  return bytes <= (call.x == call.out ? 1 << 20 : 4 << 20);
}

/// Probabilities beside each other are read where they are.
template <class S>
bool reads_probabilities(const forward_call<S>& call, ptrdiff_t slices) {
  return call.loss->probability_slice == 1 && slices >= width<S>;
}

/// The way back, through f(v, place, row).
template <class S, class Function>
LOGZ_INLINE void unpack(const S* from, ptrdiff_t lanes, const window& at, S* out, ptrdiff_t length_stride,
                        ptrdiff_t slice_stride, const Function& f) {
  constexpr ptrdiff_t w = width<S>;
  for (ptrdiff_t i = 0; i < lanes; i += w) {
    const ptrdiff_t slice = slice_at<S>(i, at.shape), slices = at_most(at.shape.slices - slice, w);
    S* const to = out + (at.first + slice) * slice_stride + at.start * length_stride;
    if (slice_stride == 1) {
      for (ptrdiff_t l = 0; l < at.length; ++l) {
        store_up_to(to + l * length_stride, slices, f(load(from + l * lanes + i), {i, slice}, l));
      }
    } else if (length_stride == 1 && at.length >= tile<S>) {
      unpack_transposed(from + i, lanes, slices, at.length, to, slice_stride, f, place{i, slice});
    } else {
      for (ptrdiff_t l = 0; l < at.length; ++l) {
        alignas(64) S lane[w];
        store(lane, f(load(from + l * lanes + i), {i, slice}, l));
        for (ptrdiff_t s = 0; s < slices; ++s) to[l * length_stride + s * slice_stride] = lane[s];
      }
    }
  }
}

}  // namespace LOGZ_TARGET
