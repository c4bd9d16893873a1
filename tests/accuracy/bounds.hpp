// SPDX-License-Identifier: MIT
//
// The accuracy contract, in ulp.
#pragma once

#include <limits>
#include <stdexcept>
#include <string>

namespace accuracy {

/// Computed in double and rounded once.
inline constexpr double half_bound = 0.5 + 1. / 1024;

struct bound {
  const char* function;           // what its name begins with
  double of_kernels;              // floats on the generic path are computed in double
  double of_standard;             // 2 more for the standard library's exp and log, 1 ulp each
  double of_floats = of_kernels;  // where the contract asks more of them
};
inline constexpr bound bounds[] = {
    {"softmax_backward", 4, 4},
    {"softmax_jvp", 4, 4},
    {"softmax", 4, 4},
    {"softmin", 4, 4},
    {"log_softmax_backward", 4, 4},
    {"log_softmax_jvp", 4, 4},
    {"log_softmax", 1.5, 4},
    {"logsumexp_backward", 4, 6},
    {"logsumexp_jvp", 1, 4},
    {"logsumexp_hvp", 4, 4},
    {"logsumexp", 1, 4},
    {"cross_entropy gradient", 6, 8},
    {"cross_entropy_backward", 6, 8},
    {"cross_entropy_hvp", 10, 12, 4},
    {"cross_entropy", 2, 4},
    {"nll_loss gradient", 3, 4, half_bound},
    {"nll_loss", 2, 4},
    {"kl_div gradient", 2, 4},
    {"kl_div", 2, 4},
    {"entropy_backward", 4, 6},
    {"entropy", 2, 4},
    {"softplus_backward", 2, 4},
    {"softplus", 2, 4},
    {"log_sigmoid_backward", 2, 4},
    {"log_sigmoid", 2, 4},
    {"binary_cross_entropy_with_logits gradient", 2, 4},
    {"binary_cross_entropy_with_logits", 2, 4},
};

template <class T>
double bound_of(const std::string& function, const std::string& target) {
  const bool standard = target == "generic" && std::numeric_limits<T>::digits >= 53;
  if (std::numeric_limits<T>::digits < 24) return half_bound;
  for (const bound& b : bounds) {
    if (function.rfind(b.function, 0) != 0) continue;
    return standard ? b.of_standard : std::numeric_limits<T>::digits == 24 ? b.of_floats : b.of_kernels;
  }
  throw std::invalid_argument("no bound for " + function);
}

}  // namespace accuracy
