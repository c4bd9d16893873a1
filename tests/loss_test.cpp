// SPDX-License-Identifier: MIT
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <array>
#include <cstdint>
#include <logz/log_softmax.hpp>
#include <logz/loss.hpp>

using namespace test;

namespace {

// The contract's bounds, in ulp.
constexpr long double loss_bound = 2;
constexpr long double gradient_bound = 6;

std::vector<int> targets_for(std::size_t count, std::size_t classes) {
  std::vector<int> targets;
  for (std::size_t i = 0; i < count; ++i)
    targets.push_back(static_cast<int>((i * 7 + classes / 2) % classes));
  return targets;
}

template <class T>
logz::cross_entropy_options<T> sum_of(T) {
  logz::cross_entropy_options<T> options;
  options.reduction = logz::reduction::sum;
  return options;
}

}  // namespace

TEST_CASE_TEMPLATE("cross_entropy: loss and gradient meet their bounds at every length in every layout", T,
                   float, double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    // One sample at a time shows each loss; the mean of all is checked below.
    const auto slices = normal_slices<T>(1, length, 4, 0, static_cast<unsigned>(length));
    for (std::size_t target = 0; target < length; target += 1 + length / 5) {
      const real exact = cross_entropy(to_reals(slices[0]), target);
      const reals slope = cross_entropy_gradient(to_reals(slices[0]), target);
      for_each_layout(slices, [&](const char* name, const auto& x, auto direction) {
        constexpr int d = decltype(direction)::value;
        const std::array<int, 1> targets{static_cast<int>(target)};
        typename std::decay_t<decltype(x)>::PlainObject grad;
        const T loss = logz::cross_entropy(along<d>(x), targets);
        const T same = logz::cross_entropy_with_grad(along<d>(x), targets, grad);
        INFO(std::string(name));
        CAPTURE(length);
        CHECK(ulp_error(loss, exact) <= loss_bound);
        CHECK(ulp_error(same, exact) <= loss_bound);
        long double worst = 0;
        const auto got = get<d>(grad);
        for (std::size_t l = 0; l < length; ++l) worst = std::max(worst, ulp_error(got[0][l], slope[l]));
        CHECK(worst <= gradient_bound);
      });
    }
  }
}

TEST_CASE_TEMPLATE("cross_entropy: hard slices meet the bounds at every target", T, float, double) {
  for (const auto& slices : hard_slices<T>()) {
    const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices);
    for (std::size_t s = 0; s < slices.size(); ++s) {
      const std::size_t length = slices[s].size();
      long double worst_loss = 0;
      long double worst_gradient = 0;
      for (std::size_t target = 0; target < length; target += 1 + length / 11) {
        const auto slice = x.col(static_cast<Index>(s));
        Eigen::Matrix<T, Eigen::Dynamic, 1> grad;
        const T loss = logz::cross_entropy_with_grad(slice, target, grad);
        worst_loss = std::max(worst_loss, ulp_error(loss, cross_entropy(to_reals(slices[s]), target)));
        const reals slope = cross_entropy_gradient(to_reals(slices[s]), target);
        for (std::size_t l = 0; l < length; ++l) {
          worst_gradient = std::max(worst_gradient, ulp_error(grad(static_cast<Index>(l)), slope[l]));
        }
      }
      CAPTURE(length);
      CHECK(worst_loss <= loss_bound);
      CHECK(worst_gradient <= gradient_bound);
    }
  }
}

TEST_CASE_TEMPLATE("cross_entropy: mean and sum over the samples, in every layout", T, float, double) {
  for (const std::size_t count : sizes{1, 2, 63, 64, 65, 200}) {
    const auto slices = normal_slices<T>(count, 10, 3);
    const auto targets = targets_for(count, 10);
    real total = 0;
    std::vector<reals> slopes;
    for (std::size_t s = 0; s < count; ++s) {
      total += cross_entropy(to_reals(slices[s]), static_cast<std::size_t>(targets[s]));
      slopes.push_back(cross_entropy_gradient(to_reals(slices[s]), static_cast<std::size_t>(targets[s])));
    }
    for_each_layout(slices, [&](const char* name, const auto& x, auto direction) {
      constexpr int d = decltype(direction)::value;
      typename std::decay_t<decltype(x)>::PlainObject grad;
      INFO(std::string(name));
      CHECK(ulp_error(logz::cross_entropy(along<d>(x), targets), total / real(count)) <= loss_bound);
      CHECK(ulp_error(logz::cross_entropy(along<d>(x), targets, sum_of(T{})), total) <= loss_bound);
      for (const bool mean : {true, false}) {
        const T loss = mean ? logz::cross_entropy_with_grad(along<d>(x), targets, grad)
                            : logz::cross_entropy_with_grad(along<d>(x), targets, grad, sum_of(T{}));
        CHECK(ulp_error(loss, mean ? total / real(count) : total) <= loss_bound);
        long double worst = 0;
        const auto got = get<d>(grad);
        for (std::size_t s = 0; s < count; ++s) {
          for (std::size_t l = 0; l < 10; ++l) {
            worst = std::max(worst, ulp_error(got[s][l], slopes[s][l] / (mean ? real(count) : 1)));
          }
        }
        CHECK(worst <= gradient_bound);
      }
    });
  }
}

