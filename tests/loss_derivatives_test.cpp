// SPDX-License-Identifier: MIT
//
// The losses' gradients against central differences and AutoDiffScalar, and what must hold for every gradient.
#include "support/slices.hpp"

#if __has_include(<unsupported/Eigen/AutoDiff>)
#include <unsupported/Eigen/AutoDiff>
#endif

#include <logz/loss.hpp>

using namespace test;

namespace {

using vector = Eigen::Matrix<real, Eigen::Dynamic, 1>;
using table = matrix<real, Eigen::ColMajor>;

template <class T>
logz::cross_entropy_options<T> rich_options(Index classes) {
  logz::cross_entropy_options<T> options;
  options.weight = Eigen::Matrix<T, Eigen::Dynamic, 1>::LinSpaced(classes, T(0.25), T(2));
  options.ignore_index = 1;
  options.label_smoothing = T(0.125);
  options.z_loss = T(0.25);
  return options;
}

std::vector<int> some_targets(Index samples, Index classes) {
  std::vector<int> y;
  for (Index n = 0; n < samples; ++n) y.push_back(static_cast<int>((3 * n + 2) % classes));
  return y;
}

template <class T>
matrix<T, Eigen::ColMajor> some_probabilities(Index samples, Index classes) {
  matrix<T, Eigen::ColMajor> p = (matrix<T, Eigen::ColMajor>::Random(samples, classes).array() + 1).matrix();
  for (Index n = 0; n < samples; ++n) p.row(n) /= p.row(n).sum();
  return p;
}

/// Central differences of f at x in long double. With h = 2^-20 what they leave out, h²/6 of a third derivative of at
/// most 30 here, and the rounding of f, 2^-64 · 40 / h, are both below 2^-38.
constexpr real difference_error = 0x1p-38L;
template <class F>
table differences(const F& f, table x) {
  const real h = 0x1p-20L;
  table d(x.rows(), x.cols());
  for (Index i = 0; i < x.size(); ++i) {
    const real at = x(i);
    x(i) = at + h;
    const real above = f(x);
    x(i) = at - h;
    d(i) = (above - f(x)) / (2 * h);
    x(i) = at;
  }
  return d;
}

}  // namespace

TEST_CASE("losses: gradients are the central differences of their values") {
  for (const auto& size : {std::pair<Index, Index>{1, 3}, {5, 4}, {3, 17}, {7, 9}}) {
    const Index samples = size.first, classes = size.second;
    const table x = table::Random(samples, classes) * real(4);
    const auto y = some_targets(samples, classes);
    const table p = some_probabilities<real>(samples, classes);
    for (const bool rich : {false, true}) {
      for (const auto reduction : {logz::reduction::mean, logz::reduction::sum}) {
        auto options = rich ? rich_options<real>(classes) : logz::cross_entropy_options<real>{};
        options.reduction = reduction;
        options.empty_mean = logz::empty_mean::zero;
        const auto check = [&](const auto& targets) {
          const auto value = [&](const table& at) {
            return logz::cross_entropy(at.rowwise(), targets, options);
          };
          table grad;
          logz::cross_entropy_with_grad(x.rowwise(), targets, grad, options);
          CHECK((grad - differences(value, x)).cwiseAbs().maxCoeff() <= difference_error);
          // The second derivative along v is the difference of gradients along v.
          const table v = table::Random(samples, classes);
          const real h = 0x1p-20L;
          table above, below;
          logz::cross_entropy_with_grad((x + h * v).rowwise(), targets, above, options);
          logz::cross_entropy_with_grad((x - h * v).rowwise(), targets, below, options);
          const table hvp = logz::cross_entropy_hvp(v.rowwise(), x, targets, options);
          CHECK((hvp - (above - below) / (2 * h)).cwiseAbs().maxCoeff() <= difference_error);
        };
        check(y);
        check(p);
        options.z_loss = 0;
        const auto nll = [&](const table& at) { return logz::nll_loss(at.rowwise(), y, options); };
        table grad;
        logz::nll_loss_with_grad(x.rowwise(), y, grad, options);
        CHECK((grad - differences(nll, x)).cwiseAbs().maxCoeff() <= difference_error);
      }
    }
  }
}

