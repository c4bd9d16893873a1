// SPDX-License-Identifier: MIT
//
// Losses that spread over the classes (label smoothing, probabilities): Σ u (top - x) beside the sums of exponentials,
// and the shares u that leave the gradient, e · c - f s u.

namespace LOGZ_TARGET {

/// Sums of shares and of their distances from the maximum.
template <class S>
struct share_sums {
  lane_sum<S> distances, shares;
};

/// Distances, 0 where there is no share: a share of 0 drops its term, even times ∞.
template <class S>
LOGZ_INLINE vec<S> distance(vec<S> top, vec<S> x, vec<S> u) {
  return u == 0 ? vec<S>{} : opaque_vector(top - x);
}
/// Adds u d of two vectors. Floats in double: with the roundings of both factors and of the sum a loss would be 2.04 ulp
/// off.
LOGZ_INLINE void add_products(lane_sum<float>& sum, vec<float> da, vec<float> db, vec<float> ua,
                              vec<float> ub) {
  sum.first += first_half(ua) * first_half(da) + first_half(ub) * first_half(db);
  sum.second += second_half(ua) * second_half(da) + second_half(ub) * second_half(db);
}
/// Products and sums of doubles without error: 2.21 ulp otherwise; 1.68 with the distances rounded, as they are.
LOGZ_INLINE void add_products(lane_sum<double>& sum, vec<double> da, vec<double> db, vec<double> ua,
                              vec<double> ub) {
  const vec<double> a = opaque_vector(ua * da), b = opaque_vector(ub * db);
  // Not finite: neither is the sum, and its low part is not looked at.
  vec<double> rest = error_of_finite(ua, da, a) + error_of_finite(ub, db, b);
  const vec<double> both = two_sum<vec<double>>(a, b, rest);
  sum.low += rest;
  add_exactly(sum, both);
}
/// The same of two rows with a share each.
LOGZ_INLINE void add_weighted(lane_sum<float>& sum, vec<float> da, vec<float> db, float ua, float ub) {
  const vec<double> a = all(double(ua)), b = all(double(ub));
  sum.first += a * first_half(da) + b * first_half(db);
  sum.second += a * second_half(da) + b * second_half(db);
}
LOGZ_INLINE void add_weighted(lane_sum<double>& sum, vec<double> da, vec<double> db, double ua, double ub) {
  add_products(sum, da, db, all(ua), all(ub));
}

/// Adds two vectors: u = t · w, t and w being 1 where they are not given.
template <class S, bool Probable, bool Weighted>
LOGZ_INLINE void add_shares(share_sums<S>& sums, vec<S> top, vec<S> xa, vec<S> xb, vec<S> ua, vec<S> ub) {
  if constexpr (Probable || Weighted) {
    add_products(sums.distances, distance<S>(top, xa, ua), distance<S>(top, xb, ub), ua, ub);
    if constexpr (Probable) add_both(sums.shares, ua, ub);
    return;
  }
  // Distances are >= 0: with their rounding, and that of two of them together, at most an ulp is lost.
  add_rounded(sums.distances, opaque_vector(top - xa), opaque_vector(top - xb));
}

/// What a position l of a slice adds to the sums: the shares of class l on.
template <class S, bool Probable, bool Weighted>
struct share_at {
  const S* t;
  const S* w;

