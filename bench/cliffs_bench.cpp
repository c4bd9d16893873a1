// SPDX-License-Identifier: MIT
//
// ns per element over lengths 1 to 300 and slices 1 to 40, in five forms, as "form length slices ns" lines for cliffs.py.
// Each figure is the least of several short timings: a curve is wanted, not a mean.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include <logz/logz.hpp>

namespace {

using Eigen::Index;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Cols = Eigen::MatrixXf;

template <class F>
double nanoseconds(const F& f, Index elements) {
  const Index calls = std::max<Index>(1, 4000 / elements);
  double least = 1e300;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (Index i = 0; i < calls; ++i) f();
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    least = std::min(least, time.count() / static_cast<double>(calls * elements));
  }
  return least;
}

template <class Out, class In>
void print(const char* form, Out&& out, const In& in, Index slices, Index length) {
  std::printf("%s %td %td %.4f\n", form, length, slices,
              nanoseconds([&] { out = logz::softmax(in.rowwise()); }, slices * length));
}

}  // namespace

int main() {
  const Cols numbers = Cols::Random(64, 320);
  for (Index length = 1; length <= 300; ++length) {
    for (Index slices = 1; slices <= 40; ++slices) {
      const Cols cols = numbers.topLeftCorner(slices, length);
      const Rows rows = cols;
      Cols cols_out = cols;
      Rows rows_out = rows;
      Cols wide = Cols::Ones(64, 320);
      print("contiguous", rows_out, rows, slices, length);
      print("interleaved", cols_out, cols, slices, length);
      print("block", wide.block(3, 1, slices, length), numbers.block(1, 2, slices, length), slices, length);
      print("row_to_column_major", cols_out, rows, slices, length);
      print("lazy", cols_out, cols * 2.0f + cols, slices, length);
    }
  }
}