#if __has_include(<unsupported/Eigen/AutoDiff>)
TEST_CASE("losses: gradients are those of AutoDiffScalar") {
  using dual = Eigen::AutoDiffScalar<Eigen::VectorXd>;
  const Index classes = 6;
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(3, classes) * 4;
  const auto y = some_targets(3, classes);
  const Eigen::MatrixXd p = some_probabilities<double>(3, classes);
  Eigen::Matrix<dual, Eigen::Dynamic, Eigen::Dynamic> active(3, classes), constant(3, classes);
  for (Index i = 0; i < x.size(); ++i) {
    active(i) = dual(x(i), Eigen::VectorXd::Unit(x.size(), i));
    constant(i) = dual(p(i), Eigen::VectorXd::Zero(x.size()));
  }
  logz::cross_entropy_options<dual> dual_options;
  dual_options.label_smoothing = 0.125;
  dual_options.z_loss = 0.25;
  logz::cross_entropy_options<double> options;
  options.label_smoothing = 0.125;
  options.z_loss = 0.25;
  // A dozen operations on numbers of at most 8, their roundings and their derivatives'.
  constexpr double bound = 64 * std::numeric_limits<double>::epsilon();
  const auto check = [&](const dual& loss, double value, const Eigen::MatrixXd& grad) {
    CHECK(std::abs(loss.value() - value) <= bound);
    REQUIRE(loss.derivatives().size() == grad.size());
    for (Index i = 0; i < grad.size(); ++i) CHECK(std::abs(loss.derivatives()[i] - grad(i)) <= bound);
  };
  Eigen::MatrixXd grad;
  double value = logz::cross_entropy_with_grad(x.rowwise(), y, grad, options);
  check(logz::cross_entropy(active.rowwise(), y, dual_options), value, grad);
  value = logz::cross_entropy_with_grad(x.rowwise(), p, grad, options);
  check(logz::cross_entropy(active.rowwise(), constant, dual_options), value, grad);
  options.z_loss = 0;
  dual_options.z_loss = 0;
  value = logz::nll_loss_with_grad(x.rowwise(), y, grad, options);
  check(logz::nll_loss(active.rowwise(), y, dual_options), value, grad);
}
#endif

TEST_CASE_TEMPLATE("cross_entropy: a sample's gradient sums to 0, or to 2 z_loss log Z", T, float, double) {
  for (const Index classes : {2, 10, 65, 300, 5000}) {
    const matrix<T, Eigen::ColMajor> x = matrix<T, Eigen::ColMajor>::Random(4, classes) * T(5);
    const auto y = some_targets(4, classes);
    const matrix<T, Eigen::ColMajor> p = some_probabilities<T>(4, classes);
    for (const T z_loss : {T(0), T(0.5)}) {
      auto options = rich_options<T>(classes);
      options.z_loss = z_loss;
      options.ignore_index = -100;
      options.reduction = logz::reduction::sum;
      logz::cross_entropy_outputs<T> outputs;
      matrix<T, Eigen::ColMajor> grad;
      const auto check = [&](real shares) {
        for (Index n = 0; n < 4; ++n) {
          real sum = 0, size = 0;
          for (Index c = 0; c < classes; ++c) {
            sum += real(grad(n, c));
            size += std::abs(real(grad(n, c)));
          }
          const real expected = 2 * real(z_loss) * real(outputs.log_z[n]);
          // Entries are 6 ulp of their largest term off. With t = Σ |entry|, shares u and W = Σ u, the terms of
          // a sample come to at most t + 4 s W + 2 |expected| together.
          const real terms = size + 4 * shares + 2 * std::abs(expected);
          CHECK(std::abs(sum - expected) <= 6 * real(std::numeric_limits<T>::epsilon()) * terms);
        }
      };
      logz::cross_entropy_with_grad(x.rowwise(), y, grad, options, outputs);
      check(real(options.label_smoothing * options.weight.mean()));
      // A shift of its logits changes neither loss nor gradient; by a power of two that rounds nothing.
      if (z_loss == 0) {
        const matrix<T, Eigen::ColMajor> coarse = (x.array() * 16).round() / 16;
        const matrix<T, Eigen::ColMajor> shifted = (coarse.array() + 64).matrix();
        matrix<T, Eigen::ColMajor> a, b;
        const real loss = logz::cross_entropy_with_grad(coarse.rowwise(), y, a, options);
        const T same = logz::cross_entropy_with_grad(shifted.rowwise(), y, b, options);
        CHECK(ulp_error(same, loss) <= 4);
        for (Index i = 0; i < a.size(); ++i) CHECK(ulp_error(b(i), real(a(i)), 2.0L) <= 12);
      }
      // Probabilities whose sums are 1 but for their rounding.
      options.weight.resize(0);
      logz::cross_entropy_with_grad(x.rowwise(), p, grad, options, outputs);
      check(1);
    }
  }
}

