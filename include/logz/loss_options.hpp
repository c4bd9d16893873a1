// SPDX-License-Identifier: MIT
#pragma once

#include "config.hpp"

LOGZ_NAMESPACE_BEGIN

/// How the losses of the samples become one number.
enum class reduction {
  mean,  ///< class indices: their sum divided by the weights of the targets; probabilities: by the number of samples
  sum,  ///< their sum
};

/// The mean where there is nothing to average: no samples, all of them ignored, or weights that sum to 0.
enum class empty_mean {
  nan,   ///< NaN, as PyTorch
  zero,  ///< 0
};

/// Options of cross_entropy and nll_loss: PyTorch's, and z_loss. Scalar is the loss's type: the logits' scalar, float
/// for half types. The functions that give one loss per sample do not look at reduction and empty_mean.
template <class Scalar>
struct cross_entropy_options {
  /// A factor for each class; empty: 1.
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> weight{};
  /// Samples of this target do not count: loss and gradient are exactly 0. It may be a class. Class indices only.
  Eigen::Index ignore_index = -100;
  /// From 0 to 1: the share of the target's probability that is spread over all classes.
  Scalar label_smoothing = 0;
  logz::reduction reduction = logz::reduction::mean;
  /// Adds z_loss · (log Z)² to every sample's loss; its mean is over the samples that are not ignored. cross_entropy
  /// only.
  Scalar z_loss = 0;
  logz::empty_mean empty_mean = logz::empty_mean::nan;
};

/// What a call of cross_entropy can tell beside the loss, one number per sample. Resized by the call.
template <class Scalar>
struct cross_entropy_outputs {
  /// log Σ exp(x).
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1> log_z;
  /// The class of the largest logit, the first of several; NaN does not count, and 0 stands for no logit above -∞.
  Eigen::Matrix<Eigen::Index, Eigen::Dynamic, 1> argmax;
  /// argmax is the target; of probabilities, one that none exceeds. False for an ignored sample and for one without a
  /// distribution (only -∞, or with +∞ or NaN).
  Eigen::Array<bool, Eigen::Dynamic, 1> correct;
};

LOGZ_NAMESPACE_END
