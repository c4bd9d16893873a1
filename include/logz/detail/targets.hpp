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
                "per slice; or one integer for a vector of logits. cross_entropy also takes probabilities of "
                "the logits' shape and scalar type");
  return are_class_indices<Targets>;
}

/// A negative target becomes an unsigned number larger than any count.
template <class Integer>
bool is_class(Integer target, Index classes) {
  return static_cast<unsigned long long>(target) < static_cast<unsigned long long>(classes);
}
/// By value: a negative index is not a large unsigned target.
template <class Integer>
bool is_index(Integer target, Index index) {
  return (std::is_signed_v<Integer> || index >= 0) &&
         static_cast<unsigned long long>(target) == static_cast<unsigned long long>(index);
}

/// Throws unless there is one target per slice, each one of the classes or ignore_index; how many are the latter.
template <class Targets>
Index check_targets(const char* function, const Targets& targets, Index ignore_index, Index count,
                    Index classes, Index rows, Index cols) {
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
  Index ignored = 0;
  const bool ignores_class = is_class(ignore_index, classes);
  constexpr Position block = 64;  // without a branch, as long as nothing is ignored
  for (Position first = 0; first < targets.size(); first += block) {
    const Position stop = targets.size() - first < block ? targets.size() : first + block;
    bool all_known = !ignores_class;
    for (Position n = first; n < stop; ++n) all_known &= is_class(targets[n], classes);
    for (Position n = first; n < stop && !all_known; ++n) {
      const auto target = targets[n];
      if (is_index(target, ignore_index)) {
        ++ignored;
      } else if (!is_class(target, classes)) {
        raise<std::out_of_range>(at("target " + std::to_string(target) + " of sample " + std::to_string(n) +
                                    " is not one of the " + std::to_string(classes) + " classes"));
      }
    }
  }
  return ignored;
}

/// Class indices as a loss takes them; a list is held by reference, as Eigen's expressions hold theirs.
template <class Targets>
class index_targets {
 public:
  static constexpr bool are_indices = true;
  static constexpr bool lazy = false;

  explicit index_targets(const Targets& targets) : targets_(targets) {}
  void ignore(Index index) { ignore_index_ = index; }

  Index check(const char* function, Index count, Index classes, Index rows, Index cols) const {
    return check_targets(function, targets_, ignore_index_, count, classes, rows, cols);
  }
  /// The class of a sample; -1: ignored.
  Index of(Index sample) const {
    const auto target = targets_[static_cast<decltype(targets_.size())>(sample)];
    return is_index(target, ignore_index_) ? Index{-1} : static_cast<Index>(target);
  }

  /// The class of the only sample; negative where there is another number of them, or it has no class.
  Index sole(Index classes) const {
    if (static_cast<Index>(targets_.size()) != 1) return -1;
    return is_class(targets_[0], classes) ? of(0) : Index{-1};
  }

 private:
  const Targets& targets_;
  Index ignore_index_ = -1;
};
/// One sample's, held by value.
template <class Integer>
class index_targets<std::array<Integer, 1>> {
 public:
  static constexpr bool are_indices = true;
  static constexpr bool lazy = false;

  explicit index_targets(const std::array<Integer, 1>& target) : target_(target) {}
  void ignore(Index index) { ignore_index_ = index; }

  Index check(const char* function, Index count, Index classes, Index rows, Index cols) const {
    return check_targets(function, target_, ignore_index_, count, classes, rows, cols);
  }
  Index of(Index) const {
    return is_index(target_[0], ignore_index_) ? Index{-1} : static_cast<Index>(target_[0]);
  }

  /// The class of the only sample; negative where it has none.
  Index sole(Index classes) const { return is_class(target_[0], classes) ? of(0) : Index{-1}; }

 private:
  std::array<Integer, 1> target_;
  Index ignore_index_ = -1;
};

}  // namespace detail
LOGZ_NAMESPACE_END
