// SPDX-License-Identifier: MIT
//
// The slices on which errors are measured.
#pragma once

#include <cmath>
#include <functional>
#include <random>

#include <Eigen/Core>

#include "calls.hpp"
#include "reference.hpp"

namespace accuracy {

enum class grid {
  sampled,  ///< seconds for each type
  full,     ///< every combination, up to 2^24 numbers in a slice
  peers,    ///< what other libraries are compared on: lengths 2 to 2^20, spreads 0.5 to 100
};

struct origin {
  std::string family;
  std::size_t length;
  double sigma;   // spread
  double offset;  // of all numbers
};

/// x of a sample, rounded to T.
template <class T>
using visit_slice = std::function<void(const origin&, const std::vector<T>&)>;

template <class T>
class slice_grid {
 public:
  slice_grid(grid which, visit_slice<T> visit) : which_(which), visit_(std::move(visit)) {}

  void run() {
    if (which_ == grid::peers) {
      for (const std::size_t n :
           {2u, 5u, 10u, 30u, 100u, 300u, 1000u, 3000u, 10000u, 30000u, 100000u, 1u << 20})
        normal(n, 3, 0);
      for (const double sigma : {0.5, 1., 2., 5., 10., 20., 50., 100.}) normal(1000, sigma, 0);
      for (const double offset : {50., -50., 1e4, 1e8}) normal(1000, 3, offset);
      for (const std::size_t n : {10u, 100u, 1000u}) dominated(n, 1, 1);
      near_zero(100);
      return;
    }
    normals();
    const std::size_t step = full() ? 1 : 3;
    for (std::size_t n = 10; n <= 70; n += 2 * step - 1) dominated(n, n, step);
    dominated(1000, 70, 5 * step);
    far_above();
    above_equals();
    ordered();
    near_zero(full() ? 500 : 50);
    extremes();
  }

 private:
  bool full() const { return which_ == grid::full; }

  void put(const origin& from, const std::vector<double>& x) {
    std::vector<T> rounded;
    for (const double v : x) {
      // Beyond this offsets and spreads overflow T.
      if (!(std::abs(v) <= static_cast<double>(std::numeric_limits<T>::max()) / 2)) return;
      rounded.push_back(static_cast<T>(v));
    }
    visit_(from, rounded);
  }
  std::vector<double> drawn(std::size_t n, double sigma, double offset) {
    std::normal_distribution<double> distribution(0, 1);
    std::vector<double> x(n);
    for (double& v : x) v = offset + sigma * distribution(engine_);
    return x;
  }
  void normal(std::size_t n, double sigma, double offset) {
    put({"normal", n, sigma, offset}, drawn(n, sigma, offset));
  }

  void normals() {
    constexpr double sigmas[] = {1, 3, 15, 100};
    constexpr double offsets[] = {0, 50, -50, 1e4, -1e4, 1e8, -1e8};
    std::vector<std::size_t> lengths;
    for (std::size_t n = 1; n <= 70; ++n) lengths.push_back(n);
    for (const std::size_t n : {100u, 224u, 225u, 257u, 1000u}) lengths.push_back(n);
    if (full()) lengths.insert(lengths.end(), {4099, 32000, 128256});
    std::size_t turn = 0;
    for (const std::size_t n : lengths) {
      for (const double sigma : sigmas) {
        for (const double offset : offsets) {
          // Sampled, and of long slices: one offset in turn for each length and spread.
          const std::size_t period = !full() ? 8 : n > 5000 ? 7 : 1;
          if (turn++ % period == 0) normal(n, sigma, offset);
        }
        if (!full() && turn++ % 2 == 0) continue;
        std::vector<double> x(n);
        std::uniform_real_distribution<double> uniform(-sigma, sigma);
        for (double& v : x) v = uniform(engine_);
        put({"uniform", n, sigma, 0}, x);
      }
    }
    if (!full()) {
      normal(4099, 3, -50);
      return;
    }
    for (const double sigma : sigmas) normal(std::size_t(1) << 20, sigma, 0);
    normal(std::size_t(1) << 22, 15, 1e4);
    normal(std::size_t(1) << 24, 3, 0);
  }

