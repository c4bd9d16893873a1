// SPDX-License-Identifier: MIT
//
// kl_div with its gradient, entropy and entropy_backward.
#include "reference/companions.hpp"
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <logz/logz.hpp>

using namespace test;

namespace {

// The contract's bounds, in ulp.
constexpr long double value_bound = 2;
constexpr long double gradient_bound = 4;
constexpr long double slope_bound = 2;

template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// Σ p (top - x).
real mean_gap(const reals& x) {
  const partition z = partition_of(x);
  real sum = 0;
  for (const real v : x) {
    if (v != -inf) sum += std::exp(v - z.top) * (z.top - v);
  }
  return sum / (1 + z.others);
}
real entropy(const reals& x) {
  if (x.empty()) return 0;
  const partition z = partition_of(x);
  return z.finite ? z.excess + mean_gap(x) : test::nan;
}

struct slope {
  real value = test::nan;
  real largest = test::nan;
};
std::vector<slope> entropy_slopes(real g, const reals& x) {
  const partition z = partition_of(x);
  const real mean = z.finite ? mean_gap(x) : test::nan;
  std::vector<slope> slopes;
  for (const real v : x) {
    const real p = z.finite ? std::exp(v - z.top) / (1 + z.others) : test::nan;
    const real gap = z.top - v;
    slopes.push_back(p == 0 ? slope{0, 0}
                            : slope{g * p * (gap - mean), std::abs(g * p) * std::max(gap, mean)});
  }
  return slopes;
}

struct divergence {
  real sum = 0;
  real magnitude = 0;
};
divergence exact_kl(const reals& log_q, const reals& p, bool log_target) {
  divergence d;
  for (std::size_t l = 0; l < p.size(); ++l) {
    if (p[l] == (log_target ? -inf : 0)) continue;
    const real factor = log_target ? std::exp(p[l]) : p[l];
    const real t = log_target ? p[l] : std::log(p[l]);
    d.sum += factor * (t - log_q[l]);
    d.magnitude += log_target ? factor * std::abs(t - log_q[l]) : factor * (std::abs(t) + std::abs(log_q[l]));
  }
  return d;
}

template <class T>
slice_list<T> log_probabilities(std::size_t count, std::size_t length, unsigned seed) {
  slice_list<T> all;
  for (const auto& slice : normal_slices<T>(count, length, 3, 0, seed)) {
    std::vector<T> lp;
    for (const real v : log_softmax(to_reals(slice))) lp.push_back(static_cast<T>(v));
    all.push_back(lp);
  }
  return all;
}

logz::kl_div_options options_of(logz::kl_reduction reduction, bool log_target = false) {
  logz::kl_div_options options;
  options.reduction = reduction;
  options.log_target = log_target;
  return options;
}

/// entropy of each slice in every layout of visit_layouts against the reference.
template <class T, class Layouts>
void check_entropy(const slice_list<T>& slices, const Layouts& visit_layouts) {
  reals exact;
  for (const auto& slice : slices) exact.push_back(entropy(to_reals(slice)));
  visit_layouts(slices, [&](const char* name, const auto& x, auto direction) {
    constexpr int d = decltype(direction)::value;
    const vector<T> h = logz::entropy(along<d>(x));
    REQUIRE(h.size() == static_cast<Index>(exact.size()));
    long double worst = 0;
    for (std::size_t s = 0; s < exact.size(); ++s)
      worst = std::max(worst, ulp_error(h(static_cast<Index>(s)), exact[s]));
    INFO(std::string(name), ", length ", length_of(slices));
    CHECK(worst <= value_bound);

    const vector<T> g = vector<T>::LinSpaced(h.size(), T(0.7), T(-3));
    const auto dx =
        get<d>(typename std::decay_t<decltype(x)>::PlainObject(logz::entropy_backward(g, along<d>(x), h)));
    worst = 0;
    for (std::size_t s = 0; s < exact.size(); ++s) {
      const auto slopes = entropy_slopes(g(static_cast<Index>(s)), to_reals(slices[s]));
      for (std::size_t l = 0; l < slopes.size(); ++l)
        worst = std::max(worst, ulp_error(dx[s][l], slopes[l].value, slopes[l].largest));
    }
    CHECK(worst <= gradient_bound);
  });
}
const auto every_layout = [](const auto& s, const auto& visit) { for_each_layout(s, visit); };
const auto every_storage = [](const auto& s, const auto& visit) { for_each_storage(s, visit); };

}  // namespace

