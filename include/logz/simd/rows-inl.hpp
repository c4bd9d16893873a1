// SPDX-License-Identifier: MIT
//
// The functions on slices whose numbers lie side by side.

namespace LOGZ_TARGET {

/// Rows up to this length are transposed into panels, where no sum crosses lanes. Measured on AVX2: rows
/// catch up between 200 and 300; 224 is what fits in the small scratch.
template <class S>
constexpr ptrdiff_t short_length = 224;
/// The same for the gradients, which have less to do in a row: measured, 24 to 32.
template <class S>
constexpr ptrdiff_t short_backward_length = 31;

/// Numbers that are summed relative to one reference before a larger maximum may move it: 16 KiB.
template <class S>
constexpr ptrdiff_t block_length = 16384 / static_cast<ptrdiff_t>(sizeof(S));

/// Slices up to this length keep their exponentials in the result (2 MiB, a part of a last-level cache); of longer ones
/// they are computed again, so that memory is read twice and written once.
template <class S>
constexpr ptrdiff_t kept_length = 2097152 / static_cast<ptrdiff_t>(sizeof(S));

template <forward_op Op>
constexpr terms summed =
    Op == forward_op::softmax || Op == forward_op::logsumexp_backward ? terms::all : terms::others;

LOGZ_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

/// A long row block by block, with a reference that moves up with the maximum: the sum is rescaled by powers of two.
/// False where a number too far from 0 was met.
template <class S, terms Which>
bool sum_blocks(partition<S>& z, const S* x, ptrdiff_t length, S* scratch) {
  for (ptrdiff_t l = 0; l < length; l += block_length<S>) {
    const ptrdiff_t n = at_most(length - l, block_length<S>);
    const S largest = row_max(x + l, n);
    if (!(largest < range<S>::limit && largest > -range<S>::limit)) return false;
    const vec<S> before = z.exponent;
    set_top<S>(z, larger<vec<S>>(all(largest), z.top));
    if (l != 0) scale_by_power<S>(z.sum, z.exponent - before);
    row_sum<S, Which>(z, x + l, n, scratch);
  }
  return true;
}

/// Rows that are negated or far from 0 are copied block by block into scratch, so that the passes see plain numbers.
template <class S>
S top_of_prepared(const forward_call<S>& call, const S* x) {
  S top = -std::numeric_limits<S>::infinity();
  for (ptrdiff_t l = 0; l < call.length; l += block_length<S>) {
    const ptrdiff_t n = at_most(call.length - l, block_length<S>);
    row_prepare(x + l, n, call.negate, S(0), call.scratch);
    const S largest = row_max(call.scratch, n);
    top = largest > top ? largest : top;
  }
  return top;
}
/// With out null the exps are left in scratch, and lost.
template <class S, terms Which>
void sum_prepared(partition<S>& z, const forward_call<S>& call, const S* x, S* out) {
  for (ptrdiff_t l = 0; l < call.length; l += block_length<S>) {
    const ptrdiff_t n = at_most(call.length - l, block_length<S>);
    row_prepare(x + l, n, call.negate, S(z.shift[0]), call.scratch);
    row_sum<S, Which>(z, call.scratch, n, out == nullptr ? call.scratch : out + l);
  }
}

/// What the gradient of logsumexp multiplies by: p keeps its digits below the smallest normal number where a large
/// factor brings it back.
template <class S>
LOGZ_INLINE void set_factor(coefficients<S>& with, vec<S> factor) {
  constexpr S up = sizeof(S) == 4 ? S(0x1p40) : S(0x1p400);
  const vec<S> raise = magnitude<S>(factor) >= S(1) ? all(up) : all(S(1));
  const vec<S> lower = magnitude<S>(factor) >= S(1) ? all(S(1) / up) : all(S(1));
  with.high *= raise;
  with.low *= raise;
  with.factor = factor * lower;
}

/// log Z; where the maximum is infinite, that or NaN.
template <class S>
S log_z(const S* x, ptrdiff_t n, ptrdiff_t stride, S top, S shift, S high, S low) {
  if (is_finite(top)) return shift == 0 ? S(high + low) : S(double(shift) + (double(high) + double(low)));
  for (ptrdiff_t l = 0; l < n; ++l) {
    if (is_nan(double(x[l * stride]))) return x[l * stride];
  }
  return top;
}

/// exp once more and through the map, block by block, for rows that could not keep theirs.
template <class S, forward_op Op, bool Stream>
void row_remake(partition<S> z, const forward_call<S>& call, const S* x, S* to, const coefficients<S>& with) {
  const bool prepared = call.negate || z.shift[0] != 0;
  for (ptrdiff_t l = 0; l < call.length; l += block_length<S>) {
    const ptrdiff_t n = at_most(call.length - l, block_length<S>);
    if (prepared) row_prepare(x + l, n, call.negate, S(z.shift[0]), call.scratch);
    row_sum<S, terms::all>(z, prepared ? call.scratch : x + l, n, call.scratch);
    row_map<S, Op, Stream>(call.scratch, to + l, n, with);
  }
}

template <class S, forward_op Op, bool Stream>
void rows_in_groups(const forward_call<S>& call) {
  constexpr int most = 8;
  constexpr terms which = summed<Op>;
  const ptrdiff_t n = call.length;
  const bool keep = which == terms::all && n <= kept_length<S>;
  // As many rows at a time as 64 KiB hold: they share divisions and logarithms, and stay in L2 until the map.
  const ptrdiff_t fitting = 65536 / static_cast<ptrdiff_t>(sizeof(S)) / n;
  const ptrdiff_t at_once = fitting < 1 ? 1 : at_most(fitting, most);
  group<S, most> g;
  partition<S> z;
  for (ptrdiff_t i = 0; i < call.count; i += at_once) {
    const ptrdiff_t rows = at_most(call.count - i, at_once);
    S* kept[most];
    for (ptrdiff_t r = 0; r < rows; ++r) {
      const S* const x = call.x + (i + r) * call.x_slice;
      kept[r] = keep ? call.out + (i + r) * call.out_slice : nullptr;
      begin(z);
      bool plain = !call.negate;
      if (Op != forward_op::logsumexp_backward && plain && n > kept_length<S>) {
        plain = sum_blocks<S, which>(z, x, n, call.scratch);
        if (!plain) begin(z);
      } else if (plain) {
        set_top<S>(z,
                   all(Op == forward_op::logsumexp_backward ? call.reference[(i + r) * call.reference_slice]
                                                            : row_max(x, n)));
        plain = z.shift[0] == 0 && (keep || which == terms::others);
        if (plain) row_sum<S, which>(z, x, n, kept[r]);
      }
      if (!plain) {
        if (Op != forward_op::logsumexp_backward) set_top<S>(z, all(top_of_prepared(call, x)));
        sum_prepared<S, which>(z, call, x, kept[r]);
      }
      if constexpr (which == terms::others) add_all_but_top<S>(z);
      g.top[r] = z.top[0];
      g.shift[r] = z.shift[0];
      g.exponent[r] = z.exponent[0];
      total_of_lanes(z.sum, g.sum[r], g.rest[r]);
    }
    fill_up(g, rows);
    if constexpr (which == terms::all) {
      finish_softmax(g, rows);
    } else {
      finish_log(g, rows);
    }
    for (ptrdiff_t r = 0; r < rows; ++r) {
      const S* const x = call.x + (i + r) * call.x_slice;
      S* const out = call.out + (i + r) * call.out_slice;
      if constexpr (Op == forward_op::logsumexp) {
        *out = log_z(x, n, ptrdiff_t{1}, g.top[r], g.shift[r], g.high[r], g.low[r]);
        continue;
      }
      coefficients<S> with = {all(g.high[r]), all(g.low[r]), all(S(1))};
      if constexpr (Op == forward_op::log_softmax) {
        // Far from 0: x - top is exact, and log Z - top has digits of its own.
        if (g.shift[r] != 0) with = {all(g.shift[r]), all(g.high[r]), all(S(1))};
        row_map<S, Op, Stream>(x, out, n, with);
        continue;
      }
      if constexpr (Op == forward_op::logsumexp_backward) {
        const S reference = call.reference[(i + r) * call.reference_slice];
        set_factor<S>(with,
                      all(is_nan(double(reference)) ? reference : call.factor[(i + r) * call.factor_slice]));
        if (reference == -std::numeric_limits<S>::infinity()) {  // Z is 0
          for (ptrdiff_t l = 0; l < n; ++l) out[l] = 0;
          continue;
        }
      }
      if (kept[r] != nullptr) {
        row_map<S, Op, Stream>(kept[r], out, n, with);
      } else {
        row_remake<S, Op, Stream>(z, call, x, out, with);
      }
    }
  }
}

template <class S, forward_op Op>
void rows(const forward_call<S>& call) {
  // Exponentials kept in the result are in the cache when they are scaled: streaming them was measured to gain nothing.
  const bool keeps = summed<Op> == terms::all && call.length <= kept_length<S>;
  if (call.stream && !keeps && Op != forward_op::logsumexp) {
    rows_in_groups<S, Op, true>(call);
    stream_fence();
  } else {
    rows_in_groups<S, Op, false>(call);
  }
}

}  // namespace LOGZ_TARGET
