// SPDX-License-Identifier: MIT
//
// What calls of the losses refuse, where their results may go, and the mean of nothing.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <logz/loss.hpp>

TEST_CASE("cross_entropy: the mean of nothing") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  const Eigen::MatrixXf none(0, 4);
  auto zero = logz::cross_entropy_options<float>{};
  zero.empty_mean = logz::empty_mean::zero;
  auto weightless = zero;
  weightless.weight = Eigen::Vector4f(1, 0, 1, 1);
  weightless.z_loss = 1;
  const std::vector<int> ignored{-100, -100, -100}, ones{1, 1, 1}, no_targets;
  const auto check = [](const auto& samples, const auto& y, auto options) {
    Eigen::MatrixXf grad = Eigen::MatrixXf::Constant(1, 1, 7);
    CHECK(logz::cross_entropy(samples.rowwise(), y, options) == 0);
    CHECK(logz::cross_entropy_with_grad(samples.rowwise(), y, grad, options) == 0);
    CHECK(grad.rows() == samples.rows());
    CHECK((grad.array() == 0).all());
    grad = logz::cross_entropy_backward(3.0f, samples.rowwise(), y, options);
    CHECK((grad.array() == 0).all());
    options.empty_mean = logz::empty_mean::nan;
    CHECK(std::isnan(logz::cross_entropy(samples.rowwise(), y, options)));
    CHECK(std::isnan(logz::cross_entropy_with_grad(samples.rowwise(), y, grad, options)));
    CHECK((grad.array() == 0).all());
    options.z_loss = 0;
    CHECK(std::isnan(logz::nll_loss(samples.rowwise(), y, options)));
    CHECK(std::isnan(logz::nll_loss_with_grad(samples.rowwise(), y, grad, options)));
    CHECK((grad.array() == 0).all());
    options.reduction = logz::reduction::sum;
    CHECK(logz::cross_entropy(samples.rowwise(), y, options) == 0);
  };
  check(x, ignored, zero);
  check(x, ones, weightless);
  check(none, no_targets, zero);
  CHECK(logz::cross_entropy(none.rowwise(), none, zero) == 0);
}

TEST_CASE("losses: errors of options name their values, and write nothing") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  const std::vector<int> y{0, 3, 2};
  Eigen::MatrixXf grad = Eigen::MatrixXf::Constant(2, 2, 7);
  logz::cross_entropy_outputs<float> outputs;
  outputs.log_z = Eigen::VectorXf::Constant(5, 7);
  const auto check = [&](const auto& options, const auto& targets, const char* rest) {
    const auto message = [&](const char* function) { return std::string("logz::") + function + rest; };
    CHECK_THROWS_WITH_AS(logz::cross_entropy(x.rowwise(), targets, options), message("cross_entropy").c_str(),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(logz::cross_entropy_with_grad(x.rowwise(), targets, grad, options, outputs),
                         message("cross_entropy_with_grad").c_str(), std::invalid_argument);
    CHECK_THROWS_WITH_AS(logz::cross_entropy_per_sample(x.rowwise(), targets, options),
                         message("cross_entropy_per_sample").c_str(), std::invalid_argument);
    CHECK_THROWS_WITH_AS(logz::cross_entropy_backward(1.0f, x.rowwise(), targets, options),
                         message("cross_entropy_backward").c_str(), std::invalid_argument);
    CHECK_THROWS_WITH_AS(logz::cross_entropy_hvp(x.rowwise(), x, targets, options),
                         message("cross_entropy_hvp").c_str(), std::invalid_argument);
    CHECK(grad.rows() == 2);
    CHECK((grad.array() == 7).all());
    CHECK(outputs.log_z.size() == 5);
    CHECK((outputs.log_z.array() == 7).all());
  };
  logz::cross_entropy_options<float> weights, above, below, nan;
  weights.weight = Eigen::VectorXf::Ones(3);
  above.label_smoothing = 1.5f;
  below.label_smoothing = -0.25f;
  nan.label_smoothing = std::numeric_limits<float>::quiet_NaN();
  check(weights, y, ": weight has 3 numbers for 4 classes");
  check(above, y, ": label_smoothing is 1.500000, not from 0 to 1");
  check(below, y, ": label_smoothing is -0.250000, not from 0 to 1");
  check(nan, y, ": label_smoothing is nan, not from 0 to 1");
  const Eigen::MatrixXf wrong_shape = Eigen::MatrixXf::Constant(4, 3, 0.25f);
  check(logz::cross_entropy_options<float>{}, wrong_shape,
        ": the logits are 3 x 4, but the target probabilities are 4 x 3");

  logz::cross_entropy_options<float> squares;
  squares.z_loss = 0.5f;
  CHECK_THROWS_WITH_AS(logz::nll_loss(x.rowwise(), y, squares),
                       "logz::nll_loss: z_loss needs logits: it is for cross_entropy", std::invalid_argument);
  CHECK_THROWS_AS(logz::nll_loss_with_grad(x.rowwise(), y, grad, squares), std::invalid_argument);
  CHECK_THROWS_AS(logz::nll_loss_per_sample(x.rowwise(), y, squares), std::invalid_argument);
  CHECK_THROWS_AS(logz::nll_loss_backward(1.0f, x.rowwise(), y, squares), std::invalid_argument);
  const Eigen::VectorXf two = Eigen::VectorXf::Ones(2);
  CHECK_THROWS_WITH_AS(logz::cross_entropy_backward(two, x.rowwise(), y),
                       "logz::cross_entropy_backward: grad_output has 2 numbers for 3 samples",
                       std::invalid_argument);
  CHECK_THROWS_AS(logz::nll_loss_backward(two, x.rowwise(), y), std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::cross_entropy_hvp(wrong_shape.rowwise(), x, y),
                       "logz::cross_entropy_hvp: v is 4 x 3, but logits is 3 x 4", std::invalid_argument);
  // A class index is an error where it is neither a class nor the one that is ignored.
  CHECK_THROWS_AS(logz::cross_entropy(x.rowwise(), std::vector<int>{0, -1, 2}), std::out_of_range);
  logz::cross_entropy_options<float> ignoring;
  ignoring.ignore_index = -1;
  CHECK(std::isfinite(logz::cross_entropy(x.rowwise(), std::vector<int>{0, -1, 2}, ignoring)));
  CHECK(std::isfinite(logz::cross_entropy(x.rowwise(), std::vector<signed char>{0, -1, 2}, ignoring)));
  CHECK_THROWS_AS(logz::cross_entropy(x.rowwise(), std::vector<int>{0, -100, 2}, ignoring),
                  std::out_of_range);
  CHECK_THROWS_AS(logz::cross_entropy(x.rowwise(), std::vector<unsigned>{0, ~0u, 2}, ignoring),
                  std::out_of_range);
}

