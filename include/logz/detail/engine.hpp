// SPDX-License-Identifier: MIT
//
// The one place that decides which implementation a call runs on. Here every scalar takes the generic path.
// Pointers, sizes and strides cross this boundary, nothing of Eigen's.
#pragma once

#include "generic.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {
namespace engine {

using generic::cross_entropy;
using generic::cross_entropy_with_grad;
using generic::log_softmax;
using generic::log_softmax_backward;
using generic::logsumexp;
using generic::logsumexp_backward;
using generic::partial;
using generic::softmax;
using generic::softmax_backward;

}  // namespace engine
}  // namespace detail
LOGZ_NAMESPACE_END
