// SPDX-License-Identifier: MIT
//
// What the names in README.md's snippets stand for.
#pragma once

#include <cstdio>
#include <logz/logz.hpp>
#include <vector>

#define README_NAMES                                                                  \
  [[maybe_unused]] Eigen::MatrixXf x = Eigen::MatrixXf::Random(4, 5);                 \
  [[maybe_unused]] const float t = 2;                                                 \
  [[maybe_unused]] const Eigen::MatrixXf a = Eigen::MatrixXf::Random(2, 5);           \
  [[maybe_unused]] Eigen::MatrixXf out = Eigen::MatrixXf::Zero(6, 5);                 \
  [[maybe_unused]] const Eigen::MatrixXf grad_output = Eigen::MatrixXf::Random(4, 5); \
  [[maybe_unused]] const Eigen::VectorXf grad_lz = Eigen::VectorXf::Random(4);        \
  [[maybe_unused]] Eigen::MatrixXf dx;                                                \
  [[maybe_unused]] Eigen::MatrixXf grad;                                              \
  [[maybe_unused]] Eigen::MatrixXf logits = Eigen::MatrixXf::Random(3, 10);           \
  [[maybe_unused]] const std::vector<int> targets{1, 9, 0};                           \
  [[maybe_unused]] const Eigen::MatrixXf probabilities =                              \
      logz::softmax(Eigen::MatrixXf::Random(3, 10).rowwise());                        \
  [[maybe_unused]] const Eigen::MatrixXf direction = Eigen::MatrixXf::Random(3, 10);
