// SPDX-License-Identifier: MIT
//
// One number at a time: softplus and the logistic function, log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).

namespace LOGZ_TARGET {

/// log(1 + exp(-|x|)), of doubles with what it has lost; e: exp(-|x|), scaled.
LOGZ_INLINE lane_sum<double> softplus_tail(const scaled_exp& at, vec<double>, const parts<float>&) {
  return {log_excess(at.e, all(1.0)), vec<double>{}};
}
LOGZ_INLINE lane_sum<double> softplus_tail(const scaled_exp& at, vec<double> x, const parts<double>& e) {
  const lane_sum<double> scaled = as_sum(e);
  const vec<double> down = exp_power<double>::usual_down * at.rest_of_power;
  const lane_sum<double> logarithm =
      log_excess({scaled.high * down, scaled.low * down}, {all(1.0), vec<double>{}});
  // From here on log(1 + e) is e to half a unit of 2^-57.
  const auto tiny = magnitude<double>(x) > 40;
  return {tiny ? at.e : logarithm.high, tiny ? vec<double>{} : logarithm.low};
}

/// Calls f(exp(-|x|), log(1 + exp(-|x|)) where Tail, operands ...) for each vector of doubles in vectors of numbers, and
/// joins what it answers.
template <bool Tail, class Function, class... Others>
LOGZ_INLINE vec<double> in_double(Function& f, vec<double> x, Others... others) {
  const vec<double> down = -magnitude<double>(x);
  const parts<double> e = scaled_parts<exps::falling>(down);
  const scaled_exp at = scaled_exp_of<double, exps::falling>(down, value(e));
  lane_sum<double> tail = {vec<double>{}, vec<double>{}};
  if constexpr (Tail) tail = softplus_tail(at, x, e);
  return f(at, tail, x, others...);
}
template <bool Tail, class Function, class... Others>
LOGZ_INLINE vec<float> in_double(Function& f, vec<float> x, Others... others) {
  const vec<float> down = -magnitude<float>(x);
  const parts<float> e = scaled_parts<exps::falling>(down);
  const scaled_exp first = scaled_exp_of<float, exps::falling>(first_half(down), first_of(e));
  const scaled_exp second = scaled_exp_of<float, exps::falling>(second_half(down), second_of(e));
  lane_sum<double> tail = {vec<double>{}, vec<double>{}};
  if constexpr (Tail) tail = softplus_tail(first, first_half(x), e);
  const vec<double> first_result = f(first, tail, first_half(x), first_half(others)...);
  if constexpr (Tail) tail = softplus_tail(second, second_half(x), e);
  return join(first_result, f(second, tail, second_half(x), second_half(others)...));
}

/// a / ((1 + e) · divisor): of doubles rounded once, or with e's own error an adverse e would cost 4.05 ulp.
template <class S>
LOGZ_INLINE vec<double> over_one_plus(const scaled_exp& at, const lane_sum<double>& a, double divisor) {
  if constexpr (sizeof(S) == 4) return a.high / ((1.0 + at.e) * divisor);
  return rounded(quotient(a, times<S>(all(divisor), joined<S>(all(1.0), at.e, vec<double>{}))));
}

// Functions by name where lambdas would do: a lambda that is not inlined passes vectors by another convention.
template <class S>
struct softplus_of_doubles {
  LOGZ_INLINE vec<double> operator()(const scaled_exp&, const lane_sum<double>& tail, vec<double> x) const {
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
  LOGZ_INLINE vec<double> operator()(const scaled_exp& at, const lane_sum<double>&, vec<double> x,
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
LOGZ_INLINE vec<double> binary_slope(const scaled_exp& at, vec<double> x, vec<double> y, vec<double> w,
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

  LOGZ_INLINE vec<double> operator()(const scaled_exp& at, const lane_sum<double>& tail, vec<double> x,
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
