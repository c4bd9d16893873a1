// SPDX-License-Identifier: MIT
//
// One number at a time: softplus and the logistic function, log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).

namespace LOGZ_TARGET {

/// exp(-|x|) is held times this power of two, so that its digits stay where it is below the smallest normal number.
template <class S>
constexpr double logistic_power = sizeof(S) == 4 ? 64 : 900;
constexpr double scale_down(float) { return 0x1p-64; }
constexpr double scale_down(double) { return 0x1p-900; }

/// -|x|, no farther down than where its exponential is 0 however it is scaled; NaN stays.
template <class S>
LOGZ_INLINE vec<S> down_from(vec<S> x) {
  return larger<vec<S>>(floor_for<S>(all(S(logistic_power<S>))), -magnitude<S>(x));
}

/// exp(-|x|) of numbers of S as doubles: scaled up by logistic_power, and itself.
struct logistic_exp {
  vec<double> scaled, e;
};
/// log(1 + exp(-|x|)), of doubles with what it has lost.
LOGZ_INLINE lane_sum<double> softplus_tail(const logistic_exp& at, float) {
  return {log_excess(at.e, all(1.0)), vec<double>{}};
}
LOGZ_INLINE lane_sum<double> softplus_tail(vec<double> x) {
  constexpr double down = scale_down(double{});
  const lane_sum<double> scaled = exp_as_sum(down_from<double>(x), all(logistic_power<double>));
  const lane_sum<double> logarithm = log1p<false>({scaled.high * down, scaled.low * down});
  // From here on log(1 + e) is e to half a unit of 2^-57.
  const auto tiny = magnitude<double>(x) > 40;
  return {tiny ? (scaled.high + scaled.low) * down : logarithm.high, tiny ? vec<double>{} : logarithm.low};
}
LOGZ_INLINE logistic_exp exp_down(vec<double> x) {
  const vec<double> scaled = value(exp_parts(down_from<double>(x), all(logistic_power<double>)));
  return {scaled, opaque_vector(scaled * scale_down(double{}))};
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
  const logistic_exp at = exp_down(x);
  lane_sum<double> tail = {vec<double>{}, vec<double>{}};
  if constexpr (Tail) tail = softplus_tail(x);
  return f(at, tail, x, others...);
}
template <bool Tail, class Function, class... Others>
LOGZ_INLINE vec<float> in_double(Function& f, vec<float> x, Others... others) {
  const parts<float> scaled = exp_parts(down_from<float>(x), all(float(logistic_power<float>)));
  const logistic_exp first = {first_of(scaled), first_of(scaled) * scale_down(float{})};
  const logistic_exp second = {second_of(scaled), second_of(scaled) * scale_down(float{})};
  lane_sum<double> tail = {vec<double>{}, vec<double>{}};
  alignas(64) float result[width<float>];
  if constexpr (Tail) tail = softplus_tail(first, 0.0f);
  narrow(result, f(first, tail, first_half(x), first_half(others)...));
  if constexpr (Tail) tail = softplus_tail(second, 0.0f);
  narrow(result + width<double>, f(second, tail, second_half(x), second_half(others)...));
  return load(result);
}

/// factor · e. A large factor makes up for what e has lost below the smallest normal number; a small one would lose digits
/// itself.
template <class S>
LOGZ_INLINE vec<double> times_exp(vec<double> factor, const logistic_exp& at) {
  if constexpr (sizeof(S) == 4) return factor * at.e;
  return magnitude<double>(factor) >= 1.0 ? opaque_vector(factor * scale_down(S{})) * at.scaled
                                          : factor * at.e;
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
    return (x > 0 ? g : times_exp<S>(g, at)) / (1.0 + at.e);
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
template <class S, binary_op Op>
struct binary_losses {
  lane_sum<double> sum;

  LOGZ_INLINE vec<double> operator()(const logistic_exp&, const lane_sum<double>& tail, vec<double> x,
                                     vec<double> y, vec<double> w, vec<double> v) {
    const lane_sum<double> loss = binary_loss<S>(tail, x, y, w, v);
    if constexpr (Op != binary_op::loss) {
      sum.low += loss.low;
      add_exactly(sum, loss.high);
    }
    return rounded(loss);
  }
};

/// w [(1 - y) sigmoid(x) - v y sigmoid(-x)] / divisor.
template <class S>
struct binary_slopes {
  double divisor;

  LOGZ_INLINE vec<double> operator()(const logistic_exp& at, const lane_sum<double>&, vec<double> x,
                                     vec<double> y, vec<double> w, vec<double> v) const {
    const vec<double> none = {}, no = 1.0 - y, no_factor = w * no, yes_factor = w * opaque_vector(v * y);
    const auto positive = x > 0;
    const vec<double> of_no = positive ? no_factor : times_exp<S>(no_factor, at);
    const vec<double> of_yes = positive ? times_exp<S>(yes_factor, at) : yes_factor;
    const auto drops_yes = (y == 0) | (v == 0), drops = (w == 0) | ((no == 0) & drops_yes);
    const vec<double> slope = (no == 0 ? none : of_no) - (drops_yes ? none : of_yes);
    return drops ? none : slope / ((1.0 + at.e) * divisor);
  }
};

template <class S, binary_op Op>
void binary(const binary_call<S>& call) {
  constexpr ptrdiff_t w = width<S>;
  binary_losses<S, Op> losses;
  clear(losses.sum);
  const binary_slopes<S> slopes = {call.divisor};
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
    const vec<S> each = in_double<true>(losses, x, y, weight, pos);
    if constexpr (Op == binary_op::loss) store_up_to(call.out + i, left, each);
    if constexpr (Op == binary_op::gradient)
      store_up_to(call.out + i, left, in_double<false>(slopes, x, y, weight, pos));
  }
  if constexpr (Op != binary_op::loss) total_of_lanes(losses.sum, call.sum[0], call.sum[1]);
}

}  // namespace LOGZ_TARGET
