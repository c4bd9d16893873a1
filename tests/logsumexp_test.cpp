// SPDX-License-Identifier: MIT
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <logz/logsumexp.hpp>

using namespace test;

namespace {

// The contract's bounds, in ulp; double on the generic path is held to 4 (see the docstrings).
template <class T>
constexpr long double logsumexp_bound = sizeof(T) == sizeof(float) ? 1 : 4;
constexpr long double backward_bound = 6;

/// In ulp of the result, or of the maximum where |log Z| < |max|.
template <class T>
long double logsumexp_error(T got, const std::vector<T>& slice) {
  const partition z = partition_of(to_reals(slice));
  const real exact = z.finite ? z.top + z.excess : z.top;
  if (!z.finite) return ulp_error(got, exact);
  return ulp_error(got, exact, std::abs(exact) < std::abs(z.top) ? z.top : exact);
}

template <class T>
void check_logsumexp(const slice_list<T>& slices) {
  for_each_layout(slices, [&](const char* name, const auto& view, auto direction) {
    constexpr int d = decltype(direction)::value;
    const Eigen::Matrix<T, Eigen::Dynamic, 1> lz = logz::logsumexp(along<d>(view));
    long double worst = 0;
    for (std::size_t s = 0; s < slices.size(); ++s) {
      worst = std::max(worst, logsumexp_error(lz(static_cast<Index>(s)), slices[s]));
    }
    INFO(std::string(name));
    CAPTURE(length_of(slices));
    CHECK(worst <= logsumexp_bound<T>);
  });
}

}  // namespace

TEST_CASE_TEMPLATE("logsumexp: meets its bound at every length from 1 to 70 in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length) check_logsumexp(normal_slices<T>(3, length, 3));
}

TEST_CASE_TEMPLATE("logsumexp: meets its bound whatever the spread, offset, order and ties", T, float,
                   double) {
  for (const auto& slices : hard_slices<T>()) check_logsumexp(slices);
}

TEST_CASE_TEMPLATE("logsumexp: a million numbers do not add up their errors", T, float, double) {
  const auto slices = normal_slices<T>(1, std::size_t{1} << 20, 3);
  const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices);
  CHECK(logsumexp_error(logz::logsumexp(x.col(0)), slices[0]) <= logsumexp_bound<T>);
  CHECK(logsumexp_error(logz::logsumexp(x.col(0) * 1), slices[0]) <= logsumexp_bound<T>);
}

TEST_CASE_TEMPLATE("logsumexp: special values at every length and place leave the neighbours alone", T, float,
                   double) {
  // check_special_values wants a result per element: log Z beside every element of its slice.
  check_special_values<T>(
      [](const auto& x) {
        using X = std::decay_t<decltype(x._expression())>;
        typename X::PlainObject all(x._expression().rows(), x._expression().cols());
        const typename X::PlainObject lz = logz::logsumexp(x);
        if (lz.cols() == 1 && lz.rows() == all.rows() && std::decay_t<decltype(x)>::isVertical == 0) {
          all = lz.replicate(1, all.cols());
        } else {
          all = lz.replicate(all.rows(), 1);
        }
        return all;
      },
      [](const reals& x) { return reals(x.size(), logsumexp(x)); }, logsumexp_bound<T>);
}

TEST_CASE_TEMPLATE("logsumexp: a vector gives a scalar", T, float, double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    const auto slices = normal_slices<T>(1, length, 3);
    const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(slices);
    const T column = logz::logsumexp(x.col(0));
    const T row = logz::logsumexp(x.col(0).transpose());
    const T array = logz::logsumexp(x.col(0).array());
    const T lazy = logz::logsumexp(x.col(0) * 1);
    CHECK(logsumexp_error(column, slices[0]) <= logsumexp_bound<T>);
    CHECK(row == column);
    CHECK(array == column);
    CHECK(lazy == column);
  }
}

TEST_CASE("logsumexp: one dominant element leaves the small rest visible") {
  // mpmath, 30 digits: log1p(exp(-40)).
  CHECK(ulp_error(logz::logsumexp(Eigen::Vector2d(0, -40)), 4.24835425529158898630590547627e-18L) <= 4);
}

