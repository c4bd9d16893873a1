// SPDX-License-Identifier: MIT
//
// softmax_backward, p ∘ (g - Σ g p), and log_softmax_backward, g - exp(lp) · Σ g: one sum a slice, then a map. The sums
// keep what rounding loses: floats are summed in double, doubles as high + low.

namespace LOGZ_TARGET {

template <class S>
struct exact_sum;
template <>
struct exact_sum<float> {
  vec<double> first, second;
};
template <>
struct exact_sum<double> {
  lane_sum<double> sum;
};

LOGZ_INLINE void clear(exact_sum<float>& s) {
  s.first = vec<double>{};
  s.second = vec<double>{};
}
LOGZ_INLINE void clear(exact_sum<double>& s) { clear(s.sum); }

/// The rounding error of product = a · b; 0 where it is not finite.
LOGZ_INLINE vec<double> error_of_product(vec<double> a, vec<double> b, vec<double> product) {
  vec<double> error;
  if constexpr (has_fma) {
    error = fma(a, b, -product);
  } else {
    // Dekker's product: halves of 26 bits.
    constexpr double splitter = 134217729;
    const vec<double> a_scaled = opaque_vector(splitter * a), b_scaled = opaque_vector(splitter * b);
    const vec<double> a_high = opaque_vector(a_scaled - opaque_vector(a_scaled - a));
    const vec<double> b_high = opaque_vector(b_scaled - opaque_vector(b_scaled - b));
    const vec<double> a_low = opaque_vector(a - a_high), b_low = opaque_vector(b - b_high);
    const vec<double> rest = opaque_vector(opaque_vector(a_high * b_high) - product);
    error =
        opaque_vector(opaque_vector(rest + opaque_vector(a_high * b_low)) + opaque_vector(a_low * b_high)) +
        a_low * b_low;
  }
  return magnitude<double>(error) < std::numeric_limits<double>::infinity() ? error : vec<double>{};
}

/// Adds a vector of products; of g alone for log_softmax.
template <backward_op Op>
LOGZ_INLINE void add(exact_sum<float>& s, const float* g, const float* y) {
  if constexpr (Op == backward_op::softmax) {
    s.first = fma(widen(g), widen(y), s.first);
    s.second = fma(widen(g + width<double>), widen(y + width<double>), s.second);
  } else {
    s.first += widen(g);
    s.second += widen(g + width<double>);
  }
}
template <backward_op Op>
LOGZ_INLINE void add(exact_sum<double>& s, const double* g, const double* y) {
  if constexpr (Op == backward_op::softmax) {
    const vec<double> a = load(g), b = load(y);
    const vec<double> product = opaque_vector(a * b);
    add_exactly<double>(s.sum, product, error_of_product(a, b, product));
  } else {
    add_exactly<double>(s.sum, load(g), vec<double>{});
  }
}

LOGZ_INLINE void merge(exact_sum<float>& s, const exact_sum<float>& other) {
  s.first += other.first;
  s.second += other.second;
}
LOGZ_INLINE void merge(exact_sum<double>& s, const exact_sum<double>& other) {
  add_exactly<double>(s.sum, other.sum.high, other.sum.low);
}

LOGZ_INLINE void store_sums(const exact_sum<float>& s, float* total) {
  double lane[width<float>];
  store(lane, s.first);
  store(lane + width<double>, s.second);
  for (ptrdiff_t i = 0; i < width<float>; ++i) total[i] = float(lane[i]);
}
LOGZ_INLINE void store_sums(const exact_sum<double>& s, double* total) {
  // Infinite or NaN: the low part is NaN and has nothing to say.
  const vec<double> joined = s.sum.high + s.sum.low;
  store(total, magnitude<double>(s.sum.high) < std::numeric_limits<double>::infinity() ? joined : s.sum.high);
}
LOGZ_INLINE float sum_of_lanes(const exact_sum<float>& s) {
  double lane[width<double>];
  store(lane, s.first + s.second);
  for (ptrdiff_t half = width<double> / 2; half > 0; half /= 2) {
    for (ptrdiff_t i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return float(lane[0]);
}
LOGZ_INLINE double sum_of_lanes(const exact_sum<double>& s) {
  double total, rest;
  total_of_lanes(s.sum, total, rest);
  return is_finite(total) ? total + rest : total;
}

/// The coefficients of the map. log_softmax: exp(lp) · 2^bias and -Σ g · 2^-bias, the bias such that exp keeps its
/// digits as far down as its product with the sum is above the smallest subnormal: exactly, for |Σ g| < 2^96 (2^940);
/// below floor exp is 0. lp up to 5 (16) is in range, up to 44 (346) for |Σ g| < 2^20 (2^100).
template <class S>
struct backward_coefficients {
  vec<S> sum, exponent, floor;
};

template <class S, backward_op Op>
LOGZ_INLINE backward_coefficients<S> coefficients_of(vec<S> sum) {
  if constexpr (Op == backward_op::softmax) {
    return {sum, vec<S>{}, vec<S>{}};
  } else {
    constexpr bool single = sizeof(S) == 4;
    constexpr S tiny = single ? S(0x1p-62) : S(0x1p-500), huge = single ? S(0x1p20) : S(0x1p100);
    constexpr S usual_bias = single ? 64 : 500, huge_bias = single ? 120 : 1000;
    constexpr S usual_scale = single ? S(0x1p-64) : S(0x1p-500),
                huge_scale = single ? S(0x1p-120) : S(0x1p-1000);
    constexpr S lowest = single ? 125 : 1021, ln2 = S(0.693147);
    const vec<S> size = magnitude<S>(sum);
    const vec<S> bias = size < tiny ? vec<S>{} : size < huge ? all(usual_bias) : all(huge_bias);
    const vec<S> down = size < tiny ? all(S(1)) : size < huge ? all(usual_scale) : all(huge_scale);
    return {-sum * down, bias, -ln2 * (bias + lowest)};
  }
}

template <class S, backward_op Op>
LOGZ_INLINE vec<S> backward_map(vec<S> g, vec<S> y, const backward_coefficients<S>& c) {
  if constexpr (Op == backward_op::softmax) {
    return y * opaque_vector(g - c.sum);
  } else {
    const vec<S> e = value(exp_parts(y, c.exponent));
    return fma(y < c.floor ? vec<S>{} : e, c.sum, g);
  }
}

template <class S, backward_op Op>
S row_total(const S* g, const S* y, ptrdiff_t n) {
  constexpr ptrdiff_t w = width<S>;
  exact_sum<S> a, b;
  clear(a);
  clear(b);
  ptrdiff_t l = 0;
  for (; l + 2 * w <= n; l += 2 * w) {
    add<Op>(a, g + l, y + l);
    add<Op>(b, g + l + w, y + l + w);
  }
  for (; l < n; l += w) {
    S g_tail[w], y_tail[w];
    store(g_tail, load_up_to(g + l, n - l, vec<S>{}));
    store(y_tail, load_up_to(y + l, n - l, vec<S>{}));
    add<Op>(b, g_tail, y_tail);
  }
  merge(a, b);
  return sum_of_lanes(a);
}

template <class S, backward_op Op, bool Stream>
void backward_rows(const backward_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  const ptrdiff_t n = call.length;
  for (ptrdiff_t i = 0; i < call.count; ++i) {
    const S* const g = call.g + i * call.g_slice;
    const S* const y = call.y + i * call.y_slice;
    S* const out = call.out + i * call.out_slice;
    const backward_coefficients<S> with = coefficients_of<S, Op>(all(row_total<S, Op>(g, y, n)));
    ptrdiff_t l = 0;
    if constexpr (Stream) {
      l = until_aligned(out, n);
      if (l != 0) {
        store_first(out, l,
                    backward_map<S, Op>(load_first(g, l, vec<S>{}), load_first(y, l, vec<S>{}), with));
      }
    }
    for (; l + 2 * w <= n; l += 2 * w) {
      const vec<S> a = backward_map<S, Op>(load(g + l), load(y + l), with);
      const vec<S> b = backward_map<S, Op>(load(g + l + w), load(y + l + w), with);
      put<S, Stream>(out + l, a);
      put<S, Stream>(out + l + w, b);
    }
    for (; l < n; l += w) {
      const vec<S> v =
          backward_map<S, Op>(load_up_to(g + l, n - l, vec<S>{}), load_up_to(y + l, n - l, vec<S>{}), with);
      store_up_to(out + l, n - l, v);
    }
  }
}

/// Vectors in a cache line: the panel's width here.
constexpr int line_vectors = 64 / LOGZ_VECTOR_BYTES;

/// n rows of a cache line of slices.
template <class S, backward_op Op>
void line_sum(const S* g, ptrdiff_t g_row, const S* y, ptrdiff_t y_row, ptrdiff_t n,
              exact_sum<S> (&sum)[line_vectors]) {
  exact_sum<S> s[line_vectors];
  for (int i = 0; i < line_vectors; ++i) s[i] = sum[i];
  for (ptrdiff_t l = 0; l < n; ++l) {
    LOGZ_UNROLL for (int i = 0; i < line_vectors; ++i) {
      add<Op>(s[i], g + l * g_row + i * width<S>, y + l * y_row + i * width<S>);
    }
  }
  for (int i = 0; i < line_vectors; ++i) sum[i] = s[i];
}

template <class S, backward_op Op, bool Stream>
void line_map(const S* g, ptrdiff_t g_row, const S* y, ptrdiff_t y_row, ptrdiff_t n,
              const exact_sum<S> (&sum)[line_vectors], S* out, ptrdiff_t out_row) {
  backward_coefficients<S> with[line_vectors];
  for (int i = 0; i < line_vectors; ++i) {
    S total[width<S>];
    store_sums(sum[i], total);
    with[i] = coefficients_of<S, Op>(load(total));
  }
  for (ptrdiff_t l = 0; l < n; ++l) {
    LOGZ_UNROLL for (int i = 0; i < line_vectors; ++i) {
      const ptrdiff_t at = i * width<S>;
      put<S, Stream>(out + l * out_row + at,
                     backward_map<S, Op>(load(g + l * g_row + at), load(y + l * y_row + at), with[i]));
    }
  }
}

/// A cache line of slices at a time: in place where they are neighbours in all three operands, else packed into
/// scratch, block by block.
template <class S, backward_op Op, bool Stream>
void backward_panels(const backward_call<S>& call) {
  constexpr ptrdiff_t line = 64 / static_cast<ptrdiff_t>(sizeof(S));
  const bool neighbours = call.g_slice == 1 && call.y_slice == 1 && call.out_slice == 1;
  const ptrdiff_t block = at_most(call.length, call.scratch_size / (2 * line) - overhang<S>);
  S* const g = call.scratch;
  S* const y = call.scratch + (block + overhang<S>)*line;
  for (ptrdiff_t first = 0; first < call.count; first += line) {
    const ptrdiff_t slices = at_most(call.count - first, line);
    exact_sum<S> sum[line_vectors];
    for (int i = 0; i < line_vectors; ++i) clear(sum[i]);
    if (neighbours && slices == line) {
      const S* const from = call.g + first;
      line_sum<S, Op>(from, call.g_length, call.y + first, call.y_length, call.length, sum);
      line_map<S, Op, Stream>(from, call.g_length, call.y + first, call.y_length, call.length, sum,
                              call.out + first, call.out_length);
      continue;
    }
    for (int pass = 0; pass < 2; ++pass) {
      for (ptrdiff_t start = 0; start < call.length; start += block) {
        const window at = {first, slices, start, at_most(call.length - start, block)};
        if (pass == 0 || block < call.length) {
          pack(call.g, call.g_length, call.g_slice, at, g, line);
          pack(call.y, call.y_length, call.y_slice, at, y, line);
        }
        if (pass == 0) {
          line_sum<S, Op>(g, line, y, line, at.length, sum);
        } else {
          line_map<S, Op, false>(g, line, y, line, at.length, sum, g, line);
          unpack_block(g, line, at, call.out, call.out_length, call.out_slice);
        }
      }
    }
  }
}

template <class S, backward_op Op>
void backward(const backward_call<S>& call) {
  const bool contiguous = call.g_length == 1 && call.y_length == 1 && call.out_length == 1;
  if (contiguous && call.length > short_length<S>) {
    if (call.stream) {
      backward_rows<S, Op, true>(call);
    } else {
      backward_rows<S, Op, false>(call);
    }
  } else if (call.stream && can_stream(call.out, call.out_length, call.out_slice)) {
    backward_panels<S, Op, true>(call);
  } else {
    backward_panels<S, Op, false>(call);
  }
  if (call.stream) stream_fence();
}

}  // namespace LOGZ_TARGET
