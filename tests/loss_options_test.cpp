// SPDX-License-Identifier: MIT
//
// Every option of the losses, alone and together, against mpmath.
#include "reference/losses.hpp"
#include "support/slices.hpp"

#include <logz/loss.hpp>

using namespace test;

namespace {

// The contract's bounds, in ulp: of the loss (a reduced one is summed in double and rounded once more), of the
// gradient's largest term, of the second derivative's largest term.
constexpr long double loss_bound = 2;
constexpr long double gradient_bound = 6;
constexpr long double hvp_bound = 4;

constexpr std::size_t samples = losses::samples, classes = losses::classes;

template <class T>
slice_list<T> slices_of_table(const double* table) {
  slice_list<T> slices(samples, std::vector<T>(classes));
  for (std::size_t n = 0; n < samples; ++n) {
    for (std::size_t c = 0; c < classes; ++c) slices[n][c] = static_cast<T>(table[n * classes + c]);
  }
  return slices;
}

template <class T, class Case>
logz::cross_entropy_options<T> options_of(const Case& c) {
  logz::cross_entropy_options<T> options;
  if (c.weights) {
    options.weight.resize(classes);
    for (std::size_t l = 0; l < classes; ++l) options.weight[Index(l)] = static_cast<T>(losses::weight[l]);
  }
  if (c.ignores) options.ignore_index = losses::ignored;
  options.label_smoothing = static_cast<T>(c.smoothing);
  options.reduction = c.mean ? logz::reduction::mean : logz::reduction::sum;
  return options;
}

template <class T>
logz::cross_entropy_options<T> options_of(const losses::cross_entropy_case& c) {
  auto options = options_of<T, losses::cross_entropy_case>(c);
  options.z_loss = static_cast<T>(c.z_loss);
  return options;
}

template <class T>
long double worst_error(const slice_list<T>& got, const long double* exact, const double* unit) {
  long double worst = 0;
  for (std::size_t n = 0; n < samples; ++n) {
    for (std::size_t c = 0; c < classes; ++c) {
      const std::size_t i = n * classes + c;
      worst = std::max(worst, exact[i] == 0 && unit[i] == 0 ? ulp_error(got[n][c], exact[i])
                                                            : ulp_error(got[n][c], exact[i], unit[i]));
    }
  }
  return worst;
}

const std::vector<int> targets(losses::targets, losses::targets + samples);

/// f(targets of a case, as the layout of x has them).
template <int Direction, class T, class F>
void with_targets(const losses::cross_entropy_case& c, const F& f) {
  if (c.indices) {
    f(targets);
  } else {
    f(matrix_of<T, Eigen::RowMajor, Direction>(slices_of_table<T>(losses::probabilities)));
    f(matrix_of<T, Eigen::ColMajor, Direction>(slices_of_table<T>(losses::probabilities)));
  }
}

}  // namespace

TEST_CASE_TEMPLATE("cross_entropy: every combination of options, in every storage order", T, float, double) {
  const auto logits = slices_of_table<T>(losses::logits);
  long double worst_loss = 0, worst_each = 0, worst_gradient = 0, worst_hvp = 0;
  for (const auto& c : losses::cross_entropy) {
    const auto options = options_of<T>(c);
    for_each_storage(logits, [&](const char*, const auto& x, auto direction) {
      constexpr int d = decltype(direction)::value;
      using Plain = typename std::decay_t<decltype(x)>::PlainObject;
      with_targets<d, T>(c, [&](const auto& y) {
        Plain grad;
        const T loss = logz::cross_entropy(along<d>(x), y, options);
        const T same = logz::cross_entropy_with_grad(along<d>(x), y, grad, options);
        const T lazy = logz::cross_entropy(along<d>(x * T(1)), y, options);
        for (const T value : {loss, same, lazy})
          worst_loss = std::max(worst_loss, ulp_error(value, c.loss[0]));
        worst_gradient = std::max(worst_gradient, worst_error(get<d>(grad), c.gradient, c.gradient_term));

        const Eigen::Matrix<T, Eigen::Dynamic, 1> each =
            logz::cross_entropy_per_sample(along<d>(x), y, options);
        REQUIRE(each.size() == Index(samples));
        for (std::size_t n = 0; n < samples; ++n)
          worst_each = std::max(worst_each, ulp_error(each[Index(n)], c.each[n]));

        // The gradient of twice the loss; of the samples' losses, weighted as the reduction does, the same.
        const Plain twice = logz::cross_entropy_backward(T(2), along<d>(x), y, options);
        CHECK((twice.array() == 2 * grad.array()).all());
        if (!c.mean) {
          const Eigen::Matrix<T, Eigen::Dynamic, 1> ones =
              Eigen::Matrix<T, Eigen::Dynamic, 1>::Ones(Index(samples));
          const Plain per_sample = logz::cross_entropy_backward(ones, along<d>(x), y, options);
          CHECK((per_sample.array() == grad.array()).all());
        }

        const auto v = matrix_of<T, Eigen::ColMajor, d>(slices_of_table<T>(losses::direction));
        const Plain hvp = logz::cross_entropy_hvp(along<d>(v), x, y, options);
        worst_hvp = std::max(worst_hvp, worst_error(get<d>(hvp), c.hvp, c.hvp_term));
      });
    });
  }
  CHECK(worst_loss <= loss_bound);
  CHECK(worst_each <= loss_bound);
  CHECK(worst_gradient <= gradient_bound);
  CHECK(worst_hvp <= hvp_bound);
}

