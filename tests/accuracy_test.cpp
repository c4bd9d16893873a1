// SPDX-License-Identifier: MIT
//
// The accuracy contract on the CPU target that runs: errors in ulp against long double at lengths from 1 to 2^20, and
// exp by itself. Compiled with -O2, as the references take most of the time.
#include <logz/logz.hpp>

#include "support/slices.hpp"

using namespace test;

namespace {

/// The largest errors met, in ulp: of logsumexp, where |log Z| < |max|, in ulp of max.
struct errors {
  real softmax = 0;
  real log_softmax = 0;
  real logsumexp = 0;
  real backward = 0;  // of logsumexp, with gradient -3
  real loss = 0;
  real loss_gradient = 0;
};

/// Cross-entropy at the largest class and at another, plain and smoothed.
template <class T, int Order>
void add_loss_errors(const matrix<T, Order>& in, const std::vector<T>& slice, errors& worst) {
  const auto keep = [](real& most, real error) { most = std::isnan(error) ? inf : std::max(most, error); };
  const std::size_t n = slice.size();
  const reals x = to_reals(slice);
  reals half;
  for (const T v : slice) half.push_back(real(T(v * T(0.5))));
  const auto largest = static_cast<std::size_t>(std::max_element(slice.begin(), slice.end()) - slice.begin());
  const real classes = static_cast<real>(n);
  for (const std::size_t y : {largest, n / 2}) {
    for (const double smoothing : {0.0, 0.125}) {
      logz::cross_entropy_options<T> options;
      options.label_smoothing = static_cast<T>(smoothing);
      options.reduction = logz::reduction::sum;
      const auto eps = static_cast<real>(smoothing);
      const auto exact_loss = [&](const reals& v) {
        const partition z = partition_of(v);
        real distances = 0, lost = 0;  // with Kahan's correction
        for (const real a : v) {
          const real term = (z.top - a) - lost, next = distances + term;
          lost = (next - distances) - term;
          distances = next;
        }
        return (1 - eps) * cross_entropy(v, y) + eps * (distances / classes + z.excess);
      };
      const real exact = exact_loss(x);
      const std::vector<std::size_t> targets(3, y);
      const Eigen::Matrix<T, Eigen::Dynamic, 1> each =
          logz::cross_entropy_per_sample(in.rowwise(), targets, options);
      matrix<T, Order> grad;
      const T sum = logz::cross_entropy_with_grad(in.rowwise(), targets, grad, options);
      // Of a sum: in ulp of each sample's loss, and half an ulp for its own rounding.
      const real exact_half = exact_loss(half), total = 2 * exact + exact_half;
      keep(worst.loss, std::max(0.0L, std::abs(real(sum) - total) - ulp_at<T>(total) / 2) /
                           (2 * ulp_at<T>(exact) + ulp_at<T>(exact_half)));
      const reals p = softmax(x), plain = cross_entropy_gradient(x, y);
      for (const Index row : {0, 2}) {
        keep(worst.loss, ulp_error(each(row), exact));
        for (std::size_t l = 0; l < n; ++l) {
          const real slope = (1 - eps) * plain[l] + eps * (p[l] - 1 / classes);
          const real unit = smoothing == 0 ? slope : std::max({std::abs(slope), p[l], eps / classes});
          keep(worst.loss_gradient, ulp_error(grad(row, static_cast<Index>(l)), slope, unit));
        }
      }
    }
  }
}

template <class T, int Order>
void add_errors(const std::vector<T>& slice, errors& worst) {
  const reals x = to_reals(slice);
  const Index n = static_cast<Index>(slice.size());
  const partition z = partition_of(x);
  // Three slices, so that the slice meets a neighbour, its own copy, and lanes that are not full.
  matrix<T, Order> in(3, n);
  for (Index l = 0; l < n; ++l) in.col(l).setConstant(slice[static_cast<std::size_t>(l)]);
  in.row(1) *= T(0.5);
  const matrix<T, Order> p = logz::softmax(in.rowwise());
  const matrix<T, Order> lp = logz::log_softmax(in.rowwise());
  const Eigen::Matrix<T, Eigen::Dynamic, 1> lz = logz::logsumexp(in.rowwise());
  const Eigen::Matrix<T, Eigen::Dynamic, 1> g = Eigen::Matrix<T, Eigen::Dynamic, 1>::Constant(3, T(-3));
  const matrix<T, Order> dx = logz::logsumexp_backward(g, in.rowwise(), lz);
  const auto keep = [](real& most, real error) { most = std::isnan(error) ? inf : std::max(most, error); };
  const real log_z = z.top + z.excess;
  const real unit = std::abs(log_z) < std::abs(z.top) ? z.top : log_z;
  for (const Index row : {0, 2}) {
    for (Index l = 0; l < n; ++l) {
      const real v = x[static_cast<std::size_t>(l)];
      const real exact = std::exp(v - z.top) / (1 + z.others);
      keep(worst.softmax, ulp_error(p(row, l), exact, exact));
      keep(worst.log_softmax, ulp_error(lp(row, l), (v - z.top) - z.excess));
      keep(worst.backward, ulp_error(dx(row, l), -3 * exact, -3 * exact));
    }
    keep(worst.logsumexp, ulp_error(lz(row), log_z, unit));
  }
  add_loss_errors<T, Order>(in, slice, worst);
}

template <class T>
void check(const std::vector<T>& slice, const char* what) {
  errors worst;
  add_errors<T, Eigen::RowMajor>(slice, worst);
  add_errors<T, Eigen::ColMajor>(slice, worst);
  CAPTURE(what);
  CAPTURE(slice.size());
  // DESIGN: 4 / 2 / 1. Subnormal results 2 smallest subnormals, which is less.
  CHECK(worst.softmax <= 4);
  CHECK(worst.log_softmax <= 2);
  CHECK(worst.logsumexp <= 1);
  CHECK(worst.backward <= 6);
  CHECK(worst.loss <= 2);
  CHECK(worst.loss_gradient <= 6);
}

constexpr double sigmas[] = {1, 3, 15, 100};
constexpr double offsets[] = {0, 50, -50, 1e4, -1e4, 1e8};

}  // namespace

