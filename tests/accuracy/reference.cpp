// SPDX-License-Identifier: MIT
#include "reference.hpp"

#include <map>
#include <stdexcept>
#include <utility>

namespace accuracy {
namespace {

exact stored(const big& value, const big& unit) {
  const auto high = static_cast<long double>(value);
  return {high, static_cast<long double>(value - high), static_cast<long double>(unit)};
}
exact stored(const big& value) { return stored(value, value); }

big larger(const big& a, const big& b) {
  const big p = abs(a), q = abs(b);
  return p < q ? q : p;
}

/// Σ a b, and Σ |a b|.
template <class A, class B>
std::pair<big, big> dot(const A& a, const B& b) {
  big sum = 0, magnitudes = 0;
  for (std::size_t l = 0; l < a.size(); ++l) {
    const big product = big(a[l]) * b[l];
    sum += product;
    magnitudes += abs(product);
  }
  return {sum, magnitudes};
}

/// p (v - Σ p v) of each, in ulp of the larger of its two terms.
template <class P>
std::vector<exact> centred(const std::vector<long double>& v, const P& p, const big& factor) {
  const big mean = dot(v, p).first;
  std::vector<exact> r;
  for (std::size_t l = 0; l < v.size(); ++l) {
    const big scaled = big(p[l]) * factor;
    r.push_back(stored(scaled * (v[l] - mean), scaled * larger(v[l], mean)));
  }
  return r;
}

big softplus(const big& x) { return x > 0 ? big(x + log1p(exp(big(-x)))) : big(log1p(exp(x))); }
big logistic(const big& x) { return 1 / (1 + exp(big(-x))); }

template <class F>
std::vector<exact> elementwise(std::size_t count, const F& f) {
  std::vector<exact> r;
  r.reserve(count);
  for (std::size_t l = 0; l < count; ++l) r.push_back(f(l));
  return r;
}

}  // namespace

reference::reference(std::vector<long double> x) : x_(std::move(x)) {
  top_ = static_cast<std::size_t>(std::max_element(x_.begin(), x_.end()) - x_.begin());
  max_ = x_[top_];
  others_ = 0;
  for (std::size_t l = 0; l < x_.size(); ++l) {
    e_.push_back(exp(big(x_[l] - max_)));
    if (l != top_) others_ += e_[l];
  }
  sum_ = others_ + 1;
  log_sum_ = log1p(others_);
  for (const big& e : e_) p_.push_back(e / sum_);
}

big reference::mean_gap() const {
  big mean = 0;
  for (std::size_t l = 0; l < x_.size(); ++l) mean += p_[l] * (max_ - x_[l]);
  return mean;
}

std::vector<exact> reference::of(const std::string& function, const arguments<long double>& a,
                                 int digits) const {
  const std::size_t n = x_.size();
  const auto each = [n](const auto& f) { return elementwise(n, f); };
  const auto& x = x_;

  if (function == "softmax" || function == "softmin")
    return each([&](std::size_t l) { return stored(p_[l]); });
  if (function == "log_softmax") return each([&](std::size_t l) { return stored(log_softmax(l)); });
  // Where max and log Σ cancel, in ulp of max.
  if (function == "logsumexp") return {stored(log_z(), abs(log_z()) < abs(max_) ? max_ : log_z())};
  if (function == "softmax_backward" || function == "softmax_jvp" || function == "logsumexp_hvp")
    return centred(a.g, a.p, 1);
  if (function == "log_softmax_backward") {
    big sum = 0;
    for (const long double g : a.g) sum += g;
    return each([&](std::size_t l) {
      const big part = exp(big(a.log_p[l])) * sum;
      return stored(a.g[l] - part, larger(a.g[l], part));
    });
  }
  if (function == "logsumexp_backward") return each([&](std::size_t l) { return stored(upstream * p_[l]); });
  if (function == "log_softmax_jvp") {
    std::vector<big> p;
    for (const long double lp : a.log_p) p.push_back(exp(big(lp)));
    const auto [mean, magnitude] = dot(a.g, p);
    return each(
        [&, m = mean, size = magnitude](std::size_t l) { return stored(a.g[l] - m, larger(a.g[l], size)); });
  }
  if (function == "logsumexp_jvp") {
    const auto [sum, magnitude] = dot(a.g, a.p);
    return {stored(sum, larger(sum, ldexp(magnitude, -digits)))};
  }
  if (function == "entropy") return {stored(entropy())};
  if (function == "entropy_backward") {
    const big mean = mean_gap();
    return each([&](std::size_t l) {
      const big distance = max_ - x[l], factor = upstream * p_[l];
      return stored(factor * (distance - mean), factor * larger(distance, mean));
    });
  }
  if (function == "kl_div") {
    big sum = 0, size = 0;
    for (std::size_t l = 0; l < n; ++l) {
      if (a.t[l] == 0) continue;
      const big t = a.t[l], log_t = log(t);
      sum += t * (log_t - a.log_p[l]);
      size += t * (abs(log_t) + abs(big(a.log_p[l])));
    }
    return {stored(sum, size)};
  }
  if (function == "kl_div, log_target") {
    big sum = 0, size = 0;
    for (std::size_t l = 0; l < n; ++l) {
      const big term = exp(big(a.log_p[l])) * (big(a.log_p[l]) - x[l]);
      sum += term;
      size += abs(term);
    }
    return {stored(sum, size)};
  }
  if (function == "kl_div gradient, log_target")
    return each([&](std::size_t l) { return stored(-exp(big(a.log_p[l]))); });
  if (function == "softplus") return each([&](std::size_t l) { return stored(softplus(x[l])); });
  if (function == "log_sigmoid") return each([&](std::size_t l) { return stored(-softplus(-x[l])); });
  if (function == "softplus_backward")
    return each([&](std::size_t l) { return stored(a.g[l] * logistic(x[l])); });
  if (function == "log_sigmoid_backward")
    return each([&](std::size_t l) { return stored(a.g[l] * logistic(-x[l])); });
  if (function == "binary_cross_entropy_with_logits") {
    return each([&](std::size_t l) {
      const big t = a.t[l];
      return stored((1 - t) * softplus(x[l]) + t * softplus(-x[l]));
    });
  }
  if (function == "binary_cross_entropy_with_logits gradient") {
    return each([&](std::size_t l) {
      const big t = a.t[l], no = (1 - t) * logistic(x[l]), yes = t * logistic(-x[l]);
      return stored(no - yes, larger(no, yes));
    });
  }
  const std::size_t comma = function.find(", ");
  return loss(function.substr(0, comma), comma == std::string::npos ? "" : function.substr(comma + 2), a);
}

// a (log Z - x_y) + s Σ u (log Z - x) + z (log Z)², with the shares u, the part a that is the target's alone, and
// the factors of the options: smoothing, weights, z_loss.
std::vector<exact> reference::loss(const std::string& form, const std::string& kind,
                                   const arguments<long double>& a) const {
  const std::size_t n = x_.size(), y = a.target;
  const auto has = [&](const char* word) { return kind.find(word) != std::string::npos; };
  const bool probabilities = has("probabilities"), all = has("all options");
  const big eps = all || has("smoothed") ? smoothing : 0, z = all ? z_loss : 0;
  const auto weight = [&](std::size_t l) { return all || has("weighted") ? big(a.weight[l]) : big(1); };
  const big spread = eps / n;
  const big hit = probabilities ? big(0) : big((1 - eps) * weight(y));
  std::vector<big> u;  // s u
  big total = 0;
  for (std::size_t l = 0; l < n; ++l) {
    u.push_back(weight(l) * (probabilities ? big((1 - eps) * a.t[l] + spread) : spread));
    total += u[l];
  }

  if (form == "nll_loss") {
    big sum = -hit * a.log_p[y];
    for (std::size_t l = 0; l < n; ++l) sum -= u[l] * a.log_p[l];
    return {stored(sum)};
  }
  if (form == "nll_loss gradient")
    return elementwise(n, [&](std::size_t l) { return stored(-u[l] - (l == y ? hit : big(0))); });

  if (form == "cross_entropy") {
    big sum = hit * ((max_ - x_[y]) + log_sum_) + total * log_sum_ + z * log_z() * log_z();
    for (std::size_t l = 0; l < n; ++l) sum += u[l] * (max_ - x_[l]);
    return {stored(sum)};
  }
  const big factor = form == "cross_entropy_backward" ? upstream : 1;
  if (form == "cross_entropy gradient" || form == "cross_entropy_backward") {
    return elementwise(n, [&](std::size_t l) {
      const big slope = l != y ? p_[l] : y == top_ ? big(-others_ / sum_) : big(-(sum_ - e_[y]) / sum_);
      const big plain = hit * slope, spread_out = p_[l] * total, of_z = 2 * z * log_z() * p_[l];
      const big largest = larger(larger(plain, spread_out), larger(u[l], of_z));
      return stored(factor * (plain + (spread_out - u[l]) + of_z), factor * largest);
    });
  }
  if (form == "cross_entropy_hvp") {
    // (W + 2 z log Z) p (v - Σ p v) + 2 z (Σ p v) p.
    const auto [sum, magnitude] = dot(a.g, p_);
    return elementwise(n, [&, mean = sum, size = magnitude](std::size_t l) {
      const big of_log_z = 2 * z * log_z(), of_mean = 2 * z * mean * p_[l];
      const big largest = (hit + total + abs(of_log_z)) * p_[l] * larger(a.g[l], size);
      return stored((hit + total + of_log_z) * p_[l] * (a.g[l] - mean) + of_mean, larger(largest, of_mean));
    });
  }
  throw std::invalid_argument("no reference for " + form);
}

}  // namespace accuracy