TEST_CASE_TEMPLATE("cross_entropy: one sample is a vector, with an index or with probabilities", T, float,
                   double) {
  const auto x = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(slices_of_table<T>(losses::logits));
  const auto p = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(slices_of_table<T>(losses::probabilities));
  const Eigen::Matrix<T, Eigen::Dynamic, 1> v = x.row(3);
  for (const auto& c : losses::cross_entropy) {
    if (c.mean || c.ignores) continue;
    const auto options = options_of<T>(c);
    const auto check = [&](const auto& target) {
      Eigen::Matrix<T, Eigen::Dynamic, 1> grad;
      Eigen::Matrix<T, 1, Eigen::Dynamic> row_grad;
      const auto row = x.row(0);
      CHECK(ulp_error(logz::cross_entropy_per_sample(row, target, options), c.each[0]) <= loss_bound);
      CHECK(ulp_error(logz::cross_entropy(row, target, options), c.each[0]) <= loss_bound);
      CHECK(ulp_error(logz::cross_entropy_with_grad(row, target, grad, options), c.each[0]) <= loss_bound);
      row_grad = logz::cross_entropy_backward(T(1), row, target, options);
      CHECK(grad.transpose() == row_grad);
      for (std::size_t l = 0; l < classes; ++l)
        CHECK(ulp_error(grad[Index(l)], c.gradient[l], c.gradient_term[l]) <= gradient_bound);
    };
    if (c.indices) {
      check(losses::targets[0]);
    } else {
      check(p.row(0));
      check(p.row(0).transpose());
      check(p.row(0) * T(1));
    }
  }
}

TEST_CASE_TEMPLATE("nll_loss: every combination of options, in every layout", T, float, double) {
  const auto log_p = slices_of_table<T>(losses::logits);
  const std::vector<double> no_terms(samples * classes, 0);
  for (const auto& c : losses::nll) {
    const auto options = options_of<T>(c);
    for_each_storage(log_p, [&](const char* name, const auto& lp, auto direction) {
      constexpr int d = decltype(direction)::value;
      using Plain = typename std::decay_t<decltype(lp)>::PlainObject;
      Plain grad;
      INFO(std::string(name));
      // Its terms may have both signs: in ulp of the largest, 64, times the largest weight.
      CHECK(ulp_error(logz::nll_loss(along<d>(lp), targets, options), c.loss[0], 64.0L * 3) <= loss_bound);
      CHECK(ulp_error(logz::nll_loss_with_grad(along<d>(lp), targets, grad, options), c.loss[0], 64.0L * 3) <=
            loss_bound);
      const auto got = get<d>(grad);
      for (std::size_t n = 0; n < samples; ++n) {
        for (std::size_t l = 0; l < classes; ++l)
          CHECK(ulp_error(got[n][l], c.gradient[n * classes + l]) <= gradient_bound);
      }
      const Plain twice = logz::nll_loss_backward(T(2), along<d>(lp), targets, options);
      CHECK((twice.array() == 2 * grad.array()).all());
      const Eigen::Matrix<T, Eigen::Dynamic, 1> each =
          logz::nll_loss_per_sample(along<d>(lp), targets, options);
      if (!c.mean) {
        CHECK(ulp_error(each.sum(), c.loss[0], 64.0L * 3) <= 4 * loss_bound);
        const Eigen::Matrix<T, Eigen::Dynamic, 1> ones =
            Eigen::Matrix<T, Eigen::Dynamic, 1>::Ones(Index(samples));
        const Plain per_sample = logz::nll_loss_backward(ones, along<d>(lp), targets, options);
        CHECK((per_sample.array() == grad.array()).all());
      }
      for (std::size_t n = 0; n < samples; ++n) {
        if (c.ignores && targets[n] == losses::ignored) CHECK(each[Index(n)] == 0);
      }
    });
    const auto row = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(log_p);
    CHECK(logz::nll_loss_per_sample(row.row(1), targets[1], options) ==
          Eigen::Matrix<T, Eigen::Dynamic, 1>(logz::nll_loss_per_sample(row.rowwise(), targets, options))[1]);
  }
}

