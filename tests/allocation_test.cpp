// SPDX-License-Identifier: MIT
//
// Assignments into a preallocated destination allocate nothing: counted at operator new, and refused at Eigen's own
// malloc, with NDEBUG too.
#define EIGEN_RUNTIME_NO_MALLOC
#define eigen_assert(condition)                           \
  do {                                                    \
    if (!(condition)) throw std::logic_error(#condition); \
  } while (false)
#include <stdexcept>

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <logz/logz.hpp>
#include <new>
#include <vector>

namespace {
long allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

/// Allocations by operator new and, up to the first, by Eigen during f.
template <class F>
long allocations_in(const F& f) {
  const long before = allocations;
  long by_eigen = 0;
  Eigen::internal::set_is_malloc_allowed(false);
  try {
    f();
  } catch (const std::logic_error&) {
    by_eigen = 1;
  }
  Eigen::internal::set_is_malloc_allowed(true);
  return by_eigen > 0 ? by_eigen : allocations - before;
}

template <class X>
void check_matrix(X x) {
  using Scalar = typename X::Scalar;
  x.setRandom();
  const auto rows = x.rows();
  const auto cols = x.cols();
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> p(rows, cols);
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> row_major(rows, cols);
  Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic> array(rows, cols);
  Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> dx(rows, cols);
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> lz(rows);
  Eigen::Matrix<Scalar, 1, Eigen::Dynamic> lz_row(rows);
  const std::vector<int> targets(static_cast<std::size_t>(rows), 1);

  CHECK(allocations_in([&] { p = logz::softmax(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { p.noalias() = logz::softmax(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { row_major = logz::softmax(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { array = logz::softmax(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { p = logz::softmax(x.array().rowwise()); }) == 0);
  CHECK(allocations_in([&] { p = logz::softmin(x.colwise()); }) == 0);
  CHECK(allocations_in([&] { p = logz::log_softmax(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { p = logz::softmax((x * 2).rowwise()); }) == 0);
  CHECK(allocations_in([&] { lz = logz::logsumexp(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { lz_row = logz::logsumexp(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { lz.noalias() = logz::logsumexp((x * 2).rowwise()); }) == 0);
  CHECK(allocations_in([&] { dx = logz::softmax_backward(x.rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { dx = logz::log_softmax_backward(x.rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { dx = logz::logsumexp_backward(lz, x.rowwise(), lz); }) == 0);
  CHECK(allocations_in([&] { dx = logz::softmax_backward((x * 2).rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { (void)logz::cross_entropy(x.rowwise(), targets); }) == 0);
  CHECK(allocations_in([&] { (void)logz::cross_entropy((x * 2).rowwise(), targets); }) == 0);
  CHECK(allocations_in([&] { (void)logz::nll_loss(x.rowwise(), targets); }) == 0);
  CHECK(allocations_in([&] { logz::cross_entropy_with_grad(x.rowwise(), targets, dx); }) == 0);
  CHECK(allocations_in([&] { logz::nll_loss_with_grad(x.rowwise(), targets, dx); }) == 0);
  CHECK(allocations_in([&] { x = logz::softmax(x.rowwise()); }) == 0);
  // Two blocks of one matrix that interleave in memory without sharing any.
  CHECK(allocations_in([&] { x.topRows(2) = logz::softmax(x.bottomRows(2).rowwise()); }) == 0);
  CHECK(allocations_in([&] { x.leftCols(2) = logz::softmax(x.rightCols(2).rowwise()); }) == 0);
  CHECK(allocations_in([&] { x.row(0) = logz::logsumexp(x.bottomRows(5).colwise()); }) == 0);
  CHECK(allocations_in([&] { x.col(0) = logz::logsumexp(x.rightCols(5).rowwise()); }) == 0);
}

}  // namespace

TEST_CASE_TEMPLATE("allocation: none into a preallocated destination", T, float, double) {
  check_matrix(Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>(70, 33));
  check_matrix(Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(33, 70));
}

TEST_CASE_TEMPLATE("allocation: none for losses, derivatives and companions", T, float, double) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  const Matrix x = Matrix::Random(33, 70), v = Matrix::Random(33, 70), targets = (v.array() + 1) / 2;
  const Matrix p = logz::softmax(x.rowwise()), lp = logz::log_softmax(x.rowwise());
  Matrix dx(33, 70);
  Vector each(33);
  const Vector ones = Vector::Ones(33);
  const std::vector<int> classes(33, 1);
  logz::cross_entropy_options<T> options;
  options.label_smoothing = T(0.1);
  options.z_loss = T(0.01);
  CHECK(allocations_in([&] { dx = logz::cross_entropy_backward(T(2), x.rowwise(), classes, options); }) == 0);
  CHECK(allocations_in([&] { dx = logz::cross_entropy_backward(ones, x.rowwise(), classes, options); }) == 0);
  CHECK(allocations_in([&] { (void)logz::cross_entropy(x.rowwise(), p, options); }) == 0);
  CHECK(allocations_in([&] { logz::cross_entropy_with_grad(x.rowwise(), p, dx, options); }) == 0);
  CHECK(allocations_in([&] { each = logz::cross_entropy_per_sample(x.rowwise(), classes, options); }) == 0);
  CHECK(allocations_in([&] { each = logz::nll_loss_per_sample(lp.rowwise(), classes); }) == 0);
  CHECK(allocations_in([&] { dx = logz::nll_loss_backward(T(2), lp.rowwise(), classes); }) == 0);

  CHECK(allocations_in([&] { dx = logz::softmax_jvp(v.rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { dx = logz::log_softmax_jvp(v.rowwise(), lp); }) == 0);
  CHECK(allocations_in([&] { each = logz::logsumexp_jvp(v.rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { dx = logz::logsumexp_hvp(v.rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { dx = logz::cross_entropy_hvp(v.rowwise(), x, classes, options); }) == 0);

  CHECK(allocations_in([&] { (void)logz::kl_div(lp.rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { each = logz::kl_div_per_sample(lp.rowwise(), p); }) == 0);
  CHECK(allocations_in([&] { (void)logz::kl_div_with_grad(lp.rowwise(), p, dx); }) == 0);
  CHECK(allocations_in([&] { each = logz::entropy(x.rowwise()); }) == 0);
  CHECK(allocations_in([&] { dx = logz::entropy_backward(ones, x.rowwise(), each); }) == 0);

  CHECK(allocations_in([&] { dx = logz::softplus(x); }) == 0);
  CHECK(allocations_in([&] { dx = logz::log_sigmoid(x); }) == 0);
  CHECK(allocations_in([&] { dx = logz::softplus_backward(v, x); }) == 0);
  CHECK(allocations_in([&] { dx = logz::log_sigmoid_backward(v, x); }) == 0);
  CHECK(allocations_in([&] { (void)logz::binary_cross_entropy_with_logits(x, targets); }) == 0);
  CHECK(allocations_in([&] { (void)logz::binary_cross_entropy_with_logits_with_grad(x, targets, dx); }) == 0);
}

TEST_CASE_TEMPLATE("allocation: none for vectors", T, float, double) {
  Eigen::Matrix<T, Eigen::Dynamic, 1> x = Eigen::Matrix<T, Eigen::Dynamic, 1>::Random(5000);
  Eigen::Matrix<T, 1, Eigen::Dynamic> row(5000);
  Eigen::Array<T, Eigen::Dynamic, 1> array(5000);
  T lz = 0;
  CHECK(allocations_in([&] { row = logz::softmax(x); }) == 0);
  CHECK(allocations_in([&] { array = logz::log_softmax(x); }) == 0);
  CHECK(allocations_in([&] { lz = logz::logsumexp(x); }) == 0);
  CHECK(allocations_in([&] { lz = logz::logsumexp(x * 2); }) == 0);
  CHECK(allocations_in([&] { row = logz::logsumexp_backward(1, x, lz); }) == 0);
  CHECK(allocations_in([&] { (void)logz::cross_entropy(x, 3); }) == 0);
  CHECK(allocations_in([&] { x = logz::softmax(x); }) == 0);
}

TEST_CASE("allocation: the counters count") {
  std::vector<int> kept;
  CHECK(allocations_in([&] { std::vector<int>(100).swap(kept); }) == 1);
  Eigen::MatrixXf x = Eigen::MatrixXf::Random(4, 4);
  CHECK(allocations_in([&] { x = x * x; }) == 1);
  CHECK(allocations_in([&] { x = logz::softmax(x.transpose().rowwise()); }) == 1);
}
