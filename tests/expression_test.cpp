// SPDX-License-Identifier: MIT
//
// The returned expressions among Eigen's own: destinations and inputs.
#include "support/logits.hpp"

#include <doctest/doctest.h>

#include <logz/logz.hpp>
#include <numeric>
#include <sstream>
#include <vector>

using namespace test;

namespace {

using Eigen::Array;
using Eigen::ArrayXXf;
using Eigen::Dynamic;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::MatrixXf;
using Eigen::RowVectorXf;
using Eigen::VectorXf;
using RowMajorXf = Eigen::Matrix<float, Dynamic, Dynamic, Eigen::RowMajor>;

template <class Expression>
using plain = typename Expression::PlainObject;

}  // namespace

TEST_CASE("expression: shape, kind, storage order and fixed sizes follow the input") {
  const Eigen::Matrix<float, 3, 4, Eigen::RowMajor> x = logits(3, 4);
  const auto p = logz::softmax(x.rowwise());
  using P = std::decay_t<decltype(p)>::PlainObject;
  static_assert(std::is_same_v<P, Eigen::Matrix<float, 3, 4, Eigen::RowMajor>>);
  const ArrayXXf a = logits(3, 4);
  static_assert(std::is_same_v<plain<decltype(logz::log_softmax(a.colwise()))>, ArrayXXf>);
  static_assert(std::is_same_v<plain<decltype(logz::logsumexp(x.rowwise()))>, Eigen::Matrix<float, 3, 1>>);
  static_assert(std::is_same_v<plain<decltype(logz::logsumexp(x.colwise()))>,
                               Eigen::Matrix<float, 1, 4, Eigen::RowMajor>>);
  static_assert(std::is_same_v<plain<decltype(logz::logsumexp(a.rowwise()))>, Array<float, Dynamic, 1>>);
  static_assert(std::is_same_v<decltype(logz::logsumexp(x.row(0))), float>);
  CHECK(p.rows() == 3);
  CHECK(p.cols() == 4);
  CHECK(logz::logsumexp(x.rowwise()).rows() == 3);
  CHECK(logz::logsumexp(x.colwise()).cols() == 4);
}

TEST_CASE("expression: construction, assignment and noalias give the same, into any kind and storage order") {
  const MatrixXf x = logits(5, 7);
  const MatrixXf expected = rowwise_softmax(x);

  MatrixXf assigned;
  assigned = logz::softmax(x.rowwise());
  CHECK(assigned == expected);
  MatrixXf no_alias(5, 7);
  no_alias.noalias() = logz::softmax(x.rowwise());
  CHECK(no_alias == expected);
  MatrixXf resized = MatrixXf::Ones(9, 2);
  resized.noalias() = logz::softmax(x.rowwise());
  CHECK(resized == expected);
  const RowMajorXf row_major = logz::softmax(x.rowwise());
  CHECK(row_major == expected);
  ArrayXXf array = logz::softmax(x.rowwise());
  CHECK(array.matrix() == expected);
  array = logz::log_softmax(x.rowwise());
  array = logz::softmax(x.rowwise());
  CHECK(array.matrix() == expected);
  const MatrixXf from_array = logz::softmax(x.array().rowwise());
  CHECK(from_array == expected);
  const Eigen::Matrix<float, 5, 7> fixed = logz::softmax(x.rowwise());
  CHECK(fixed == expected);
  Eigen::Matrix<float, Dynamic, Dynamic, 0, 6, 8> bounded = logz::softmax(x.rowwise());
  CHECK(bounded == expected);
  MatrixXf viewed(5, 7);
  viewed.array() = logz::softmax(x.array().rowwise());
  CHECK(viewed == expected);
  MatrixXf transposed(7, 5);
  transposed.transpose() = logz::softmax(x.rowwise());
  CHECK(transposed.transpose() == expected);
  MatrixXf reversed(5, 7);  // no memory of its own in the result's order
  reversed.reverse() = logz::softmax(x.rowwise());
  CHECK(MatrixXf(reversed.reverse()) == expected);
}