  /// n numbers from position l on, 0 after them.
  LOGZ_INLINE vec<S> operator()(ptrdiff_t l, ptrdiff_t n) const {
    if constexpr (Probable && Weighted) {
      const vec<S> weight = load_up_to(w + l, n, vec<S>{});
      return weight == 0 ? weight : weight * load_up_to(t + l, n, vec<S>{});
    } else if constexpr (Probable) {
      return load_up_to(t + l, n, vec<S>{});
    } else if constexpr (Weighted) {
      return load_up_to(w + l, n, vec<S>{});
    } else {
      return vec<S>{};
    }
  }
};

template <class S, bool Probable, bool Weighted>
void row_shares(share_sums<S>& sums, const S* x, const S* t, const S* w, ptrdiff_t n, S top) {
  constexpr ptrdiff_t v = width<S>;
  const share_at<S, Probable, Weighted> share = {t, w};
  const vec<S> tops = all(top);
  ptrdiff_t l = 0;
  for (; l + 2 * v <= n; l += 2 * v) {
    add_shares<S, Probable, Weighted>(sums, tops, load(x + l), load(x + l + v), share(l, v), share(l + v, v));
  }
  // At the maximum the distance is 0.
  for (; l < n; l += v) {
    add_shares<S, Probable, Weighted>(sums, tops, load_up_to(x + l, n - l, tops), tops, share(l, n - l),
                                      vec<S>{});
  }
}

/// A column of a panel, its rows x_row apart; t, where there is one, is a panel of rows of `lanes`.
template <class S, bool Probable, bool Weighted>
void column_shares(share_sums<S>& sums, const S* x, ptrdiff_t x_row, const S* t, const S* w, ptrdiff_t n,
                   ptrdiff_t lanes, vec<S> top) {
  for (ptrdiff_t l = 0; l < n; l += 2) {
    const bool pair = l + 1 < n;
    // At the maximum the distance is 0.
    const vec<S> xa = load(x + l * x_row), xb = pair ? load(x + (l + 1) * x_row) : top;
    const S wa = Weighted ? w[l] : S(1), wb = Weighted && pair ? w[l + 1] : S(1);
    if constexpr (Probable) {
      const vec<S> none = {}, tb = pair ? load(t + (l + 1) * lanes) : none;
      const vec<S> ua = Weighted ? (wa == 0 ? none : load(t + l * lanes) * wa) : load(t + l * lanes);
      const vec<S> ub = Weighted ? (wb == 0 ? none : tb * wb) : tb;
      add_shares<S, true, Weighted>(sums, top, xa, xb, ua, ub);
    } else if constexpr (Weighted) {
      add_weighted(sums.distances, wa == 0 ? vec<S>{} : opaque_vector(top - xa),
                   wb == 0 ? vec<S>{} : opaque_vector(top - xb), wa, wb);
    } else {
      add_shares<S, false, false>(sums, top, xa, xb, top, top);
    }
  }
}

/// The total of one slice in all lanes.
LOGZ_INLINE lane_sum<double> total_of_sum(const lane_sum<float>& sum) {
  return {all(total_of(sum.first + sum.second)), vec<double>{}};
}
LOGZ_INLINE lane_sum<double> total_of_sum(lane_sum<double> sum) {
  join_lanes(sum);
  return sum;
}
/// The sums of a vector of slices, as a group holds them.
LOGZ_INLINE void load_totals(lane_sum<float>& sum, const double* total, const double*) {
  sum = {load(total), load(total + width<double>), vec<float>{}};
}
LOGZ_INLINE void load_totals(lane_sum<double>& sum, const double* total, const double* rest) {
  sum = {load(total), load(rest)};
}

/// Probabilities that count: none where label smoothing takes all.
template <class S>
LOGZ_INLINE const S* probabilities_of(const loss_terms<S>& terms) {
  return terms.hit == 0 ? nullptr : terms.probability;
}

/// Shares are weight · (hit · t + spread), or of class indices the weight alone: a part with probabilities and one
/// without, each with its factor.
struct part_factor {
  double value, rest;
};
template <class S>
LOGZ_INLINE part_factor plain_factor(const loss_terms<S>& terms) {
  return terms.target != nullptr ? part_factor{1, 0} : part_factor{terms.spread, terms.spread_rest};
}
/// The sum of a vector of slices at sum and rest += factor · total; of floats nothing is lost that counts.
template <class S>
LOGZ_INLINE lane_sum<double> sum_with_part(const lane_sum<double>& sum, const part_factor& factor,
                                           const lane_sum<double>& total) {
  const vec<double> product = opaque_vector(factor.value * total.high);
  if constexpr (sizeof(S) == 4) {
    return {opaque_vector(sum.high + product), sum.low};
  } else {
    vec<double> rest = factor.value * total.low + factor.rest * total.high;
    if (factor.value != 1) rest += error_of_product(all(factor.value), total.high, product);
    const vec<double> next = two_sum<vec<double>>(sum.high, product, rest);
    const auto finite = magnitude<double>(next) < std::numeric_limits<double>::infinity();
    return {next, sum.low + (finite ? rest : vec<double>{})};
  }
}
template <class S, bool Probable>
LOGZ_INLINE void add_row_part(lane_sum<double>& distances, lane_sum<double>& shares,
                              const loss_terms<S>& terms, const S* x, const S* t, ptrdiff_t n, S top,
                              const part_factor& factor) {
  share_sums<S> sums;
  clear(sums.distances);
  clear(sums.shares);
  if (terms.weight == nullptr) {
    row_shares<S, Probable, false>(sums, x, t, terms.weight, n, top);
  } else {
    row_shares<S, Probable, true>(sums, x, t, terms.weight, n, top);
  }
  distances = sum_with_part<S>(distances, factor, total_of_sum(sums.distances));
  const lane_sum<double> all_classes = {all(terms.weight_sum), vec<double>{}};
  shares = sum_with_part<S>(shares, factor, Probable ? total_of_sum(sums.shares) : all_classes);
}
/// Σ u (top - x) and W of a row, into lane i.
template <class S, int Count>
void find_row_shares(loss_group<S, Count>& lg, ptrdiff_t i, const loss_terms<S>& terms, const S* x,
                     const S* t, ptrdiff_t n, S top) {
  lane_sum<double> distances = {vec<double>{}, vec<double>{}}, shares = distances;
  if (t != nullptr) add_row_part<S, true>(distances, shares, terms, x, t, n, top, {terms.hit, 0});
  if (plain_factor(terms).value != 0)
    add_row_part<S, false>(distances, shares, terms, x, t, n, top, plain_factor(terms));
  lg.distances[i] = distances.high[0];
  lg.distances_rest[i] = distances.low[0];
  lg.shares[i] = shares.high[0];
  lg.shares_rest[i] = shares.low[0];
}

template <class S, bool Probable, int Count>
LOGZ_INLINE void add_column_part(loss_group<S, Count>& lg, ptrdiff_t i, const S* w, const S* x,
                                 ptrdiff_t x_row, const S* t, ptrdiff_t lanes, ptrdiff_t n, vec<S> top) {
  double* const distances = (Probable ? lg.probable_distances : lg.distances) + i;
  double* const rest = (Probable ? lg.probable_rest : lg.distances_rest) + i;
  share_sums<S> sums;
  load_totals(sums.distances, distances, rest);
  load_totals(sums.shares, lg.shares + i, lg.shares_rest + i);
  if (w == nullptr) {
    column_shares<S, Probable, false>(sums, x, x_row, t, w, n, lanes, top);
  } else {
    column_shares<S, Probable, true>(sums, x, x_row, t, w, n, lanes, top);
  }
  store_totals(sums.distances, distances, rest);
  if (Probable) store_totals(sums.shares, lg.shares + i, lg.shares_rest + i);
}
/// A vector of a panel's slices: a block joins what those before have come to.
template <class S, int Count>
void add_column_shares(loss_group<S, Count>& lg, ptrdiff_t i, const loss_terms<S>& terms, const S* x,
                       ptrdiff_t x_row, const S* t, ptrdiff_t lanes, ptrdiff_t start, ptrdiff_t n,
                       vec<S> top) {
  const S* const w = terms.weight == nullptr ? nullptr : terms.weight + start;
  if (t != nullptr) add_column_part<S, true>(lg, i, w, x, x_row, t, lanes, n, top);
  if (plain_factor(terms).value != 0) add_column_part<S, false>(lg, i, w, x, x_row, nullptr, lanes, n, top);
}
/// Nothing has been added to the sums of a panel's slices.
template <class S, int Count>
LOGZ_INLINE void start_shares(loss_group<S, Count>& lg, ptrdiff_t lanes) {
  for (ptrdiff_t i = 0; i < lanes; i += width<double>) {
    for (double* const of : {lg.distances, lg.distances_rest, lg.probable_distances, lg.probable_rest,
                             lg.shares, lg.shares_rest})
      store(of + i, vec<double>{});
  }
}
/// Σ u (top - x) and W of Σ w (top - x), Σ w t (top - x) and Σ w t.
template <class S>
LOGZ_INLINE void join_parts(lane_sum<double>& distances, lane_sum<double>& shares, const loss_terms<S>& terms,
                            const lane_sum<double>& of_weights, const lane_sum<double>& of_probabilities,
                            const lane_sum<double>& probable_shares) {
  const part_factor plain = plain_factor(terms), probable = {terms.hit, 0};
  distances = shares = {vec<double>{}, vec<double>{}};
  if (probabilities_of(terms) != nullptr) {
    distances = sum_with_part<S>(distances, probable, of_probabilities);
    shares = sum_with_part<S>(shares, probable, probable_shares);
  }
  if (plain.value != 0) {
    distances = sum_with_part<S>(distances, plain, of_weights);
    shares = sum_with_part<S>(shares, plain, {all(terms.weight_sum), vec<double>{}});
  }
}
/// The same of a group's slices, in the place of the distances and shares.
template <class S, int Count>
void join_shares(loss_group<S, Count>& lg, const loss_terms<S>& terms, ptrdiff_t lanes) {
  for (ptrdiff_t i = 0; i < lanes; i += width<double>) {
    lane_sum<double> distances, shares;
    join_parts<S>(distances, shares, terms, {load(lg.distances + i), load(lg.distances_rest + i)},
                  {load(lg.probable_distances + i), load(lg.probable_rest + i)},
                  {load(lg.shares + i), load(lg.shares_rest + i)});
    store_totals(distances, lg.distances + i, lg.distances_rest + i);
    store_totals(shares, lg.shares + i, lg.shares_rest + i);
  }
}

/// What leaves the gradient beside the exps, of each slice of a group.
template <class S, int Count>
LOGZ_INLINE void set_slopes(loss_group<S, Count>& lg, const loss_terms<S>& terms, ptrdiff_t lanes) {
  const double common = terms.has_shares() ? terms.scaled_spread : 0.0;
  for (ptrdiff_t i = 0; i < lanes; i += width<double>) {
    const vec<double> above = terms.upstream == nullptr ? all(1.0) : load(lg.above + i);
    store_double(lg.probable + i, terms.scaled_hit * above);
    store_double(lg.common + i, common * above);
  }
}

/// f s u of the classes: weight · (f · hit · t + f · spread).
template <class S>
struct share_slopes {
  bool any;  // otherwise there is nothing to subtract
  const S* t;
  const S* w;
  S probable;  // f · hit
  S common;    // f · spread