TEST_CASE_TEMPLATE("entropy: value and gradient meet their bounds at every length in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length)
    check_entropy(normal_slices<T>(3, length, 3), every_layout);
  // Rows from 65 on, panels that fill a vector and do not, blocks of what does not fit in scratch.
  for (const std::size_t length : sizes{100, 224, 225, 1000, 5001})
    check_entropy(normal_slices<T>(5, length, 3), every_storage);
  for (const std::size_t count : sizes{15, 16, 17, 40, 600})
    check_entropy(normal_slices<T>(count, 33, 3), every_storage);
  check_entropy(normal_slices<T>(300, 701, 3), every_storage);
}

TEST_CASE_TEMPLATE("entropy: hard slices meet the bounds", T, float, double) {
  for (const auto& slices : hard_slices<T>()) check_entropy(slices, every_storage);
}

TEST_CASE_TEMPLATE("entropy: reference values", T, float, double) {
  namespace reference = companions;
  using Slice = Eigen::Matrix<T, reference::length, 1>;
  for (int s = 0; s < reference::slices; ++s) {
    const Slice x =
        Eigen::Map<const Eigen::Matrix<double, reference::length, 1>>(reference::x[s]).template cast<T>();
    const T h = logz::entropy(x);
    CHECK(ulp_error(h, reference::entropy[s]) <= value_bound);
    const Slice dx = logz::entropy_backward(T(1), x, h);
    const auto slopes = entropy_slopes(1, to_reals(std::vector<T>(x.data(), x.data() + x.size())));
    for (int i = 0; i < reference::length; ++i) {
      CAPTURE(s);
      CAPTURE(i);
      const real largest = slopes[static_cast<std::size_t>(i)].largest;
      CHECK(ulp_error(dx(i), reference::entropy_gradient[s][i], largest) <= gradient_bound);
    }
  }
}

TEST_CASE_TEMPLATE("entropy: special values at every length and place leave the neighbours alone", T, float,
                   double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  for (std::size_t length = 1; length <= 70; ++length) {
    slice_list<T> slices;
    const auto ordinary = normal_slices<T>(1, length, 2)[0];
    for (const T value : {-infinity, infinity, not_a_number}) {
      for (std::size_t place = 0; place < length; ++place) {
        slices.push_back(ordinary);
        slices.push_back(ordinary);
        slices.back()[place] = value;
      }
      slices.push_back(std::vector<T>(length, value));
    }
    check_entropy(slices, every_storage);
  }
  const matrix<T, Eigen::ColMajor> none(3, 0);
  CHECK(vector<T>(logz::entropy(none.rowwise())) == vector<T>::Zero(3));
  CHECK(logz::entropy(vector<T>(0)) == 0);
  CHECK(vector<T>(logz::entropy(none.colwise())).size() == 0);
  const Eigen::Matrix<T, 1, 1> one(static_cast<T>(1e8));
  CHECK(logz::entropy(one) == 0);
  const vector<T> equal = vector<T>::Constant(7, static_cast<T>(-3e7));
  CHECK(vector<T>(logz::entropy_backward(T(2), equal, logz::entropy(equal))) == vector<T>::Zero(7));
  // The gradient of what underflows, made up for by g.
  Eigen::Matrix<T, 2, 1> far(0, -745);
  const Eigen::Matrix<T, 2, 1> dx =
      logz::entropy_backward(std::numeric_limits<T>::max() / 1024, far, logz::entropy(far));
  CHECK(ulp_error(dx(1), real(std::numeric_limits<T>::max() / 1024) * 745 * std::exp(-745.0L)) <=
        gradient_bound);
}