TEST_CASE_TEMPLATE("cross_entropy: outputs are log Z, the first largest class, and whether it is the target",
                   T, float, double, long double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  for (std::size_t length = 1; length <= 300; length += length < 70 ? 1 : 23) {
    auto slices = normal_slices<T>(40, length, 3);
    slices[3].assign(length, -infinity);
    slices[5][length / 2] = not_a_number;
    slices[6][length - 1] = infinity;
    slices[7].assign(length, not_a_number);
    slices[8].assign(length, T(2));
    slices[9][length - 1] = slices[9][0] = 50;
    std::vector<Index> largest, y;
    for (std::size_t n = 0; n < 40; ++n) {
      std::size_t best = 0;
      for (std::size_t l = 1; l < length; ++l) {
        if (slices[n][l] > slices[n][best] || (std::isnan(slices[n][best]) && slices[n][l] > -infinity))
          best = l;
      }
      if (std::isnan(slices[n][best])) best = 0;
      largest.push_back(Index(best));
      y.push_back(n % 2 == 0 ? Index(best) : Index(n % length));
    }
    y[10] = -100;
    for_each_storage(slices, [&](const char* name, const auto& x, auto direction) {
      constexpr int d = decltype(direction)::value;
      typename std::decay_t<decltype(x)>::PlainObject grad = x;
      logz::cross_entropy_outputs<T> value, gradient, lazy;
      (void)logz::cross_entropy(along<d>(x), y, {}, value);
      logz::cross_entropy_with_grad(along<d>(grad), y, grad, {}, gradient);  // in place
      (void)logz::cross_entropy(along<d>(x * T(1)), y, {}, lazy);
      INFO(std::string(name));
      CAPTURE(length);
      for (const auto* outputs : {&value, &gradient, &lazy}) {
        bool right =
            outputs->log_z.size() == 40 && outputs->argmax.size() == 40 && outputs->correct.size() == 40;
        for (std::size_t n = 0; n < 40 && right; ++n) {
          const auto k = Index(n);
          const real exact = logsumexp(to_reals(slices[n]));
          right = ulp_error(outputs->log_z[k], exact, std::max(std::abs(exact), real(8))) <= 1;
          right = right && outputs->argmax[k] == largest[n];
          const bool hit = y[n] == largest[n] && std::isfinite(double(exact));
          right = right && outputs->correct[k] == hit;
          CAPTURE(n);
          CHECK(right);
        }
      }
    });
  }
  // Of probabilities: a class that none exceeds.
  const Eigen::Matrix<T, 3, 1> x(1, 5, 2);
  logz::cross_entropy_outputs<T> outputs;
  (void)logz::cross_entropy(x, Eigen::Matrix<T, 3, 1>(T(0.25), T(0.5), T(0.25)), {}, outputs);
  CHECK(outputs.correct[0]);
  (void)logz::cross_entropy(x, Eigen::Matrix<T, 3, 1>(T(0.5), T(0.25), T(0.25)), {}, outputs);
  CHECK(!outputs.correct[0]);
}

TEST_CASE("losses: half types in float, their gradients rounded once") {
  const Eigen::MatrixXf wide = Eigen::MatrixXf::Random(5, 40) * 4;
  const Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic> x = wide.cast<Eigen::half>();
  const Eigen::MatrixXf exact = x.cast<float>();
  const auto y = some_targets(5, 40);
  const auto options = rich_options<float>(40);
  Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic> grad;
  Eigen::MatrixXf expected;
  const float loss = logz::cross_entropy_with_grad(x.rowwise(), y, grad, options);
  CHECK(ulp_error(loss, real(logz::cross_entropy_with_grad(exact.rowwise(), y, expected, options))) <= 2);
  // Once from what is exact: half an ulp of half, and 6 of float.
  for (Index i = 0; i < grad.size(); ++i) {
    const real g = real(expected(i));
    const real half_ulp =
        std::max(std::ldexp(1.0L, std::ilogb(std::max(std::abs(g), 0x1p-14L)) - 10), 0x1p-24L);
    CHECK(std::abs(real(float(grad(i))) - g) <= 0.5L * half_ulp + 6 * ulp_at<float>(g));
  }
  const Eigen::VectorXf each = logz::cross_entropy_per_sample(x.rowwise(), y, options);
  CHECK(each.allFinite());
  grad = logz::cross_entropy_backward(each, x.rowwise(), y, options);
  CHECK(grad.cast<float>().allFinite());
}

TEST_CASE_TEMPLATE("cross_entropy_backward: at -inf exactly 0, however large the gradient from above", T,
                   float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  for (const Index length : {9, 40, 300, 5000}) {
    matrix<T, Eigen::RowMajor> x = matrix<T, Eigen::RowMajor>::Random(3, length);
    for (Index n = 0; n < 3; ++n) x(n, length / 2) = x(n, length - 1) = -infinity;
    const Eigen::Matrix<T, 3, 1> above(T(1), std::numeric_limits<T>::max() / 4, T(0));
    const std::vector<int> y{0, 0, 0};
    const matrix<T, Eigen::ColMajor> interleaved = x;
    const matrix<T, Eigen::RowMajor> rows = logz::cross_entropy_backward(above, x.rowwise(), y);
    const matrix<T, Eigen::ColMajor> columns = logz::cross_entropy_backward(above, interleaved.rowwise(), y);
    CAPTURE(length);
    for (Index n = 0; n < 3; ++n) {
      for (const Index l : {length / 2, length - 1}) {
        CHECK(rows(n, l) == 0);
        CHECK(columns(n, l) == 0);
      }
    }
    CHECK(rows.row(2).isZero(0));
    CHECK(std::isfinite(rows(1, 0)));
    CHECK(rows(1, 0) < 0);
  }
}
