// SPDX-License-Identifier: MIT
//
// Directional and second derivatives: softmax_jvp, log_softmax_jvp, logsumexp_jvp, logsumexp_hvp.
#include "reference/companions.hpp"
#include "support/slices.hpp"
#include "support/special_values.hpp"

#include <logz/logz.hpp>
#if __has_include(<unsupported/Eigen/AutoDiff>)
#include <unsupported/Eigen/AutoDiff>
#endif

using namespace test;

namespace {

// The contract's bounds: in ulp of the largest term, and of the result where the sum is all there is.
constexpr long double jvp_bound = 4;
constexpr long double sum_bound = 1;
// A central difference with step h is off by h² |f'''| / 6 and by the rounding of f, 2^-62 / h: with h = 2^-20, and
// derivatives of at most 64 for |v| ≤ 2, below 2^-33 in all.
constexpr long double step = 0x1p-20L;
constexpr long double difference_bound = 0x1p-33L;

template <class T>
slice_list<T> probabilities(std::size_t count, std::size_t length) {
  slice_list<T> all;
  for (const auto& slice : normal_slices<T>(count, length, 3)) {
    std::vector<T> p;
    for (const real v : softmax(to_reals(slice))) p.push_back(static_cast<T>(v));
    all.push_back(p);
  }
  return all;
}

template <class T>
slice_list<T> logs_of(const slice_list<T>& slices) {
  slice_list<T> all = slices;
  for (auto& slice : all) {
    for (T& v : slice) v = std::log(v);
  }
  return all;
}

struct sum_of_terms {
  real sum = 0;
  real magnitude = 0;
};
template <class T>
sum_of_terms dot(const std::vector<T>& v, const reals& p) {
  sum_of_terms d;
  for (std::size_t l = 0; l < v.size(); ++l) {
    d.sum += real(v[l]) * p[l];
    d.magnitude += std::abs(real(v[l]) * p[l]);
  }
  return d;
}

template <class T>
reals exp_of(const std::vector<T>& lp) {
  reals p;
  for (const T v : lp) p.push_back(std::exp(real(v)));
  return p;
}

template <class T>
using vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

}  // namespace

TEST_CASE_TEMPLATE("softmax_jvp, logsumexp_hvp: p (v - Σ p v) to the bound at every length in every layout",
                   T, float, double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    const auto directions = normal_slices<T>(3, length, 2, 0, 77);
    const auto p = probabilities<T>(3, length);
    const auto p_rowwise = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(p);
    const matrix<T, Eigen::ColMajor> p_colwise = p_rowwise.transpose();
    for_each_layout(directions, [&](const char* name, const auto& v, auto direction) {
      using Plain = typename std::decay_t<decltype(v)>::PlainObject;
      constexpr int d = decltype(direction)::value;
      const auto& q = d == Eigen::Horizontal ? p_rowwise : p_colwise;
      const Plain jvp = logz::softmax_jvp(along<d>(v), q);
      const Plain hvp = logz::logsumexp_hvp(along<d>(v), along<d>(q));
      const auto got = get<d>(jvp);
      long double worst = 0;
      for (std::size_t s = 0; s < got.size(); ++s) {
        const real mean = dot(directions[s], to_reals(p[s])).sum;
        for (std::size_t l = 0; l < length; ++l) {
          const real a = real(p[s][l]) * real(directions[s][l]);
          const real b = real(p[s][l]) * mean;
          worst = std::max(worst, ulp_error(got[s][l], a - b, std::max(std::abs(a), std::abs(b))));
        }
      }
      INFO(std::string(name));
      CAPTURE(length);
      CHECK(worst <= jvp_bound);
      CHECK((hvp.array() == jvp.array()).all());
    });
  }
}