TEST_CASE_TEMPLATE("cross_entropy: a confident sample has a small loss and gradient, not 0 or noise", T,
                   float, double) {
  // mpmath, 30 digits: log1p(exp(-40)) and exp(-40) / (1 + exp(-40)).
  const Eigen::Matrix<T, 2, 1> x(0, -40);
  Eigen::Matrix<T, 2, 1> grad;
  const T loss = logz::cross_entropy_with_grad(x, 0, grad);
  CHECK(ulp_error(loss, 4.24835425529158898630590547627e-18L) <= loss_bound);
  CHECK(ulp_error(grad(0), -4.24835425529158897728164851437e-18L) <= gradient_bound);
  CHECK(ulp_error(grad(1), 4.24835425529158897728164851437e-18L) <= gradient_bound);
}

TEST_CASE_TEMPLATE("cross_entropy: special values stay in their sample", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  for (std::size_t length = 2; length <= 70; ++length) {
    const auto ordinary = normal_slices<T>(1, length, 2)[0];
    for (std::size_t place = 0; place < length; ++place) {
      for (const T value : {-infinity, infinity, not_a_number}) {
        slice_list<T> slices{ordinary, ordinary, ordinary};
        slices[1][place] = value;
        for (const std::size_t target : {place, (place + 1) % length}) {
          const std::array<std::size_t, 3> targets{0, target, 0};
          const auto check = [&](const auto& x) {
            matrix<T, Eigen::ColMajor> grad;
            const T loss = logz::cross_entropy_with_grad(x.rowwise(), targets, grad);
            const T same = logz::cross_entropy(x.rowwise(), targets);
            const auto got = get<Eigen::Horizontal>(grad);
            bool right = true;
            for (std::size_t s = 0; s < 3; ++s) {
              const reals slope = cross_entropy_gradient(to_reals(slices[s]), targets[s]);
              for (std::size_t l = 0; l < length; ++l)
                right &= ulp_error(got[s][l], slope[l] / 3) <= gradient_bound;
            }
            CHECK(right);
            if (value == -infinity && target == place) {
              CHECK(loss == infinity);
              CHECK(same == infinity);
            } else if (value == -infinity) {
              CHECK(std::isfinite(loss));
              CHECK(got[1][place] == 0);
            } else {
              CHECK(std::isnan(loss));
              CHECK(std::isnan(same));
            }
          };
          check(matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(slices));
          check(matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(slices));
        }
      }
    }
  }
  const Eigen::Matrix<T, 3, 1> nothing = Eigen::Matrix<T, 3, 1>::Constant(-infinity);
  Eigen::Matrix<T, 3, 1> grad;
  CHECK(std::isnan(logz::cross_entropy_with_grad(nothing, 1, grad)));
  CHECK((grad.array() != grad.array()).all());
}

TEST_CASE_TEMPLATE("losses: without samples the mean is NaN and the sum 0", T, float, double) {
  const matrix<T, Eigen::ColMajor> none(0, 4);
  const std::vector<int> targets;
  matrix<T, Eigen::ColMajor> grad(3, 3);
  CHECK(std::isnan(logz::cross_entropy(none.rowwise(), targets)));
  CHECK(std::isnan(logz::nll_loss(none.rowwise(), targets)));
  CHECK(logz::cross_entropy(none.rowwise(), targets, sum_of(T{})) == 0);
  CHECK(logz::nll_loss(none.rowwise(), targets, sum_of(T{})) == 0);
  CHECK(std::isnan(logz::cross_entropy_with_grad(none.rowwise(), targets, grad)));
  CHECK(grad.rows() == 0);
  CHECK(grad.cols() == 4);
  CHECK(logz::nll_loss_with_grad(none.rowwise(), targets, grad, sum_of(T{})) == 0);
}

