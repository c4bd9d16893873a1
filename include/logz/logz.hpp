// SPDX-License-Identifier: MIT
//
// logz: softmax, log-softmax, log-sum-exp, their gradients and the classification losses, for Eigen.
#pragma once

#include "binary.hpp"
#include "config.hpp"
#include "cpu_target.hpp"
#include "divergence.hpp"
#include "log_softmax.hpp"
#include "logsumexp.hpp"
#include "loss.hpp"
#include "softmax.hpp"
