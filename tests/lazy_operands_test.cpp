// SPDX-License-Identifier: MIT
//
// Lazy operands, which are evaluated into the destination or beside it: at every length, in every layout, what comes out
// is what the same operands give once they are evaluated.
#include <logz/logz.hpp>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

using Eigen::Index;

template <class T, int Order>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>;
template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// In the operands' own storage order the kernel is the same and so is every bit. In the other one it may be another: each
/// of the two is within 6 ulp of its largest term, for which the largest weight, 2, stands.
template <class A, class B>
bool agree(const A& a, const B& b) {
  using T = typename A::Scalar;
  constexpr T bound = 6, largest_term = 2;
  if constexpr (static_cast<bool>(A::IsRowMajor) == static_cast<bool>(B::IsRowMajor)) {
    return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0;
  } else {
    return ((a - b).cwiseAbs().array() <= largest_term * 2 * bound * std::numeric_limits<T>::epsilon()).all();
  }
}

template <class T, int Order, int DestinationOrder>
void check(Index count, Index n) {
  CAPTURE(count);
  CAPTURE(n);
  CAPTURE(Order);
  CAPTURE(DestinationOrder);
  using Matrix = matrix<T, Order>;
  using Destination = matrix<T, DestinationOrder>;
  const Matrix x = Matrix::Random(count, n) * T(3), v = Matrix::Random(count, n);
  const Matrix p = logz::softmax(v.rowwise()), lp = logz::log_softmax(x.rowwise());
  const vector<T> lz = logz::logsumexp(x.rowwise()), g = vector<T>::Random(count);
  const T one(1);
  std::vector<Index> y;
  for (Index i = 0; i < count; ++i) y.push_back(i * 7 % n);
  logz::cross_entropy_options<T> plain, all;
  plain.reduction = all.reduction = logz::reduction::sum;
  all.label_smoothing = T(0.125);
  all.weight = vector<T>::LinSpaced(n, T(0.5), T(2));

  // f(a, b), with either or both of them lazy.
  const auto compare = [&](const std::string& what, const Matrix& a, const Matrix& b, const auto& f) {
    CAPTURE(what);
    const Matrix expected = f(a, b);
    Destination got;
    got = f(a * one, b);
    CHECK(agree(got, expected));
    got = f(a, b * one);
    CHECK(agree(got, expected));
    got = f(a * one, b * one);
    CHECK(agree(got, expected));
  };
  compare("softmax_backward", v, p,
          [](const auto& a, const auto& b) { return Destination(logz::softmax_backward(a.rowwise(), b)); });
  compare("log_softmax_backward", v, lp, [](const auto& a, const auto& b) {
    return Destination(logz::log_softmax_backward(a.rowwise(), b));
  });
  compare("softmax_jvp", v, p,
          [](const auto& a, const auto& b) { return Destination(logz::softmax_jvp(a.rowwise(), b)); });
  compare("log_softmax_jvp", v, lp,
          [](const auto& a, const auto& b) { return Destination(logz::log_softmax_jvp(a.rowwise(), b)); });
  compare("logsumexp_hvp", v, p,
          [](const auto& a, const auto& b) { return Destination(logz::logsumexp_hvp(a.rowwise(), b)); });
  compare("logsumexp_backward", x, p, [&](const auto& a, const auto&) {
    return Destination(logz::logsumexp_backward(g, a.rowwise(), lz));
  });
  for (const auto* options : {&plain, &all}) {
    CAPTURE(options->label_smoothing);
    compare("cross_entropy_with_grad, classes", x, p, [&](const auto& a, const auto&) {
      Destination grad;
      logz::cross_entropy_with_grad(a.rowwise(), y, grad, *options);
      return grad;
    });
    compare("cross_entropy_with_grad, probabilities", x, p, [&](const auto& a, const auto& b) {
      Destination grad;
      logz::cross_entropy_with_grad(a.rowwise(), b, grad, *options);
      return grad;
    });
    compare("cross_entropy_backward", x, p, [&](const auto& a, const auto& b) {
      return Destination(logz::cross_entropy_backward(g, a.rowwise(), b, *options));
    });
    compare("cross_entropy_hvp, classes", v, x, [&](const auto& a, const auto& b) {
      return Destination(logz::cross_entropy_hvp(a.rowwise(), b, y, *options));
    });
    compare("cross_entropy_hvp, probabilities", v, x, [&](const auto& a, const auto& b) {
      return Destination(logz::cross_entropy_hvp(a.rowwise(), b, p, *options));
    });
  }
  compare("kl_div_with_grad", lp, p, [](const auto& a, const auto& b) {
    Destination grad;
    logz::kl_div_with_grad(a.rowwise(), b, grad);
    return grad;
  });
}

}  // namespace

TEST_CASE_TEMPLATE("lazy operands: in every layout what they give evaluated", T, float, double) {
  for (const Index n : {5, 100, 300, 5001}) {
    for (const Index count : {1, 3, 17}) {
      check<T, Eigen::ColMajor, Eigen::ColMajor>(count, n);
      check<T, Eigen::RowMajor, Eigen::RowMajor>(count, n);
      check<T, Eigen::RowMajor, Eigen::ColMajor>(count, n);
      check<T, Eigen::ColMajor, Eigen::RowMajor>(count, n);
    }
  }
}