  /// The same for all classes.
  LOGZ_INLINE bool uniform() const { return !any || (t == nullptr && w == nullptr); }
  LOGZ_INLINE coefficients<S> with(const coefficients<S>& of) const {
    return {of.high, of.low, all(any ? common : S(0))};
  }
  /// Seen from position l on.
  LOGZ_INLINE share_slopes from(ptrdiff_t l) const {
    return {any, t == nullptr ? t : t + l, w == nullptr ? w : w + l, probable, common};
  }
};
template <class S>
LOGZ_INLINE share_slopes<S> slopes_of(const loss_terms<S>& terms, const S* t, double above) {
  return {terms.has_shares(), t, terms.weight, S(terms.scaled_hit * above), S(terms.scaled_spread * above)};
}

/// The gradient of n exps side by side.
template <class S, bool Probable, bool Weighted>
void row_slopes(const S* from, S* to, ptrdiff_t n, const coefficients<S>& with,
                const share_slopes<S>& slopes) {
  constexpr ptrdiff_t v = width<S>;
  const vec<S> probable = all(slopes.probable), common = all(slopes.common);
  const share_at<S, Probable, Weighted> share = {slopes.t, slopes.w};
  for (ptrdiff_t l = 0; l < n; l += v) {
    const bool whole = l + v <= n;
    const ptrdiff_t left = whole ? v : n - l;
    vec<S> u = common;
    if constexpr (Probable && Weighted) {
      const vec<S> w = load_up_to(slopes.w + l, left, vec<S>{});
      u = fma(share(l, left), probable, w * common);
    } else if constexpr (Probable) {
      u = fma(share(l, left), probable, common);
    } else if constexpr (Weighted) {
      u = share(l, left) * common;
    }
    if (whole) {
      store(to + l, slope_of(load(from + l), with, u));
    } else {
      store_first(to + l, left, slope_of(load_first(from + l, left, vec<S>{}), with, u));
    }
  }
}
template <class S>
void row_slopes(const S* from, S* to, ptrdiff_t n, const coefficients<S>& with,
                const share_slopes<S>& slopes) {
  if (slopes.t != nullptr && slopes.w != nullptr) {
    row_slopes<S, true, true>(from, to, n, with, slopes);
  } else if (slopes.t != nullptr) {
    row_slopes<S, true, false>(from, to, n, with, slopes);
  } else {
    row_slopes<S, false, true>(from, to, n, with, slopes);
  }
}

/// The gradient of n exps.
template <class S>
void write_slopes(const S* e, S* to, ptrdiff_t n, const coefficients<S>& with, const share_slopes<S>& slopes,
                  bool streams) {
  if (!slopes.uniform()) return row_slopes(e, to, n, with, slopes);
  row_map<S, forward_op::cross_entropy_gradient>(e, to, n, of_kept(slopes.with(with)), streams);
}

/// The probabilities of one sample that lie side by side; null where they do not count.
template <class S>
LOGZ_INLINE const S* row_of_probabilities(const loss_terms<S>& terms, ptrdiff_t sample) {
  const S* const t = probabilities_of(terms);
  return t == nullptr ? t : t + sample * terms.probability_slice;
}

/// The first position of a number in a row that has it; 0 where none is above -∞.
template <class S>
ptrdiff_t find_in_row(const S* x, ptrdiff_t n, S top) {
  if (!(top > -std::numeric_limits<S>::infinity())) return 0;  // it is not looked at
  for (ptrdiff_t l = 0; l < n; l += width<S>) {
    const vec<S> v = load_up_to(x + l, n - l, all(-std::numeric_limits<S>::infinity()));
    if (!any<S>(bits<S>(v == top))) continue;
    for (ptrdiff_t i = l;; ++i) {
      if (x[i] == top) return i;
    }
  }
  return 0;
}
/// What only the numbers of a row tell, once its maximum is known.
template <class S, int Count>
void inspect_row(loss_group<S, Count>& lg, ptrdiff_t r, const loss_terms<S>& terms, ptrdiff_t sample,
                 const S* x, ptrdiff_t n, S top) {
  if (terms.has_shares()) find_row_shares(lg, r, terms, x, row_of_probabilities(terms, sample), n, top);
  if (terms.argmax == nullptr) return;
  lg.argmax[r] = static_cast<typename lanes<S>::bit>(find_in_row(x, n, top));
  lg.has_nan[r] = !is_finite(top) && has_nan(x, n, ptrdiff_t{1});
}

}  // namespace LOGZ_TARGET
