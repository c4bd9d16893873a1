// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "../config.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// Throws Error(message); with -fno-exceptions the message goes to stderr and the program aborts.
template <class Error>
[[noreturn]] void raise(const std::string& message) {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
  throw Error(message);
#else
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
#endif
}

inline std::string shape_text(Eigen::Index rows, Eigen::Index cols) {
  return std::to_string(rows) + " x " + std::to_string(cols);
}

/// The arguments of an expression fitted when it was made; kept in auto, they may have been resized since.
[[noreturn]] inline void raise_resized(const char* function) {
  raise<std::invalid_argument>(std::string("logz::") + function +
                               ": an argument was resized after the call and before its evaluation");
}

}  // namespace detail
LOGZ_NAMESPACE_END
