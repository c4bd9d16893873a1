// SPDX-License-Identifier: MIT
#pragma once

#include "config.hpp"

LOGZ_NAMESPACE_BEGIN

/// How the terms of a divergence become one number.
enum class kl_reduction {
  mean,       ///< their sum divided by the number of elements; NaN without elements
  batchmean,  ///< their sum divided by the number of slices, the divergence by its definition; NaN without slices
  sum,        ///< their sum; 0 without elements
};

/// Options of kl_div.
struct kl_div_options {
  kl_reduction reduction = kl_reduction::mean;
  /// The target holds log-probabilities.
  bool log_target = false;
};

LOGZ_NAMESPACE_END
