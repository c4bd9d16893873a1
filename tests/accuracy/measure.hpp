// SPDX-License-Identifier: MIT
//
// Errors of the library, and of results that another one left in files, on a grid.
#pragma once

#include <map>
#include <optional>
#include <regex>
#include <tuple>

#include "files.hpp"
#include "inputs.hpp"

namespace accuracy {

/// What an error belongs to: by is a CPU target, or another library.
struct measured {
  std::string function;
  std::string scalar;
  std::string by;
  layout in;
  origin from;

  friend bool operator<(const measured& a, const measured& b) {
    const auto key = [](const measured& m) {
      return std::tie(m.function, m.scalar, m.by, m.in, m.from.family, m.from.length, m.from.sigma,
                      m.from.offset);
    };
    return key(a) < key(b);
  }
};
using error_table = std::map<measured, error_summary>;

template <class T>
inline const char* const scalar_name = nullptr;
template <>
inline const char* const scalar_name<float> = "float";
template <>
inline const char* const scalar_name<double> = "double";
template <>
inline const char* const scalar_name<long double> = "long double";
template <>
inline const char* const scalar_name<Eigen::half> = "half";
template <>
inline const char* const scalar_name<Eigen::bfloat16> = "bfloat16";

/// The CPU targets that compute in T: kernels serve float and double.
template <class T>
std::vector<std::string> targets_of() {
  const bool kernels = std::is_same_v<T, float> || std::is_same_v<T, double>;
  return kernels ? cpu_targets() : std::vector<std::string>{"generic"};
}

inline error_summary errors_of(const results& got, const std::vector<exact>& expected) {
  error_summary errors;
  for (std::size_t i = 0; i < got.values.size(); ++i) {
    exact e = expected[i % expected.size()];
    // Half types round once, from double: that is half an ulp of the result, which may be larger than its terms.
    if (got.format.digits < 24) e.unit = std::max(std::abs(e.unit), std::abs(e.high));
    errors.add(ulp_error(got.values[i], e, got.format));
  }
  return errors;
}

/// Longer slices of the whole grid go through the functions that the kernels serve: all others take a number at a time,
/// and the reference of all of them 0.2 ms for each. Other libraries' results are of every slice.
inline constexpr std::size_t long_slice = 200000;
inline const std::regex of_long_slices(
    "(log_)?softmax(_backward)?|logsumexp(_backward)?|cross_entropy( gradient)?");

template <class T>
void measure(grid which, const std::regex& functions, const std::optional<result_files>& peers,
             error_table& table) {
  std::size_t turn = 0;
  const std::vector<std::string> targets = targets_of<T>();
  std::vector<named_call<T>> wanted;
  for (const named_call<T>& call : calls<T>()) {
    if (std::regex_match(call.function, functions)) wanted.push_back(call);
  }
  std::optional<result_reader<T>> reader;
  if (peers) reader.emplace(*peers, scalar_name<T>);
  slice_grid<T>(which, [&](const origin& from, const std::vector<T>& x) {
    const reference exact_slice(widened(x));
    const arguments<T> given = arguments_at(x, exact_slice, turn++);
    const arguments<long double> wide = widened(given);
    for (const named_call<T>& call : wanted) {
      const bool long_one = which == grid::full && x.size() > long_slice;
      if (long_one && !std::regex_match(call.function, of_long_slices)) continue;
      const std::vector<exact> expected = exact_slice.of(call.function, wide, std::numeric_limits<T>::digits);
      for (const layout in : {layout::contiguous, layout::interleaved}) {
        for (const std::string& target : targets) {
          use_cpu_target(target);
          table[{call.function, scalar_name<T>, target, in, from}].add(
              errors_of(call.run(given, in), expected));
        }
        if (!reader) continue;
        reader->next(call.function, in, expected.size(), [&](const std::string& peer, const results& got) {
          table[{call.function, scalar_name<T>, peer, in, from}].add(errors_of(got, expected));
        });
      }
    }
  }).run();
  if (reader) reader->expect_end();
}

/// The arguments as files for the other libraries.
template <class T>
void write_arguments(grid which, const std::string& directory) {
  argument_writer<T> writer(directory, scalar_name<T>);
  std::size_t turn = 0;
  slice_grid<T>(which, [&](const origin&, const std::vector<T>& x) {
    writer.put(arguments_at(x, reference(widened(x)), turn++));
  }).run();
}

}  // namespace accuracy
