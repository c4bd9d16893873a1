// SPDX-License-Identifier: MIT

// Softmax regression on 8×8 images of handwritten digits, by minibatch gradient descent.
// One call of cross_entropy_with_grad gives a batch's loss and replaces its logits by their gradient.
//
// usage: train_digits [path/to/digits.csv]

#include <algorithm>
#include <cstdio>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include <logz/loss.hpp>

#include "digits.hpp"

constexpr int epochs = 30;
constexpr Index batch_size = 32;
constexpr float learning_rate = 0.2f;

// The samples by digit (row) and by the class of the largest logit (column).
Eigen::MatrixXi confusion_matrix(const Eigen::MatrixXf& logits, const Eigen::VectorXi& digits) {
  Eigen::MatrixXi counts = Eigen::MatrixXi::Zero(classes, classes);
  for (Index i = 0; i < logits.rows(); ++i) {
    Index predicted = 0;
    logits.row(i).maxCoeff(&predicted);
    ++counts(digits[i], predicted);
  }
  return counts;
}

void train_and_report(samples train, const samples& test) {
  Eigen::MatrixXf weights = Eigen::MatrixXf::Zero(pixels, classes);
  Eigen::RowVectorXf bias = Eigen::RowVectorXf::Zero(classes);
  Eigen::MatrixXi confusion;
  std::mt19937 generator(1);
  const Index train_size = train.digits.size();
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    shuffle(train, generator);
    float loss = 0;
    for (Index first = 0; first < train_size; first += batch_size) {
      const Index count = std::min(batch_size, train_size - first);
      const auto images = train.images.middleRows(first, count);
      const auto digits = train.digits.segment(first, count);

      Eigen::MatrixXf logits = (images * weights).rowwise() + bias;
      Eigen::MatrixXf& grad = logits;  // written over the logits
      loss += logz::cross_entropy_with_grad(logits.rowwise(), digits, grad) * static_cast<float>(count);
      weights -= learning_rate * images.transpose() * grad;
      bias -= learning_rate * grad.colwise().sum();
    }
    confusion = confusion_matrix((test.images * weights).rowwise() + bias, test.digits);
    std::printf("epoch %2d  loss %.4f  test accuracy %.2f %%\n", epoch,
                static_cast<double>(loss) / static_cast<double>(train_size),
                100.0 * confusion.trace() / confusion.sum());
  }

  std::printf("\ntest accuracy: %.2f %% (%d of %d)\n\ntrue\\predicted",
              100.0 * confusion.trace() / confusion.sum(), confusion.trace(), confusion.sum());
  for (int digit = 0; digit < classes; ++digit) std::printf("%4d", digit);
  for (int digit = 0; digit < classes; ++digit) {
    std::printf("\n%14d", digit);
    for (int predicted = 0; predicted < classes; ++predicted) std::printf("%4d", confusion(digit, predicted));
  }
  std::printf("\n");
}

int main(int argc, char** argv) {
  try {
    if (argc > 2) throw std::runtime_error("usage: train_digits [path/to/digits.csv]");
    auto [train, test] = read_digits(argc == 2 ? argv[1] : "examples/data/digits.csv");
    train_and_report(std::move(train), test);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
