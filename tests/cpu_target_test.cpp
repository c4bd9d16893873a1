// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>
#include <string>

#include <logz/logz.hpp>

#include "support/slices.hpp"

using namespace test;
using logz::cpu_target;

TEST_CASE("cpu_target: the one in the environment is active, else the best") {
  const auto targets = logz::supported_cpu_targets();
  REQUIRE(!targets.empty());
  const char* const wanted = std::getenv("LOGZ_CPU_TARGET");
  const std::string expected = wanted == nullptr ? logz::name(targets.back()) : wanted;
  CHECK(std::string(logz::name(logz::active_cpu_target())) == expected);
}

TEST_CASE("cpu_target: names") {
  CHECK(std::string(logz::name(cpu_target::baseline)) == "baseline");
  CHECK(std::string(logz::name(cpu_target::avx2)) == "avx2");
  CHECK(std::string(logz::name(cpu_target::avx512)) == "avx512");
}

TEST_CASE("cpu_target: setting one makes it active where it can run, and changes nothing where it cannot") {
  const cpu_target before = logz::active_cpu_target();
  const auto targets = logz::supported_cpu_targets();
  for (const cpu_target target : {cpu_target::baseline, cpu_target::avx2, cpu_target::avx512}) {
    const bool runs = std::find(targets.begin(), targets.end(), target) != targets.end();
    const cpu_target active = logz::active_cpu_target();
    CHECK(logz::set_cpu_target(target) == runs);
    CHECK(logz::active_cpu_target() == (runs ? target : active));
  }
  CHECK(logz::set_cpu_target(before));
}

TEST_CASE_TEMPLATE("cpu_target: all of them meet the contract in one program", T, float, double) {
  const cpu_target before = logz::active_cpu_target();
  for (const cpu_target target : logz::supported_cpu_targets()) {
    REQUIRE(logz::set_cpu_target(target));
    for (const std::size_t n : sizes{5, 40, 200}) {
      const auto slice = normal_slices<T>(1, n, 3)[0];
      const auto exact = softmax(to_reals(slice));
      const Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>> x(slice.data(), static_cast<Index>(n));
      const Eigen::Matrix<T, Eigen::Dynamic, 1> p = logz::softmax(x);
      for (std::size_t l = 0; l < n; ++l) CHECK(ulp_error(p(static_cast<Index>(l)), exact[l]) <= 4);
    }
  }
  CHECK(logz::set_cpu_target(before));
}

namespace {

template <class T, int Order>
void check_alone_among_others(std::size_t n, double offset) {
  using Matrix = matrix<T, Order>;
  using Row = Eigen::Matrix<T, 1, Eigen::Dynamic>;
  const auto same = [](const auto& a, const auto& b) {
    return ((a.array() == b.array()) || (a.array().isNaN() && b.array().isNaN())).all();
  };
  Matrix x = matrix_of<T, Order, Eigen::Horizontal>(normal_slices<T>(20, n, 9, offset));
  const auto last = static_cast<Index>(n) - 1;
  x(1, last / 2) = -std::numeric_limits<T>::infinity();
  x(2, last) = std::numeric_limits<T>::infinity();
  x(3, 0) = std::numeric_limits<T>::quiet_NaN();
  x.row(4).setConstant(-std::numeric_limits<T>::infinity());
  x(5, last / 3) = static_cast<T>(offset + 700);  // far above any sample
  const Matrix p = logz::softmax(x.rowwise()), q = logz::softmin(x.rowwise()),
               lp = logz::log_softmax(x.rowwise());
  const Eigen::Matrix<T, Eigen::Dynamic, 1> lz = logz::logsumexp(x.rowwise());
  const Matrix dx = logz::logsumexp_backward(lz, x.rowwise(), lz);
  CAPTURE(n);
  CAPTURE(offset);
  for (Index i = 0; i < x.rows(); ++i) {
    CAPTURE(i);
    const Row alone = logz::softmax(x.row(i)), min_alone = logz::softmin(x.row(i)),
              log_alone = logz::log_softmax(x.row(i));
    const Row dx_alone = logz::logsumexp_backward(lz(i), x.row(i), lz(i));
    CHECK(same(alone, p.row(i)));
    CHECK(same(min_alone, q.row(i)));
    CHECK(same(log_alone, lp.row(i)));
    CHECK(same(dx_alone, dx.row(i)));
    CHECK(same(Eigen::Matrix<T, 1, 1>(T(logz::logsumexp(x.row(i)))), lz.segment(i, 1)));
  }
  std::vector<Index> targets;
  for (Index i = 0; i < x.rows(); ++i) targets.push_back((7 * i + 1) % (last + 1));
  for (const T smoothing : {T(0), T(0.25)}) {
    logz::cross_entropy_options<T> options;
    options.label_smoothing = smoothing;
    options.z_loss = smoothing;
    options.reduction = logz::reduction::sum;
    Matrix grad;
    (void)logz::cross_entropy_with_grad(x.rowwise(), targets, grad, options);
    const Eigen::Matrix<T, Eigen::Dynamic, 1> each =
        logz::cross_entropy_per_sample(x.rowwise(), targets, options);
    for (Index i = 0; i < x.rows(); ++i) {
      const Index target = targets[static_cast<std::size_t>(i)];
      const Row alone = logz::cross_entropy_backward(T(1), x.row(i), target, options);
      CHECK(same(alone, grad.row(i)));
      CHECK(same(Eigen::Matrix<T, 1, 1>(T(logz::cross_entropy(x.row(i), target, options))),
                 each.segment(i, 1)));
    }
  }
  const Matrix three = logz::softmax(x.middleRows(3, 3).rowwise());
  CHECK(same(three, p.middleRows(3, 3)));
  Matrix in_place = x;
  in_place = logz::softmax(in_place.rowwise());
  CHECK(same(in_place, p));
}

}  // namespace

TEST_CASE_TEMPLATE("cpu_target: on each, a slice alone has the bits it has among others", T, float, double) {
  const cpu_target before = logz::active_cpu_target();
  std::vector<std::size_t> lengths{100, 224, 225, 300, 1000, 1024, 1025};
  for (std::size_t n = 1; n <= 70; ++n) lengths.push_back(n);
  for (const cpu_target target : logz::supported_cpu_targets()) {
    REQUIRE(logz::set_cpu_target(target));
    for (const std::size_t n : lengths) {
      for (const double offset : {0., 1e5}) {
        check_alone_among_others<T, Eigen::RowMajor>(n, offset);
        check_alone_among_others<T, Eigen::ColMajor>(n, offset);
      }
    }
  }
  CHECK(logz::set_cpu_target(before));
}