TEST_CASE_TEMPLATE("logsumexp: an empty slice gives -inf", T, float, double) {
  const matrix<T, Eigen::ColMajor> no_columns(3, 0);
  const Eigen::Matrix<T, Eigen::Dynamic, 1> lz = logz::logsumexp(no_columns.rowwise());
  CHECK(lz.size() == 3);
  CHECK((lz.array() == -std::numeric_limits<T>::infinity()).all());
  const Eigen::Matrix<T, Eigen::Dynamic, 1> lazy = logz::logsumexp((no_columns * 2).rowwise());
  CHECK((lazy.array() == -std::numeric_limits<T>::infinity()).all());
  CHECK(logz::logsumexp(no_columns.row(0)) == -std::numeric_limits<T>::infinity());
  CHECK(Eigen::Matrix<T, Eigen::Dynamic, 1>(logz::logsumexp(no_columns.colwise())).size() == 0);
}

TEST_CASE_TEMPLATE("logsumexp: long lazy slices, taken in pieces, in any order", T, float, double) {
  // The maximum moves from piece to piece: up all the way, down, and by more than the exponent range at once.
  for (const std::size_t length : sizes{5000, 20011}) {
    auto slices = normal_slices<T>(3, length, 200);
    std::sort(slices[0].begin(), slices[0].end());
    std::sort(slices[1].rbegin(), slices[1].rend());
    for (std::size_t i = 0; i < length; ++i) slices[2][i] += static_cast<T>(i / 3000 * 1000);
    check_logsumexp(slices);
    // A slow rise: no single step counts, all of them do.
    slice_list<T> rising(1, std::vector<T>(length));
    for (std::size_t i = 0; i < length; ++i) rising[0][i] = static_cast<T>(i) / 4096;
    check_logsumexp(rising);
    const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>(rising);
    CHECK(logsumexp_error(logz::logsumexp(x.col(0) * 1), rising[0]) <= logsumexp_bound<T>);
  }
}

TEST_CASE_TEMPLATE("logsumexp: terms near the smallest number keep their digits", T, float, double) {
  // exp(x - max) is subnormal, their sum is not.
  const T gap = sizeof(T) == sizeof(float) ? static_cast<T>(-94.5) : static_cast<T>(-716.5);
  for (const std::size_t length : sizes{2, 7, 70, 4097}) {
    std::vector<T> slice(length, gap);
    slice[length / 2] = 0;
    const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Vertical>({slice});
    CHECK(logsumexp_error(logz::logsumexp(x.col(0)), slice) <= logsumexp_bound<T>);
    CHECK(logsumexp_error(logz::logsumexp(x.col(0) * 1), slice) <= logsumexp_bound<T>);
  }
  // A large gradient makes up for it.
  const Eigen::Vector2d x(0, -750);
  const Eigen::Vector2d dx = logz::logsumexp_backward(1e300, x, 0.0);
  CHECK(ulp_error(dx(1), 1e300L * std::exp(-750.0L)) <= backward_bound);
}

TEST_CASE_TEMPLATE("logsumexp: a slice's bits depend on nothing but the slice, lazy or not", T, float,
                   double) {
  for (const std::size_t length : sizes{37, 1000}) {
    const auto slices = normal_slices<T>(150, length, 5);
    const auto x = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(slices);
    const auto y = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(slices);
    using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
    const auto check = [](const Vector& all, const Vector& few) { CHECK(all.segment(61, 5) == few); };
    check(logz::logsumexp(x.rowwise()), logz::logsumexp(x.middleRows(61, 5).rowwise()));
    check(logz::logsumexp((x * 1).rowwise()), logz::logsumexp((x.middleRows(61, 5) * 1).rowwise()));
    check(logz::logsumexp((y * 1).rowwise()), logz::logsumexp((y.middleRows(61, 5) * 1).rowwise()));
  }
}

TEST_CASE("logsumexp: every coefficient of a lazy expression is evaluated once") {
  int evaluations = 0;
  const auto counted = [&evaluations](Index i) {
    ++evaluations;
    return static_cast<double>(i % 17);
  };
  for (const Index length : {1, 70, 9001}) {
    evaluations = 0;
    const double lz = logz::logsumexp(Eigen::VectorXd::NullaryExpr(length, counted));
    CHECK(evaluations == length);
    CHECK(lz >= 0);
  }
}