TEST_CASE_TEMPLATE("kl_div: value, per sample and gradient meet their bounds in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    // More slices than are summed at once.
    const std::size_t count = length == 24 ? 1031 : length == 47 ? 131 : 3;
    const auto log_q = log_probabilities<T>(count, length, 3);
    for (const bool log_target : {false, true}) {
      auto target = log_probabilities<T>(count, length, 4);
      if (!log_target) {
        for (auto& slice : target) {
          for (T& v : slice) v = std::exp(v);
        }
      }
      target[0][length / 2] = log_target ? -std::numeric_limits<T>::infinity() : T(0);
      divergence total;
      std::vector<divergence> each;
      for (std::size_t s = 0; s < count; ++s) {
        each.push_back(exact_kl(to_reals(log_q[s]), to_reals(target[s]), log_target));
        total.sum += each.back().sum;
        total.magnitude += each.back().magnitude;
      }
      const auto p_rowwise = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(target);
      const matrix<T, Eigen::ColMajor> p_colwise = p_rowwise.transpose();
      for_each_layout(log_q, [&](const char* name, const auto& x, auto direction) {
        constexpr int d = decltype(direction)::value;
        const auto& p = d == Eigen::Horizontal ? p_rowwise : p_colwise;
        INFO(std::string(name));
        CAPTURE(length);
        CAPTURE(log_target);
        for (const auto how :
             {logz::kl_reduction::mean, logz::kl_reduction::batchmean, logz::kl_reduction::sum}) {
          const auto options = options_of(how, log_target);
          const real divisor = how == logz::kl_reduction::mean        ? static_cast<real>(count * length)
                               : how == logz::kl_reduction::batchmean ? static_cast<real>(count)
                                                                      : 1;
          const T value = logz::kl_div(along<d>(x), p, options);
          CHECK(ulp_error(value, total.sum / divisor, total.magnitude / divisor) <= value_bound);
          typename std::decay_t<decltype(x)>::PlainObject grad;
          CHECK(logz::kl_div_with_grad(along<d>(x), along<d>(p), grad, options) == value);
          const auto got = get<d>(grad);
          long double worst = 0;
          for (std::size_t s = 0; s < count; ++s) {
            for (std::size_t l = 0; l < length; ++l) {
              const real t = target[s][l];
              worst = std::max(worst, ulp_error(got[s][l], -(log_target ? std::exp(t) : t) / divisor));
            }
          }
          CHECK(worst <= slope_bound);
        }
        const vector<T> samples =
            logz::kl_div_per_sample(along<d>(x), p, options_of(logz::kl_reduction::sum, log_target));
        long double worst = 0;
        for (std::size_t s = 0; s < count; ++s)
          worst = std::max(worst, ulp_error(samples(static_cast<Index>(s)), each[s].sum, each[s].magnitude));
        CHECK(worst <= value_bound);
      });
    }
  }
}

