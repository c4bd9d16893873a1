// SPDX-License-Identifier: MIT

// Softmax regression on 8×8 images of handwritten digits, by minibatch gradient descent.
// One call of cross_entropy_with_grad gives a batch's loss and replaces its logits by their gradient.
//
// usage: train_digits [path/to/digits.csv]

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <logz/loss.hpp>

using Eigen::Index;

constexpr int pixels = 64, classes = 10;
constexpr int epochs = 30;
constexpr Index batch_size = 32;
constexpr float learning_rate = 0.2f;

struct samples {
  Eigen::MatrixXf images;  // one a row, pixels 0..1
  Eigen::VectorXi digits;
};

samples make_samples(const std::vector<int>& numbers) {
  using Table = Eigen::Matrix<int, Eigen::Dynamic, pixels + 1, Eigen::RowMajor>;
  const auto rows = static_cast<Index>(numbers.size()) / (pixels + 1);
  const Eigen::Map<const Table> table(numbers.data(), rows, pixels + 1);
  return {table.leftCols<pixels>().cast<float>() / 16, table.col(pixels)};
}

// Appends a line's 64 pixel counts and its digit; `expected` begins the message of an error.
void parse_line(const std::string& line, const std::string& expected, std::vector<int>& numbers) {
  const auto columns = line.empty() ? 0 : 1 + std::count(line.begin(), line.end(), ',');
  if (columns != pixels + 1)
    throw std::runtime_error(expected + "65 numbers, found " + std::to_string(columns));
  const char* field = line.data();
  for (int column = 1; column <= columns; ++column) {
    const char* end = std::find(field, line.data() + line.size(), ',');
    const bool is_pixel = column <= pixels;
    int number = 0;
    const auto [rest, error] = std::from_chars(field, end, number);
    if (error != std::errc{} || rest != end || number < 0 || number > (is_pixel ? 16 : 9)) {
      std::string found(field, end);
      const auto invisible = [](unsigned char c) { return !std::isprint(c); };  // as a byte order mark is
      std::replace_if(found.begin(), found.end(), invisible, '?');
      throw std::runtime_error(expected + (is_pixel ? "a pixel count from 0 to 16" : "the digit 0 to 9") +
                               " in column " + std::to_string(column) + ", found \"" + found + '"');
    }
    numbers.push_back(number);
    field = end + 1;
  }
}

// The samples to train with and to test with: every fourth line, from the first on, is a test.
std::pair<samples, samples> read_digits(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot open the file");
  std::vector<int> train, test;
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    parse_line(line, path + ':' + std::to_string(lines + 1) + ": expected ", lines % 4 == 0 ? test : train);
  }
  if (file.bad()) throw std::runtime_error(path + ": cannot read the file");
  if (lines == 0) throw std::runtime_error(path + ": expected lines of 65 numbers, found an empty file");
  if (train.empty())
    throw std::runtime_error(path + ": expected at least 2 lines, to test and to train, found 1");
  return {make_samples(train), make_samples(test)};
}

// Fisher-Yates; std::shuffle would give each standard library an order of its own.
void shuffle(samples& data, std::mt19937& generator) {
  for (Index i = data.digits.size() - 1; i > 0; --i) {
    const auto j = static_cast<Index>(generator() % static_cast<std::mt19937::result_type>(i + 1));
    data.images.row(i).swap(data.images.row(j));
    std::swap(data.digits[i], data.digits[j]);
  }
}

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