TEST_CASE_TEMPLATE("logsumexp_backward: is g softmax(x), within its bound, in every layout", T, float,
                   double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    for (const double offset : {0.0, 1e8}) {
      const auto slices = normal_slices<T>(3, length, 3, offset);
      std::vector<reals> exact;
      Eigen::Matrix<T, Eigen::Dynamic, 1> g(3);
      Eigen::Matrix<T, Eigen::Dynamic, 1> lz(3);
      for (std::size_t s = 0; s < 3; ++s) {
        const auto i = static_cast<Index>(s);
        g(i) = static_cast<T>(1.25 - static_cast<double>(s));
        lz(i) = static_cast<T>(logsumexp(to_reals(slices[s])));
        exact.push_back(logsumexp_backward(g(i), to_reals(slices[s])));
      }
      for_each_layout(slices, [&](const char* name, const auto& x, auto direction) {
        constexpr int d = decltype(direction)::value;
        using Plain = typename std::decay_t<decltype(x)>::PlainObject;
        const Plain dx = logz::logsumexp_backward(g, along<d>(x), lz);
        const auto got = get<d>(dx);
        long double worst = 0;
        for (std::size_t s = 0; s < got.size(); ++s) {
          for (std::size_t l = 0; l < length; ++l) worst = std::max(worst, ulp_error(got[s][l], exact[s][l]));
        }
        INFO(std::string(name));
        CAPTURE(length);
        CHECK(worst <= backward_bound);
      });
    }
  }
}

TEST_CASE_TEMPLATE("logsumexp_backward: special values", T, float, double) {
  check_special_values<T>(
      [](const auto& x) {
        using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
        const Vector lz = logz::logsumexp(x);
        return logz::logsumexp_backward(Vector::Ones(lz.size()), x, lz).eval();
      },
      [](const reals& x) { return logsumexp_backward(1, x); }, backward_bound);
}

TEST_CASE("logsumexp_backward: a vector takes scalars") {
  const Eigen::Vector3d x(1, 2, 3);
  const Eigen::Vector3d dx = logz::logsumexp_backward(2, x, logz::logsumexp(x));
  const reals exact = logsumexp_backward(2, {1, 2, 3});
  for (Index i = 0; i < 3; ++i) CHECK(ulp_error(dx(i), exact[static_cast<std::size_t>(i)]) <= backward_bound);
}

TEST_CASE("logsumexp_backward: numbers that do not match the slices are refused") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Ones(3, 4);
  const Eigen::VectorXf three = Eigen::VectorXf::Ones(3);
  const Eigen::VectorXf four = Eigen::VectorXf::Ones(4);
  CHECK_THROWS_WITH_AS(logz::logsumexp_backward(four, x.rowwise(), three),
                       "logz::logsumexp_backward: grad_lz has 4 numbers for 3 slices", std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::logsumexp_backward(three, x.rowwise(), four),
                       "logz::logsumexp_backward: lz has 4 numbers for 3 slices", std::invalid_argument);
}

TEST_CASE("logsumexp_backward: the numbers per slice may be lazy and of either orientation") {
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(3, 4);
  const Eigen::VectorXf lz = logz::logsumexp(x.rowwise());
  const Eigen::VectorXf g = Eigen::VectorXf::LinSpaced(3, 1, -3);
  const Eigen::MatrixXf dx = logz::logsumexp_backward(g, x.rowwise(), lz);
  CHECK(Eigen::MatrixXf(logz::logsumexp_backward(g.transpose() * 1, x.rowwise(), lz.transpose())) == dx);
  CHECK(Eigen::MatrixXf(logz::logsumexp_backward(g, (x * 1).rowwise(), logz::logsumexp(x.rowwise()))) == dx);
}

#if defined(__SSE2__)
TEST_CASE("logsumexp: normal results are found where subnormal numbers are flushed to 0") {
  const Eigen::Vector2d x(0, -708);
  const unsigned before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before | 0x8000);
  const double lz = logz::logsumexp(x);
  __builtin_ia32_ldmxcsr(before);
  // mpmath, 30 digits: log1p(exp(-708)).
  CHECK(ulp_error(lz, 3.30755300363840799620117429721e-308L) <= 1);
}
#endif
