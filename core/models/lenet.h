// LeNet: LeNet-5 (LeCun et al., 1998), with ReLU and maximum pooling.
#pragma once

#include <deque>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/convolution.h"
#include "ripieno/core/nn/linear.h"

namespace ripieno::nn {

struct LeNetOptions {
  int64_t inputs = 1;  // channels of an image
  int64_t height = 28, width = 28;
  int64_t classes = 10;
  std::vector<int64_t> channels = {6, 16};  // of the two convolutions
  std::vector<int64_t> hidden = {120, 84};  // width of each hidden linear layer
};

// Two convolutions of 5 x 5, each with ReLU and a pooling of 2 x 2, and linear layers. The first
// convolution keeps the size of the image; the second one too if the image is smaller than 20 x 20.
class LeNet final : public Module {
 public:
  // Throws ConfigurationError for sizes below 1, images smaller than 4 x 4, and too many
  // parameters.
  explicit LeNet(const LeNetOptions& options = {});

  // (batch, inputs, height, width) -> logits (batch, classes)
  Tensor forward(const Tensor& images) const override;
  // The cross entropy of (*this)(images). targets: (batch), int32 classes.
  Loss loss(const Tensor& images, const Tensor& targets) const {
    return cross_entropy((*this)(images), targets);
  }

  // The padding of the second convolution, and the elements of an image after the second pooling.
  static int64_t second_padding(const LeNetOptions& options);
  static int64_t features(const LeNetOptions& options);

 private:
  Conv2d conv1_, conv2_;
  std::deque<Linear> linear_;
};

}  // namespace ripieno::nn