TEST_CASE_TEMPLATE("kl_div: reference values", T, float, double) {
  namespace reference = companions;
  using Slice = Eigen::Matrix<T, reference::length, 1>;
  using Doubles = Eigen::Matrix<double, reference::length, 1>;
  for (int s = 0; s < reference::slices; ++s) {
    const Slice x = Eigen::Map<const Doubles>(reference::x[s]).cast<T>();
    const Slice p = Eigen::Map<const Doubles>(reference::p[s]).cast<T>();
    const Slice t = Eigen::Map<const Doubles>(reference::v[s]).cast<T>();
    const auto numbers = [](const Slice& a) {
      return to_reals(std::vector<T>(a.data(), a.data() + a.size()));
    };
    const real magnitude = exact_kl(numbers(x), numbers(p), false).magnitude;
    const real log_magnitude = exact_kl(numbers(x), numbers(t), true).magnitude;
    const auto sum = options_of(logz::kl_reduction::sum);
    const auto log_sum = options_of(logz::kl_reduction::sum, true);
    CHECK(ulp_error(logz::kl_div(x, p, sum), reference::kl_div[s], magnitude) <= value_bound);
    CHECK(ulp_error(logz::kl_div_per_sample(x, p), reference::kl_div[s], magnitude) <= value_bound);
    CHECK(ulp_error(logz::kl_div(x, p), reference::kl_div[s] / reference::length, magnitude / 6) <=
          value_bound);
    Slice grad;
    CHECK(ulp_error(logz::kl_div_with_grad(x, t, grad, log_sum), reference::kl_div_of_logs[s],
                    log_magnitude) <= value_bound);
    for (int i = 0; i < reference::length; ++i)
      CHECK(ulp_error(grad(i), -reference::exp_v[s][i]) <= slope_bound);
  }
}

TEST_CASE_TEMPLATE("kl_div: special values at every length", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  const auto check = [&](T log_q, T p, bool log_target, real term, real slope) {
    for (Index length = 1; length <= 70; ++length) {
      vector<T> x = vector<T>::Constant(length, T(-2));
      vector<T> y = vector<T>::Constant(length, log_target ? -infinity : T(0));
      x(length / 2) = log_q;
      y(length / 2) = p;
      vector<T> grad;
      const auto options = options_of(logz::kl_reduction::sum, log_target);
      CAPTURE(log_q);
      CAPTURE(p);
      CHECK(ulp_error(logz::kl_div(x, y, options), term) <= value_bound);
      CHECK(ulp_error(logz::kl_div_per_sample(x, y, options), term) <= value_bound);
      CHECK(ulp_error(logz::kl_div_with_grad(x, y, grad, options), term) <= value_bound);
      CHECK(ulp_error(grad(length / 2), slope) <= slope_bound);
      grad(length / 2) = 0;
      CHECK((grad.array() == 0).all());
    }
  };
  for (const T log_q : {T(-1), -infinity, infinity, not_a_number}) {
    check(log_q, 0, false, 0, 0);
    check(log_q, -infinity, true, 0, 0);
  }
  check(-infinity, T(0.5), false, inf, -0.5L);
  check(-infinity, T(-1), true, inf, -std::exp(-1.0L));
  check(-infinity, T(-2000), true, inf, 0);  // exp(t) underflows, but is not 0
  check(not_a_number, T(0.5), false, test::nan, -0.5L);
  check(-1, not_a_number, false, test::nan, test::nan);
  check(-1, not_a_number, true, test::nan, test::nan);
  check(-1, 1, false, 1, -1);
  check(0, 0, true, 0, -1);

  const matrix<T, Eigen::ColMajor> no_slices(0, 4);
  const matrix<T, Eigen::ColMajor> no_classes(3, 0);
  matrix<T, Eigen::ColMajor> grad(1, 1);
  CHECK(std::isnan(logz::kl_div(no_slices.rowwise(), no_slices)));
  CHECK(std::isnan(logz::kl_div(no_slices.rowwise(), no_slices, options_of(logz::kl_reduction::batchmean))));
  CHECK(logz::kl_div_with_grad(no_slices.rowwise(), no_slices, grad, options_of(logz::kl_reduction::sum)) ==
        0);
  CHECK(grad.cols() == 4);
  CHECK(std::isnan(logz::kl_div(no_classes.rowwise(), no_classes)));
  CHECK(logz::kl_div(no_classes.rowwise(), no_classes, options_of(logz::kl_reduction::batchmean)) == 0);
  CHECK(vector<T>(logz::kl_div_per_sample(no_classes.rowwise(), no_classes)) == vector<T>::Zero(3));
}
