// SPDX-License-Identifier: MIT
//
// One number at a time: softplus and the logistic function, log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).

namespace LOGZ_TARGET {

/// exp(-|x|) is held times a power of two, so that its digits stay where a factor brings it back from below the smallest
/// normal number: by 2^usual, and beyond `far` by 2^farther. exp(-far) · 2^farther is an ordinary number, and beyond
/// -(no_power + farther) ln 2 (-219; -1956) its product with the largest number of S rounds to 0.
template <class S>
struct logistic_power;
template <>
struct logistic_power<float> {
  static constexpr float far = 100, usual = 64, farther = 190;
  static constexpr double usual_down = 0x1p-64, farther_down = 0x1p-126;
};
template <>
struct logistic_power<double> {
  static constexpr double far = 1200, usual = 900, farther = 1800;
  static constexpr double usual_down = 0x1p-900, farther_down = 0x1p-900;
};
template <class S>
LOGZ_INLINE vec<S> power_at(vec<S> size) {
  return size > logistic_power<S>::far ? all(logistic_power<S>::farther) : all(logistic_power<S>::usual);
}
/// What takes the power beyond the usual one back again.
template <class S>
LOGZ_INLINE vec<double> rest_of_power(vec<double> size) {
  return size > double(logistic_power<S>::far) ? all(logistic_power<S>::farther_down) : all(1.0);
}
/// -size, no farther down than where its exponential is 0; NaN stays.
template <class S>
LOGZ_INLINE vec<S> down_from(vec<S> size) {
  return larger<vec<S>>(floor_for<S>(power_at<S>(size)), -size);
}

/// exp(-|x|) of numbers of S as doubles: scaled, what scales it back beside 2^-usual, and itself.
struct logistic_exp {
  vec<double> scaled, rest_of_power, e;
};
template <class S>
LOGZ_INLINE logistic_exp logistic_exp_of(vec<double> x, vec<double> scaled) {
  const vec<double> rest = rest_of_power<S>(magnitude<double>(x));
  return {scaled, rest, opaque_vector(scaled * logistic_power<S>::usual_down) * rest};
}
/// log(1 + exp(-|x|)), of doubles with what it has lost; e: exp(-|x|), scaled.
LOGZ_INLINE lane_sum<double> softplus_tail(const logistic_exp& at, vec<double>, const parts<float>&) {
  return {log_excess(at.e, all(1.0)), vec<double>{}};
}
LOGZ_INLINE lane_sum<double> softplus_tail(const logistic_exp& at, vec<double> x, const parts<double>& e) {
  const lane_sum<double> scaled = as_sum(e);
  const vec<double> down = logistic_power<double>::usual_down * at.rest_of_power;
  const lane_sum<double> logarithm = log1p<false>({scaled.high * down, scaled.low * down});
  // From here on log(1 + e) is e to half a unit of 2^-57.
  const auto tiny = magnitude<double>(x) > 40;
  return {tiny ? at.e : logarithm.high, tiny ? vec<double>{} : logarithm.low};
}

/// a + b rounded; the rest is not looked at where the sum is not finite.
LOGZ_INLINE vec<double> rounded(const lane_sum<double>& sum) {
  return magnitude<double>(sum.high) < std::numeric_limits<double>::infinity() ? sum.high + sum.low
                                                                               : sum.high;
}

/// Calls f(exp(-|x|), log(1 + exp(-|x|)) where Tail, operands ...) for each vector of doubles in vectors of numbers, and
/// joins what it answers.
template <bool Tail, class Function, class... Others>
LOGZ_INLINE vec<double> in_double(Function& f, vec<double> x, Others... others) {
  const vec<double> size = magnitude<double>(x);
  const parts<double> e = exp_parts(down_from<double>(size), power_at<double>(size));
  const logistic_exp at = logistic_exp_of<double>(x, value(e));
  lane_sum<double> tail = {vec<double>{}, vec<double>{}};
  if constexpr (Tail) tail = softplus_tail(at, x, e);
  return f(at, tail, x, others...);
}
template <bool Tail, class Function, class... Others>
LOGZ_INLINE vec<float> in_double(Function& f, vec<float> x, Others... others) {
  const vec<float> size = magnitude<float>(x);
  const parts<float> e = exp_parts(down_from<float>(size), power_at<float>(size));
  const logistic_exp first = logistic_exp_of<float>(first_half(x), first_of(e));
  const logistic_exp second = logistic_exp_of<float>(second_half(x), second_of(e));
  lane_sum<double> tail = {vec<double>{}, vec<double>{}};
  if constexpr (Tail) tail = softplus_tail(first, first_half(x), e);
  const vec<double> first_result = f(first, tail, first_half(x), first_half(others)...);
  if constexpr (Tail) tail = softplus_tail(second, second_half(x), e);
  return join(first_result, f(second, tail, second_half(x), second_half(others)...));
}

/// factor · e, or the factor where `whole`; of doubles with what the product loses. A large factor makes up for what e has
/// lost below the smallest normal number; a small one would lose digits itself.
template <class S, class Mask>
LOGZ_INLINE lane_sum<double> times_exp_unless(Mask whole, const lane_sum<double>& factor,
                                              const logistic_exp& at) {
  if constexpr (sizeof(S) == 4) return {whole ? factor.high : factor.high * at.e, vec<double>{}};
  const auto large = magnitude<double>(factor.high) >= 1.0;
  const vec<double> a = opaque_vector(large ? factor.high * logistic_power<S>::usual_down : factor.high);
  const vec<double> b = large ? at.scaled : at.e, back = large ? at.rest_of_power : all(1.0);
  const vec<double> product = opaque_vector(a * b);
  const vec<double> lost = error_of_product(a, b, product) * back + factor.low * at.e;
  return {whole ? factor.high : product * back, whole ? factor.low : lost};
}
/// a / ((1 + e) · divisor): of doubles rounded once, or with e's own error an adverse e would cost 4.05 ulp.
template <class S>
LOGZ_INLINE vec<double> over_one_plus(const logistic_exp& at, const lane_sum<double>& a, double divisor) {
  if constexpr (sizeof(S) == 4) return a.high / ((1.0 + at.e) * divisor);
  return rounded(quotient(a, times<S>(all(divisor), joined<S>(all(1.0), at.e, vec<double>{}))));
}

// Functions by name where lambdas would do: a lambda that is not inlined passes vectors by another convention.
template <class S>
struct softplus_of_doubles {
  LOGZ_INLINE vec<double> operator()(const logistic_exp&, const lane_sum<double>& tail, vec<double> x) const {
    return rounded(joined<S>(x > 0 ? x : vec<double>{}, tail.high, tail.low));
  }
};
template <class S>
LOGZ_INLINE vec<S> softplus(vec<S> x) {
  softplus_of_doubles<S> f;
  return in_double<true>(f, x);
}
/// g / (1 + exp(-x)).
template <class S>
struct times_logistic_of_doubles {
  LOGZ_INLINE vec<double> operator()(const logistic_exp& at, const lane_sum<double>&, vec<double> x,
                                     vec<double> g) const {
    return over_one_plus<S>(at, times_exp_unless<S>(x > 0, {g, vec<double>{}}, at), 1);
  }
};
template <class S>
LOGZ_INLINE vec<S> times_logistic(vec<S> g, vec<S> x) {
  times_logistic_of_doubles<S> f;
  return in_double<false>(f, x, g);
}

template <class S, element_op Op>
LOGZ_INLINE vec<S> element(vec<S> x, [[maybe_unused]] vec<S> g) {
  switch (Op) {
    case element_op::softplus:
      return softplus<S>(x);
    case element_op::log_sigmoid:
      return -softplus<S>(-x);
    case element_op::softplus_backward:
      return times_logistic<S>(g, x);
    default:
      return times_logistic<S>(g, -x);
  }
}

template <class S, element_op Op>
void elements(const element_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  constexpr bool paired = has_gradient(Op);
  for (ptrdiff_t i = 0; i < call.count; i += w) {
    const ptrdiff_t left = call.count - i;
    const vec<S> x = load_up_to(call.x + i, left, vec<S>{});
    const vec<S> g = paired ? load_up_to(call.g + i, left, vec<S>{}) : x;
    store_up_to(call.out + i, left, element<S, Op>(x, g));
  }
}

/// w [(1 - y) softplus(x) + v y softplus(-x)], with the rounding of everything but exp and log1p beside it: nothing
/// cancels for y from 0 to 1. A factor of 0 drops its term.
template <class S>
LOGZ_INLINE lane_sum<double> binary_loss(const lane_sum<double>& tail, vec<double> x, vec<double> y,
                                         vec<double> w, vec<double> v) {
  const vec<double> none = {};
  const auto positive = x > 0;
  const lane_sum<double> both = joined<S>(magnitude<double>(x), tail.high, tail.low);
  const lane_sum<double> of_x = {positive ? both.high : tail.high, positive ? both.low : tail.low};
  const lane_sum<double> of_minus_x = {positive ? tail.high : both.high, positive ? tail.low : both.low};
  const lane_sum<double> no = joined<S>(all(1.0), -y, none), yes = times<S>(v, {y, none});
  lane_sum<double> a = times<S>(no.high, of_x), b = times<S>(yes.high, of_minus_x);
  a.low += no.low * of_x.high;
  b.low += yes.low * of_minus_x.high;
  const auto drops_no = no.high == 0, drops_yes = (y == 0) | (v == 0), drops = w == 0;
  const lane_sum<double> sum = joined<S>(drops_no ? none : a.high, drops_yes ? none : b.high,
                                         (drops_no ? none : a.low) + (drops_yes ? none : b.low));
  const lane_sum<double> loss = times<S>(w, sum);
  return {drops ? none : loss.high, drops ? none : loss.low};
}
/// w [(1 - y) sigmoid(x) - v y sigmoid(-x)] / divisor.
template <class S>
LOGZ_INLINE vec<double> binary_slope(const logistic_exp& at, vec<double> x, vec<double> y, vec<double> w,
                                     vec<double> v, double divisor) {
  const vec<double> none = {};
  const lane_sum<double> no = joined<S>(all(1.0), -y, none), yes = times<S>(v, {y, none});
  const lane_sum<double> of_no = times_exp_unless<S>(x > 0, times<S>(w, no), at);
  const lane_sum<double> of_yes = times_exp_unless<S>(!(x > 0), times<S>(w, yes), at);
  const auto drops_no = no.high == 0, drops_yes = (y == 0) | (v == 0),
             drops = (w == 0) | (drops_no & drops_yes);
  const lane_sum<double> slope = joined<S>(drops_no ? none : of_no.high, -(drops_yes ? none : of_yes.high),
                                           (drops_no ? none : of_no.low) - (drops_yes ? none : of_yes.low));
  return drops ? none : over_one_plus<S>(at, slope, divisor);
}
/// What a binary_op wants of doubles: the losses or their slopes, the losses' sum on the way.
template <class S, binary_op Op>
struct binary_of_doubles {
  double divisor;
  lane_sum<double> sum;