TEST_CASE_TEMPLATE("accuracy: every length to 70, spread and offset", T, float, double) {
  for (std::size_t n = 1; n <= 70; ++n) {
    for (const double sigma : sigmas) {
      for (const double offset : offsets) check(normal_slices<T>(1, n, sigma, offset)[0], "normal");
    }
  }
}

TEST_CASE_TEMPLATE("accuracy: long slices", T, float, double) {
  for (const std::size_t n : sizes{100, 257, 1000, 4099}) {
    for (const double sigma : sigmas) {
      for (const double offset : offsets) check(normal_slices<T>(1, n, sigma, offset)[0], "normal");
    }
  }
  for (const std::size_t n : sizes{32000, 128256, 1 << 20})
    check(normal_slices<T>(1, n, 3, -50)[0], "normal");
  check(normal_slices<T>(1, 128256, 15, 1e8)[0], "far");
}

TEST_CASE_TEMPLATE("accuracy: one entry dominates, in every lane in turn", T, float, double) {
  for (std::size_t n = 10; n <= 70; n += n == 70 ? 930 : 1) {
    auto slice = normal_slices<T>(1, n, 3)[0];
    for (std::size_t at = 0; at < std::min<std::size_t>(n, 70); ++at) {
      const T before = slice[at];
      slice[at] = static_cast<T>(10 + 3.7 * static_cast<double>(at % 11));
      check(slice, "dominated");
      slice[at] = before;
    }
  }
}

// The reference of a slice is a maximum of samples; a number too far above them takes another. Beyond 2 MiB softmax
// does not keep its exponentials.
TEST_CASE_TEMPLATE("accuracy: one number far above all samples", T, float, double) {
  for (const std::size_t n : sizes{17, 40, 70, 300, 1000, 5000, 600000}) {
    auto slice = normal_slices<T>(1, n, 3)[0];
    for (const std::size_t at : sizes{1, n / 2 + 1, n - 1}) {
      const T before = slice[at];
      for (const double rise : {25., 35., 45., 600., 3e4}) {
        slice[at] = static_cast<T>(rise);
        check(slice, "far above");
        if (n > 5000) break;
      }
      slice[at] = before;
      if (n > 5000) break;
    }
  }
}

TEST_CASE_TEMPLATE("accuracy: ties, equal slices far from 0, sorted slices", T, float, double) {
  for (const std::size_t n : sizes{2, 3, 7, 10, 33, 64, 65, 1000, 5000}) {
    auto slice = normal_slices<T>(1, n, 3)[0];
    std::sort(slice.begin(), slice.end());
    check(slice, "ascending");
    std::reverse(slice.begin(), slice.end());
    check(slice, "descending");
    slice[n - 1] = slice[0];
    check(slice, "tied");
    check(std::vector<T>(n, T(1e8)), "equal");
  }
}

TEST_CASE_TEMPLATE("accuracy: few elements with the maximum near 0", T, float, double) {
  std::mt19937 engine(5);
  std::uniform_real_distribution<double> gap(-3, 6), top(-1, 1);
  for (std::size_t n = 2; n <= 10; ++n) {
    for (int repeat = 0; repeat < 500; ++repeat) {
      std::vector<T> slice(n);
      slice[0] = static_cast<T>(repeat % 4 == 0 ? 0 : top(engine));
      for (std::size_t i = 1; i < n; ++i) slice[i] = static_cast<T>(slice[0] - std::exp2(gap(engine)));
      check(slice, "near 0");
    }
  }
}