TEST_CASE("expression: maps, blocks and refs are written in place, their surroundings are not") {
  const MatrixXf x = logits(4, 6);
  const MatrixXf expected = rowwise_softmax(x);

  MatrixXf out = MatrixXf::Constant(8, 10, 7);
  out.middleRows(4, 2).leftCols(6) = logz::softmax(x.topRows(2).rowwise());
  CHECK(out.block(4, 0, 2, 6) == expected.topRows(2));
  out.block(4, 0, 2, 6).setConstant(7);
  CHECK((out.array() == 7).all());

  std::vector<float> buffer(100, 7);
  using Strided = Eigen::Map<MatrixXf, 0, Eigen::Stride<Dynamic, Dynamic>>;
  Strided map(buffer.data() + 1, 4, 6, Eigen::Stride<Dynamic, Dynamic>(14, 3));
  map = logz::softmax(x.rowwise());
  CHECK(map == expected);
  CHECK(std::count(buffer.begin(), buffer.end(), 7.0f) == 100 - 24);

  Eigen::Ref<MatrixXf> ref = out.block(1, 1, 4, 6);
  ref = logz::softmax(x.rowwise());
  CHECK(out.block(1, 1, 4, 6) == expected);
}

TEST_CASE("expression: vectors go into either orientation") {
  const MatrixXf x = logits(4, 6);
  const RowVectorXf expected = rowwise_softmax(x).row(3);
  const VectorXf column = logz::softmax(x.row(3));
  CHECK(column.transpose() == expected);
  RowVectorXf row;
  row = logz::softmax(VectorXf(x.row(3)));
  CHECK(row == expected);
  row.noalias() = logz::softmax(VectorXf(x.row(3)));
  CHECK(row == expected);
  const Eigen::Matrix<float, 6, 1> fixed = logz::softmax(x.row(3));
  CHECK(fixed.transpose() == expected);
  MatrixXf out(6, 2);
  out.col(1) = logz::softmax(x.row(3));
  CHECK(out.col(1).transpose() == expected);

  const VectorXf lz = logz::logsumexp(x.rowwise());
  const RowVectorXf lz_row = logz::logsumexp(x.rowwise());
  CHECK(lz.transpose() == lz_row);
  const VectorXf by_column = logz::logsumexp(x.transpose().colwise());
  CHECK(by_column == lz);
  out.row(0) = logz::logsumexp(x.leftCols(2).colwise());
  CHECK(out(0, 1) == logz::logsumexp(x.col(1)));
}

TEST_CASE("expression: log Z into one row or column of a matrix that is not a vector at compile time") {
  const MatrixXf x = logits(4, 6);
  const VectorXf by_row = logz::logsumexp(x.rowwise());
  const RowVectorXf by_column = logz::logsumexp(x.colwise());
  MatrixXf out = MatrixXf::Constant(7, 9, 7);
  RowMajorXf row_major = out;
  const auto check = [&](auto& m) {
    m.topRows(1).leftCols(6) = logz::logsumexp(x.colwise());
    CHECK(m.row(0).head(6) == by_column);
    m.block(2, 1, 1, 6) = logz::logsumexp((x * 1).colwise());
    CHECK(m.row(2).segment(1, 6) == by_column);
    m.rightCols(1).bottomRows(4) = logz::logsumexp(x.rowwise());
    CHECK(m.col(8).tail(4) == by_row);
    Eigen::Ref<std::decay_t<decltype(m)>, 0, Eigen::OuterStride<>> ref = m.block(1, 0, 4, 1);
    ref = logz::logsumexp(x.rowwise());
    CHECK(m.col(0).segment(1, 4) == by_row);
    m.row(0).head(6).setConstant(7);
    m.row(2).segment(1, 6).setConstant(7);
    m.col(8).tail(4).setConstant(7);
    m.col(0).segment(1, 4).setConstant(7);
    CHECK((m.array() == 7).all());
  };
  check(out);
  check(row_major);
}

