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

/// to = ±x - shift: exact for the numbers that count where shift is the maximum.
template <class S>
void row_prepare(const S* x, ptrdiff_t n, bool negate, S shift, S* to) {
  const S sign = negate ? S(-1) : S(1);
  ptrdiff_t l = 0;
  for (; l + width<S> <= n; l += width<S>) store(to + l, opaque_vector(load(x + l) * sign) - shift);
  if (l < n) store_first(to + l, n - l, opaque_vector(load_first(x + l, n - l, vec<S>{}) * sign) - shift);
}

/// What is known of a vector of slices, or of one slice in the lanes of a vector.
template <class S>
struct partition {
  vec<S> top;       // the maximum, less shift
  vec<S> shift;     // what was subtracted beforehand
  vec<S> exponent;  // bias - k
  lane_sum<S> sum;  // of exp · 2^exponent
  vec<S> aside;     // terms::others: the numbers left out of the sum, the largest of every lane
};

template <class S>
LOGZ_INLINE void begin(partition<S>& z) {
  z.top = all(-std::numeric_limits<S>::infinity());
  z.aside = z.top;
  z.shift = vec<S>{};
  z.exponent = all(range<S>::bias);
  clear(z.sum);
}

/// The maximum, or what stands in for it, is known: fixes what is subtracted beforehand and in the exponent.
template <class S>
LOGZ_INLINE void set_top(partition<S>& z, vec<S> top) {
  const vec<S> size = magnitude<S>(top);
  const vec<S> far = size < range<S>::limit ? vec<S>{} : top;
  z.shift = size < std::numeric_limits<S>::infinity() ? far : vec<S>{};
  z.top = top - z.shift;
  z.exponent = exponent_for<S>(z.top);
}

template <class S>
LOGZ_INLINE bool any(bits<S> mask) {
  std::uint64_t words[LOGZ_VECTOR_BYTES / 8];
  __builtin_memcpy(words, &mask, sizeof words);
  std::uint64_t found = 0;
  for (int i = 0; i < LOGZ_VECTOR_BYTES / 8; ++i) found |= words[i];
  return found != 0;
}
template <class S>
LOGZ_INLINE bool is_far(vec<S> top) {
  return any<S>(bits<S>(magnitude<S>(top) >= range<S>::limit));
}

/// Adds exp of n numbers at x to the sum. For softmax the rounded exps are left at out, which may be x.
template <class S, terms Which>
__attribute__((noinline)) void row_sum(partition<S>& z, const S* x, ptrdiff_t n, S* out) {
  constexpr ptrdiff_t w = width<S>;
  constexpr ptrdiff_t step = 4 * w;
  const vec<S> exponent = z.exponent;
  const vec<S> floor = z.top - range<S>::reach;
  lane_sum<S> sum = z.sum;
  vec<S> aside = z.aside;
  alignas(64) S tail[step];
  for (ptrdiff_t l = 0; l < n; l += step) {
    const S* from = x + l;
    S* to = Which == terms::all ? out + l : nullptr;
    if (n - l < step) {
      const vec<S> least = all(-std::numeric_limits<S>::infinity());
      for (ptrdiff_t i = 0; i < step; i += w) store(tail + i, load_up_to(from + i, n - l - i, least));
      from = to = tail;
    }
    vec<S> a = load(from), b = load(from + w), c = load(from + 2 * w), d = load(from + 3 * w);
    take<S, Which>(sum, aside, exponent, floor, a, b, c, d);
    if constexpr (Which == terms::all) {
      store(to, a);
      store(to + w, b);
      store(to + 2 * w, c);
      store(to + 3 * w, d);
    }
  }
  if constexpr (Which == terms::all) {
    const ptrdiff_t l = n / step * step;
    for (ptrdiff_t i = 0; i < n - l; i += w) store_up_to(out + l + i, n - l - i, load(tail + i));
  }
  z.sum = sum;
  z.aside = aside;
}

/// Of the largest numbers of the lanes, one at the maximum stays out of the sum and the others join it.
template <class S>
LOGZ_INLINE void add_all_but_top(partition<S>& z) {
  S largest[width<S>];
  store(largest, z.aside);
  const S top = z.top[0];
  ptrdiff_t i = 0;
  while (i < width<S> - 1 && largest[i] != top) ++i;
  largest[i] = -std::numeric_limits<S>::infinity();
  const parts<S> none = {};
  add(z.sum, exp_parts(larger<vec<S>>(z.top - range<S>::reach, load(largest)), z.exponent), none, none, none);
}

/// The coefficients of the last pass over a slice, one slice in all lanes or one in each.
template <class S>
struct coefficients {
  vec<S> high, low, factor;
};

template <class S, forward_op Op>
LOGZ_INLINE vec<S> map(vec<S> v, const coefficients<S>& c) {
  if constexpr (Op == forward_op::log_softmax) {
    return opaque_vector(v - c.high) - c.low;
  } else {
    const vec<S> p = fma(v, c.high, v * c.low);
    return Op == forward_op::logsumexp_backward ? opaque_vector(p) * c.factor : p;
  }
}

template <class S, forward_op Op, bool Stream>
LOGZ_INLINE void row_map(const S* from, S* to, ptrdiff_t n, const coefficients<S>& with) {
  constexpr ptrdiff_t w = width<S>;
  ptrdiff_t l = 0;
  if constexpr (Stream) {
    l = until_aligned(to, n);
    if (l != 0) store_first(to, l, map<S, Op>(load_first(from, l, vec<S>{}), with));
  }
  for (; l + 2 * w <= n; l += 2 * w) {
    const vec<S> a = map<S, Op>(load(from + l), with);
    const vec<S> b = map<S, Op>(load(from + l + w), with);
    put<S, Stream>(to + l, a);
    put<S, Stream>(to + l + w, b);
  }
  for (; l < n; l += w) store_up_to(to + l, n - l, map<S, Op>(load_up_to(from + l, n - l, vec<S>{}), with));
}

}  // namespace LOGZ_TARGET