TEST_CASE_TEMPLATE("log_softmax_jvp, logsumexp_jvp: to their bounds at every length in every layout", T,
                   float, double) {
  for (std::size_t length = 1; length <= 70; ++length) {
    // More slices than are summed at once.
    const std::size_t count = length % 23 == 1 ? 131 : 3;
    const auto directions = normal_slices<T>(count, length, 2, 0, 77);
    const auto p = probabilities<T>(count, length);
    const auto lp = logs_of(p);
    const auto p_rowwise = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(p);
    const matrix<T, Eigen::RowMajor> p_colwise = p_rowwise.transpose();
    const auto lp_rowwise = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(lp);
    const matrix<T, Eigen::RowMajor> lp_colwise = lp_rowwise.transpose();
    for_each_layout(directions, [&](const char* name, const auto& v, auto direction) {
      constexpr int d = decltype(direction)::value;
      const auto& lq = d == Eigen::Horizontal ? lp_rowwise : lp_colwise;
      const typename std::decay_t<decltype(v)>::PlainObject jvp = logz::log_softmax_jvp(along<d>(v), lq);
      const vector<T> sums = logz::logsumexp_jvp(along<d>(v), d == Eigen::Horizontal ? p_rowwise : p_colwise);
      const auto got = get<d>(jvp);
      long double worst = 0;
      long double worst_sum = 0;
      for (std::size_t s = 0; s < count; ++s) {
        const sum_of_terms mean = dot(directions[s], exp_of(lp[s]));
        for (std::size_t l = 0; l < length; ++l) {
          const real a = real(directions[s][l]);
          worst = std::max(worst, ulp_error(got[s][l], a - mean.sum, std::max(std::abs(a), mean.magnitude)));
        }
        worst_sum = std::max(worst_sum,
                             ulp_error(sums(static_cast<Index>(s)), dot(directions[s], to_reals(p[s])).sum));
      }
      INFO(std::string(name));
      CAPTURE(length);
      CHECK(worst <= jvp_bound);
      CHECK(worst_sum <= sum_bound);
    });
  }
}

TEST_CASE_TEMPLATE("jvp: reference values", T, float, double) {
  namespace reference = companions;
  using Slice = Eigen::Matrix<T, reference::length, 1>;
  using Doubles = Eigen::Matrix<double, reference::length, 1>;
  for (int s = 0; s < reference::slices; ++s) {
    const Slice v = Eigen::Map<const Doubles>(reference::v[s]).cast<T>();
    const Slice p = Eigen::Map<const Doubles>(reference::p[s]).cast<T>();
    const Slice jvp = logz::softmax_jvp(v, p);
    CHECK(ulp_error(logz::logsumexp_jvp(v, p), reference::logsumexp_jvp[s]) <= sum_bound);
    for (int i = 0; i < reference::length; ++i) {
      const real a = real(p(i)) * real(v(i));
      const real b = real(p(i)) * reference::logsumexp_jvp[s];
      CHECK(ulp_error(jvp(i), reference::softmax_jvp[s][i], std::max(std::abs(a), std::abs(b))) <= jvp_bound);
    }
  }
  const Slice v = Eigen::Map<const Doubles>(reference::v[0]).cast<T>();
  const Slice lp = Eigen::Map<const Doubles>(reference::x[0]).cast<T>();
  const Slice jvp = logz::log_softmax_jvp(v, lp);
  for (int i = 0; i < reference::length; ++i) {
    const real largest = std::max<real>(std::abs(v(i)), 1);  // Σ exp(lp) |v| = 1 + 2e-17
    CHECK(ulp_error(jvp(i), reference::log_softmax_jvp[0][i], largest) <= jvp_bound);
  }
}

