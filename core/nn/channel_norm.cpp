#include "ripieno/core/nn/channel_norm.h"

#include <fmt/format.h>

namespace ripieno::nn {
namespace {

void require_channels(const char* layer, int64_t channels) {
  if (channels >= 1) return;
  throw ConfigurationError(
      fmt::format("{}: channels is {}; it must be at least 1", layer, channels));
}

void require_epsilon(const char* layer, double epsilon) {
  if (epsilon >= 0.0) return;
  throw ConfigurationError(fmt::format("{}: epsilon is {}; it must be at least 0", layer, epsilon));
}

const BatchNormOptions& checked(const BatchNormOptions& options) {
  require_epsilon("batch_norm", options.epsilon);
  if (!(options.momentum >= 0.0 && options.momentum <= 1.0))
    throw ConfigurationError(
        fmt::format("batch_norm: momentum is {}; it must be between 0 and 1", options.momentum));
  return options;
}

}  // namespace

BatchNorm::BatchNorm(int64_t channels, const BatchNormOptions& options)
    : options_(checked(options)) {
  require_channels("batch_norm", channels);
  if (options.affine) {
    weight_ = add_parameter("weight", {channels}, Initial::constant(1.0));
    bias_ = add_parameter("bias", {channels}, Initial::constant(0.0));
  }
  if (options.running_statistics) {
    mean_ = add_buffer("running_mean", {channels});
    variance_ = add_buffer("running_variance", {channels}, Initial::constant(1.0));
  }
}

Tensor BatchNorm::forward(const Tensor& x) const {
  if (!is_training() && mean_.defined())
    return batch_norm_with(x, mean_, variance_, weight_, bias_, options_.epsilon);
  const bool synchronizes = is_training() && options_.synchronized && mean_.defined();
  const BatchNormalized result = batch_norm(x, weight_, bias_, options_.epsilon,
                                            synchronizes ? statistics_sum_of(mean_) : nullptr);
  if (mean_.defined()) {
    update_buffer(mean_, result.mean, options_.momentum);
    update_buffer(variance_, result.variance, options_.momentum);
  }
  return result.normalized;
}

GroupNorm::GroupNorm(int64_t groups, int64_t channels, const ChannelNormOptions& options)
    : groups_(groups), epsilon_(options.epsilon) {
  require_channels("group_norm", channels);
  require_epsilon("group_norm", options.epsilon);
  if (groups < 1 || channels % groups != 0)
    throw ConfigurationError(
        fmt::format("group_norm: channels is {}, groups is {}; channels must be a multiple of "
                    "groups",
                    channels, groups));
  if (!options.affine) return;
  weight_ = add_parameter("weight", {channels}, Initial::constant(1.0));
  bias_ = add_parameter("bias", {channels}, Initial::constant(0.0));
}

InstanceNorm::InstanceNorm(int64_t channels, const ChannelNormOptions& options)
    : epsilon_(options.epsilon) {
  require_channels("instance_norm", channels);
  require_epsilon("instance_norm", options.epsilon);
  if (!options.affine) return;
  weight_ = add_parameter("weight", {channels}, Initial::constant(1.0));
  bias_ = add_parameter("bias", {channels}, Initial::constant(0.0));
}

}  // namespace ripieno::nn
