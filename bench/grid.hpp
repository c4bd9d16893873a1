// SPDX-License-Identifier: MIT
//
// What every benchmark shares, other libraries' included: the shapes, the names such as
// BM_log_softmax<float>/interleaved/8192x1000 (slices x length), the numbers and where they lie in memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include <benchmark/benchmark.h>

namespace bench {

struct shape {
  std::ptrdiff_t slices;
  std::ptrdiff_t length;
  constexpr std::ptrdiff_t size() const { return slices * length; }
};

/// One sample to a batch, ten classes to a language model's vocabulary, in cache and out of it.
inline constexpr shape shapes[] = {{1, 10},     {64, 10},     {8192, 10},   {4096, 32},
                                   {1024, 100}, {512, 1000},  {64, 8192},   {16, 32000},
                                   {4, 128256}, {8192, 1000}, {256, 128256}};
inline constexpr std::ptrdiff_t largest_size = 256 * 128256;

/// Each slice's numbers side by side, or the slices' k-th numbers side by side.
enum class layout { contiguous, interleaved };

template <class Scalar>
std::string cell_name(const std::string& function, layout order, const shape& size) {
  return "BM_" + function + (std::is_same_v<Scalar, double> ? "<double>" : "<float>") +
         (order == layout::contiguous ? "/contiguous/" : "/interleaved/") + std::to_string(size.slices) +
         "x" + std::to_string(size.length);
}

#ifdef EIGEN_MAX_ALIGN_BYTES
inline constexpr std::size_t alignment = EIGEN_MAX_ALIGN_BYTES;  // of the matrices a user of Eigen has
#else
inline constexpr std::size_t alignment = 64;  // no library asks for more
#endif

/// Memory for any shape, for the life of the program; pages cost nothing until they are touched. The three arrays lie a
/// third of a page apart, modulo 4096: at the same place an Intel core takes a load for one of what the call before has
/// stored, and a slice of ten waits for it (19 ns become 33); where memcpy's destination lies a few bytes above its source
/// rep movsb on Zen 3 is up to 18 times slower.
class region {
 public:
  explicit region(std::size_t offset) : at_(std::aligned_alloc(alignment, bytes + 4096)), offset_(offset) {
    if (at_ == nullptr) throw std::bad_alloc();
  }
  template <class Scalar>
  Scalar* as() const {
    return reinterpret_cast<Scalar*>(static_cast<char*>(at_) + offset_);
  }

  /// The region filled with value(i) for i < size; what an earlier call of the same key wrote is kept.
  template <class Scalar, class Value>
  Scalar* filled(const std::string& key, std::ptrdiff_t size, const Value& value) {
    const std::string full_key = key + (std::is_same_v<Scalar, double> ? " double" : " float");
    if (full_key != key_) filled_ = 0;
    key_ = full_key;
    for (; filled_ < size; ++filled_) as<Scalar>()[filled_] = value(filled_);
    return as<Scalar>();
  }

  /// The region with the pages of its first `size` numbers present, so that none faults in the timed loop.
  template <class Scalar>
  Scalar* touched(std::ptrdiff_t size) {
    const std::ptrdiff_t wanted = size * static_cast<std::ptrdiff_t>(sizeof(Scalar));
    if (wanted > filled_) {
      std::memset(as<char>() + filled_, 1, static_cast<std::size_t>(wanted - filled_));
      filled_ = wanted;
    }
    return as<Scalar>();
  }

