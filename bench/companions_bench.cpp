// SPDX-License-Identifier: MIT
//
// Element-wise functions, divergences and derivatives, which other libraries' cells do not have: one shape in the cache, beside Eigen.
#include <cmath>

#include "bench.hpp"

#ifndef BENCH_EIGEN
#include <logz/binary.hpp>
#include <logz/divergence.hpp>
#include <logz/log_softmax.hpp>
#include <logz/logsumexp.hpp>
#include <logz/loss.hpp>
#endif

namespace {

struct softplus {
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, V&, V&) const {
#ifndef BENCH_EIGEN
    y = logz::softplus(x);
#else
    y = x.max(0) + (1 + (-x.abs()).exp()).log();
#endif
  }
};

struct softplus_backward {
  static constexpr auto reads = bench::contents::log_probabilities;
  template <class X, class Y, class V>
  void operator()(const X& g, const X& x, Y& y, V&, V&) const {
#ifndef BENCH_EIGEN
    y = logz::softplus_backward(g, x);
#else
    y = g / (1 + (-x).exp());
#endif
  }
};

/// Targets are probabilities, which lie between 0 and 1.
struct binary_cross_entropy_with_grad {
  static constexpr auto reads = bench::contents::probabilities;
  template <class X, class Y, class V>
  void operator()(const X& x, const X& t, Y& y, V&, V&) const {
    using Scalar = typename X::Scalar;
#ifndef BENCH_EIGEN
    Scalar loss = logz::binary_cross_entropy_with_logits_with_grad(x, t, y);
#else
    const Scalar mean = 1 / static_cast<Scalar>(x.size());
    Scalar loss = (x.max(0) - x * t + (1 + (-x.abs()).exp()).log()).sum() * mean;
    y = (1 / (1 + (-x).exp()) - t) * mean;
#endif
    benchmark::DoNotOptimize(loss);
  }
};

struct entropy {
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, [[maybe_unused]] V& m, [[maybe_unused]] V& s) const {
#ifndef BENCH_EIGEN
    y = logz::entropy(x.rowwise());
#else
    if constexpr (bench::is_contiguous<X>) {
      for (Eigen::Index i = 0; i < x.rows(); ++i) {
        const auto below = (x.row(i) - x.row(i).maxCoeff()).eval();
        const auto sum = below.exp().sum();
        y(i) = std::log(sum) - (below.exp() * below).sum() / sum;
      }
    } else {
      m = x.rowwise().maxCoeff();
      s = (x.colwise() - m).exp().rowwise().sum();
      y = s.log() - ((x.colwise() - m).exp() * (x.colwise() - m)).rowwise().sum() / s;
    }
#endif
  }
};

/// m holds the slices' log-sum-exps, here in the place of their entropies: only their being numbers counts.
struct entropy_backward {
  static constexpr auto reads = bench::contents::logits_and_logsumexps;
  template <class X, class Y, class V>
  void operator()(const X& x, Y& y, V& h, V& g) const {
#ifndef BENCH_EIGEN
    y = logz::entropy_backward(g, x.rowwise(), h);
#else
    if constexpr (bench::is_contiguous<X>) {
      for (Eigen::Index i = 0; i < x.rows(); ++i) {
        const auto top = x.row(i).maxCoeff();
        y.row(i) = (x.row(i) - top).exp();
        const auto sum = y.row(i).sum();
        const auto mean = (y.row(i) * (x.row(i) - top)).sum() / sum;
        y.row(i) *= (mean - x.row(i) + top) * (g(i) / sum);
      }
    } else {
      const V m = x.rowwise().maxCoeff();
      y = (x.colwise() - m).exp();
      const V sum = y.rowwise().sum();
      h = (y * (x.colwise() - m)).rowwise().sum() / sum + m;
      y *= (-(x.colwise() - h)).colwise() * (g / sum);
    }
#endif
  }
};