TEST_CASE("jvp: central differences of the forward functions") {
  using Matrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = vector<long double>;
  for (const std::size_t length : sizes{1, 2, 5, 33}) {
    const Matrix x =
        matrix_of<long double, Eigen::ColMajor, Eigen::Horizontal>(normal_slices<long double>(4, length, 2));
    Matrix v =
        matrix_of<long double, Eigen::ColMajor, Eigen::Horizontal>(normal_slices<long double>(4, length, 1));
    v = v.cwiseMin(2).cwiseMax(-2).eval();
    const Matrix up = x + step * v;
    const Matrix down = x - step * v;
    const Matrix p = logz::softmax(x.rowwise());
    const Matrix lp = logz::log_softmax(x.rowwise());
    const auto check = [&](const auto& got, const auto& above, const auto& below) {
      const Matrix difference = (above - below) / (2 * step) - got;
      CHECK(difference.cwiseAbs().maxCoeff() <= difference_bound);
    };
    const Matrix p_up = logz::softmax(up.rowwise());
    const Matrix p_down = logz::softmax(down.rowwise());
    check(Matrix(logz::softmax_jvp(v.rowwise(), p)), p_up, p_down);
    check(Matrix(logz::log_softmax_jvp(v.rowwise(), lp)), Matrix(logz::log_softmax(up.rowwise())),
          Matrix(logz::log_softmax(down.rowwise())));
    check(Vector(logz::logsumexp_jvp(v.rowwise(), p)), Vector(logz::logsumexp(up.rowwise())),
          Vector(logz::logsumexp(down.rowwise())));
    const Vector ones = Vector::Ones(4);
    const Matrix slope_up =
        logz::logsumexp_backward(ones, up.rowwise(), Vector(logz::logsumexp(up.rowwise())));
    const Matrix slope_down =
        logz::logsumexp_backward(ones, down.rowwise(), Vector(logz::logsumexp(down.rowwise())));
    check(Matrix(logz::logsumexp_hvp(v.rowwise(), p)), slope_up, slope_down);
  }
}

#if __has_include(<unsupported/Eigen/AutoDiff>)
TEST_CASE("jvp: automatic differentiation along v gives the same") {
  using Dual = Eigen::AutoDiffScalar<Eigen::Matrix<double, 1, 1>>;
  // The dual numbers round each of a few operations per element: 64 of 2^-53 for terms of at most 4.
  constexpr double bound = 64 * 4 * 0x1p-53;
  const Eigen::Matrix<double, 7, 1> x = Eigen::Matrix<double, 7, 1>::LinSpaced(-2, 3).array().square();
  const Eigen::Matrix<double, 7, 1> v = Eigen::Matrix<double, 7, 1>::LinSpaced(1, -1);
  Eigen::Matrix<Dual, 7, 1> dual;
  for (int i = 0; i < 7; ++i) dual(i) = Dual(x(i), Eigen::Matrix<double, 1, 1>(v(i)));
  const Eigen::Matrix<Dual, 7, 1> dual_p = logz::softmax(dual);
  const Eigen::Matrix<Dual, 7, 1> dual_lp = logz::log_softmax(dual);
  const Eigen::Matrix<double, 7, 1> p = logz::softmax(x);
  const Eigen::Matrix<double, 7, 1> lp = logz::log_softmax(x);
  const Eigen::Matrix<double, 7, 1> jvp = logz::softmax_jvp(v, p);
  const Eigen::Matrix<double, 7, 1> log_jvp = logz::log_softmax_jvp(v, lp);
  CHECK(std::abs(logz::logsumexp(dual).derivatives()(0) - logz::logsumexp_jvp(v, p)) <= bound);
  for (int i = 0; i < 7; ++i) {
    CHECK(std::abs(dual_p(i).derivatives()(0) - jvp(i)) <= bound);
    CHECK(std::abs(dual_lp(i).derivatives()(0) - log_jvp(i)) <= bound);
  }
  // Dual numbers through the jvps themselves: their values are those of double.
  Eigen::Matrix<Dual, 7, 1> dual_v;
  for (int i = 0; i < 7; ++i) dual_v(i) = Dual(v(i), Eigen::Matrix<double, 1, 1>(1));
  const Eigen::Matrix<Dual, 7, 1> dual_jvp = logz::softmax_jvp(dual_v, dual_p);
  const Eigen::Matrix<Dual, 7, 1> dual_log_jvp = logz::log_softmax_jvp(dual_v, dual_lp);
  CHECK(std::abs(logz::logsumexp_jvp(dual_v, dual_p).value() - logz::logsumexp_jvp(v, p)) <= bound);
  for (int i = 0; i < 7; ++i) {
    CHECK(std::abs(dual_jvp(i).value() - jvp(i)) <= bound);
    CHECK(std::abs(dual_log_jvp(i).value() - log_jvp(i)) <= bound);
  }
}
#endif

