// SPDX-License-Identifier: MIT
//
// Slices side by side go through the kernels in panels: wide ones, ones of fewer slices than a vector has lanes, ones
// that keep exponentials in the result. A slice's bits are the same in all of them.
#include <logz/logz.hpp>

#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace {

using Eigen::Index;

template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// 22 slices of n numbers: more than a vector of any target, and a rest. One has a NaN, one is -∞, one has +∞.
template <class T>
matrix<T> logits(Index n, double sigma, double mean) {
  std::mt19937 generator(static_cast<unsigned>(n));
  std::normal_distribution<double> normal(mean, sigma);
  matrix<T> x(22, n);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<T>(normal(generator));
  const T infinity = std::numeric_limits<T>::infinity();
  x(5, n / 2) = std::numeric_limits<T>::quiet_NaN();
  x.row(6).setConstant(-infinity);
  x(7, n - 1) = infinity;
  x(8, n / 3) = -infinity;
  return x;
}

template <class T>
bool is_same_number(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}
template <class A, class B>
bool same_bits(const A& a, const B& b) {
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) {
      if (!is_same_number(a(i, j), b(i, j))) return false;
    }
  }
  return true;
}

/// Losses that spread over the classes, and all that is given beside them.
template <class T>
struct spread_results {
  matrix<T> gradient;
  vector<T> losses, log_z;
  Eigen::Matrix<Index, Eigen::Dynamic, 1> argmax;
  std::vector<bool> correct;

  template <class Matrix, class Targets>
  spread_results(const Matrix& x, const Targets& targets, bool weighted, T smoothing) {
    logz::cross_entropy_options<T> options;
    options.reduction = logz::reduction::sum;
    options.label_smoothing = smoothing;
    options.z_loss = T(0.25);
    if (weighted) {
      options.weight = vector<T>::LinSpaced(x.cols(), T(0.25), T(2));
      options.weight[x.cols() / 2] = 0;
    }
    logz::cross_entropy_outputs<T> outputs;
    logz::cross_entropy_with_grad(x.rowwise(), targets, gradient, options, outputs);
    losses = logz::cross_entropy_per_sample(x.rowwise(), targets, options);
    log_z = outputs.log_z;
    argmax = outputs.argmax.template cast<Index>();
    for (Index i = 0; i < x.rows(); ++i) correct.push_back(outputs.correct[i]);
    if (x.rows() == 1 && x.cols() > 31) return;  // side by side it is another layout
    // In place.
    matrix<T> place = x;
    logz::cross_entropy_with_grad(place.rowwise(), targets, place, options, outputs);
    CHECK(same_bits(place, gradient));
    CHECK(same_bits(outputs.log_z, log_z));
    CHECK(outputs.argmax == argmax);
  }

  void check_part(const spread_results& whole, Index first) const {
    const Index count = losses.size();
    CHECK(same_bits(gradient, whole.gradient.middleRows(first, count)));
    CHECK(same_bits(losses, whole.losses.segment(first, count)));
    CHECK(same_bits(log_z, whole.log_z.segment(first, count)));
    CHECK(argmax == whole.argmax.segment(first, count));
    for (Index i = 0; i < count; ++i)
      CHECK(correct[static_cast<std::size_t>(i)] == whole.correct[static_cast<std::size_t>(first + i)]);
  }
};

/// What each function gives for rows of x.
template <class T, class Matrix>
struct results {
  matrix<T> softmax, softmin, log_softmax, gradient, of_logsumexp, of_softmax, of_log_softmax, of_entropy,
      jvp, hvp;
  vector<T> log_z, losses, entropy, derivative, divergence;

  results(const Matrix& x, const std::vector<Index>& targets) {
    softmax = logz::softmax(x.rowwise());
    softmin = logz::softmin(x.rowwise());
    log_softmax = logz::log_softmax(x.rowwise());
    log_z = logz::logsumexp(x.rowwise());
    of_logsumexp = logz::logsumexp_backward(vector<T>::Constant(x.rows(), T(0.7)), x.rowwise(), log_z);
    of_softmax = logz::softmax_backward(x.rowwise(), softmax);
    of_log_softmax = logz::log_softmax_backward(x.rowwise(), log_softmax);
    logz::cross_entropy_options<T> options;
    options.reduction = logz::reduction::sum;  // so that no gradient depends on the number of samples
    logz::cross_entropy_with_grad(x.rowwise(), targets, gradient, options);
    losses = logz::cross_entropy_per_sample(x.rowwise(), targets);
    entropy = logz::entropy(x.rowwise());
    of_entropy = logz::entropy_backward(vector<T>::Constant(x.rows(), T(0.7)), x.rowwise(), entropy);
    jvp = logz::log_softmax_jvp(softmin.rowwise(), log_softmax);
    derivative = logz::logsumexp_jvp(softmin.rowwise(), softmax);
    divergence = logz::kl_div_per_sample(log_softmax.rowwise(), softmin);
    hvp = logz::cross_entropy_hvp(softmin.rowwise(), x, targets, options);
  }
};

