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

/// What raises is kept out of what checks: a check costs its comparison, not the registers that a message needs.
[[noreturn]] LOGZ_COLD inline void raise_shapes(const char* function, const char* a_name, Eigen::Index a_rows,
                                                Eigen::Index a_cols, const char* b_name, Eigen::Index b_rows,
                                                Eigen::Index b_cols) {
  raise<std::invalid_argument>(std::string("logz::") + function + ": " + a_name + " is " +
                               shape_text(a_rows, a_cols) + ", but " + b_name + " is " +
                               shape_text(b_rows, b_cols));
}
[[noreturn]] LOGZ_COLD inline void raise_number_per_slice(const char* function, const char* name,
                                                          Eigen::Index numbers, Eigen::Index count) {
  raise<std::invalid_argument>(std::string("logz::") + function + ": " + name + " has " +
                               std::to_string(numbers) + " numbers for " + std::to_string(count) + " slices");
}
/// The arguments of an expression fitted when it was made; kept in auto, they may have been resized since.
[[noreturn]] LOGZ_COLD inline void raise_resized(const char* function) {
  raise<std::invalid_argument>(std::string("logz::") + function +
                               ": an argument was resized after the call and before its evaluation");
}

}  // namespace detail
LOGZ_NAMESPACE_END