  /// One entry above the rest, in every lane in turn.
  void dominated(std::size_t n, std::size_t lanes, std::size_t step) {
    std::vector<double> x = drawn(n, 3, 0);
    for (std::size_t at = 0; at < lanes; at += step) {
      const double before = x[at];
      x[at] = 10 + 3.7 * static_cast<double>(at % 11);
      put({"dominated", n, 3, 0}, x);
      x[at] = before;
    }
  }
  /// One so far above that no sample of the slice tells of it.
  void far_above() {
    std::vector<std::size_t> lengths{17, 40, 70, 300, 5000};
    if (full()) lengths.insert(lengths.end(), {1000, 600000});
    for (const std::size_t n : lengths) {
      std::vector<double> x = drawn(n, 3, 0);
      for (const std::size_t at : {std::size_t(1), n / 2 + 1, n - 1}) {
        const double before = x[at];
        for (const double rise : {25., 35., 45., 600., 3e4}) {
          if (n > 5000 && rise > 25) break;
          x[at] = rise;
          put({"far above", n, 3, 0}, x);
        }
        x[at] = before;
      }
    }
  }
  /// One above many equal numbers, whose sum, the same rounding over and over, decides what log Z has beside the largest.
  void above_equals() {
    std::vector<std::size_t> lengths{10, 300, 5000};
    if (full()) lengths.insert(lengths.end(), {128256, 1u << 20});
    for (const std::size_t n : lengths) {
      for (const double rise : {-1.3, 0.4, 2.7}) {
        std::vector<double> x(n, -std::log(static_cast<double>(n)) - rise);
        x[n / 3] = 0;
        put({"above equals", n, 0, 0}, x);
      }
    }
  }
  void ordered() {
    std::vector<std::size_t> lengths{2, 3, 7, 10, 33, 64, 65, 1000};
    if (full()) lengths.push_back(5000);
    for (const std::size_t n : lengths) {
      std::vector<double> x = drawn(n, 3, 0);
      std::sort(x.begin(), x.end());
      put({"ascending", n, 3, 0}, x);
      std::reverse(x.begin(), x.end());
      put({"descending", n, 3, 0}, x);
      x[n - 1] = x[0];
      put({"tied", n, 3, 0}, x);
      for (std::size_t l = 0; l < n; ++l) x[l] = l % 2 == 0 ? 7.5 : -7.5;
      put({"alternating", n, 7.5, 0}, x);
      for (const double offset : {0., -1e4, 1e8})
        put({"equal", n, 0, offset}, std::vector<double>(n, offset));
      // log Z is near 0: max and log Σ cancel.
      put({"normalised", n, 0, 0}, std::vector<double>(n, -std::log(static_cast<double>(n))));
    }
  }
  /// A few numbers below a maximum at or near 0.
  void near_zero(int repeats) {
    std::uniform_real_distribution<double> gap(-3, 6), top(-1, 1);
    for (std::size_t n = 2; n <= 10; ++n) {
      for (int repeat = 0; repeat < repeats; ++repeat) {
        std::vector<double> x(n, repeat % 4 == 0 ? 0 : top(engine_));
        for (std::size_t l = 1; l < n; ++l) x[l] = x[0] - std::exp2(gap(engine_));
        put({"near 0", n, 0, 0}, x);
      }
    }
  }
  /// Subnormal logits and ones so large that their sums just do not overflow; results that underflow.
  void extremes() {
    const double least = static_cast<double>(std::numeric_limits<T>::denorm_min());
    const double most = static_cast<double>(
        std::min<long double>(static_cast<long double>(std::numeric_limits<T>::max()) / 1024, 1e305L));
    const double deepest = std::log(static_cast<double>(
        std::max<long double>(static_cast<long double>(std::numeric_limits<T>::denorm_min()), 1e-320L)));
    for (const std::size_t n : {1u, 2u, 5u, 8u, 17u, 33u, 64u, 100u, 300u}) {
      std::vector<double> x = drawn(n, 100, 0);
      for (double& v : x) v = std::round(v) * least;
      put({"subnormal", n, 0, 0}, x);
      x = drawn(n, 1, 0);
      const auto top = *std::max_element(x.begin(), x.end()), low = *std::min_element(x.begin(), x.end());
      for (double& v : x) v = v / std::max(top, -low) * most;
      put({"large", n, most, 0}, x);
      std::uniform_real_distribution<double> deep(deepest * 1.1, deepest * 0.75);
      for (double& v : x) v = deep(engine_);
      x[n / 2] = 0;
      put({"underflowing", n, 0, 0}, x);
    }
  }

  grid which_;
  visit_slice<T> visit_;
  std::mt19937_64 engine_{1};
};

/// Arguments of all functions at x; what is a result itself (p, log p, log Z, the entropy) correctly rounded.
template <class T>
arguments<T> arguments_at(const std::vector<T>& x, const reference& exact, std::size_t turn) {
  const auto rounded = [](const big& v) { return static_cast<T>(static_cast<long double>(v)); };
  std::mt19937_64 engine(turn);
  std::normal_distribution<double> normal(0, 3);
  arguments<T> a;
  a.x = x;
  double sum = 0;
  std::vector<double> other;
  for (std::size_t l = 0; l < x.size(); ++l) {
    a.g.push_back(static_cast<T>(normal(engine)));
    a.p.push_back(rounded(exact.softmax()[l]));
    a.log_p.push_back(rounded(exact.log_softmax(l)));
    a.weight.push_back(static_cast<T>(0.5 + 0.25 * static_cast<double>(l % 7)));
    other.push_back(std::exp(normal(engine)));
    sum += other[l];
  }
  for (const double t : other) a.t.push_back(static_cast<T>(t / sum));
  a.log_z = rounded(exact.log_z());
  a.entropy = rounded(exact.entropy());
  const auto top = static_cast<std::size_t>(std::max_element(x.begin(), x.end()) - x.begin());
  a.target = turn % 2 == 0 ? top : x.size() / 2;
  return a;
}

template <class T>
std::vector<long double> widened(const std::vector<T>& numbers) {
  std::vector<long double> wide;
  wide.reserve(numbers.size());
  for (const T v : numbers) wide.push_back(static_cast<long double>(v));
  return wide;
}
template <class T>
arguments<long double> widened(const arguments<T>& a) {
  return {widened(a.x),
          widened(a.g),
          widened(a.p),
          widened(a.log_p),
          widened(a.t),
          widened(a.weight),
          static_cast<long double>(a.log_z),
          static_cast<long double>(a.entropy),
          a.target};
}

}  // namespace accuracy