struct log_softmax_jvp {
  static constexpr auto reads = bench::contents::log_probabilities;
  template <class X, class Y, class V>
  void operator()(const X& v, const X& lp, Y& y, [[maybe_unused]] V& m, V&) const {
#ifndef BENCH_EIGEN
    y = logz::log_softmax_jvp(v.rowwise(), lp);
#else
    if constexpr (bench::is_contiguous<X>) {
      for (Eigen::Index i = 0; i < v.rows(); ++i) y.row(i) = v.row(i) - (lp.row(i).exp() * v.row(i)).sum();
    } else {
      m = (lp.exp() * v).rowwise().sum();
      y = v.colwise() - m;
    }
#endif
  }
};

struct logsumexp_jvp {
  static constexpr auto reads = bench::contents::probabilities;
  template <class X, class Y, class V>
  void operator()(const X& v, const X& p, Y& y, V&, V&) const {
#ifndef BENCH_EIGEN
    y = logz::logsumexp_jvp(v.rowwise(), p);
#else
    y = (v * p).rowwise().sum();
#endif
  }
};

/// The second operand, logits here: log-probabilities are.
struct cross_entropy_hvp {
  static constexpr auto reads = bench::contents::log_probabilities;
  template <class X, class Y, class V>
  void operator()(const X& v, const X& x, Y& y, [[maybe_unused]] V& m, [[maybe_unused]] V& s) const {
#ifndef BENCH_EIGEN
    y = logz::cross_entropy_hvp(v.rowwise(), x, bench::targets<int>({x.rows(), x.cols()}));
#else
    const typename X::Scalar mean = 1 / static_cast<typename X::Scalar>(x.rows());
    if constexpr (bench::is_contiguous<X>) {
      for (Eigen::Index i = 0; i < x.rows(); ++i) {
        y.row(i) = (x.row(i) - x.row(i).maxCoeff()).exp();
        y.row(i) /= y.row(i).sum();
        y.row(i) *= (v.row(i) - (y.row(i) * v.row(i)).sum()) * mean;
      }
    } else {
      m = x.rowwise().maxCoeff();
      y = (x.colwise() - m).exp();
      s = y.rowwise().sum();
      m = (y * v).rowwise().sum() / s;
      y *= (v.colwise() - m).colwise() * (mean / s);
    }
#endif
  }
};

struct kl_div {
  static constexpr auto reads = bench::contents::probabilities;
  template <class X, class Y, class V>
  void operator()(const X& log_q, const X& p, Y& y, V&, V&) const {
#ifndef BENCH_EIGEN
    y(0) = logz::kl_div(log_q.rowwise(), p);
#else
    y(0) = (p * (p.log() - log_q)).mean();
#endif
  }
};

constexpr bench::shape size{512, 1000};

template <template <class, int> class Output, int Order, class Scalar, class Function>
void add(const char* name, const Function& f) {
  const bench::layout order =
      Order == Eigen::RowMajor ? bench::layout::contiguous : bench::layout::interleaved;
  benchmark::RegisterBenchmark(bench::cell_name<Scalar>(name, order, size).c_str(), [f](benchmark::State&
                                                                                            state) {
    bench::run<bench::matrix<Scalar, Order>, Output<Scalar, Order>>(state, size, f);
  })->Unit(benchmark::kMicrosecond);
}
template <template <class, int> class Output, class Function>
void add_all(const char* name, const Function& f) {
  add<Output, Eigen::RowMajor, float>(name, f);
  add<Output, Eigen::ColMajor, float>(name, f);
  add<Output, Eigen::RowMajor, double>(name, f);
  add<Output, Eigen::ColMajor, double>(name, f);
}

[[maybe_unused]] const bool registered = [] {
  add_all<bench::matrix>("softplus", softplus{});
  add_all<bench::matrix>("softplus_backward", softplus_backward{});
  add_all<bench::matrix>("binary_cross_entropy_with_grad", binary_cross_entropy_with_grad{});
  add_all<bench::vector>("entropy", entropy{});
  add_all<bench::matrix>("entropy_backward", entropy_backward{});
  add_all<bench::vector>("kl_div", kl_div{});
  add_all<bench::matrix>("log_softmax_jvp", log_softmax_jvp{});
  add_all<bench::vector>("logsumexp_jvp", logsumexp_jvp{});
  add_all<bench::matrix>("cross_entropy_hvp", cross_entropy_hvp{});
  return true;
}();

}  // namespace