TEST_CASE_TEMPLATE("cross_entropy: an ignored sample is exactly 0, whatever it holds", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  for (std::size_t length = 1; length <= 70; ++length) {
    auto slices = normal_slices<T>(9, length, 2);
    slices[1].assign(length, -infinity);
    slices[3][length / 2] = infinity;
    slices[4].back() = not_a_number;
    std::vector<int> y(9, 0);
    for (const std::size_t n : sizes{1, 3, 4, 8}) y[n] = -100;
    auto options = logz::cross_entropy_options<T>{};
    options.label_smoothing = T(0.125);
    options.z_loss = T(0.5);
    for_each_storage(slices, [&](const char* name, const auto& x, auto direction) {
      constexpr int d = decltype(direction)::value;
      typename std::decay_t<decltype(x)>::PlainObject grad;
      INFO(std::string(name));
      CAPTURE(length);
      for (const bool plain : {true, false}) {
        const auto with = plain ? logz::cross_entropy_options<T>{} : options;
        CHECK(std::isfinite(logz::cross_entropy(along<d>(x), y, with)));
        CHECK(std::isfinite(logz::cross_entropy_with_grad(along<d>(x), y, grad, with)));
        const auto got = get<d>(grad);
        const Eigen::Matrix<T, Eigen::Dynamic, 1> each = logz::cross_entropy_per_sample(along<d>(x), y, with);
        bool right = true;
        for (std::size_t n = 0; n < 9; ++n) {
          const bool ignored = y[n] < 0;
          right = right && (ignored ? each[Index(n)] == 0 : std::isfinite(each[Index(n)]));
          for (const T g : got[n]) right = right && (ignored ? g == 0 : std::isfinite(g));
        }
        CHECK(right);
      }
    });
  }
}

TEST_CASE_TEMPLATE("cross_entropy: a factor of 0 drops its term, even times infinity", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  for (const Index length : {3, 17, 64, 300}) {
    matrix<T, Eigen::RowMajor> x = matrix<T, Eigen::RowMajor>::Random(2, length);
    x(0, 1) = -infinity;
    x(1, length - 1) = -infinity;
    logz::cross_entropy_options<T> options;
    options.reduction = logz::reduction::sum;
    const std::vector<Index> at_it{1, length - 1}, beside{0, 0};
    const auto check = [&](const auto& y, bool finite) {
      matrix<T, Eigen::RowMajor> grad;
      const matrix<T, Eigen::ColMajor> interleaved = x;
      const T loss = logz::cross_entropy_with_grad(x.rowwise(), y, grad, options);
      CAPTURE(length);
      CHECK(std::isfinite(grad.sum()));
      for (const T value : {loss, logz::cross_entropy(x.rowwise(), y, options),
                            logz::cross_entropy(interleaved.rowwise(), y, options),
                            logz::cross_entropy((x * 1).rowwise(), y, options)}) {
        if (finite) {
          CHECK(std::isfinite(value));
        } else {
          CHECK(value == infinity);
        }
      }
    };
    check(at_it, false);
    check(beside, true);
    options.label_smoothing = T(0.5);
    check(beside, false);
    options.weight = Eigen::Matrix<T, Eigen::Dynamic, 1>::Ones(length);
    options.weight[1] = options.weight[length - 1] = 0;
    check(beside, true);
    check(at_it,
          true);  // its loss and its part of the mean are 0: there is nothing but the spread over the others
    options = {};
    matrix<T, Eigen::ColMajor> p = matrix<T, Eigen::ColMajor>::Constant(2, length, T(0.25));
    check(p, false);
    p(0, 1) = p(1, length - 1) = 0;
    check(p, true);
    options.label_smoothing = 1;
    check(p, false);
  }
}