TEST_CASE_TEMPLATE("jvp: half types and long double", T, Eigen::half, Eigen::bfloat16, long double) {
  const vector<T> v = Eigen::VectorXf::LinSpaced(9, 1, -2).cast<T>();
  const vector<T> p = vector<T>(logz::softmax(Eigen::VectorXf::LinSpaced(9, -2, 2).cast<T>().eval()));
  const vector<T> lp = logz::log_softmax(Eigen::VectorXf::LinSpaced(9, -2, 2).cast<T>().eval());
  const auto exactly = [](const vector<T>& a) {
    reals r;
    for (const T& e : a) {
      if constexpr (std::is_same_v<T, long double>) {
        r.push_back(e);
      } else {
        r.push_back(static_cast<float>(e));
      }
    }
    return r;
  };
  const reals direction = exactly(v);
  const real mean = dot(direction, exactly(p)).sum;
  const real log_mean = dot(direction, exp_of(exactly(lp))).sum;
  const reals jvp = exactly(vector<T>(logz::softmax_jvp(v, p)));
  const reals log_jvp = exactly(vector<T>(logz::log_softmax_jvp(v, lp)));
  // Half types are rounded once from double, half an ulp of at most 4; the references are rounded themselves.
  const int digits = std::is_same_v<T, Eigen::half> ? 11 : std::is_same_v<T, Eigen::bfloat16> ? 8 : 60;
  const real bound = std::ldexp(4.0L, -digits);
  CHECK(std::abs(exactly(vector<T>::Constant(1, logz::logsumexp_jvp(v, p)))[0] - mean) <= bound);
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(std::abs(jvp[i] - exactly(p)[i] * (direction[i] - mean)) <= bound);
    CHECK(std::abs(log_jvp[i] - (direction[i] - log_mean)) <= bound);
  }
}

TEST_CASE_TEMPLATE("jvp: special values at every length and place stay in their slice", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T not_a_number = std::numeric_limits<T>::quiet_NaN();
  for (std::size_t length = 2; length <= 70; ++length) {
    const auto directions = normal_slices<T>(1, length, 2)[0];
    const auto p = probabilities<T>(1, length)[0];
    const auto lp = logs_of<T>({p})[0];
    for (std::size_t place = 0; place < length; ++place) {
      slice_list<T> v3{directions, directions, directions};
      slice_list<T> p3{p, p, p};
      slice_list<T> lp3{lp, lp, lp};
      v3[2][place] = not_a_number;
      p3[0][place] = 0;
      lp3[0][place] = -infinity;
      const auto check = [&](const auto& v, const auto& q, const auto& lq) {
        const auto jvp =
            get<Eigen::Horizontal>(matrix<T, Eigen::ColMajor>(logz::softmax_jvp(v.rowwise(), q)));
        const auto log_jvp =
            get<Eigen::Horizontal>(matrix<T, Eigen::ColMajor>(logz::log_softmax_jvp(v.rowwise(), lq)));
        const vector<T> sums = logz::logsumexp_jvp(v.rowwise(), q);
        bool right = jvp[0][place] == 0 && std::isnan(sums(2));
        reals without = to_reals(p);
        without[place] = 0;
        right &= ulp_error(sums(0), dot(directions, without).sum) <= sum_bound;
        right &= ulp_error(sums(1), dot(directions, to_reals(p)).sum) <= sum_bound;
        for (std::size_t l = 0; l < length; ++l) {
          right &= std::isfinite(jvp[0][l]) && std::isfinite(jvp[1][l]) && std::isnan(jvp[2][l]);
          right &= std::isfinite(log_jvp[0][l]) && std::isfinite(log_jvp[1][l]) && std::isnan(log_jvp[2][l]);
        }
        CHECK(right);
      };
      const auto column_major = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(v3);
      const auto row_major = matrix_of<T, Eigen::RowMajor, Eigen::Horizontal>(v3);
      const auto q = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(p3);
      const auto lq = matrix_of<T, Eigen::ColMajor, Eigen::Horizontal>(lp3);
      check(column_major, q, lq);
      check(row_major, q, lq);
    }
  }
  const matrix<T, Eigen::ColMajor> none(3, 0);
  CHECK(vector<T>(logz::logsumexp_jvp(none.rowwise(), none)) == vector<T>::Zero(3));
  CHECK(matrix<T, Eigen::ColMajor>(logz::log_softmax_jvp(none.rowwise(), none)).rows() == 3);
  CHECK(vector<T>(logz::logsumexp_jvp(none.colwise(), none)).size() == 0);
}