template <class T>
void check(Index n, double sigma, double mean) {
  CAPTURE(n);
  CAPTURE(mean);
  const matrix<T> x = logits<T>(n, sigma, mean);
  std::vector<Index> targets;
  for (Index i = 0; i < x.rows(); ++i) targets.push_back(i == 9 ? -100 : i * i % n);
  const results<T, matrix<T>> expected(x, targets);
  const matrix<T> t = logz::softmax(matrix<T>(matrix<T>::Random(x.rows(), n)).rowwise());
  struct spread {
    bool weighted;
    T smoothing;
  };
  const spread spreads[] = {{false, T(0)}, {false, T(0.125)}, {true, T(0)}, {true, T(0.125)}};
  std::vector<spread_results<T>> of_classes, of_probabilities;
  for (const spread& s : spreads) {
    of_classes.emplace_back(x, targets, s.weighted, s.smoothing);
    of_probabilities.emplace_back(x, t, s.weighted, s.smoothing);
  }
  for (const Index slices : {1, 2, 3, 4, 5, 8, 9, 17}) {
    CAPTURE(slices);
    for (Index first = 3; first <= x.rows() - slices; first += 9) {
      const auto part = x.middleRows(first, slices);
      const std::vector<Index> of_part(targets.begin() + first, targets.begin() + first + slices);
      const auto check_all = [&](const auto& got) {
        CHECK(same_bits(got.softmax, expected.softmax.middleRows(first, slices)));
        CHECK(same_bits(got.softmin, expected.softmin.middleRows(first, slices)));
        CHECK(same_bits(got.log_softmax, expected.log_softmax.middleRows(first, slices)));
        CHECK(same_bits(got.log_z, expected.log_z.segment(first, slices)));
        CHECK(same_bits(got.of_logsumexp, expected.of_logsumexp.middleRows(first, slices)));
        CHECK(same_bits(got.of_softmax, expected.of_softmax.middleRows(first, slices)));
        CHECK(same_bits(got.of_log_softmax, expected.of_log_softmax.middleRows(first, slices)));
        CHECK(same_bits(got.gradient, expected.gradient.middleRows(first, slices)));
        CHECK(same_bits(got.losses, expected.losses.segment(first, slices)));
        CHECK(same_bits(got.entropy, expected.entropy.segment(first, slices)));
        CHECK(same_bits(got.of_entropy, expected.of_entropy.middleRows(first, slices)));
        CHECK(same_bits(got.jvp, expected.jvp.middleRows(first, slices)));
        CHECK(same_bits(got.derivative, expected.derivative.segment(first, slices)));
        CHECK(same_bits(got.divergence, expected.divergence.segment(first, slices)));
        CHECK(same_bits(got.hvp, expected.hvp.middleRows(first, slices)));
      };
      // Rows apart, which panels copy first; and rows one after the other, which narrow ones take as they are. A
      // single long slice of those is another layout.
      check_all(results<T, std::decay_t<decltype(part)>>(part, of_part));
      for (std::size_t k = 0; k < of_classes.size(); ++k) {
        CAPTURE(k);
        const spread& how = spreads[k];
        const auto probable = t.middleRows(first, slices);
        const matrix<T> dense = part, dense_probable = probable;
        const auto by_classes = [&](const auto& of) {
          spread_results<T>(of, of_part, how.weighted, how.smoothing).check_part(of_classes[k], first);
        };
        const auto by_probabilities = [&](const auto& of, const auto& with) {
          spread_results<T>(of, with, how.weighted, how.smoothing).check_part(of_probabilities[k], first);
        };
        by_classes(part);
        by_probabilities(part, probable);
        by_probabilities(part, dense_probable);
        if (slices == 1 && n > 31) continue;
        by_classes(dense);
        by_probabilities(dense, dense_probable);
        by_probabilities(dense, probable);
      }
      if (slices == 1 && n > 31) continue;
      matrix<T> dense = part;
      check_all(results<T, matrix<T>>(dense, of_part));
      dense = logz::softmax(dense.rowwise());
      CHECK(same_bits(dense, expected.softmax.middleRows(first, slices)));
      dense = part;
      dense = logz::softmax_backward(dense.rowwise(), expected.softmax.middleRows(first, slices));
      CHECK(same_bits(dense, expected.of_softmax.middleRows(first, slices)));
      dense = part;
      logz::cross_entropy_options<T> options;
      options.reduction = logz::reduction::sum;
      logz::cross_entropy_with_grad(dense.rowwise(), of_part, dense, options);
      CHECK(same_bits(dense, expected.gradient.middleRows(first, slices)));
    }
  }
  const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> transposed =
      logz::softmax(x.rowwise());
  CHECK(same_bits(transposed, expected.softmax));
}

}  // namespace