TEST_CASE("expression: every kind of input") {
  const MatrixXf x = logits(6, 8);
  const MatrixXf expected = rowwise_softmax(x);
  const auto check = [&](const auto& input) {
    const MatrixXf p = logz::softmax(input.rowwise());
    CHECK(p == expected);
    const MatrixXf transposed = logz::softmax(input.transpose().colwise());
    CHECK(transposed == expected.transpose());
    const VectorXf lz = logz::logsumexp(input.rowwise());
    CHECK(lz == VectorXf(logz::logsumexp(x.rowwise())));
  };
  const RowMajorXf row_major = x;
  const ArrayXXf array = x.array();
  const Eigen::Matrix<float, 6, 8> fixed = x;
  const Eigen::Matrix<float, Dynamic, Dynamic, 0, 10, 10> bounded = x;
  std::vector<float> buffer(2 * 6 * 8);
  Eigen::Map<MatrixXf, 0, Eigen::Stride<Dynamic, Dynamic>> strided(buffer.data(), 6, 8,
                                                                   Eigen::Stride<Dynamic, Dynamic>(12, 2));
  strided = x;
  const MatrixXf half = x / 2;
  const Eigen::Ref<const MatrixXf> ref(x);
  check(x);
  check(row_major);
  check(array);
  check(fixed);
  check(bounded);
  check(strided);
  check(ref);
  check(Eigen::Map<const MatrixXf>(x.data(), 6, 8));
  check(x.block(0, 0, 6, 8));
  check(x.transpose().transpose());
  check(x.array());
  check(half * 2);
  check(half + half);
  check(MatrixXf::Identity(6, 6) * x);
  check((x.rowwise().reverse()).rowwise().reverse());
  check(x.cwiseMin(100));
  check(x.cast<double>().cast<float>());
  // Bias and temperature as a user writes them.
  const VectorXf bias = VectorXf::LinSpaced(8, -1, 1);
  const MatrixXf shifted = (x / 0.5f).rowwise() + bias.transpose();
  const MatrixXf p = logz::softmax(((x / 0.5f).rowwise() + bias.transpose()).rowwise());
  CHECK(p == rowwise_softmax(shifted));
  const MatrixXf strided_rows = logz::softmax(x(Eigen::seqN(0, 3, 2), Eigen::seq(0, 7)).rowwise());
  CHECK(strided_rows.row(1) == expected.row(2));
  MatrixXf scattered = MatrixXf::Zero(6, 8);
  scattered(Eigen::seqN(0, 3, 2), Eigen::seq(0, 7)) = logz::softmax(x.topRows(3).rowwise());
  CHECK(scattered.row(4) == expected.row(2));
  CHECK((scattered.row(3).array() == 0).all());
  const VectorXf all = logz::softmax(x.reshaped());
  CHECK(all == VectorXf(logz::softmax(VectorXf(x.reshaped()))));
  CHECK(logz::logsumexp(x.diagonal()) == logz::logsumexp(VectorXf(x.diagonal())));
}

TEST_CASE("expression: inside a larger one it is evaluated once") {
  const MatrixXf x = logits(4, 6);
  const MatrixXf p = rowwise_softmax(x);
  const MatrixXf lp = logz::log_softmax(x.rowwise());
  MatrixXf sum = MatrixXf::Ones(4, 6);
  sum += logz::softmax(x.rowwise());
  CHECK(sum == MatrixXf::Ones(4, 6) + p);
  const MatrixXf twice = 2 * logz::softmax(x.rowwise());
  CHECK(twice == 2 * p);
  const MatrixXf product = logz::softmax(x.rowwise()) * x.transpose();
  CHECK(product == p * x.transpose());
  CHECK(-(p.cwiseProduct(lp)).sum() ==
        -(logz::softmax(x.rowwise()).cwiseProduct(logz::log_softmax(x.rowwise()))).sum());
  CHECK(MatrixXf(logz::softmax(logz::log_softmax(x.rowwise()).rowwise())) == rowwise_softmax(lp));
  MatrixXf self = x;
  self -= logz::softmax(self.rowwise());
  CHECK(self == x - p);
  std::ostringstream got;
  std::ostringstream expected;
  got << logz::softmax(x.rowwise());
  expected << p;
  CHECK(got.str() == expected.str());
}

