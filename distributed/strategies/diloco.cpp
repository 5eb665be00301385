#include "ripieno/distributed/strategies/diloco.h"

#include <fmt/format.h>

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/elementwise.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::distributed {
namespace {

using kernels::ParameterSegment;
using kernels::StepScalars;

void check(const DilocoOptions& options) {
  const auto require = [](bool holds, const char* name, double value, const char* required) {
    if (holds) return;
    throw ConfigurationError(fmt::format("{} must be {}, got {}", name, required, value));
  };
  require(options.steps >= 1, "parallel.diloco_steps", static_cast<double>(options.steps),
          "at least 1");
  require(options.outer_learning_rate > 0.0, "parallel.outer_learning_rate",
          options.outer_learning_rate, "greater than 0");
  require(options.outer_momentum >= 0.0 && options.outer_momentum < 1.0, "parallel.outer_momentum",
          options.outer_momentum, "in [0, 1)");
}

template <typename T>
Tensor bytes_on(Device device, const T* values, std::size_t count) {
  const std::size_t bytes = count * sizeof(T);
  Tensor result({static_cast<int64_t>(bytes)}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, values, Device::cpu(), bytes);
  return result;
}

// out = a - b, computed in float32 and rounded to the type of out.
void subtract_into(Tensor out, const Tensor& a, const Tensor& b) {
  if (out.dtype() != DType::float32) return out.copy_from(a - b);
  run({"subtract", {&out, &a, &b}, out.elements()}, out, [&]<typename T>(auto on) {
    kernels::binary(on, out.data<T>(), a.data<T>(), b.data<T>(), out.elements(),
                    kernels::Binary::kSubtract);
  });
}

void scale(const Tensor& x, double factor) {
  run({"multiply", {&x, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::affine(on, x.data<T>(), x.data<T>(), x.elements(), factor, 0.0);
  });
}

}  // namespace

Diloco::Diloco(const Replica& replica, std::unique_ptr<GradientSum> sum,
               const DilocoOptions& options)
    : OneRank(replica),
      optimizer_(replica.optimizer),
      communicator_(replica.communicator),
      buckets_(buckets_of(replica.parameters().layout(),
                          size_of(replica.parameters().gradients().dtype()), replica.bucket_bytes)),
      trains_(replica.parameters().size()),
      sum_(std::move(sum)),
      options_((check(options), options)),
      momentum_(optimizer_.keep(kOuterMomentum)),
      anchor_(replica.parameters().shared_layout(), DType::float32,
              replica.parameters().values().device()) {
  const StepScalars scalars{.learning_rate = static_cast<float>(options.outer_learning_rate),
                            .gradient_scale = 1.0f / static_cast<float>(communicator_.size())};
  scalars_ = bytes_on(anchor_.device(), &scalars, 1);
}

// Accounts for parameters that were frozen or unfrozen since the last outer step.
void Diloco::find_trainable_runs() {
  const Parameters& parameters = optimizer_.parameters();
  if (!update_trainable(trains_, parameters)) return;
  runs_.clear();
  std::vector<ParameterSegment> segments;
  for (const Bucket& bucket : buckets_) {
    for (const Bucket& run : runs_of(bucket, parameters.layout(), trains_)) runs_.push_back(run);
  }
  const Bucket all{0, parameters.layout().elements(), 0, parameters.size()};
  for (const Bucket& run : runs_of(all, parameters.layout(), trains_)) {
    segments.push_back({run.begin, run.end, 0.0f});
  }
  segments_ = bytes_on(anchor_.device(), segments.data(), segments.size());
  segment_count_ = static_cast<int64_t>(segments.size());
}

void Diloco::before_update() {
  const NoGrad no_grad;
  if (steps_ == 0) {
    anchor_.flat().copy_from(float_parameters());
    find_trainable_runs();
  }
  state_is_equal_ = false;
}

bool Diloco::after_update() {
  if (++steps_ < options_.steps) return false;
  outer_step();
  return true;
}

void Diloco::synchronize_parameters() {
  if (steps_ > 0) outer_step();
}

void Diloco::synchronize() {
  const NoGrad no_grad;
  synchronize_parameters();
  if (std::exchange(state_is_equal_, true)) return;
  for (const auto& state : optimizer_.state()) {
    // These are equal on all ranks already.
    if (state.name == kOuterMomentum || state.name == "master") continue;
    const Tensor values = state.arena->flat();
    communicator_.all_reduce(values);
    scale(values, 1.0 / communicator_.size());
  }
}

void Diloco::report(MemoryReport& report) {
  const int64_t kept = anchor_.layout().elements() * static_cast<int64_t>(sizeof(float));
  report.lines.push_back({.what = "parameters at the last outer step", .bytes = kept});
}

// Uses the gradient arena, whose gradients the optimizer has consumed, for the difference.
void Diloco::outer_step() {
  const NoGrad no_grad;
  const Parameters& parameters = optimizer_.parameters();
  const Tensor gradient = parameters.gradients().flat(), anchor = anchor_.flat();
  Tensor values = parameters.values().flat(), in_float = float_parameters();
  subtract_into(gradient, anchor, in_float);
  sum_over_ranks(gradient);
  in_float.copy_from(anchor);
  const bool narrow = values.dtype() != DType::float32;
  const auto momentum = static_cast<float>(options_.outer_momentum);
  run({"outer sgd"}, values, [&]<typename T>(auto on) {
    kernels::sgd<T>(on,
                    {.parameter = values.data<T>(),
                     .master = narrow ? in_float.data<float>() : nullptr,
                     .gradient = gradient.data<T>(),
                     .size = gradient.elements(),
                     .segments = static_cast<const ParameterSegment*>(segments_.raw_data()),
                     .segment_count = segment_count_,
                     .scalars = static_cast<const StepScalars*>(scalars_.raw_data())},
                    momentum_.flat().data<float>(), {.momentum = momentum, .nesterov = true});
  });
  steps_ = 0;
}

void Diloco::sum_over_ranks(const Tensor& gradient) {
  if (communicator_.size() == 1) return;
  for (const Bucket& run : runs_) sum_->sum(run, gradient.slice(0, run.begin, run.end));
}

// The parameters in float32: the parameters themselves, or their master copy.
Tensor Diloco::float_parameters() const {
  Arena& values = optimizer_.parameters().values();
  if (values.dtype() == DType::float32) return values.flat();
  for (const auto& state : optimizer_.state()) {
    if (state.name == "master") return state.arena->flat();
  }
  fail(
      "diloco: the parameters are not float32 and the optimizer has no float32 master copy of "
      "them");
}

}  // namespace ripieno::distributed
