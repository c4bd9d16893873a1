// SPDX-License-Identifier: MIT
//
// softplus, log_sigmoid, their gradients, and the binary cross-entropies.
#include "reference/companions.hpp"
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <logz/logz.hpp>
#if __has_include(<unsupported/Eigen/AutoDiff>)
#include <unsupported/Eigen/AutoDiff>
#endif

using namespace test;

namespace {

// The contract's bounds, in ulp.
constexpr long double value_bound = 2;
template <class T>
constexpr long double gradient_bound = std::is_same_v<T, long double> ? 4 : 2;
// Of the compensated sum of values: theirs, and the mean's division.
constexpr long double reduced_bound = 3;

template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

real exact_softplus(real x) { return std::max<real>(x, 0) + std::log1p(std::exp(-std::abs(x))); }
real exact_sigmoid(real x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

struct factors {
  real weight = 1;
  real pos_weight = 1;
};
real exact_loss(real x, real y, factors f = {}) {
  return f.weight * ((1 - y) * exact_softplus(x) + f.pos_weight * y * exact_softplus(-x));
}
real exact_slope(real x, real y, factors f = {}) {
  return f.weight * ((1 - y) * exact_sigmoid(x) - f.pos_weight * y * exact_sigmoid(-x));
}
real larger_term(real x, real y, factors f = {}) {
  return f.weight * std::max((1 - y) * exact_sigmoid(x), f.pos_weight * y * exact_sigmoid(-x));
}

/// Numbers through the whole range of exp, dense where the curves bend.
template <class T>
vector<T> sweep() {
  std::vector<T> numbers;
  for (int i = -400; i <= 400; ++i) numbers.push_back(static_cast<T>(0.05 * i + 0.001 * std::sin(i)));
  for (double x = 20; x < 745; x *= 1.013) {
    numbers.push_back(static_cast<T>(x));
    numbers.push_back(static_cast<T>(-x));
  }
  for (double x = 1e-3; x > 1e-30; x /= 7) {
    numbers.push_back(static_cast<T>(x));
    numbers.push_back(static_cast<T>(-x));
  }
  return Eigen::Map<vector<T>>(numbers.data(), static_cast<Index>(numbers.size()));
}

template <class T>
logz::binary_cross_entropy_options<T> sum_of(T) {
  logz::binary_cross_entropy_options<T> options;
  options.reduction = logz::reduction::sum;
  return options;
}

}  // namespace

TEST_CASE_TEMPLATE("softplus, log_sigmoid, their gradients: reference values", T, float, double) {
  namespace reference = companions;
  for (int i = 0; i < reference::points; ++i) {
    const T x = static_cast<T>(reference::point[i]);
    CAPTURE(x);
    CHECK(ulp_error(logz::softplus(x), reference::softplus[i]) <= value_bound);
    CHECK(ulp_error(logz::log_sigmoid(-x), -reference::softplus[i]) <= value_bound);
    CHECK(ulp_error(logz::softplus_backward(T(1), x), reference::sigmoid[i]) <= gradient_bound<T>);
    CHECK(ulp_error(logz::log_sigmoid_backward(T(-3), -x), -3 * reference::sigmoid[i]) <= gradient_bound<T>);
  }
  // No underflow on the way that g makes up for.
  const T g = std::numeric_limits<T>::max() / 4;
  CHECK(ulp_error(logz::softplus_backward(g, T(-100)), real(g) * exact_sigmoid(-100)) <= gradient_bound<T>);
  CHECK(ulp_error(logz::softplus_backward(g, T(-740)), real(g) * exact_sigmoid(-740)) <= gradient_bound<T>);
  for (const T x : {T(-99), T(-101), T(-140), T(-190), T(-1150), T(-1250), T(-1400), T(-1450), T(-2100)})
    CHECK(ulp_error(logz::softplus_backward(g, x), real(g) * exact_sigmoid(x)) <= gradient_bound<T>);
}

TEST_CASE_TEMPLATE("softplus, log_sigmoid, their gradients: to their bounds over the whole range", T, float,
                   double) {
  const vector<T> x = sweep<T>();
  const vector<T> value = logz::softplus(x);
  const vector<T> log_value = logz::log_sigmoid(x);
  const vector<T> g = vector<T>::LinSpaced(x.size(), -3, 5);
  const vector<T> dx = logz::softplus_backward(g, x);
  const vector<T> log_dx = logz::log_sigmoid_backward(g, x);
  long double worst = 0;
  long double worst_gradient = 0;
  for (Index i = 0; i < x.size(); ++i) {
    const real at = x(i);
    worst = std::max(worst, ulp_error(value(i), exact_softplus(at)));
    worst = std::max(worst, ulp_error(log_value(i), -exact_softplus(-at)));
    worst_gradient = std::max(worst_gradient, ulp_error(dx(i), g(i) * exact_sigmoid(at)));
    worst_gradient = std::max(worst_gradient, ulp_error(log_dx(i), g(i) * exact_sigmoid(-at)));
    CHECK(logz::softplus(x(i)) == value(i));
    CHECK(logz::log_sigmoid_backward(g(i), x(i)) == log_dx(i));
  }
  CHECK(worst <= value_bound);
  CHECK(worst_gradient <= gradient_bound<T>);
}

TEST_CASE_TEMPLATE("softplus, log_sigmoid: special values at every length and place in both layouts", T,
                   float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  const auto same = [](T a, T b) { return std::isnan(b) ? std::isnan(a) : a == b; };
  CHECK(logz::softplus(-infinity) == 0);
  CHECK(logz::softplus(infinity) == infinity);
  CHECK(std::isnan(logz::softplus(not_a_number)));
  CHECK(logz::log_sigmoid(-infinity) == -infinity);
  CHECK(logz::log_sigmoid(infinity) == 0);
  CHECK(std::isnan(logz::log_sigmoid(not_a_number)));
  CHECK(logz::softplus_backward(T(3), -infinity) == 0);
  CHECK(logz::softplus_backward(T(3), infinity) == 3);
  CHECK(std::isnan(logz::softplus_backward(T(3), not_a_number)));
  CHECK(std::isnan(logz::log_sigmoid_backward(not_a_number, T(3))));
  for (Index length = 1; length <= 70; ++length) {
    for (const T value : {-infinity, infinity, not_a_number}) {
      const auto check = [&](auto x) {
        for (Index place = 0; place < length; ++place) {
          x.setConstant(T(0.5));
          x(1, place) = value;
          using X = decltype(x);
          const X soft = logz::softplus(x);
          const X log = logz::log_sigmoid(x);
          const X dx = logz::softplus_backward(X::Constant(2, length, T(2)).eval(), x);
          bool right = true;
          for (Index i = 0; i < 2; ++i) {
            for (Index j = 0; j < length; ++j) {
              right &= same(soft(i, j), logz::softplus(x(i, j)));
              right &= same(log(i, j), logz::log_sigmoid(x(i, j)));
              right &= same(dx(i, j), logz::softplus_backward(T(2), x(i, j)));
            }
          }
          CHECK(right);
        }
      };
      check(matrix<T, Eigen::ColMajor>(2, length));
      check(matrix<T, Eigen::RowMajor>(2, length));
    }
  }
  const matrix<T, Eigen::ColMajor> none(0, 3);
  CHECK(matrix<T, Eigen::ColMajor>(logz::softplus(none)).cols() == 3);
}

TEST_CASE_TEMPLATE("binary_cross_entropy_with_logits: reference values", T, float, double) {
  namespace reference = companions;
  logz::binary_cross_entropy_options<T> weighted = sum_of(T{});
  weighted.weight = vector<T>::Constant(1, static_cast<T>(reference::weight));
  weighted.pos_weight = vector<T>::Constant(1, static_cast<T>(reference::pos_weight));
  for (int i = 0; i < reference::points; ++i) {
    for (int t = 0; t < reference::targets; ++t) {
      const Eigen::Matrix<T, 1, 1> x(static_cast<T>(reference::point[i]));
      const Eigen::Matrix<T, 1, 1> y(static_cast<T>(reference::target[t]));
      const int at = i * reference::targets + t;
      CAPTURE(x(0));
      CAPTURE(y(0));
      Eigen::Matrix<T, 1, 1> grad;
      CHECK(ulp_error(logz::binary_cross_entropy_with_logits_with_grad(x, y, grad),
                      reference::binary_loss[at]) <= value_bound);
      CHECK(ulp_error(grad(0), reference::binary_slope[at], larger_term(x(0), y(0))) <= gradient_bound<T>);
      CHECK(ulp_error(logz::binary_cross_entropy_with_logits_with_grad(x, y, grad, weighted),
                      reference::weighted_loss[at]) <= value_bound);
      CHECK(ulp_error(grad(0), reference::weighted_slope[at],
                      larger_term(x(0), y(0), {reference::weight, reference::pos_weight})) <=
            gradient_bound<T>);
    }
  }
}

TEST_CASE_TEMPLATE("binary_cross_entropy_with_logits: every element to its bounds over the whole range", T,
                   float, double) {
  const vector<T> x = sweep<T>();
  logz::binary_cross_entropy_options<T> options = sum_of(T{});
  for (const bool weighted : {false, true}) {
    factors f;
    if (weighted) {
      options.weight = vector<T>::Constant(1, T(0.3));
      options.pos_weight = vector<T>::Constant(1, T(7.7));
      f = {real(T(0.3)), real(T(7.7))};
    }
    for (const double target : {0.0, 1e-20, 0.1, 0.5, 0.77, 1 - 1e-7, 1.0}) {
      const vector<T> y = vector<T>::Constant(x.size(), static_cast<T>(target));
      const vector<T> losses = logz::binary_cross_entropy_with_logits_per_element(x, y, options);
      vector<T> grad;
      logz::binary_cross_entropy_with_logits_with_grad(x, y, grad, options);
      long double worst = 0;
      long double worst_gradient = 0;
      for (Index i = 0; i < x.size(); ++i) {
        const real at = x(i);
        worst = std::max(worst, ulp_error(losses(i), exact_loss(at, y(i), f)));
        worst_gradient =
            std::max(worst_gradient, ulp_error(grad(i), exact_slope(at, y(i), f), larger_term(at, y(i), f)));
      }
      CAPTURE(target);
      CAPTURE(weighted);
      CHECK(worst <= value_bound);
      CHECK(worst_gradient <= gradient_bound<T>);
    }
  }
}

TEST_CASE_TEMPLATE(
    "binary_cross_entropy_with_logits: of a hard no it is softplus(x), of a hard yes softplus(-x)", T, float,
    double) {
  const vector<T> x = sweep<T>();
  const vector<T> no = logz::binary_cross_entropy_with_logits_per_element(x, vector<T>::Zero(x.size()));
  const vector<T> yes = logz::binary_cross_entropy_with_logits_per_element(x, vector<T>::Ones(x.size()));
  CHECK(no == vector<T>(logz::softplus(x)));
  CHECK(yes == vector<T>(logz::softplus(-x)));
}

TEST_CASE_TEMPLATE("binary_cross_entropy_with_logits: mean, sum, weights of classes, in every layout", T,
                   float, double) {
  for (const std::size_t classes : sizes{1, 2, 7, 70}) {
    const auto logits = normal_slices<T>(9, classes, 4);
    auto targets = normal_slices<T>(9, classes, 0.3, 0.5, 5);
    for (auto& slice : targets) {
      for (T& v : slice) v = std::min<T>(1, std::max<T>(0, v));
    }
    logz::binary_cross_entropy_options<T> options;
    for (const int lengths : {0, 1, 2}) {
      const auto count = static_cast<Index>(classes);
      if (lengths > 0) {
        options.weight = vector<T>::LinSpaced(lengths == 1 ? 1 : count, T(0.5), T(2));
        options.pos_weight = vector<T>::LinSpaced(lengths == 1 ? 1 : count, T(3), T(0));
      }
      const auto factors_of = [&](std::size_t c) {
        const Index i = lengths == 1 ? 0 : static_cast<Index>(c);
        return lengths == 0 ? factors{} : factors{options.weight(i), options.pos_weight(i)};
      };
      real total = 0;
      for (std::size_t s = 0; s < 9; ++s) {
        for (std::size_t c = 0; c < classes; ++c)
          total += exact_loss(logits[s][c], targets[s][c], factors_of(c));
      }
      const auto y = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(targets);
      for_each_layout(logits, [&](const char* name, const auto& view, auto direction) {
        if constexpr (decltype(direction)::value == Eigen::Horizontal) {
          INFO(std::string(name));
          CAPTURE(classes);
          typename std::decay_t<decltype(view)>::PlainObject grad;
          const real count_all = 9 * static_cast<real>(classes);
          for (const auto how : {logz::reduction::mean, logz::reduction::sum}) {
            options.reduction = how;
            const real divisor = how == logz::reduction::mean ? count_all : 1;
            const T loss = logz::binary_cross_entropy_with_logits(view, y, options);
            CHECK(ulp_error(loss, total / divisor) <= reduced_bound);
            CHECK(logz::binary_cross_entropy_with_logits_with_grad(view, y, grad, options) == loss);
            long double worst = 0;
            for (std::size_t s = 0; s < 9; ++s) {
              for (std::size_t c = 0; c < classes; ++c) {
                const factors f = factors_of(c);
                const real exact = exact_slope(logits[s][c], targets[s][c], f) / divisor;
                const real unit = larger_term(logits[s][c], targets[s][c], f) / divisor;
                worst = std::max(worst,
                                 ulp_error(grad(static_cast<Index>(s), static_cast<Index>(c)), exact, unit));
              }
            }
            CHECK(worst <= gradient_bound<T>);
          }
          const typename std::decay_t<decltype(view)>::PlainObject each =
              logz::binary_cross_entropy_with_logits_per_element(view, y, options);
          CHECK(ulp_error(each(8, 0), exact_loss(logits[8][0], targets[8][0], factors_of(0))) <= value_bound);
        }
      });
    }
  }
}

TEST_CASE_TEMPLATE("binary_cross_entropy_with_logits: special values, and factors of 0 that drop their term",
                   T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  using One = Eigen::Matrix<T, 1, 1>;
  const auto check = [&](T x, T y, T weight, T pos_weight, T loss, T slope) {
    logz::binary_cross_entropy_options<T> options;
    options.weight = One(weight);
    options.pos_weight = One(pos_weight);
    One grad;
    CAPTURE(x);
    CAPTURE(y);
    CAPTURE(weight);
    CAPTURE(pos_weight);
    CHECK(ulp_error(logz::binary_cross_entropy_with_logits_with_grad(One(x), One(y), grad, options),
                    real(loss)) == 0);
    CHECK(ulp_error(logz::binary_cross_entropy_with_logits(One(x), One(y), options), real(loss)) == 0);
    CHECK(ulp_error(One(logz::binary_cross_entropy_with_logits_per_element(One(x), One(y), options))(0),
                    real(loss)) == 0);
    CHECK(ulp_error(grad(0), real(slope)) == 0);
  };
  check(infinity, 1, 1, 1, 0, 0);
  check(infinity, 0, 1, 1, infinity, 1);
  check(infinity, T(0.5), 1, 1, infinity, T(0.5));
  check(-infinity, 0, 1, 1, 0, 0);
  check(-infinity, 1, 1, 3, infinity, -3);
  check(-infinity, T(0.5), 2, 3, infinity, -3);
  check(-infinity, 1, 1, 0, 0, 0);
  check(-infinity, 1, 0, 1, 0, 0);
  check(not_a_number, 1, 1, 1, not_a_number, not_a_number);
  check(not_a_number, 0, 1, 1, not_a_number, not_a_number);
  check(1, not_a_number, 1, 1, not_a_number, not_a_number);
  check(not_a_number, 1, 1, 0, 0, 0);
  check(not_a_number, not_a_number, 0, 1, 0, 0);
  check(3, 0, 1, infinity, logz::softplus(T(3)), logz::softplus_backward(T(1), T(3)));

  // One special element beside ordinary ones, at every length.
  for (Index length = 1; length <= 70; ++length) {
    matrix<T, Eigen::RowMajor> x = matrix<T, Eigen::RowMajor>::Constant(2, length, T(-0.5));
    const matrix<T, Eigen::ColMajor> y = matrix<T, Eigen::ColMajor>::Constant(2, length, T(0.25));
    x(1, length / 2) = not_a_number;
    matrix<T, Eigen::ColMajor> grad;
    CHECK(std::isnan(logz::binary_cross_entropy_with_logits_with_grad(x, y, grad)));
    CHECK((grad.array() != grad.array()).count() == 1);
    x(1, length / 2) = infinity;
    CHECK(logz::binary_cross_entropy_with_logits_with_grad(x, y, grad) == infinity);
    CHECK(grad.array().isFinite().all());
  }
  const matrix<T, Eigen::ColMajor> none(0, 4);
  matrix<T, Eigen::ColMajor> grad(2, 2);
  CHECK(std::isnan(logz::binary_cross_entropy_with_logits(none, none)));
  CHECK(std::isnan(logz::binary_cross_entropy_with_logits_with_grad(none, none, grad)));
  CHECK(grad.rows() == 0);
  CHECK(logz::binary_cross_entropy_with_logits(none, none, sum_of(T{})) == 0);
}

TEST_CASE("binary functions: gradients against central differences in long double") {
  // h² |f'''| / 6 + 2^-62 |f| / h with h = 2^-20, |f'''| ≤ 1 and |f| ≤ 16.
  constexpr real step = 0x1p-20L;
  constexpr real bound = 0x1p-37L;
  using Vector = vector<long double>;
  const Vector x = Vector::LinSpaced(41, -6, 6);
  const Vector up = x.array() + step;
  const Vector down = x.array() - step;
  const Vector ones = Vector::Ones(41);
  const auto check = [&](const Vector& got, const Vector& above, const Vector& below) {
    CHECK(((above - below) / (2 * step) - got).cwiseAbs().maxCoeff() <= bound);
  };
  check(logz::softplus_backward(ones, x), logz::softplus(up), logz::softplus(down));
  check(logz::log_sigmoid_backward(ones, x), logz::log_sigmoid(up), logz::log_sigmoid(down));
  const Vector y = Vector::LinSpaced(41, 0, 1);
  auto options = sum_of(1.0L);
  options.pos_weight = Vector::Constant(1, 1.5L);
  Vector grad;
  logz::binary_cross_entropy_with_logits_with_grad(x, y, grad, options);
  check(grad, logz::binary_cross_entropy_with_logits_per_element(up, y, options),
        logz::binary_cross_entropy_with_logits_per_element(down, y, options));
}

#if __has_include(<unsupported/Eigen/AutoDiff>)
TEST_CASE("binary functions: automatic differentiation gives the gradients") {
  using Dual = Eigen::AutoDiffScalar<Eigen::Matrix<double, 1, 1>>;
  constexpr double bound = 16 * 0x1p-53;  // a few operations on numbers of at most 4
  for (const double x : {-30.0, -2.5, -1e-3, 0.7, 3.0, 25.0}) {
    const Dual dual(x, Eigen::Matrix<double, 1, 1>(1));
    CHECK(ulp_error(logz::softplus(dual).value(), exact_softplus(x)) <= value_bound);
    CHECK(std::abs(logz::softplus(dual).derivatives()(0) - logz::softplus_backward(1.0, x)) <= bound);
    CHECK(std::abs(logz::log_sigmoid(dual).derivatives()(0) - logz::log_sigmoid_backward(1.0, x)) <= bound);
    const Eigen::Matrix<Dual, 1, 1> xs(dual);
    const Eigen::Matrix<Dual, 1, 1> ys(Dual(0.3, Eigen::Matrix<double, 1, 1>(0)));
    Eigen::Matrix<double, 1, 1> grad;
    const double loss = logz::binary_cross_entropy_with_logits_with_grad(
        Eigen::Matrix<double, 1, 1>(x), Eigen::Matrix<double, 1, 1>(0.3), grad);
    const Dual dual_loss = logz::binary_cross_entropy_with_logits(xs, ys);
    CHECK(std::abs(dual_loss.value() - loss) <= 2 * value_bound * ulp_at<double>(loss));
    CHECK(std::abs(dual_loss.derivatives()(0) - grad(0)) <= bound);
  }
}
#endif

TEST_CASE_TEMPLATE("binary functions: half types compute in wider ones and round once", T, Eigen::half,
                   Eigen::bfloat16) {
  const vector<T> x = Eigen::VectorXf::LinSpaced(50, -8, 8).cast<T>();
  const vector<T> y = Eigen::VectorXf::LinSpaced(50, 0, 1).cast<T>();
  const Eigen::VectorXd wide_x = x.template cast<float>().template cast<double>();
  const Eigen::VectorXd wide_y = y.template cast<float>().template cast<double>();
  const vector<T> value = logz::softplus(x);
  CHECK(value == vector<T>(Eigen::VectorXd(logz::softplus(wide_x)).template cast<T>()));
  CHECK(logz::log_sigmoid(x(3)) == static_cast<T>(logz::log_sigmoid(wide_x(3))));
  vector<T> grad;
  Eigen::VectorXd wide_grad;
  const double wide_loss = logz::binary_cross_entropy_with_logits_with_grad(wide_x, wide_y, wide_grad);
  const float loss = logz::binary_cross_entropy_with_logits_with_grad(x, y, grad);
  CHECK(ulp_error(loss, wide_loss) <= 0.51L);
  CHECK(grad == vector<T>(wide_grad.template cast<T>()));
  const Eigen::VectorXf each = logz::binary_cross_entropy_with_logits_per_element(x, y);
  const Eigen::VectorXd wide_each = logz::binary_cross_entropy_with_logits_per_element(wide_x, wide_y);
  CHECK(each == Eigen::VectorXf(wide_each.cast<float>()));
}
