// SPDX-License-Identifier: MIT
//
// cross_entropy_hvp: the second derivative times a direction, at every length, in every layout, with every option that has a
// part in it.
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <logz/loss.hpp>

using namespace test;

namespace {

// The contract's bounds, in ulp of p · the larger of |v| and Σ p |v|, times what the options multiply it by.
template <class T>
constexpr long double bound = std::is_same_v<T, float> ? 4 : 10;

struct entry {
  real value = test::nan;
  real unit = test::nan;
};
/// p ∘ (c (v - Σ p v) + d Σ p v) of a slice, c = curvature + d log Z.
std::vector<entry> exact_hvp(const reals& x, const reals& v, real curvature, real d) {
  const partition z = partition_of(x);
  std::vector<entry> all(x.size());
  if (!z.finite) return all;
  const auto p = [&](std::size_t l) { return x[l] == -inf ? 0 : std::exp(x[l] - z.top) / (1 + z.others); };
  real mean = 0, magnitude = 0;
  for (std::size_t l = 0; l < x.size(); ++l) {
    mean += p(l) * v[l];
    magnitude += p(l) * std::abs(v[l]);
  }
  const real log_z = z.top + z.excess, c = curvature + d * log_z;
  const real largest_c = std::abs(curvature) + std::abs(d) * (std::abs(z.top) + z.excess) + std::abs(d);
  for (std::size_t l = 0; l < x.size(); ++l) {
    const real unit = p(l) * largest_c * std::max(std::abs(v[l]), magnitude);
    all[l] = p(l) == 0 ? entry{0, 0} : entry{p(l) * (c * (v[l] - mean) + d * mean), unit};
  }
  return all;
}

template <class T>
logz::cross_entropy_options<T> sum_with(T z_loss) {
  logz::cross_entropy_options<T> options;
  options.reduction = logz::reduction::sum;
  options.z_loss = z_loss;
  return options;
}

template <class T>
long double worst_error(const slice_list<T>& got, const std::vector<std::vector<entry>>& exact) {
  long double worst = 0;
  for (std::size_t s = 0; s < got.size(); ++s) {
    for (std::size_t l = 0; l < got[s].size(); ++l) {
      const entry& e = exact[s][l];
      worst = std::max(worst, e.unit == 0 || e.unit != e.unit ? ulp_error(got[s][l], e.value)
                                                              : ulp_error(got[s][l], e.value, e.unit));
    }
  }
  return worst;
}

/// In every layout of visit_layouts, and in place.
template <class T, class Layouts>
void check(const slice_list<T>& logits, const Layouts& visit_layouts, T z_loss) {
  const auto directions = normal_slices<T>(logits.size(), length_of(logits), 2, 0, 77);
  std::vector<std::vector<entry>> exact;
  for (std::size_t s = 0; s < logits.size(); ++s)
    exact.push_back(exact_hvp(to_reals(logits[s]), to_reals(directions[s]), 1, 2 * real(z_loss)));
  const std::vector<int> targets(logits.size(), 0);
  visit_layouts(logits, [&](const char* name, const auto& x, auto direction) {
    constexpr int d = decltype(direction)::value;
    using Plain = typename std::decay_t<decltype(x)>::PlainObject;
    INFO(std::string(name));
    CAPTURE(length_of(logits));
    auto v = matrix_of<T, Eigen::ColMajor, d>(directions);
    const Plain hvp = logz::cross_entropy_hvp(along<d>(v), x, targets, sum_with(z_loss));
    CHECK(worst_error(get<d>(hvp), exact) <= bound<T>);
    v = logz::cross_entropy_hvp(along<d>(v), x, targets, sum_with(z_loss));
    CHECK(worst_error(get<d>(v), exact) <= bound<T>);
    Plain w = matrix_of<T, Eigen::ColMajor, d>(directions);
    w = logz::cross_entropy_hvp(along<d>(w), x, targets, sum_with(z_loss));
    CHECK(worst_error(get<d>(w), exact) <= bound<T>);
  });
}
const auto every_layout = [](const auto& s, const auto& visit) { for_each_layout(s, visit); };
const auto every_storage = [](const auto& s, const auto& visit) { for_each_storage(s, visit); };

}  // namespace