// From 16384 on (doubles: 4096) the maximum itself is subtracted first: slices on both sides of it, and some whose samples
// are below it and their maximum above. 5000 numbers of a few slices, and 300 of a panel's, do not fit in scratch.
TEST_CASE_TEMPLATE("panels: a slice's bits do not depend on how many lie beside it", T, float, double) {
  const double limit = std::is_same_v<T, float> ? 16384 : 4096;
  for (const Index n : {1, 2, 7, 33, 300, 5000}) {
    check<T>(n, 3, 0);
    check<T>(n, limit, 0);
    check<T>(n, 15, limit - 30);
  }
}

TEST_CASE_TEMPLATE("few rows: gradients in place are the gradients elsewhere", T, float, double) {
  for (const Index n : {1, 2, 3, 10, 15, 16, 17}) {
    for (Index count = 1; count <= 70; ++count) {
      CAPTURE(n);
      CAPTURE(count);
      const matrix<T> g = matrix<T>::Random(count, n), p = logz::softmax((g * T(3)).rowwise());
      const matrix<T> expected = logz::softmax_backward(g.rowwise(), p);
      matrix<T> over_g = g, over_p = p;
      over_g = logz::softmax_backward(over_g.rowwise(), p);
      over_p = logz::softmax_backward(g.rowwise(), over_p);
      CHECK(same_bits(over_g, expected));
      CHECK(same_bits(over_p, expected));
      // Not the whole of a matrix, so that rows do not begin where vectors do.
      matrix<T> big = matrix<T>::Constant(count + 5, n, T(7));
      big.middleRows(3, count) = g;
      big.middleRows(3, count) = logz::softmax_backward(big.middleRows(3, count).rowwise(), p);
      CHECK(same_bits(big.middleRows(3, count), expected));
      CHECK((big.topRows(3).array() == 7).all());
      CHECK((big.bottomRows(2).array() == 7).all());
    }
  }
}

// Slices that are read where they are come in panels of any width, and a far one sends their blocks through scratch: the
// small one on the stack holds 32 rows of up to 92 floats.
TEST_CASE_TEMPLATE("wide panels: a slice's bits do not depend on how many lie beside it", T, float, double) {
  const double limit = std::is_same_v<T, float> ? 16384 : 4096;
  for (const Index n : {7, 33, 40}) {
    const matrix<T> x = logits<T>(n, limit, 0);
    const matrix<T> p = logz::softmax(x.rowwise()), lp = logz::log_softmax(x.rowwise());
    const vector<T> lz = logz::logsumexp(x.rowwise()), h = logz::entropy(x.rowwise());
    for (const Index times : {2, 3, 4, 5, 7, 13, 26}) {
      CAPTURE(n);
      CAPTURE(times);
      matrix<T> wide = x.replicate(times, 1);
      const matrix<T> wide_p = logz::softmax(wide.rowwise()), wide_lp = logz::log_softmax(wide.rowwise());
      const vector<T> wide_lz = logz::logsumexp(wide.rowwise()), wide_h = logz::entropy(wide.rowwise());
      wide = logz::softmax(wide.rowwise());
      for (Index i = 0; i < times; ++i) {
        CHECK(same_bits(wide_p.middleRows(22 * i, 22), p));
        CHECK(same_bits(wide.middleRows(22 * i, 22), p));
        CHECK(same_bits(wide_lp.middleRows(22 * i, 22), lp));
        CHECK(same_bits(wide_lz.segment(22 * i, 22), lz));
        CHECK(same_bits(wide_h.segment(22 * i, 22), h));
      }
    }
  }
}