TEST_CASE_TEMPLATE(
    "cross_entropy: one-hot probabilities are indices without weights, and divide otherwise with them", T,
    float, double) {
  for (const Index length : {4, 33, 260}) {
    const matrix<T, Eigen::ColMajor> x = matrix<T, Eigen::ColMajor>::Random(5, length) * T(4);
    const std::vector<Index> y{1, 3, 0, 2, 2};
    matrix<T, Eigen::ColMajor> one_hot = matrix<T, Eigen::ColMajor>::Zero(5, length);
    for (Index n = 0; n < 5; ++n) one_hot(n, y[static_cast<std::size_t>(n)]) = 1;
    logz::cross_entropy_options<T> options;
    for (const double smoothing : {0.0, 0.25}) {
      options.label_smoothing = static_cast<T>(smoothing);
      matrix<T, Eigen::ColMajor> grad, hot_grad;
      const T loss = logz::cross_entropy_with_grad(x.rowwise(), y, grad, options);
      const T hot = logz::cross_entropy_with_grad(x.rowwise(), one_hot, hot_grad, options);
      CHECK(ulp_error(hot, static_cast<real>(loss)) <= 2 * loss_bound);
      const real largest = real(1) / 5;  // of the terms: p and the target are at most 1
      for (Index i = 0; i < grad.size(); ++i)
        CHECK(ulp_error(hot_grad(i), real(grad(i)), largest) <= 2 * gradient_bound);
    }
    options = {};
    options.weight = Eigen::Matrix<T, Eigen::Dynamic, 1>::LinSpaced(length, 1, 2);
    const T weighted = logz::cross_entropy(x.rowwise(), y, options);
    const T hot = logz::cross_entropy(x.rowwise(), one_hot, options);
    real weights = 0;
    for (const Index target : y) weights += real(options.weight[target]);
    CHECK(ulp_error(hot, real(weighted) * weights / 5) <= 2 * loss_bound);
    CHECK(weighted != hot);
  }
}

TEST_CASE_TEMPLATE("cross_entropy: many lazy samples, longer than a piece, with options", T, float, double) {
  const Index samples_here = 70;
  for (const Index length : {300, 5000}) {
    const matrix<T, Eigen::ColMajor> x = matrix<T, Eigen::ColMajor>::Random(samples_here, length) * T(8);
    matrix<T, Eigen::ColMajor> p = matrix<T, Eigen::ColMajor>::Random(samples_here, length).cwiseAbs();
    for (Index n = 0; n < samples_here; ++n) p.row(n) /= p.row(n).sum();
    std::vector<Index> y;
    for (Index n = 0; n < samples_here; ++n) y.push_back(n * 37 % length);
    y[3] = -100;
    logz::cross_entropy_options<T> options;
    options.weight = Eigen::Matrix<T, Eigen::Dynamic, 1>::LinSpaced(length, T(0.5), T(2));
    options.label_smoothing = T(0.25);
    options.z_loss = T(0.5);
    const auto check = [&](const auto& wanted) {
      const Eigen::Matrix<T, Eigen::Dynamic, 1> direct =
          logz::cross_entropy_per_sample(x.rowwise(), wanted, options);
      const Eigen::Matrix<T, Eigen::Dynamic, 1> lazy =
          logz::cross_entropy_per_sample((x * T(1)).rowwise(), wanted, options);
      const matrix<T, Eigen::RowMajor> rows = x;
      const Eigen::Matrix<T, Eigen::Dynamic, 1> lazy_rows =
          logz::cross_entropy_per_sample((rows * T(1)).rowwise(), wanted, options);
      for (Index n = 0; n < samples_here; ++n) {
        CHECK(ulp_error(lazy[n], real(direct[n])) <= 2 * loss_bound);
        CHECK(ulp_error(lazy_rows[n], real(direct[n])) <= 2 * loss_bound);
      }
    };
    check(y);
    check(p);
  }
}