TEST_CASE_TEMPLATE("nll_loss: -log p of the targets, and its gradient, in every layout", T, float, double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    const auto slices = normal_slices<T>(5, length, 3, -10);
    const auto targets = targets_for(5, length);
    real total = 0;
    for (std::size_t s = 0; s < 5; ++s) total -= real(slices[s][static_cast<std::size_t>(targets[s])]);
    for_each_layout(slices, [&](const char* name, const auto& lp, auto direction) {
      constexpr int d = decltype(direction)::value;
      typename std::decay_t<decltype(lp)>::PlainObject grad;
      INFO(std::string(name));
      CHECK(ulp_error(logz::nll_loss(along<d>(lp), targets), total / 5) <= 1);
      CHECK(ulp_error(logz::nll_loss(along<d>(lp), targets, sum_of(T{})), total) <= 1);
      CHECK(ulp_error(logz::nll_loss_with_grad(along<d>(lp), targets, grad), total / 5) <= 1);
      const auto got = get<d>(grad);
      for (std::size_t s = 0; s < 5; ++s) {
        for (std::size_t l = 0; l < length; ++l) {
          CHECK(got[s][l] == (static_cast<int>(l) == targets[s] ? static_cast<T>(-1) / 5 : 0));
        }
      }
    });
  }
  Eigen::Matrix<T, 3, 1> lp(-1, -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN());
  CHECK(logz::nll_loss(lp, 0) == 1);
  CHECK(logz::nll_loss(lp, 1) == std::numeric_limits<T>::infinity());
  CHECK(std::isnan(logz::nll_loss(lp, 2)));
}

TEST_CASE("nll_loss: of log_softmax is cross_entropy") {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(20, 7) * 5;
  const auto targets = targets_for(20, 7);
  const double loss = logz::cross_entropy(x.rowwise(), targets);
  const double composed = logz::nll_loss(logz::log_softmax(x.rowwise()).rowwise(), targets);
  CHECK(ulp_error(composed, static_cast<long double>(loss)) <= 2 * loss_bound);
}

TEST_CASE_TEMPLATE("cross_entropy: a million classes do not add up their errors", T, float, double) {
  const auto slices = normal_slices<T>(1, std::size_t{1} << 20, 3);
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices);
  Eigen::Matrix<T, Eigen::Dynamic, 1> grad;
  CHECK(ulp_error(logz::cross_entropy_with_grad(x.col(0), 7, grad), cross_entropy(to_reals(slices[0]), 7)) <=
        loss_bound);
  const reals slope = cross_entropy_gradient(to_reals(slices[0]), 7);
  long double worst = 0;
  for (std::size_t l = 0; l < slope.size(); ++l)
    worst = std::max(worst, ulp_error(grad(static_cast<Index>(l)), slope[l]));
  CHECK(worst <= gradient_bound);
}

TEST_CASE_TEMPLATE("losses: a sample's gradient bits depend on nothing but the sample", T, float, double) {
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(normal_slices<T>(150, 37, 5));
  const auto targets = targets_for(150, 37);
  const std::vector<int> few_targets(targets.begin() + 61, targets.begin() + 66);
  matrix<T, Eigen::ColMajor> all;
  matrix<T, Eigen::ColMajor> few;
  logz::cross_entropy_with_grad(x.rowwise(), targets, all, sum_of(T{}));
  logz::cross_entropy_with_grad(x.middleRows(61, 5).rowwise(), few_targets, few, sum_of(T{}));
  CHECK((all.middleRows(61, 5).array() == few.array()).all());
}

