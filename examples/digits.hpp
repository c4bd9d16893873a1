// SPDX-License-Identifier: MIT

// 8×8 images of handwritten digits, read from lines of 64 pixel counts and the digit.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <Eigen/Core>

using Eigen::Index;

constexpr int pixels = 64, classes = 10;

struct samples {
  Eigen::MatrixXf images;  // one a row, pixels 0..1
  Eigen::VectorXi digits;
};

inline samples make_samples(const std::vector<int>& numbers) {
  using Table = Eigen::Matrix<int, Eigen::Dynamic, pixels + 1, Eigen::RowMajor>;
  const auto rows = static_cast<Index>(numbers.size()) / (pixels + 1);
  const Eigen::Map<const Table> table(numbers.data(), rows, pixels + 1);
  return {table.leftCols<pixels>().cast<float>() / 16, table.col(pixels)};
}

// Appends a line's 64 pixel counts and its digit; `expected` begins the message of an error.
inline void parse_line(const std::string& line, const std::string& expected, std::vector<int>& numbers) {
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
inline std::pair<samples, samples> read_digits(const std::string& path) {
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
inline void shuffle(samples& data, std::mt19937& generator) {
  for (Index i = data.digits.size() - 1; i > 0; --i) {
    const auto j = static_cast<Index>(generator() % static_cast<std::mt19937::result_type>(i + 1));
    data.images.row(i).swap(data.images.row(j));
    std::swap(data.digits[i], data.digits[j]);
  }
}