  LOGZ_INLINE vec<double> operator()(const logistic_exp& at, const lane_sum<double>& tail, vec<double> x,
                                     vec<double> y, vec<double> w, vec<double> v) {
    const lane_sum<double> loss = binary_loss<S>(tail, x, y, w, v);
    if constexpr (Op == binary_op::loss) return rounded(loss);
    sum.low += loss.low;
    add_exactly(sum, loss.high);
    if constexpr (Op == binary_op::gradient) return binary_slope<S>(at, x, y, w, v, divisor);
    return vec<double>{};
  }
};

template <class S, binary_op Op>
void binary(const binary_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  binary_of_doubles<S, Op> f = {call.divisor, {}};
  clear(f.sum);
  const vec<S> none = {};
  for (ptrdiff_t i = 0; i < call.count; i += w) {
    const ptrdiff_t left = call.count - i;
    const vec<S> x = load_up_to(call.x + i, left, none), y = load_up_to(call.y + i, left, none);
    // Of what is filled up nothing joins the sum.
    vec<S> weight = call.weights == nullptr ? all(call.weight) : load_up_to(call.weights + i, left, none);
    if (left < w) {
      alignas(64) S lane[w];
      store(lane, weight);
      weight = load_first(lane, left, none);
    }
    const vec<S> pos =
        call.pos_weights == nullptr ? all(call.pos_weight) : load_up_to(call.pos_weights + i, left, none);
    const vec<S> each = in_double<true>(f, x, y, weight, pos);
    if constexpr (Op != binary_op::sum) store_up_to(call.out + i, left, each);
  }
  if constexpr (Op != binary_op::loss) total_of_lanes(f.sum, call.sum[0], call.sum[1]);
}

}  // namespace LOGZ_TARGET