// With Σ g = -1 and g = 0 at an element, log_softmax_backward there is exp(lp) as the engine computes it.
TEST_CASE("accuracy: exp of floats within 0.7 ulp") {
  // LOGZ_ALL_FLOATS: every float, which takes a minute.
  const std::uint32_t step = std::getenv("LOGZ_ALL_FLOATS") != nullptr ? 1 : 211;
  std::uint32_t first, last;
  const float nearest = -0x1p-30f, farthest = -87.33f;  // exp below is subnormal
  std::memcpy(&first, &nearest, sizeof first);
  std::memcpy(&last, &farthest, sizeof last);
  constexpr Index block = 4096;
  Eigen::VectorXf lp(block), g = -Eigen::VectorXf::Unit(block, 0), e(block);
  double worst = 0;
  for (std::uint32_t bits = first; bits <= last;) {
    for (Index i = 1; i < block; ++i, bits += bits <= last ? step : 0)
      std::memcpy(&lp(i), &bits, sizeof bits);
    lp(0) = 0;
    e = logz::log_softmax_backward(g, lp);
    for (Index i = 1; i < block; ++i) {
      const double exact = std::exp(static_cast<double>(lp(i)));
      worst = std::max(worst, std::abs(e(i) - exact) / static_cast<double>(ulp_at<float>(exact)));
    }
  }
  CHECK(worst <= 0.7);
  MESSAGE("exp: at most " << worst << " ulp");
}

TEST_CASE("accuracy: exp of doubles within 0.7 ulp") {
  constexpr Index block = 4096;
  Eigen::VectorXd lp(block), g = -Eigen::VectorXd::Unit(block, 0), e(block);
  std::mt19937_64 engine(1);
  std::uniform_real_distribution<double> wide(-700, 0), exponent(-30, 6.5);
  real worst = 0;
  for (int repeat = 0; repeat < 100; ++repeat) {
    for (Index i = 0; i < block; ++i) lp(i) = i % 2 == 0 ? wide(engine) : -std::exp2(exponent(engine));
    e = logz::log_softmax_backward(g, lp);
    for (Index i = 1; i < block; ++i) {
      const real exact = std::exp(static_cast<real>(lp(i)));
      worst = std::max(worst, ulp_error(e(i), exact));
    }
  }
  CHECK(worst <= 0.7L);
  MESSAGE("exp: at most " << static_cast<double>(worst) << " ulp");
}

TEST_CASE_TEMPLATE("accuracy: the gradients of softmax and log_softmax", T, float, double) {
  for (const std::size_t n : sizes{1, 2, 5, 10, 31, 64, 65, 100, 1000, 5000}) {
    const auto grads = normal_slices<T>(1, n, 3, 0, 7)[0];
    const auto logits = normal_slices<T>(1, n, 4)[0];
    const reals g = to_reals(grads);
    std::vector<T> p, lp;
    for (const real v : softmax(to_reals(logits))) p.push_back(static_cast<T>(v));
    for (const real v : log_softmax(to_reals(logits))) lp.push_back(static_cast<T>(v));
    real dot = 0, sum = 0;
    for (std::size_t l = 0; l < n; ++l) {
      dot += g[l] * static_cast<real>(p[l]);
      sum += g[l];
    }
    const auto check_layout = [&](auto order) {
      constexpr int Order = decltype(order)::value;
      const Index length = static_cast<Index>(n);
      matrix<T, Order> gm(3, length), pm(3, length), lm(3, length);
      for (Index l = 0; l < length; ++l) {
        gm.col(l).setConstant(grads[static_cast<std::size_t>(l)]);
        pm.col(l).setConstant(p[static_cast<std::size_t>(l)]);
        lm.col(l).setConstant(lp[static_cast<std::size_t>(l)]);
      }
      const matrix<T, Order> dp = logz::softmax_backward(gm.rowwise(), pm);
      const matrix<T, Order> dl = logz::log_softmax_backward(gm.rowwise(), lm);
      for (Index l = 0; l < length; ++l) {
        const auto at = static_cast<std::size_t>(l);
        const real q = p[at], e = std::exp(static_cast<real>(lp[at]));
        // In ulp of the larger of the element's own two terms.
        CHECK(ulp_error(dp(2, l), q * (g[at] - dot), q * std::max(std::abs(g[at]), std::abs(dot))) <= 4);
        CHECK(ulp_error(dl(2, l), g[at] - e * sum, std::max(std::abs(g[at]), std::abs(e * sum))) <= 4);
      }
    };
    check_layout(std::integral_constant<int, Eigen::RowMajor>{});
    check_layout(std::integral_constant<int, Eigen::ColMajor>{});
  }
}
