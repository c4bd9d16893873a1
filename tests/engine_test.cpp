// SPDX-License-Identifier: MIT
//
// The engine by itself: slices of the normal form outer x length x inner, as every implementation behind it must take them.
#include <logz/detail/engine.hpp>
#include <logz/detail/paired_engine.hpp>

#include "support/slices.hpp"

using namespace test;
namespace engine = logz::detail::engine;
using logz::detail::slice_shape;
using logz::detail::slices;

namespace {

/// outer x length x inner numbers with gaps between them, in three nestings of the axes.
struct form {
  slice_shape shape;
  Index outer_stride;
  Index length_stride;
  Index inner_stride;
};
constexpr form forms[] = {
    {{3, 5, 4}, 64, 8, 2},   // inner varies fastest
    {{3, 5, 4}, 64, 2, 13},  // length does
    {{3, 5, 4}, 2, 8, 45},   // outer does
};

template <class T>
void check(const form& f) {
  const std::size_t count = static_cast<std::size_t>(f.shape.outer * f.shape.inner);
  const auto data = normal_slices<T>(count, 5, 3);
  std::vector<T> in(300, 0);
  std::vector<T> out(300, 7);
  std::vector<T> lz(300, 7);
  std::vector<T> ones(count, 1);
  const auto at = [&](std::vector<T>& buffer) {
    return slices<T>{buffer.data(), f.outer_stride, f.length_stride, f.inner_stride};
  };
  const slices<T> one_each{lz.data(), f.shape.inner, 0, 1};
  const auto for_all = [&](const auto& visit) {
    for (std::size_t n = 0; n < count; ++n) {
      const auto o = static_cast<Index>(n) / f.shape.inner;
      const auto i = static_cast<Index>(n) % f.shape.inner;
      for (std::size_t l = 0; l < 5; ++l)
        visit(n, l, o * f.outer_stride + static_cast<Index>(l) * f.length_stride + i * f.inner_stride);
    }
  };
  for_all([&](std::size_t n, std::size_t l, Index position) {
    in[static_cast<std::size_t>(position)] = data[n][l];
  });
  const slices<const T> x = at(in);
  const auto worst = [&](const auto& reference) {
    long double error = 0;
    for_all([&](std::size_t n, std::size_t l, Index position) {
      error = std::max(error, ulp_error(out[static_cast<std::size_t>(position)], reference(n)[l]));
    });
    return error;
  };

  engine::softmax<false>(f.shape, x, at(out));
  CHECK(worst([&](std::size_t n) { return softmax(to_reals(data[n])); }) <= 4);
  CHECK(std::count(out.begin(), out.end(), static_cast<T>(7)) == 300 - 60);
  engine::log_softmax(f.shape, x, at(out));
  CHECK(worst([&](std::size_t n) { return log_softmax(to_reals(data[n])); }) <= 2);
  engine::logsumexp(f.shape, x, one_each);
  for (std::size_t n = 0; n < count; ++n) CHECK(ulp_error(lz[n], logsumexp(to_reals(data[n]))) <= 4);
  CHECK(lz[count] == 7);
  engine::logsumexp_backward(f.shape, x, slices<const T>{ones.data(), f.shape.inner, 0, 1},
                             slices<const T>(one_each), at(out));
  CHECK(worst([&](std::size_t n) { return softmax(to_reals(data[n])); }) <= 6);

  std::vector<Index> targets;
  for (std::size_t n = 0; n < count; ++n) targets.push_back(static_cast<Index>(n % 5));
  using C = logz::detail::compute_t<T>;
  std::vector<C> losses(count);
  logz::detail::loss_terms<T> terms{};
  terms.target = targets.data();
  terms.weight_sum = 5;
  terms.hit = 1;
  terms.set_scales(1, 0);
  terms.loss = losses.data();
  const auto check_losses = [&] {
    for (std::size_t n = 0; n < count; ++n)
      CHECK(ulp_error(static_cast<T>(losses[n]), cross_entropy(to_reals(data[n]), n % 5)) <= 2);
  };
  engine::cross_entropy<true>(f.shape, x, terms, at(out), f.shape.inner);
  CHECK(worst([&](std::size_t n) { return cross_entropy_gradient(to_reals(data[n]), n % 5); }) <= 6);
  check_losses();
  std::fill(losses.begin(), losses.end(), C(7));
  engine::cross_entropy<false>(f.shape, x, terms, slices<T>{nullptr, 0, 0, 0}, f.shape.inner);
  check_losses();
}

}  // namespace

TEST_CASE_TEMPLATE("engine: outer, length and inner in any nesting, with gaps that stay untouched", T, float,
                   double) {
  for (const form& f : forms) check<T>(f);
}