TEST_CASE("losses: the gradient may overwrite logits and probabilities, and the losses their own logits") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(5, 40) * 4;
  const Eigen::MatrixXf p = x.cwiseAbs() / 40;
  Eigen::MatrixXf expected;
  const float loss = logz::cross_entropy_with_grad(x.rowwise(), p, expected);
  Eigen::MatrixXf logits = x;
  CHECK(logz::cross_entropy_with_grad(logits.rowwise(), p, logits) == loss);
  CHECK(logits == expected);
  Eigen::MatrixXf probabilities = p;
  CHECK(logz::cross_entropy_with_grad(x.rowwise(), probabilities, probabilities) == loss);
  CHECK(probabilities == expected);
  logits = x;
  const Eigen::VectorXf each = logz::cross_entropy_per_sample(x.rowwise(), p);
  logits.col(0) = logz::cross_entropy_per_sample(logits.rowwise(), p);
  CHECK(logits.col(0) == each);
  Eigen::MatrixXf wide(5, 41);
  wide.rightCols(40) = x;
  wide.leftCols(40) = logz::cross_entropy_backward(1.0f, wide.rightCols(40).rowwise(), p);
  CHECK(wide.leftCols(40) == expected);
  Eigen::VectorXf above = each;
  const Eigen::MatrixXf per_sample = logz::cross_entropy_backward(each, x.rowwise(), p);
  logits = x;
  logits = logz::cross_entropy_backward(above, logits.rowwise(), p);
  CHECK(logits == per_sample);
}

// A sole sample without options has a way of its own, and the usual one where its numbers are not ordinary.
TEST_CASE_TEMPLATE("a sole sample has the loss and the gradient that it has among others", T, float, double) {
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  const T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const auto same = [](T a, T b) { return a == b || (a != a && b != b); };
  for (const Eigen::Index n : {1, 2, 10, 40, 300}) {
    for (const T special : {T(0), T(3), T(30000), infinity, -infinity, nan}) {
      for (const int target : {0, int(n) - 1, -100}) {
        CAPTURE(n);
        CAPTURE(special);
        CAPTURE(target);
        matrix three = matrix::Random(3, n) * T(4);
        three(1, 0) = special;
        const std::vector<int> targets{0, target, 0}, sole{target};
        logz::cross_entropy_options<T> sum;
        sum.reduction = logz::reduction::sum;
        sum.empty_mean = logz::empty_mean::zero;
        const vector each = logz::cross_entropy_per_sample(three.rowwise(), targets, sum);
        matrix grads, grad;
        (void)logz::cross_entropy_with_grad(three.rowwise(), targets, grads, sum);
        const matrix one = three.row(1);
        const auto check = [&](T loss, const matrix& slopes) {
          CHECK(same(loss, each(1)));
          for (Eigen::Index l = 0; l < n; ++l) CHECK(same(slopes(0, l), grads(1, l)));
        };
        for (const auto how : {logz::reduction::sum, logz::reduction::mean}) {
          auto options = sum;
          options.reduction = how;
          CHECK(same(logz::cross_entropy(one.rowwise(), sole, options), each(1)));
          T loss = logz::cross_entropy_with_grad(one.rowwise(), sole, grad, options);
          check(loss, grad);
          matrix in_place = one;
          loss = logz::cross_entropy_with_grad(in_place.rowwise(), sole, in_place, options);
          check(loss, in_place);
          loss = logz::cross_entropy_with_grad((one * T(1)).rowwise(), sole, grad, options);
          check(loss, grad);
        }
      }
    }
  }
  const matrix logits = matrix::Random(1, 4);
  logz::cross_entropy_options<T> ignoring;  // a class
  ignoring.ignore_index = 2;
  ignoring.empty_mean = logz::empty_mean::zero;
  matrix slopes;
  CHECK(logz::cross_entropy(logits.rowwise(), std::vector<int>{2}, ignoring) == 0);
  CHECK(logz::cross_entropy_with_grad(logits.rowwise(), std::vector<int>{2}, slopes, ignoring) == 0);
  CHECK((slopes.array() == 0).all());
  matrix untouched = matrix::Constant(1, 4, T(7));
  for (const int wrong : {-1, 4}) {
    CHECK_THROWS_AS((void)logz::cross_entropy(logits.rowwise(), std::vector<int>{wrong}), std::out_of_range);
    CHECK_THROWS_AS((void)logz::cross_entropy_with_grad(logits.rowwise(), std::vector<int>{wrong}, untouched),
                    std::out_of_range);
  }
  CHECK((untouched.array() == 7).all());
}