TEST_CASE_TEMPLATE("cross_entropy: long lazy logits, taken in pieces, are as accurate as in memory", T, float,
                   double) {
  for (const std::size_t length : sizes{300, 5000, 9001}) {
    auto slices = normal_slices<T>(3, length, 30);
    std::sort(slices[1].begin(), slices[1].end());
    // Rising by more than the exponent range in two steps, the second of which must not lose what the first summed.
    for (std::size_t i = 0; i < length; ++i)
      slices[2][i] = static_cast<T>(3 * i < length ? -745.5 : 3 * i < 2 * length ? -391 : -800);
    slices[2].back() = 0;
    for (std::size_t s = 0; s < 3; ++s) {
      const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>({slices[s]});
      for (const std::size_t target : sizes{0, length / 2, length - 1}) {
        const real exact = cross_entropy(to_reals(slices[s]), target);
        CHECK(ulp_error(logz::cross_entropy(x.col(0) * 1, target), exact) <= 4);
        CHECK(ulp_error(logz::cross_entropy(x.col(0), target), exact) <= loss_bound);
        const matrix<T, Eigen::ColMajor> row = x.transpose();
        CHECK(ulp_error(logz::cross_entropy((row * 1).rowwise(), std::array<std::size_t, 1>{target}),
                        exact) <= 4);
      }
    }
  }
}

TEST_CASE("losses: targets of any integer type and container") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 200);
  const float expected = logz::cross_entropy(x.rowwise(), std::vector<int>{1, 0, 127});
  const auto check = [&](const auto& targets) {
    CHECK(logz::cross_entropy(x.rowwise(), targets) == expected);
  };
  check(std::vector<std::int8_t>{1, 0, 127});
  check(std::vector<std::uint8_t>{1, 0, 127});
  check(std::vector<std::uint64_t>{1, 0, 127});
  check(std::array<short, 3>{1, 0, 127});
  check(Eigen::Vector3i(1, 0, 127));
  check(Eigen::RowVector3i(1, 0, 127));
  check(Eigen::Matrix<Index, Eigen::Dynamic, 1>(Eigen::Matrix<Index, 3, 1>(1, 0, 127)));
  check(Eigen::Array<std::int64_t, 3, 1>(1, 0, 127));
  check(Eigen::Vector3i(0, -1, 126) + Eigen::Vector3i::Ones());
  Eigen::MatrixXi labels = Eigen::MatrixXi::Zero(3, 2);
  labels.col(1) << 1, 0, 127;
  check(labels.col(1));
  CHECK(logz::cross_entropy(x.rowwise(), std::vector<bool>{true, false, true}) ==
        logz::cross_entropy(x.rowwise(), std::vector<int>{1, 0, 1}));
  const Eigen::VectorXf one = x.row(0);
  CHECK(logz::cross_entropy(one, std::uint8_t{3}) == logz::cross_entropy(one, 3));
  CHECK(logz::cross_entropy(one.transpose(), 3L) == logz::cross_entropy(one, 3));
}

TEST_CASE(
    "losses: grad may be the logits, a block, a map, a transpose, an array or a vector of either "
    "orientation") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(4, 6);
  const std::vector<int> targets{5, 0, 3, 3};
  Eigen::MatrixXf expected;
  const float loss = logz::cross_entropy_with_grad(x.rowwise(), targets, expected);

  Eigen::MatrixXf logits = x;
  CHECK(logz::cross_entropy_with_grad(logits.rowwise(), targets, logits) == loss);
  CHECK(logits == expected);

  Eigen::MatrixXf big = Eigen::MatrixXf::Constant(6, 9, 3);
  CHECK(logz::cross_entropy_with_grad(x.rowwise(), targets, big.block(1, 2, 4, 6)) == loss);
  CHECK(big.block(1, 2, 4, 6) == expected);
  big.block(1, 2, 4, 6).setConstant(3);
  CHECK((big.array() == 3).all());  // the surroundings are untouched

  std::vector<float> buffer(24);
  CHECK(logz::cross_entropy_with_grad(x.rowwise(), targets,
                                      Eigen::Map<Eigen::MatrixXf>(buffer.data(), 4, 6)) == loss);
  CHECK(Eigen::Map<Eigen::MatrixXf>(buffer.data(), 4, 6) == expected);

  Eigen::MatrixXf transposed(6, 4);
  CHECK(logz::cross_entropy_with_grad(x.rowwise(), targets, transposed.transpose()) == loss);
  CHECK(transposed.transpose() == expected);

  Eigen::ArrayXXf array;
  CHECK(logz::cross_entropy_with_grad(x.rowwise(), targets, array) == loss);
  CHECK(array.matrix() == expected);

  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> row_major;
  CHECK(logz::cross_entropy_with_grad((x * 1).rowwise(), targets, row_major) == loss);
  CHECK(row_major == expected);

  // Rows shifted by one: shares memory in another layout.
  Eigen::MatrixXf overlapping(5, 6);
  overlapping.topRows(4) = x;
  CHECK(logz::cross_entropy_with_grad(overlapping.topRows(4).rowwise(), targets, overlapping.bottomRows(4)) ==
        loss);
  CHECK(overlapping.bottomRows(4) == expected);

  Eigen::RowVectorXf row;
  const Eigen::VectorXf one = x.row(2);
  Eigen::VectorXf column;
  logz::cross_entropy_with_grad(one, 3, row);
  logz::cross_entropy_with_grad(one, 3, column);
  CHECK(row.transpose() == column);

  Eigen::MatrixXf nll_expected;
  const float nll = logz::nll_loss_with_grad(x.rowwise(), targets, nll_expected);
  logits = x;
  CHECK(logz::nll_loss_with_grad(logits.rowwise(), targets, logits) == nll);
  CHECK(logits == nll_expected);
}