TEST_CASE("expression: a destination that cannot take the shape throws before anything is written") {
  const MatrixXf x = logits(3, 4);
  MatrixXf out = MatrixXf::Constant(6, 6, 7);
  std::vector<float> buffer(12, 7);
  Eigen::Map<MatrixXf> map(buffer.data(), 4, 3);
  Eigen::Ref<MatrixXf> ref = out.topRows(2);
  Eigen::Matrix<float, 2, Dynamic> two_rows = Eigen::Matrix<float, 2, Dynamic>::Constant(2, 5, 7);
  Eigen::Matrix<float, Dynamic, Dynamic, 0, 2, 9> bounded = Eigen::Matrix<float, 2, 2>::Constant(7);
  CHECK_THROWS_WITH_AS(
      out.topRows(2) = logz::softmax(x.rowwise()),
      "logz::softmax: the result is 3 x 4, but the destination is 2 x 6 and cannot be resized",
      std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      map = logz::log_softmax(x.rowwise()),
      "logz::log_softmax: the result is 3 x 4, but the destination is 4 x 3 and cannot be resized",
      std::invalid_argument);
  CHECK_THROWS_AS(ref = logz::softmin(x.rowwise()), std::invalid_argument);
  CHECK_THROWS_AS(out.transpose().leftCols(2) = logz::softmax(x.rowwise()), std::invalid_argument);
  CHECK_THROWS_AS(two_rows = logz::softmax(x.rowwise()), std::invalid_argument);
  CHECK_THROWS_AS(bounded = logz::softmax(x.rowwise()), std::invalid_argument);
  CHECK_THROWS_AS(out.col(0) = logz::logsumexp(x.rowwise()), std::invalid_argument);
  CHECK_THROWS_AS(out.topRows(3).noalias() = logz::softmax(x.rowwise()), std::invalid_argument);
  CHECK_THROWS_AS(out.topRows(3) = logz::softmax((x * 2).rowwise()), std::invalid_argument);
  CHECK_THROWS_AS(out.reverse() = logz::softmax(x.rowwise()), std::invalid_argument);
  CHECK((out.array() == 7).all());
  CHECK((two_rows.array() == 7).all());
  CHECK((bounded.array() == 7).all());
  CHECK(std::accumulate(buffer.begin(), buffer.end(), 0.0f) == 84);
}

TEST_CASE("expression: kept in auto it is evaluated when assigned, from what its arguments are then") {
  MatrixXf x = logits(3, 4);
  const auto p = logz::softmax(x.rowwise());
  const auto lp = logz::log_softmax((x * 2).rowwise());
  const MatrixXf first = p;
  CHECK(first == rowwise_softmax(x));
  CHECK(MatrixXf(lp) == MatrixXf(logz::log_softmax((x * 2).eval().rowwise())));
  x = logits(2, 2) * 3;
  const MatrixXf second = p;
  CHECK(second == rowwise_softmax(x));

  MatrixXf g = logits(2, 2);
  const auto dx = logz::softmax_backward(g.rowwise(), x);
  g.resize(3, 3);
  MatrixXf out;
  CHECK_THROWS_WITH_AS(
      out = dx, "logz::softmax_backward: an argument was resized after the call and before its evaluation",
      std::invalid_argument);
  CHECK(out.size() == 0);
}

#ifdef NDEBUG
// With assertions Eigen's own come first.
TEST_CASE("expression: construction of what cannot hold the result throws") {
  using Bounded = Eigen::Matrix<float, Dynamic, Dynamic, 0, 2, 2>;
  using Fixed = Eigen::Matrix<float, 3, 1>;
  const MatrixXf x = logits(4, 4);
  CHECK_THROWS_AS(Bounded(logz::softmax(x.rowwise())), std::invalid_argument);
  CHECK_THROWS_AS(Fixed(logz::logsumexp(x.rowwise())), std::invalid_argument);
}
#endif
