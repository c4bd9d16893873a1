// SPDX-License-Identifier: MIT
//
// The passes over numbers that lie side by side: maximum, sum of exponentials, map.

namespace LOGZ_TARGET {

template <class S>
LOGZ_INLINE vec<S> load_up_to(const S* p, ptrdiff_t n, vec<S> rest) {
  return n >= width<S> ? load(p) : n <= 0 ? rest : load_first(p, n, rest);
}
template <class S>
LOGZ_INLINE void store_up_to(S* p, ptrdiff_t n, vec<S> v) {
  if (n >= width<S>) {
    store(p, v);
  } else if (n > 0) {
    store_first(p, n, v);
  }
}
/// The next two vectors, where the first n numbers of them are there; one comparison for all but the last.
template <class S>
LOGZ_INLINE void load_pair(const S* p, ptrdiff_t n, vec<S> rest, vec<S>& a, vec<S>& b) {
  constexpr ptrdiff_t w = width<S>;
  if (n >= 2 * w) {
    a = load(p);
    b = load(p + w);
  } else {
    a = load_up_to(p, n, rest);
    b = load_up_to(p + w, n - w, rest);
  }
}
template <class S>
LOGZ_INLINE void store_pair(S* p, ptrdiff_t n, vec<S> a, vec<S> b) {
  constexpr ptrdiff_t w = width<S>;
  if (n >= 2 * w) {
    store(p, a);
    store(p + w, b);
  } else {
    store_up_to(p, n, a);
    store_up_to(p + w, n - w, b);
  }
}
template <class S, bool Stream>
LOGZ_INLINE void put(S* p, vec<S> v) {
  if constexpr (Stream) {
    stream(p, v);
  } else {
    store(p, v);
  }
}
LOGZ_INLINE void stream_fence() {
#if LOGZ_X86
  __builtin_ia32_sfence();
#endif
}

LOGZ_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

/// Numbers of a row that are worked on at a time where they pass through scratch: 16 KiB.
template <class S>
constexpr ptrdiff_t block_length = 16384 / static_cast<ptrdiff_t>(sizeof(S));

/// The largest of n numbers, NaN ignored.
template <class S>
S row_max(const S* x, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  vec<S> a = least, b = least, c = least, d = least;
  ptrdiff_t l = 0;
  for (; l + 4 * w <= n; l += 4 * w) {
    a = larger<vec<S>>(load(x + l), a);
    b = larger<vec<S>>(load(x + l + w), b);
    c = larger<vec<S>>(load(x + l + 2 * w), c);
    d = larger<vec<S>>(load(x + l + 3 * w), d);
  }
  for (; l + w <= n; l += w) a = larger<vec<S>>(load(x + l), a);
  if (l < n) b = larger<vec<S>>(load_first(x + l, n - l, least), b);
  return max_of_lanes<S>(larger<vec<S>>(larger<vec<S>>(a, b), larger<vec<S>>(c, d)));
}

/// The largest of vectors evenly spaced over n >= width numbers, NaN ignored.
template <class S>
S row_samples(const S* x, ptrdiff_t n) {
  vec<S> top = all(-std::numeric_limits<S>::infinity());
  const ptrdiff_t vectors = n / width<S>, step = sample_step(vectors) * width<S>;
  for (ptrdiff_t l = 0; l < vectors * width<S>; l += step) top = larger<vec<S>>(load(x + l), top);
  return max_of_lanes<S>(top);
}

/// to = ±x - shift: exact for the numbers that count where shift is the maximum.
template <class S>
void row_prepare(const S* x, ptrdiff_t n, bool negate, S shift, S* to) {
  const S sign = negate ? S(-1) : S(1);
  ptrdiff_t l = 0;
  for (; l + width<S> <= n; l += width<S>) store(to + l, opaque_vector(load(x + l) * sign) - shift);
  if (l < n) store_first(to + l, n - l, opaque_vector(load_first(x + l, n - l, vec<S>{}) * sign) - shift);
}

/// How far ahead of the numbers that are summed others are asked for, in bytes. Processors do not fetch across a page by
/// themselves, and the samples of the next row come before its numbers do: rows of 1000 floats out of the cache gain
/// 1.3 to 1.9 times, measured, rows in the cache nothing and lose nothing.
inline constexpr ptrdiff_t page = 4096;
/// Two vectors, to be read later.
template <class S>
LOGZ_INLINE void prefetch(const S* p) {
  for (ptrdiff_t l = 0; l < 2 * width<S>; l += 64 / static_cast<ptrdiff_t>(sizeof(S)))
    __builtin_prefetch(p + l);
}

/// A line that will be written: it becomes this core's own while it computes.
template <class S>
LOGZ_INLINE void prefetch_line(S* p) {
#if LOGZ_X86
  asm volatile("prefetchw %0" : : "m"(*p));  // __builtin_prefetch() reads where -mprfchw is not given
#else
  __builtin_prefetch(p, 1);
#endif
}
/// Two vectors, to be written later. Rows whose results lie in L3 gain a tenth, measured.
template <class S>
LOGZ_INLINE void prefetch_result(S* p) {
  for (ptrdiff_t l = 0; l < 2 * width<S>; l += 64 / static_cast<ptrdiff_t>(sizeof(S))) prefetch_line(p + l);
}

template <class S, std::size_t... I>
LOGZ_INLINE vec<S> lane_numbers(std::index_sequence<I...>) {
  return vec<S>{S(I)...};
}
/// v with its first lane at the maximum replaced; v where there is none, since a lane is NaN.
template <class S>
LOGZ_INLINE vec<S> without_largest(vec<S> v, S in_its_place) {
  const vec<S> lane = lane_numbers<S>(every_lane<S>{}), none = all(S(-width<S>));
  const vec<S> first = max_in_lanes<S>(v == max_in_lanes<S>(v) ? -lane : none);
  return -lane == first ? all(in_its_place) : v;
}
/// Of the largest numbers of the lanes, one at the maximum stays out of the sum and the others join it.
template <class S>
LOGZ_INLINE void add_all_but_top(partition<S>& z) {
  const vec<S> others = without_largest<S>(z.top, -std::numeric_limits<S>::infinity());
  const parts<S> none = {};
  add(z.sum, exp_parts(larger<vec<S>>(z.floor, others), z.exponent), none);
  flush(z.sum);
  z.top = all(max_of_lanes<S>(z.top));
}
/// The same of the exps that were set aside.
template <class S>
LOGZ_INLINE void add_all_but_largest(partition<S>& z) {
  add_rounded(z.sum, without_largest<S>(z.aside, S(0)), vec<S>{});
}

/// The coefficients of the last pass over a slice, one slice in all lanes or one in each.
template <class S>
struct coefficients {
  vec<S> high, low, factor;
};

/// e · c less the share's slope.
template <class S>
LOGZ_INLINE vec<S> slope_of(vec<S> e, const coefficients<S>& with, vec<S> u) {
  return fma(e, with.high, opaque_vector(fma(e, with.low, -u)));
}

/// What the gradient of logsumexp multiplies by, and that of the entropy: p keeps its digits below the smallest normal
/// number where the factor may bring it back.
template <class S>
LOGZ_INLINE void set_factor(coefficients<S>& with, vec<S> factor) {
  constexpr S up = sizeof(S) == 4 ? S(0x1p40) : S(0x1p400);
  const auto large = magnitude<S>(factor) >= S(1) / up;
  const vec<S> raise = large ? all(up) : all(S(1)), lower = large ? all(S(1) / up) : all(S(1));
  with.high *= raise;
  with.low *= raise;
  with.factor = factor * lower;
}

/// The factor is that of logsumexp's gradient, or the share of every class that leaves a loss's.
template <class S, forward_op Op>
LOGZ_INLINE vec<S> map(vec<S> v, const coefficients<S>& c) {
  if constexpr (Op == forward_op::cross_entropy_gradient) {
    return slope_of(v, c, c.factor);
  } else if constexpr (Op == forward_op::log_softmax) {
    return opaque_vector(v - c.high) - c.low;
  } else {
    const vec<S> p = fma(v, c.high, v * c.low);
    return Op == forward_op::logsumexp_backward ? opaque_vector(p) * c.factor : p;
  }
}

/// The map of a row, whose exps, where they have not been kept, are made anew on the way.
template <class S>
struct row_coefficients {
  coefficients<S> with;
  bool makes_exps;
  vec<S> exponent, floor;
};
template <class S>
LOGZ_INLINE row_coefficients<S> of_kept(const coefficients<S>& with) {
  return {with, false, vec<S>{}, vec<S>{}};
}
template <class S>
LOGZ_INLINE row_coefficients<S> of_exps(const coefficients<S>& with, const partition<S>& z) {
  return {with, true, z.exponent, z.floor};
}
template <class S, forward_op Op, class Coefficients>
LOGZ_INLINE void map_pair(vec<S>& a, vec<S>& b, const Coefficients& c) {
  if constexpr (std::is_same_v<Coefficients, row_coefficients<S>>) {
    if (Op != forward_op::log_softmax && c.makes_exps) {
      a = exp_of<S>(a, c.exponent, c.floor);
      b = exp_of<S>(b, c.exponent, c.floor);
    }
    map_pair<S, Op>(a, b, c.with);
  } else {
    a = map<S, Op>(a, c);
    b = map<S, Op>(b, c);
  }
}

/// A row's last pass, where it waits to go along with the sum of a row as long: a loop full of arithmetic hides its loads
/// and stores. Rows of 1000 floats that lie in L3 take 0.9 of the time, of 32000 0.8 to 0.86, streamed ones 0.8, measured.
template <class S>
struct waiting_row {
  const S* from;
  S* to;  // the beginning of a vector in memory
  ptrdiff_t n;
  bool streams;
  row_coefficients<S> with;
  ptrdiff_t target;  // this one of the n becomes at_target, before its line leaves; negative: none of them
  S at_target;
};

/// Adds exp of n numbers at x to the sum. For softmax the rounded exps are left at out, which may be x, or null; otherwise
/// it is null or where a result will be written. What lies `ahead` is asked for. `Tracks`: the largest number is found too,
/// where the sum does not find it by itself. The map of the row that waits is done on the way.
template <class S, forward_op Op, terms Which, bool Tracks = false>
__attribute__((noinline)) void row_sum(partition<S>& z, const S* x, ptrdiff_t n, S* out, ptrdiff_t ahead,
                                       waiting_row<S>& waiting) {
  constexpr ptrdiff_t w = width<S>;
  const vec<S> exponent = z.exponent;
  const vec<S> floor = z.floor;
  lane_sum<S> sum = z.sum;
  vec<S> top = z.top, aside = z.aside;
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  const S* const from = waiting.from;
  S* const to = waiting.to;
  const ptrdiff_t left = waiting.n;
  const bool streams = waiting.streams;
  [[maybe_unused]] const ptrdiff_t target = waiting.target;
  [[maybe_unused]] const row_coefficients<S> with = waiting.with;
  // A pair joins the sum while the next is exponentiated: a processor has room for a hundred instructions that wait, and
  // those of a sum would wait for the whole of an exp (rows of 1000 floats in L2 0.95 of the time, measured).
  exp_pair<S> late{};
  for (ptrdiff_t l = 0; l < n; l += 2 * w) {
    vec<S> a, b;
    load_pair(x + l, n - l, least, a, b);  // filled up: -∞ adds nothing
    prefetch<S>(x + l + ahead);
    if constexpr (Tracks) top = larger<vec<S>>(b, larger<vec<S>>(a, top));
    join<S, Which>(sum, late);
    late = take_pair<S, Which>(top, aside, exponent, floor, a, b);
    if constexpr (keeps_exps(Which)) {
      if (out != nullptr) store_pair(out + l, n - l, a, b);
    } else {
      if (out != nullptr) prefetch_result<S>(out + l);
      if ((l + 2 * w) % (flush_step * w) == 0) {
        join<S, Which>(sum, late);
        late = exp_pair<S>{};
        flush(sum);
      }
    }
    if constexpr (!is_reduction<Op>) {
      if (l + 2 * w > left) continue;
      a = load(from + l);
      b = load(from + l + w);
      map_pair<S, Op>(a, b, with);
      if constexpr (is_loss<Op>) {
        if (target - l >= 0 && target - l < 2 * w) {
          alignas(64) S numbers[2 * w];
          store(numbers, a);
          store(numbers + w, b);
          numbers[target - l] = waiting.at_target;
          a = load(numbers);
          b = load(numbers + w);
        }
      }
      if (streams) {
        stream(to + l, a);
        stream(to + l + w, b);
      } else {
        store(to + l, a);
        store(to + l + w, b);
      }
    }
  }
  join<S, Which>(sum, late);
  if constexpr (Which == terms::others) flush(sum);
  const ptrdiff_t done = left / (2 * w) * (2 * w);
  waiting.from += done;
  waiting.to += done;
  waiting.n -= done;
  waiting.target -= done;
  z.sum = sum;
  z.top = top;
  z.aside = aside;
}
/// The same with no row that waits.
template <class S, forward_op Op, terms Which, bool Tracks = false>
LOGZ_INLINE void row_sum(partition<S>& z, const S* x, ptrdiff_t n, S* out, ptrdiff_t ahead = 0) {
  waiting_row<S> none = {};
  row_sum<S, Op, Which, Tracks>(z, x, n, out, ahead, none);
}

/// The coefficients come again after `row` numbers, a power of two up to a vector. Whole vectors go to aligned addresses,
/// where that row has them: a store across two cache lines costs two.
template <class S, forward_op Op, class Coefficients>
void row_map(const S* from, S* to, ptrdiff_t n, const Coefficients& given, ptrdiff_t row, bool streams) {
  constexpr ptrdiff_t w = width<S>;
  const Coefficients with = given;  // in registers: the stores might change what is given
  ptrdiff_t l = until_aligned(to, n);
  if (l % row != 0) l = 0;
  if (l != 0) {
    vec<S> a = load_first(from, l, vec<S>{}), b = a;
    map_pair<S, Op>(a, b, with);
    store_first(to, l, a);
  }
  for (; l < n; l += 2 * w) {
    vec<S> a, b;
    load_pair(from + l, n - l, vec<S>{}, a, b);
    map_pair<S, Op>(a, b, with);
    if (streams && n - l >= 2 * w) {
      stream(to + l, a);
      stream(to + l + w, b);
    } else {
      store_pair(to + l, n - l, a, b);
    }
  }
}
/// One slice.
template <class S, forward_op Op, class Coefficients>
LOGZ_INLINE void row_map(const S* from, S* to, ptrdiff_t n, const Coefficients& with, bool streams) {
  row_map<S, Op>(from, to, n, with, 1, streams);
}

}  // namespace LOGZ_TARGET
