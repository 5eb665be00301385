// ResNet (He et al., 2015, arXiv 1512.03385): 18 and 50 layers for photographs, 20 for small
// images.
//
// Parameters and buffers have the names of torchvision's, except that running_var is
// running_variance here. Where the shape changes, the residual connection is a convolution of 1 x 1
// with a batch norm.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/channel_norm.h"
#include "ripieno/core/nn/convolution.h"
#include "ripieno/core/nn/linear.h"

namespace ripieno::nn {

struct ResNetOptions {
  int64_t inputs = 3;  // channels of an image
  int64_t classes = 1000;
  std::vector<int64_t> blocks = {2, 2, 2, 2};  // of each stage
  // Channels of the first stage; each next stage has twice as many.
  int64_t width = 64;
  // Blocks of three convolutions, whose output has four times the channels, instead of two.
  bool bottleneck = false;
  // The first layer: a convolution of 3 x 3, instead of one of 7 x 7 with stride 2 and a pooling.
  bool small_images = false;
};

// resnet20 is the variant for CIFAR-10 of section 4.2 of the paper.
ResNetOptions resnet18(int64_t inputs = 3, int64_t classes = 1000);
ResNetOptions resnet50(int64_t inputs = 3, int64_t classes = 1000);
ResNetOptions resnet20(int64_t inputs = 3, int64_t classes = 10);

// relu(branch(x) + shortcut(x)), where the branch are two convolutions of 3 x 3, or three of 1 x 1,
// 3 x 3 and 1 x 1, each with a batch norm.
class ResNetBlock final : public Module {
 public:
  // `inputs` channels -> `width` channels, or 4 * width if `bottleneck`.
  ResNetBlock(int64_t inputs, int64_t width, int64_t stride, bool bottleneck);
  ~ResNetBlock() override;
  Tensor forward(const Tensor& x) const override;

 private:
  struct Shortcut;

  std::deque<Conv2d> convolutions_;
  std::deque<BatchNorm> norms_;
  std::unique_ptr<Shortcut> shortcut_;
};

class ResNet final : public Module {
 public:
  // Throws ConfigurationError for sizes below 1 and for too many parameters.
  explicit ResNet(const ResNetOptions& options = {});

  // (batch, inputs, height, width) -> logits (batch, classes)
  Tensor forward(const Tensor& images) const override;
  // The cross entropy of (*this)(images). targets: (batch), int32 classes.
  Loss loss(const Tensor& images, const Tensor& targets) const {
    return cross_entropy((*this)(images), targets);
  }

  const ResNetOptions& options() const { return options_; }

 private:
  ResNetOptions options_;
  Conv2d conv1_;
  BatchNorm bn1_;
  std::deque<ResNetBlock> blocks_;
  Linear fc_;
};

}  // namespace ripieno::nn
