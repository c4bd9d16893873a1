// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <type_traits>
#include <utility>

#include "argument.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// The integer type of a target list: of an Eigen vector, std::vector, std::array, or anything with size()
/// and [].
template <class Targets, class = void>
struct target_value {
  using type = void;
};
template <class Targets>
struct target_value<Targets, std::void_t<decltype(std::declval<const Targets&>().size()),
                                         decltype(std::declval<const Targets&>()[Index{}])>> {
  using type = std::decay_t<decltype(std::declval<const Targets&>()[0])>;
};

template <class Targets>
constexpr bool is_eigen_matrix() {
  if constexpr (std::is_base_of_v<Eigen::EigenBase<Targets>, Targets>) {
    return !Targets::IsVectorAtCompileTime;
  } else {
    return false;
  }
}

template <class Targets>
inline constexpr bool are_class_indices =
    std::is_integral_v<typename target_value<Targets>::type> && !is_eigen_matrix<Targets>();

template <class Targets>
constexpr bool check_class_indices() {
  static_assert(are_class_indices<Targets>,
                "logz: targets are class indices: a vector of integers (Eigen, std::vector, std::array), one "
                "per slice; "
                "or one integer for a vector of logits");
  return are_class_indices<Targets>;
}

/// Throws unless there is one target per slice, each one of the classes.
template <class Targets>
void check_targets(const char* function, const Targets& targets, Index count, Index classes, Index rows,
                   Index cols) {
  const auto at = [&](const std::string& what) { return std::string("logz::") + function + ": " + what; };
  if (static_cast<Index>(targets.size()) != count) {
    raise<std::invalid_argument>(at(std::to_string(targets.size()) + " targets for " + std::to_string(count) +
                                    " samples (the argument is " + shape_text(rows, cols) + ")"));
  }
  if (count > 0 && classes == 0) {
    raise<std::invalid_argument>(
        at(std::to_string(count) + " samples of 0 classes (the argument is " + shape_text(rows, cols) + ")"));
  }
  using Position = decltype(targets.size());
  for (Position n = 0; n < targets.size(); ++n) {
    const auto target = targets[n];
    // By value: a negative number is not a large unsigned one.
    const bool negative = std::is_signed_v<decltype(target)> && target < decltype(target){0};
    if (negative || static_cast<unsigned long long>(target) >= static_cast<unsigned long long>(classes)) {
      raise<std::out_of_range>(at("target " + std::to_string(target) + " of sample " + std::to_string(n) +
                                  " is not one of the " + std::to_string(classes) + " classes"));
    }
  }
}

/// Checked targets of slices [first, first + count) as indices.
template <class Targets, std::size_t Block>
void copy_targets(const Targets& targets, Index first, Index count, std::array<Index, Block>& out) {
  using Position = decltype(targets.size());
  for (Index i = 0; i < count; ++i) {
    out[static_cast<std::size_t>(i)] = static_cast<Index>(targets[static_cast<Position>(first + i)]);
  }
}

}  // namespace detail
LOGZ_NAMESPACE_END
