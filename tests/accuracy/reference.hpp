// SPDX-License-Identifier: MIT
//
// The exact results, from the formulas alone: MPFR with 50 decimal digits (169 bits). A result of n numbers is off by
// at most (n + 10) 2^-168 of its unit, for 2^24 numbers 2^-143, and by 2^-127 as it is stored in two long doubles:
// 2^-73 ulp of double.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/multiprecision/mpfr.hpp>

#include "exact.hpp"

namespace accuracy {

using big = boost::multiprecision::number<
    boost::multiprecision::mpfr_float_backend<50, boost::multiprecision::allocate_stack>,
    boost::multiprecision::et_off>;

/// One slice's exact partition, and the arguments of its functions; these are numbers of the type under test.
class reference {
 public:
  explicit reference(std::vector<long double> x);

  const std::vector<big>& softmax() const { return p_; }
  big log_softmax(std::size_t l) const { return (big(x_[l]) - max_) - log_sum_; }
  big log_z() const { return max_ + log_sum_; }
  big entropy() const { return log_sum_ + mean_gap(); }

  /// The results of a function of calls(), whose arguments beyond x are given. digits: of the type of the results.
  std::vector<exact> of(const std::string& function, const arguments<long double>& given, int digits) const;

 private:
  big mean_gap() const;  // Σ p (max - x)
  std::vector<exact> loss(const std::string& form, const std::string& kind,
                          const arguments<long double>& given) const;

  std::vector<long double> x_;
  big max_;
  std::size_t top_ = 0;  // an element that is the maximum
  std::vector<big> e_;   // exp(x - max)
  big others_;           // their sum without e_[top_]
  big sum_;              // with it
  big log_sum_;
  std::vector<big> p_;
};

}  // namespace accuracy
