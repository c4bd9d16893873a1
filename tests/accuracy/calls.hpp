// SPDX-License-Identifier: MIT
//
// Every public function behind one signature. calls.cpp, which alone includes the library, is compiled with the flags
// under test; what measures the results is not.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace accuracy {

/// What the functions of one slice are given.
template <class T>
struct arguments {
  std::vector<T> x;        // logits
  std::vector<T> g;        // gradients from above, directions
  std::vector<T> p;        // softmax(x), rounded
  std::vector<T> log_p;    // log_softmax(x), rounded
  std::vector<T> t;        // probabilities of another distribution; targets from 0 to 1
  std::vector<T> weight;   // of the classes
  T log_z{};               // logsumexp(x), rounded
  T entropy{};             // entropy(x), rounded
  std::size_t target = 0;  // a class
};

/// Options of the losses in all measurements; powers of two, so that every scalar type holds them.
inline constexpr double smoothing = 0.125;
inline constexpr double z_loss = 0.0625;
/// The gradient from above where it is one number a slice.
inline constexpr double upstream = -3;

enum class layout { contiguous, interleaved };

/// A floating-point type: digits of its significand, and exponents of its smallest normal and its largest number as
/// ilogb gives them.
struct number_format {
  int digits;
  int min_exponent;
  int max_exponent;
};
template <class T>
constexpr number_format format_of() {
  using limits = std::numeric_limits<T>;
  return {limits::digits, limits::min_exponent - 1, limits::max_exponent - 1};
}

struct results {
  std::vector<long double> values;
  number_format format;
};

template <class T>
struct named_call {
  std::string function;
  std::function<results(const arguments<T>&, layout)> run;
};

/// Of float, double, long double, Eigen::half and Eigen::bfloat16.
template <class T>
const std::vector<named_call<T>>& calls();

/// The CPU targets that can run, from the least; "generic" where the kernels are left out.
std::vector<std::string> cpu_targets();
void use_cpu_target(const std::string& name);
/// The compiler and its flags.
std::string compiler();

}  // namespace accuracy