 private:
  static constexpr std::size_t bytes = largest_size * sizeof(double);
  void* at_;
  std::size_t offset_;
  std::string key_;
  std::ptrdiff_t filled_ = 0;
};

/// What a function reads: logits; logits and their log-sum-exps; or softmax's or log_softmax's output and a gradient.
enum class contents { logits, logits_and_logsumexps, probabilities, log_probabilities };
constexpr bool has_gradient(contents kind) {
  return kind == contents::probabilities || kind == contents::log_probabilities;
}

template <class Scalar>
struct arrays {
  Scalar* x = nullptr;
  Scalar* g = nullptr;         // the gradient, where there is one
  Scalar* y = nullptr;         // for the result
  const Scalar* lz = nullptr;  // the log-sum-exps, where they are read
};

/// Normal numbers, sigma 3. A block of a prime number of them, repeated: to draw each would take longer than the
/// benchmark.
template <class Scalar>
Scalar normal(std::ptrdiff_t i) {
  static const std::vector<Scalar> block = [] {
    std::mt19937 generator(1);
    std::normal_distribution<double> normal(0, 3);
    std::vector<Scalar> numbers(65521);
    for (Scalar& number : numbers) number = static_cast<Scalar>(normal(generator));
    return numbers;
  }();
  return block[static_cast<std::size_t>(i) % block.size()];
}

struct regions {
  region x{0}, g{1344}, y{2688};
};
inline regions& memory() {
  static regions all;
  return all;
}

/// log Σ exp of each slice of logits, which are small enough to go without their maximum.
template <class Scalar>
const std::vector<Scalar>& logsumexps(const Scalar* x, const shape& size, layout order) {
  static std::vector<Scalar> list;
  static std::string made_for;
  const std::string key = cell_name<Scalar>("", order, size);
  if (made_for == key) return list;
  std::vector<double> sums(static_cast<std::size_t>(size.slices));
  for (std::ptrdiff_t i = 0; i < size.size(); ++i)
    sums[static_cast<std::size_t>(order == layout::contiguous ? i / size.length : i % size.slices)] +=
        std::exp(x[i]);
  list.assign(sums.begin(), sums.end());
  for (Scalar& sum : list) sum = std::log(sum);
  made_for = key;
  return list;
}

/// A cell's arrays, made when first asked for: Google Benchmark calls a benchmark several times, and shapes of one
/// kind begin with the same numbers.
template <class Scalar>
arrays<Scalar> make_arrays(const shape& size, layout order, contents kind) {
  auto& [x, g, y] = memory();
  const std::ptrdiff_t n = size.size();
  arrays<Scalar> a;
  a.y = y.touched<Scalar>(n);
  switch (kind) {
    case contents::logits:
    case contents::logits_and_logsumexps:
      a.x = x.filled<Scalar>("logits", n, normal<Scalar>);
      break;
    case contents::probabilities: {
      // Up to the slices' sums.
      const auto scale = static_cast<Scalar>(1 / (2.4 * static_cast<double>(size.length)));
      a.x = x.filled<Scalar>("probabilities of " + std::to_string(size.length), n,
                             [scale](std::ptrdiff_t i) { return std::abs(normal<Scalar>(i)) * scale; });
      break;
    }
    case contents::log_probabilities:
      a.x = x.filled<Scalar>("log-probabilities", n,
                             [](std::ptrdiff_t i) { return -std::abs(normal<Scalar>(i)); });
      break;
  }
  if (kind == contents::logits_and_logsumexps) a.lz = logsumexps(a.x, size, order).data();
  if (has_gradient(kind)) a.g = g.filled<Scalar>("gradient", n, normal<Scalar>);
  return a;
}

/// Classes spread over the samples.
template <class Integer>
const std::vector<Integer>& targets(const shape& size) {
  static std::vector<Integer> list;
  static shape made_for{0, 0};
  if (made_for.slices != size.slices || made_for.length != size.length) {
    list.resize(static_cast<std::size_t>(size.slices));
    for (std::size_t n = 0; n < list.size(); ++n)
      list[n] = static_cast<Integer>(n * 7919 % static_cast<std::size_t>(size.length));
    made_for = size;
  }
  return list;
}

/// Nanoseconds per number of x, and bytes that have to be read and written: matrices only.
template <class Scalar>
void count(benchmark::State& state, const shape& size, int matrices) {
  state.SetItemsProcessed(state.iterations() * size.size());
  state.SetBytesProcessed(state.iterations() * size.size() * matrices *
                          static_cast<std::ptrdiff_t>(sizeof(Scalar)));
}

/// Google Benchmark's header names what was timed: the library with its version, and what compiled this file.
inline bool say(const std::string& library) {
  benchmark::AddCustomContext("library", library);
#ifdef __clang__
  benchmark::AddCustomContext("compiler", "Clang " __clang_version__);
#elif defined(__GNUC__)
  benchmark::AddCustomContext("compiler", "GCC " __VERSION__);
#endif
#ifdef BENCH_FLAGS
  benchmark::AddCustomContext("flags", BENCH_FLAGS);
#endif
  return true;
}

}  // namespace bench
