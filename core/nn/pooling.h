// Pooling and upsampling as layers, for sequences and images: for Sequential.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/pooling.h"
#include "ripieno/core/ops/upsample.h"

namespace ripieno::nn {

class MaxPool2d final : public Module {
 public:
  explicit MaxPool2d(const PerAxis& window, const MaxPoolOptions& options = {})
      : window_(window), options_(options) {}
  Tensor forward(const Tensor& x) const override { return max_pool(x, window_, options_); }

 private:
  PerAxis window_;
  MaxPoolOptions options_;
};

class AveragePool2d final : public Module {
 public:
  explicit AveragePool2d(const PerAxis& window, const AveragePoolOptions& options = {})
      : window_(window), options_(options) {}
  Tensor forward(const Tensor& x) const override { return average_pool(x, window_, options_); }

 private:
  PerAxis window_;
  AveragePoolOptions options_;
};

// The same functions pool sequences, along their only axis.
using MaxPool1d = MaxPool2d;
using AveragePool1d = AveragePool2d;

class AdaptiveMaxPool2d final : public Module {
 public:
  explicit AdaptiveMaxPool2d(const PerAxis& size) : size_(size) {}
  Tensor forward(const Tensor& x) const override { return adaptive_max_pool(x, size_); }

 private:
  PerAxis size_;
};

class AdaptiveAveragePool2d final : public Module {
 public:
  explicit AdaptiveAveragePool2d(const PerAxis& size) : size_(size) {}
  Tensor forward(const Tensor& x) const override { return adaptive_average_pool(x, size_); }

 private:
  PerAxis size_;
};

// (batch, channels, …) -> (batch, channels)
class GlobalAveragePool final : public Module {
 public:
  Tensor forward(const Tensor& x) const override { return global_average_pool(x); }
};

class Upsample final : public Module {
 public:
  // factor: by which each spatial axis grows, at least 1.
  explicit Upsample(const PerAxis& factor, Upsampling mode = Upsampling::kNearest)
      : factor_(factor), mode_(mode) {}
  Tensor forward(const Tensor& x) const override {
    const int64_t height = x.rank() == 4 ? x.size(2) : 1;
    return upsample(x, {height * factor_.y, x.size(-1) * factor_.x}, mode_);
  }

 private:
  PerAxis factor_;
  Upsampling mode_;
};

}  // namespace ripieno::nn
