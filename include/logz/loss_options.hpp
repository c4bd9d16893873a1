// SPDX-License-Identifier: MIT
#pragma once

#include "config.hpp"

LOGZ_NAMESPACE_BEGIN

/// How the losses of the samples become one number.
enum class reduction {
  mean,  ///< their sum divided by the number of samples; NaN without samples
  sum,   ///< their sum; 0 without samples
};

/// Options of nll_loss and cross_entropy. Scalar is the loss's type: the logits' scalar, float for half
/// types.
template <class Scalar>
struct cross_entropy_options {
  logz::reduction reduction = logz::reduction::mean;
};

LOGZ_NAMESPACE_END