TEST_CASE("jvp: in place, of lazy arguments, of vectors of either orientation, with the axis on both") {
  const Eigen::MatrixXf v = Eigen::MatrixXf::Random(5, 6);
  const Eigen::MatrixXf x = Eigen::MatrixXf::Random(5, 6) * 3;
  const Eigen::MatrixXf p = logz::softmax(x.rowwise());
  const Eigen::MatrixXf lp = logz::log_softmax(x.rowwise());
  const Eigen::MatrixXf jvp = logz::softmax_jvp(v.rowwise(), p);
  const Eigen::MatrixXf log_jvp = logz::log_softmax_jvp(v.rowwise(), lp);
  const Eigen::VectorXf sums = logz::logsumexp_jvp(v.rowwise(), p);
  for (const bool over_v : {true, false}) {
    Eigen::MatrixXf a = v;
    Eigen::MatrixXf q = p;
    (over_v ? a : q) = logz::softmax_jvp(a.rowwise(), q);
    CHECK((over_v ? a : q) == jvp);
    Eigen::MatrixXf b = v;
    Eigen::MatrixXf lq = lp;
    (over_v ? b : lq) = logz::log_softmax_jvp(b.rowwise(), lq);
    CHECK((over_v ? b : lq) == log_jvp);
  }
  CHECK(Eigen::MatrixXf(logz::log_softmax_jvp((v * 1).rowwise(), (lp * 1).rowwise())) == log_jvp);
  CHECK(Eigen::VectorXf(logz::logsumexp_jvp((v * 1).rowwise(), p)) == sums);
  CHECK(Eigen::VectorXf(logz::logsumexp_jvp(v.rowwise(), logz::softmax(x.rowwise()).rowwise())) == sums);
  Eigen::MatrixXf into = v;
  into.col(0) = logz::logsumexp_jvp(into.rowwise(), p);  // a column of v takes the result
  CHECK(into.col(0) == sums);
  CHECK(Eigen::RowVectorXf(logz::logsumexp_jvp(v.transpose().colwise(), p.transpose())) == sums.transpose());
  const float alone = logz::logsumexp_jvp(v.row(2), p.row(2).transpose());
  CHECK(alone == sums(2));
  CHECK(Eigen::VectorXf(logz::log_softmax_jvp(v.row(2), Eigen::VectorXf(lp.row(2)))) ==
        log_jvp.row(2).transpose());
}

TEST_CASE("jvp: shapes that differ are refused with both, and nothing is written") {
  const Eigen::MatrixXf v = Eigen::MatrixXf::Ones(3, 4);
  const Eigen::MatrixXf p = Eigen::MatrixXf::Ones(4, 3);
  const auto message = [](const char* function, const char* output) {
    return std::string("logz::") + function + ": v is 3 x 4, but " + output + " is 4 x 3";
  };
  CHECK_THROWS_WITH_AS(logz::softmax_jvp(v.rowwise(), p), message("softmax_jvp", "p").c_str(),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::log_softmax_jvp(v.colwise(), p), message("log_softmax_jvp", "log_p").c_str(),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::logsumexp_jvp(v.rowwise(), p), message("logsumexp_jvp", "p").c_str(),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(logz::logsumexp_hvp(v.rowwise(), p.rowwise()), message("logsumexp_hvp", "p").c_str(),
                       std::invalid_argument);
  CHECK_THROWS_AS(logz::logsumexp_jvp(v.row(0), p.row(0)), std::invalid_argument);
  Eigen::MatrixXf out = Eigen::MatrixXf::Constant(3, 5, 7);
  CHECK_THROWS_AS(out.leftCols(5) = logz::softmax_jvp(v.rowwise(), v), std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      out.col(0).head(2) = logz::logsumexp_jvp(v.rowwise(), v),
      "logz::logsumexp_jvp: the result is 3 x 1, but the destination is 2 x 1 and cannot be resized",
      std::invalid_argument);
  CHECK((out.array() == 7).all());
  Eigen::MatrixXf q = v;
  const auto kept = logz::logsumexp_jvp(v.rowwise(), q);
  q.resize(2, 2);
  CHECK_THROWS_AS(out.col(0) = kept, std::invalid_argument);
}
