// SPDX-License-Identifier: MIT
//
// The passes over one vector of slices of a panel: row l of its columns holds number l of each.

namespace LOGZ_TARGET {

/// The largest of each lane over n rows, `row` numbers apart, NaN ignored.
template <class S>
LOGZ_INLINE vec<S> column_max(const S* x, ptrdiff_t n, ptrdiff_t row) {
  const vec<S> least = all(-std::numeric_limits<S>::infinity());
  vec<S> a = least, b = least, c = least, d = least;
  ptrdiff_t l = 0;
  for (; l + 4 <= n; l += 4, x += 4 * row) {
    a = larger<vec<S>>(load(x), a);
    b = larger<vec<S>>(load(x + row), b);
    c = larger<vec<S>>(load(x + 2 * row), c);
    d = larger<vec<S>>(load(x + 3 * row), d);
  }
  for (; l < n; ++l, x += row) a = larger<vec<S>>(load(x), a);
  return larger<vec<S>>(larger<vec<S>>(a, b), larger<vec<S>>(c, d));
}

/// Adds exp of a column of n rows, `row` numbers apart, to the sums of its slices. Exps that are kept go to rows at `to`,
/// `to_row` numbers apart. `Track`: with their maxima, which the others find by themselves.
template <class S, terms Which, bool Track>
__attribute__((noinline)) void column_sum(partition<S>& z, const S* x, ptrdiff_t n, ptrdiff_t row, S* to,
                                          ptrdiff_t to_row) {
  const vec<S> exponent = z.exponent;
  const vec<S> floor = z.floor;
  lane_sum<S> sum = z.sum;
  vec<S> top = z.top, aside = z.aside;
  for (ptrdiff_t l = 0; l < n;) {
    const ptrdiff_t stop = keeps_exps(Which) ? n : l + at_most(n - l, flush_step);
    for (; l < stop; l += 2) {
      const bool pair = l + 1 < n;
      vec<S> a = load(x + l * row), b = all(-std::numeric_limits<S>::infinity());  // adds nothing
      if (pair) b = load(x + (l + 1) * row);
      if constexpr (Track) top = larger<vec<S>>(b, larger<vec<S>>(a, top));
      take<S, Which>(sum, top, aside, exponent, floor, a, b);
      if constexpr (keeps_exps(Which)) {
        store(to + l * to_row, a);
        if (pair) store(to + (l + 1) * to_row, b);
      }
    }
    if constexpr (Which == terms::others) flush(sum);
  }
  z.sum = sum;
  z.top = top;
  z.aside = aside;
}

/// x = ±x - shift.
template <class S>
void column_prepare(S* x, ptrdiff_t n, ptrdiff_t lanes, bool negate, vec<S> shift) {
  const S sign = negate ? S(-1) : S(1);
  for (ptrdiff_t l = 0; l < n; ++l) store(x + l * lanes, opaque_vector(load(x + l * lanes) * sign) - shift);
}

}  // namespace LOGZ_TARGET
