// SPDX-License-Identifier: MIT
//
// Kernels read and write nothing outside their slices: operands that end, or begin, at a page without access, at every
// length and misalignment.
#include <sys/mman.h>
#include <unistd.h>

#include <logz/logz.hpp>

#include "support/slices.hpp"

using namespace test;

namespace {

/// Numbers between two pages that fault.
class guarded {
 public:
  guarded() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    all_ = static_cast<char*>(
        mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(all_ != MAP_FAILED);
    REQUIRE(mprotect(all_, page_, PROT_NONE) == 0);
    REQUIRE(mprotect(all_ + bytes() - page_, page_, PROT_NONE) == 0);
  }
  ~guarded() { munmap(all_, bytes()); }
  guarded(const guarded&) = delete;
  guarded& operator=(const guarded&) = delete;

  template <class T>
  T* first() const {
    return reinterpret_cast<T*>(all_ + page_);
  }
  /// The place of `count` numbers that end at the last byte.
  template <class T>
  T* last(std::size_t count) const {
    return reinterpret_cast<T*>(all_ + bytes() - page_) - count;
  }

 private:
  std::size_t bytes() const { return 34 * page_; }
  std::size_t page_;
  char* all_;
};

template <class T>
void touch(T* x, T* y, T* out, Index slices, Index length, bool interleaved) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  const Vector ones = Vector::Ones(slices);
  const auto each = [&](auto slices_of) {
    const Index rows = interleaved ? slices : length, cols = interleaved ? length : slices;
    Eigen::Map<Matrix> a(x, rows, cols), b(y, rows, cols), c(out, rows, cols);
    a.setConstant(T(0.5));
    b.setConstant(T(-0.25));
    c = logz::softmax(slices_of(a));
    c = logz::softmin(slices_of(a));
    c = logz::log_softmax(slices_of(a));
    const Vector lz = logz::logsumexp(slices_of(a));
    c = logz::logsumexp_backward(ones, slices_of(a), lz);
    c = logz::softmax_backward(slices_of(a), b);
    c = logz::log_softmax_backward(slices_of(a), b);
    logz::cross_entropy_options<T> options;
    logz::cross_entropy_outputs<T> outputs;
    const std::vector<Index> targets(static_cast<std::size_t>(slices), length / 2);
    for (const T smoothing : {T(0), T(0.25)}) {
      options.label_smoothing = smoothing;
      logz::cross_entropy_with_grad(slices_of(a), targets, c, options);
      (void)logz::cross_entropy(slices_of(a), targets, options, outputs);
      logz::cross_entropy_with_grad(slices_of(a), b, c, options);
      options.weight = Vector::Ones(length);
      (void)logz::cross_entropy(slices_of(a), b, options, outputs);
    }
    Vector h = logz::entropy(slices_of(a));
    c = logz::entropy_backward(ones, slices_of(a), h);
    c = logz::log_softmax_jvp(slices_of(a), b);
    h = logz::logsumexp_jvp(slices_of(a), b);
    h = logz::kl_div_per_sample(slices_of(b), a);
    logz::kl_div_with_grad(slices_of(b), a, c);
    c = logz::cross_entropy_hvp(slices_of(b), a, targets);
    c(0) = c(rows * cols - 1);
  };
  if (interleaved) {
    each([](auto& m) { return m.rowwise(); });
  } else {
    each([](auto& m) { return m.colwise(); });
  }
}

}  // namespace

TEST_CASE_TEMPLATE("guard pages: nothing is touched outside the slices", T, float, double) {
  const guarded x, y, out;
  // Above 224 contiguous slices are worked on in rows.
  for (Index length = 1; length <= 300; length += length < 70 || (length > 222 && length < 262) ? 1 : 23) {
    for (const Index slices : {1, 2, 3, 7, 8, 9, 16, 17, 33}) {
      const auto count = static_cast<std::size_t>(slices * length);
      for (const bool interleaved : {false, true}) {
        touch(x.last<T>(count), y.last<T>(count), out.last<T>(count), slices, length, interleaved);
        touch(x.first<T>(), y.first<T>(), out.first<T>(), slices, length, interleaved);
      }
    }
  }
  for (Index length = 65; length <= 300; length += 5) {
    for (std::size_t shift = 0; shift < 16; ++shift) {  // off by so many numbers from the boundary of a page
      const auto count = static_cast<std::size_t>(3 * length) + shift;
      touch(x.last<T>(count), y.last<T>(count + 1), out.last<T>(count + 2), 3, length, shift % 2 == 0);
    }
  }
}