TEST_CASE("losses: errors name sample, value and classes, and write nothing") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  // Of another shape: a resize would be a change, too.
  Eigen::MatrixXf grad = Eigen::MatrixXf::Constant(2, 2, 7);
  const auto untouched = [&] { return grad.rows() == 2 && grad.cols() == 2 && (grad.array() == 7).all(); };
  const auto check = [&](const auto& targets, const char* rest, auto error) {
    using Error = decltype(error);
    const auto message = [&](const char* function) { return std::string("logz::") + function + rest; };
    CHECK_THROWS_WITH_AS(logz::cross_entropy(x.rowwise(), targets), message("cross_entropy").c_str(), Error);
    CHECK_THROWS_WITH_AS(logz::nll_loss(x.rowwise(), targets), message("nll_loss").c_str(), Error);
    CHECK_THROWS_WITH_AS(logz::cross_entropy_with_grad(x.rowwise(), targets, grad),
                         message("cross_entropy_with_grad").c_str(), Error);
    CHECK_THROWS_WITH_AS(logz::nll_loss_with_grad(x.rowwise(), targets, grad),
                         message("nll_loss_with_grad").c_str(), Error);
    CHECK(untouched());
  };
  const std::out_of_range range("");
  const std::invalid_argument invalid("");
  check(std::vector<int>{0, 4, 0}, ": target 4 of sample 1 is not one of the 4 classes", range);
  check(std::vector<int>{0, 0, -1}, ": target -1 of sample 2 is not one of the 4 classes", range);
  check(std::vector<std::int8_t>{-128, 0, 0}, ": target -128 of sample 0 is not one of the 4 classes", range);
  check(std::vector<std::uint64_t>{0, 0, ~std::uint64_t{0}},
        ": target 18446744073709551615 of sample 2 is not one of the 4 classes", range);
  check(std::vector<int>{0, 0}, ": 2 targets for 3 samples (the argument is 3 x 4)", invalid);

  Eigen::MatrixXf wide = Eigen::MatrixXf::Constant(3, 5, 7);
  const std::vector<int> targets{0, 1, 2};
  CHECK_THROWS_WITH_AS(logz::cross_entropy_with_grad(x.rowwise(), targets, wide.leftCols(5)),
                       "logz::cross_entropy_with_grad: the result is 3 x 4, but the destination is 3 x 5 and "
                       "cannot be resized",
                       std::invalid_argument);
  CHECK_THROWS_AS(logz::nll_loss_with_grad(x.rowwise(), targets, wide.leftCols(5)), std::invalid_argument);
  CHECK((wide.array() == 7).all());
  const Eigen::MatrixXf no_classes(3, 0);
  CHECK_THROWS_WITH_AS(logz::cross_entropy(no_classes.rowwise(), targets),
                       "logz::cross_entropy: 3 samples of 0 classes (the argument is 3 x 0)",
                       std::invalid_argument);
  CHECK_THROWS_AS(logz::cross_entropy(x.row(0), 4), std::out_of_range);
  CHECK_THROWS_AS(logz::cross_entropy(x.row(0), -1), std::out_of_range);
}

#if __cplusplus >= 202002L
TEST_CASE("losses: C++20 designated initialisers") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  const std::vector<int> targets{0, 1, 2};
  CHECK(logz::cross_entropy(x.rowwise(), targets, {.reduction = logz::reduction::sum}) ==
        logz::cross_entropy(x.rowwise(), targets, sum_of(1.0f)));
}
#endif
