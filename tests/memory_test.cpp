// SPDX-License-Identifier: MIT
//
// What does not fit in the caches takes ways of its own: blocks, panels that begin on cache lines, stores past the caches.
// The kernels are told so for slices that are small, and the results are the same, wherever they begin in a line; within
// the caches too, where the vectors of a panel begin on lines.
#include <logz/logz.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#if LOGZ_KERNELS
namespace {

using Eigen::Index;
namespace simd = logz::detail::simd;

/// Numbers that begin `offset` of them after a cache line.
template <class T>
class numbers {
 public:
  numbers(Index size, Index offset) : all_(static_cast<std::size_t>(size + 64)) {
    const auto past = reinterpret_cast<std::uintptr_t>(all_.data()) % 64 / sizeof(T);
    begin_ = all_.data() + (64 / sizeof(T) - past) + offset;
  }
  T* data() { return begin_; }

 private:
  std::vector<T> all_;
  T* begin_;
};

template <class T>
void fill(T* x, Index size) {
  std::mt19937 generator(static_cast<unsigned>(size));
  std::normal_distribution<double> normal(0, 3);
  for (Index i = 0; i < size; ++i) x[i] = static_cast<T>(normal(generator));
}

/// Strides between the numbers of a slice, and between slices.
struct strides {
  Index length, slice;
};

/// Slices that are far from 0: none, all of them, negated where the function has a form for that, or every second one.
enum class far_slices { none, all, every_second };

template <class T, simd::forward_op Op>
void check_forward(Index count, Index n, const strides& by, Index offset,
                   far_slices moved = far_slices::none) {
  numbers<T> x(count * n, offset), out(count * n, offset), expected(count * n, 0), factor(count, 0),
      lz(count, 0), second(count * n, 1);
  fill(x.data(), count * n);
  for (Index i = 0; i < count * n; ++i) {
    const Index slice = by.length == 1 ? i / n : i % count;
    if (moved == far_slices::all || (moved == far_slices::every_second && slice % 2 == 1))
      x.data()[i] += T(20000);
  }
  fill(second.data(), count * n);
  fill(factor.data(), count);
  fill(lz.data(), count);
  simd::forward_call<T> call = {};
  call.length = n;
  call.count = call.all = count;
  call.x = x.data();
  call.x_length = call.out_length = by.length;
  call.x_slice = call.out_slice = by.slice;
  call.reference = lz.data();
  call.factor = factor.data();
  call.reference_slice = call.factor_slice = 1;
  const std::vector<double> curvature(static_cast<std::size_t>(count), 0.75);
  call.curvature = curvature.data();
  call.z_slope = 0.25;
  call.negate = moved == far_slices::all && Op == simd::forward_op::softmax;
  call.second = second.data();
  call.second_length = by.length;
  call.second_slice = by.slice;
  call.out = expected.data();
  simd::run(simd::forward_kernels<Op, T>, call, false);
  const auto bytes = static_cast<std::size_t>(count * n) * sizeof(T);
  call.out = out.data();
  for (const bool in_memory : {false, true}) {
    call.in_memory = in_memory;
    call.x = x.data();
    std::memset(out.data(), 0, bytes);
    simd::run(simd::forward_kernels<Op, T>, call, false);
    CHECK(std::memcmp(out.data(), expected.data(), bytes) == 0);
    call.x = out.data();  // in place
    std::memcpy(out.data(), x.data(), bytes);
    simd::run(simd::forward_kernels<Op, T>, call, false);
    CHECK(std::memcmp(out.data(), expected.data(), bytes) == 0);
  }
}

/// Losses and their gradients, the samples a block of more.
template <class T>
void check_losses(Index count, Index n, const strides& by, Index offset) {
  numbers<T> x(count * n, offset), out(count * n, offset), expected(count * n, 0), aligned(count * n, 0);
  fill(x.data(), count * n);
  const auto samples = static_cast<std::size_t>(count);
  std::vector<Index> target(samples);
  for (Index i = 0; i < count; ++i) target[static_cast<std::size_t>(i)] = i % 7 == 3 ? -1 : i * 7919 % n;
  std::vector<double> loss(samples), expected_loss(samples), expected_value(samples);
  logz::detail::loss_terms<T> terms{};
  terms.target = target.data();
  terms.hit = 1;
  terms.set_scales(0.25, 0);
  simd::forward_call<T> call = {};
  call.length = n;
  call.count = count;
  call.all = 100000;
  call.x = x.data();
  call.x_length = call.out_length = by.length;
  call.x_slice = call.out_slice = by.slice;
  call.loss = &terms;
  constexpr auto gradient = simd::forward_op::cross_entropy_gradient;
  call.out = expected.data();
  terms.loss = expected_loss.data();
  simd::run(simd::forward_kernels<gradient, T>, call, false);
  const auto bytes = static_cast<std::size_t>(count * n) * sizeof(T);
  std::memcpy(aligned.data(), x.data(), bytes);
  call.x = aligned.data();
  terms.loss = expected_value.data();
  simd::run(simd::forward_kernels<simd::forward_op::cross_entropy, T>, call, false);
  call.out = out.data();
  terms.loss = loss.data();
  for (const bool in_memory : {false, true}) {
    call.in_memory = in_memory;
    call.x = x.data();
    std::memset(out.data(), 0, bytes);
    simd::run(simd::forward_kernels<gradient, T>, call, false);
    CHECK(std::memcmp(out.data(), expected.data(), bytes) == 0);
    CHECK(loss == expected_loss);
    simd::run(simd::forward_kernels<simd::forward_op::cross_entropy, T>, call, false);
    CHECK(loss == expected_value);
    call.x = out.data();  // in place
    std::memcpy(out.data(), x.data(), bytes);
    simd::run(simd::forward_kernels<gradient, T>, call, false);
    CHECK(std::memcmp(out.data(), expected.data(), bytes) == 0);
  }
}

template <class T, simd::paired_op Op>
void check_paired(Index count, Index n, const strides& by, Index offset) {
  numbers<T> g(count * n, offset), y(count * n, 1), out(count * n, offset), expected(count * n, 0);
  std::vector<double> sum(static_cast<std::size_t>(count)), rest(sum);
  fill(g.data(), count * n);
  for (Index i = 0; i < count * n; ++i) y.data()[i] = -std::abs(g.data()[count * n - 1 - i]);
  simd::paired_call<T> call = {};
  call.length = n;
  call.count = count;
  call.g = g.data();
  call.y = y.data();
  call.g_length = call.y_length = call.out_length = by.length;
  call.g_slice = call.y_slice = call.out_slice = by.slice;
  call.sum = sum.data();
  call.rest = rest.data();
  call.factor = T(-0.25);
  call.out = expected.data();
  simd::run(simd::paired_kernels<Op, T>, call, false);
  const std::vector<double> expected_sum = sum, expected_rest = rest;
  const auto bytes = static_cast<std::size_t>(count * n) * sizeof(T);
  call.out = out.data();
  for (const bool in_memory : {false, true}) {
    call.in_memory = in_memory;
    call.g = g.data();
    std::memset(out.data(), 0, bytes);
    simd::run(simd::paired_kernels<Op, T>, call, false);
    CHECK(std::memcmp(out.data(), expected.data(), bytes) == 0);
    CHECK(sum == expected_sum);
    CHECK(rest == expected_rest);
    call.g = out.data();  // in place
    std::memcpy(out.data(), g.data(), bytes);
    simd::run(simd::paired_kernels<Op, T>, call, false);
    CHECK(std::memcmp(out.data(), expected.data(), bytes) == 0);
  }
}

template <class T>
void check(Index count, Index n, const strides& by) {
  for (Index offset = 0; offset < 16; offset += 3) {
    CAPTURE(count);
    CAPTURE(n);
    CAPTURE(offset);
    check_forward<T, simd::forward_op::softmax>(count, n, by, offset);
    check_forward<T, simd::forward_op::log_softmax>(count, n, by, offset);
    check_forward<T, simd::forward_op::logsumexp_backward>(count, n, by, offset);
    check_forward<T, simd::forward_op::entropy_backward>(count, n, by, offset);
    check_forward<T, simd::forward_op::hvp>(count, n, by, offset);
    check_forward<T, simd::forward_op::softmax>(count, n, by, offset, far_slices::all);
    check_forward<T, simd::forward_op::log_softmax>(count, n, by, offset, far_slices::all);
    check_losses<T>(count, n, by, offset);
    check_paired<T, simd::paired_op::softmax_backward>(count, n, by, offset);
    check_paired<T, simd::paired_op::log_softmax_backward>(count, n, by, offset);
    check_paired<T, simd::paired_op::log_softmax_jvp>(count, n, by, offset);
    check_paired<T, simd::paired_op::log_divergence>(count, n, by, offset);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("out of the caches: interleaved slices have the bits that they have within", T, float,
                   double) {
  for (const Index count : {24, 300, 512, 1040, 1043}) {
    for (const Index n : {3, 10}) check<T>(count, n, {count, 1});
  }
  check<T>(300, 700, {300, 1});
  // Longer than scratch, so that exps stay in the result or are made anew.
  constexpr Index long_count = 272, n = 4400;
  check_forward<T, simd::forward_op::softmax>(long_count, n, {long_count, 1}, 7);
  check_losses<T>(long_count, n, {long_count, 1}, 7);
  check_paired<T, simd::paired_op::softmax_backward>(long_count, n, {long_count, 1}, 7);
  check<T>(1040, 70, {1040, 1});
}

TEST_CASE_TEMPLATE("out of the caches: contiguous slices have the bits that they have within", T, float,
                   double) {
  for (const Index n : {10, 33, 225, 1000, 5000}) check<T>(7, n, {1, n});
}

TEST_CASE_TEMPLATE("out of the caches: rows longer than scratch have the bits that they have within", T,
                   float, double) {
  constexpr Index n = 70001;
  for (const Index offset : {0, 3}) {
    for (const auto moved : {far_slices::none, far_slices::all, far_slices::every_second}) {
      check_forward<T, simd::forward_op::softmax>(4, n, {1, n}, offset, moved);
      check_forward<T, simd::forward_op::log_softmax>(4, n, {1, n}, offset, moved);
    }
    check_forward<T, simd::forward_op::logsumexp_backward>(3, n, {1, n}, offset);
    check_losses<T>(5, n, {1, n}, offset);
  }
}

// Where slices are long, or read where they are, a few samples stand in for the maximum, unless the result takes their
// place: then it is looked for, or the exps wait in scratch. A number above all others, where no sample is, is within what
// the reference allows, beyond it, beyond the range, infinite, or the only one.
template <class T>
void check_missed_maxima(Index count, Index n, const strides& by) {
  CAPTURE(count);
  CAPTURE(n);
  CAPTURE(by.length);
  const Index step = (n + 15) / 16;
  const auto place = [&](Index i) { return 17 * i % (n / step) * step + 1; };
  REQUIRE(step > 1);
  const T infinity = std::numeric_limits<T>::infinity();
  numbers<T> x(count * n, 0), out(count * n, 0);
  fill(x.data(), count * n);
  const T above[] = {
      T(15), T(60), T(600), T(30000), infinity, -infinity, std::numeric_limits<T>::quiet_NaN()};
  for (Index i = 0; i < count; ++i) {
    const T top = above[i % 7];
    for (Index l = 0; l < n && top == -infinity; ++l) x.data()[l * by.length + i * by.slice] = top;
    x.data()[place(i) * by.length + i * by.slice] = top == -infinity && i > 7 ? T(3) : top;
  }
  const auto bytes = static_cast<std::size_t>(count * n) * sizeof(T);
  const auto samples = static_cast<std::size_t>(count);
  std::vector<Index> target(samples), argmax(samples), argmax_in_place(samples);
  std::vector<double> loss(samples), log_z(samples), loss_in_place(samples), log_z_in_place(samples);
  for (Index i = 0; i < count; ++i) target[static_cast<std::size_t>(i)] = i % 3 == 0 ? place(i) : i % n;
  logz::detail::loss_terms<T> terms{};
  terms.target = target.data();
  terms.hit = T(0.75);
  terms.spread = 0.25 / double(n);
  terms.set_scales(0.25, 0);
  simd::forward_call<T> call = {};
  call.length = n;
  call.count = call.all = count;
  call.x_length = call.out_length = by.length;
  call.x_slice = call.out_slice = by.slice;
  call.loss = &terms;
  const auto check = [&](const auto& kernels) {
    numbers<T> in_place(count * n, 0);
    std::memcpy(in_place.data(), x.data(), bytes);
    terms.loss = loss.data();
    terms.log_z = log_z.data();
    terms.argmax = argmax.data();
    call.x = x.data();
    call.out = out.data();
    simd::run(kernels, call, false);
    terms.loss = loss_in_place.data();
    terms.log_z = log_z_in_place.data();
    terms.argmax = argmax_in_place.data();
    call.x = call.out = in_place.data();
    simd::run(kernels, call, false);
    CHECK(std::memcmp(out.data(), in_place.data(), bytes) == 0);
  };
  check(simd::forward_kernels<simd::forward_op::softmax, T>);
  for (const double spread : {0.0, 0.25 / double(n)}) {
    terms.spread = spread;
    terms.set_scales(0.25, 0);
    check(simd::forward_kernels<simd::forward_op::cross_entropy_gradient, T>);
    CHECK(std::memcmp(loss.data(), loss_in_place.data(), samples * sizeof(double)) == 0);
    CHECK(std::memcmp(log_z.data(), log_z_in_place.data(), samples * sizeof(double)) == 0);
    CHECK(argmax == argmax_in_place);
    CHECK(argmax[1] == place(1));
  }
}
TEST_CASE_TEMPLATE("the samples that miss the maximum change no bit", T, float, double) {
  for (const Index n : {9001, 300, 40}) {
    // 2000 slices of 300 are packed in place, and 600 are not.
    for (const Index count : n == 300 ? std::vector<Index>{17, 600, 2000} : std::vector<Index>{20}) {
      check_missed_maxima<T>(count, n, {1, n});
      check_missed_maxima<T>(count, n, {count, 1});
    }
  }
}
#endif
