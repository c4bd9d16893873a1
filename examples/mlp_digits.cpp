// SPDX-License-Identifier: MIT

// A network of one hidden layer on 8×8 images of handwritten digits: minibatches, momentum, label smoothing.
// One call of cross_entropy_with_grad gives a batch's loss, how many of it were right, and the gradient by its logits.
//
// usage: mlp_digits [path/to/digits.csv]

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <random>
#include <stdexcept>
#include <utility>

#include <logz/loss.hpp>

#include "digits.hpp"

constexpr int hidden = 128, epochs = 40;
constexpr Index batch_size = 32;
constexpr float first_rate = 0.1f, momentum = 0.9f, weight_decay = 1e-4f;

// out = in * weights + bias, with the gradients' running mean.
struct layer {
  Eigen::MatrixXf weights, weight_step;
  Eigen::RowVectorXf bias, bias_step;

  // Normal numbers of variance 2 / inputs keep the variance of what passes a rectifier (He et al. 2015).
  layer(int inputs, int outputs, std::mt19937& generator)
      : weights(inputs, outputs),
        weight_step(Eigen::MatrixXf::Zero(inputs, outputs)),
        bias(Eigen::RowVectorXf::Zero(outputs)),
        bias_step(Eigen::RowVectorXf::Zero(outputs)) {
    std::normal_distribution<float> normal(0, std::sqrt(2.0f / static_cast<float>(inputs)));
    for (Index i = 0; i < weights.size(); ++i) weights(i) = normal(generator);
  }

  template <class In>
  Eigen::MatrixXf operator()(const In& in) const {
    return (in * weights).rowwise() + bias;
  }

  // One step down from the gradient by `out`.
  template <class In>
  void learn(const In& in, const Eigen::MatrixXf& grad_out, float rate) {
    weight_step = momentum * weight_step + in.transpose() * grad_out + weight_decay * weights;
    bias_step = momentum * bias_step + grad_out.colwise().sum();
    weights -= rate * weight_step;
    bias -= rate * bias_step;
  }
};

// The share of the images whose digit has the largest logit, in percent.
double accuracy(const layer& first, const layer& second, const samples& data) {
  const Eigen::MatrixXf logits = second(first(data.images).cwiseMax(0.0f));
  logz::cross_entropy_outputs<float> outputs;
  logz::cross_entropy(logits.rowwise(), data.digits, {}, outputs);
  return 100.0 * static_cast<double>(outputs.correct.count()) / static_cast<double>(data.digits.size());
}

void train_and_report(samples train, const samples& test) {
  std::mt19937 generator(1);
  layer first(pixels, hidden, generator), second(hidden, classes, generator);
  logz::cross_entropy_options<float> options;
  options.label_smoothing = 0.1f;
  logz::cross_entropy_outputs<float> outputs;
  const Index train_size = train.digits.size();
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    shuffle(train, generator);
    // From first_rate to 0 along half a cosine.
    const float rate =
        first_rate * 0.5f *
        (1 + std::cos(3.14159265f * static_cast<float>(epoch - 1) / static_cast<float>(epochs)));
    float loss = 0;
    Index right = 0;
    for (Index start = 0; start < train_size; start += batch_size) {
      const Index count = std::min(batch_size, train_size - start);
      const auto images = train.images.middleRows(start, count);
      const auto digits = train.digits.segment(start, count);

      const Eigen::MatrixXf active = first(images).cwiseMax(0.0f);
      Eigen::MatrixXf logits = second(active);
      Eigen::MatrixXf& grad = logits;  // written over the logits
      loss += logz::cross_entropy_with_grad(logits.rowwise(), digits, grad, options, outputs) *
              static_cast<float>(count);
      right += outputs.correct.count();

      // Through the second layer and the rectifier, before the second layer moves.
      const Eigen::MatrixXf grad_active =
          ((active.array() > 0).cast<float>() * (grad * second.weights.transpose()).array()).matrix();
      second.learn(active, grad, rate);
      first.learn(images, grad_active, rate);
    }
    std::printf("epoch %2d  loss %.4f  training accuracy %6.2f %%  test accuracy %.2f %%\n", epoch,
                static_cast<double>(loss) / static_cast<double>(train_size),
                100.0 * static_cast<double>(right) / static_cast<double>(train_size),
                accuracy(first, second, test));
  }
  std::printf("\ntest accuracy: %.2f %%\n", accuracy(first, second, test));
}

int main(int argc, char** argv) {
  try {
    if (argc > 2) throw std::runtime_error("usage: mlp_digits [path/to/digits.csv]");
    auto [train, test] = read_digits(argc == 2 ? argv[1] : "examples/data/digits.csv");
    train_and_report(std::move(train), test);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