TEST_CASE_TEMPLATE("cross_entropy_hvp: to its bound at every length in every layout", T, float, double) {
  for (std::size_t length = 1; length <= 70; ++length)
    check(normal_slices<T>(3, length, 3), every_layout, length % 2 == 0 ? T(0) : T(0.25));
}

// Rows from 65 on, panels that fill a vector and do not, blocks of what does not fit in scratch.
TEST_CASE_TEMPLATE("cross_entropy_hvp: of long slices, and of many", T, float, double) {
  for (const std::size_t length : sizes{100, 224, 225, 1000, 5001})
    check(normal_slices<T>(5, length, 3), every_storage, T(0));
  for (const std::size_t count : sizes{15, 16, 17, 40, 600})
    check(normal_slices<T>(count, 33, 3), every_storage, T(0));
  check(normal_slices<T>(300, 701, 3), every_storage, T(0.25));
}

TEST_CASE_TEMPLATE("cross_entropy_hvp: hard slices meet the bound", T, float, double) {
  for (const auto& slices : hard_slices<T>()) check(slices, every_storage, T(0));
}

TEST_CASE_TEMPLATE("cross_entropy_hvp: special values leave the neighbours alone", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  for (const std::size_t length : sizes{1, 2, 7, 33, 70}) {
    slice_list<T> slices;
    const auto ordinary = normal_slices<T>(1, length, 2)[0];
    for (const T value : {-infinity, infinity, std::numeric_limits<T>::quiet_NaN()}) {
      for (std::size_t place = 0; place < length; ++place) {
        slices.push_back(ordinary);
        slices.push_back(ordinary);
        slices.back()[place] = value;
      }
      slices.push_back(std::vector<T>(length, value));
    }
    check(slices, every_storage, T(0));
  }
}

TEST_CASE_TEMPLATE("cross_entropy_hvp: an ignored sample is 0 whatever it holds, and so is a mean of nothing",
                   T, float, double) {
  matrix<T, Eigen::ColMajor> x = matrix<T, Eigen::ColMajor>::Random(4, 9), v = x.array() * 2 + 1;
  x.row(1).setConstant(std::numeric_limits<T>::quiet_NaN());
  const matrix<T, Eigen::ColMajor> hvp =
      logz::cross_entropy_hvp(v.rowwise(), x, std::vector<int>{3, -100, 0, -100});
  CHECK((hvp.row(1).array() == 0).all());
  CHECK((hvp.row(3).array() == 0).all());
  CHECK((hvp.row(0).array() != 0).all());
  const matrix<T, Eigen::ColMajor> none =
      logz::cross_entropy_hvp(v.rowwise(), x, std::vector<int>{-100, -100, -100, -100});
  CHECK((none.array() == 0).all());
}

// The direction brings back what p alone would lose.
TEST_CASE_TEMPLATE("cross_entropy_hvp: of what is below the smallest normal number", T, float, double) {
  const bool single = std::is_same_v<T, float>;
  const T far = single ? T(-95) : T(-735), large = single ? T(0x1p100) : T(0x1p800);
  const Eigen::Matrix<T, 3, 1> x(0, far, -1);
  const Eigen::Matrix<T, 3, 1> v(T(0.5), large, T(-0.25));
  const Eigen::Matrix<T, 3, 1> hvp = logz::cross_entropy_hvp(v, x, 0);
  const auto exact = exact_hvp(to_reals(std::vector<T>(x.data(), x.data() + 3)),
                               to_reals(std::vector<T>(v.data(), v.data() + 3)), 1, 0);
  for (std::size_t l = 0; l < 3; ++l) {
    CAPTURE(l);
    CHECK(ulp_error(hvp(static_cast<Index>(l)), exact[l].value, exact[l].unit) <= bound<T>);
  }
}
