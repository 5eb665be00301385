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
  const auto require = [](bool holds, const char* name, double value, const char* wanted) {
    if (holds) return;
    throw ConfigurationError(fmt::format("diloco: {} is {}; it must be {}", name, value, wanted));
  };
  require(options.steps >= 1, "steps", static_cast<double>(options.steps), "1 or more");
  require(options.outer_learning_rate > 0.0, "outer_learning_rate", options.outer_learning_rate,
          "more than 0");
  require(options.outer_momentum >= 0.0 && options.outer_momentum < 1.0, "outer_momentum",
          options.outer_momentum, "in [0, 1)");
}

template <typename T>
Tensor bytes_on(Device device, const T* values, std::size_t count) {
  const std::size_t bytes = count * sizeof(T);
  Tensor result({static_cast<int64_t>(bytes)}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, values, Device::cpu(), bytes);
  return result;
}

// out = a - b, in float, rounded to out's type.
void subtract_into(Tensor out, const Tensor& a, const Tensor& b) {
  if (out.dtype() != DType::float32) return out.copy_from(a - b);
  run(out, [&]<typename T>(auto on) {
    kernels::binary(on, out.data<T>(), a.data<T>(), b.data<T>(), out.elements(),
                    kernels::Binary::kSubtract);
  });
}

void scale(const Tensor& x, double factor) {
  run(x, [&]<typename T>(auto on) {
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

// Parameters that were frozen or thawed since the last outer step take part from this one on.
void Diloco::plan_runs() {
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
    anchor_.flat().copy_from(truth());
    plan_runs();
  }
  is_alike_ = false;
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
  if (std::exchange(is_alike_, true)) return;
  for (const auto& slot : optimizer_.state()) {
    if (slot.name == kOuterMomentum || slot.name == "master") continue;  // alike
    const Tensor state = slot.arena->flat();
    communicator_.all_reduce(state);
    scale(state, 1.0 / communicator_.size());
  }
}

void Diloco::report(MemoryReport& report) {
  const int64_t kept = anchor_.layout().elements() * static_cast<int64_t>(sizeof(float));
  report.lines.push_back({.what = "kept for less traffic", .bytes = kept});
}

// The arena of the gradients, which the optimizer has used up, holds how far this rank has come.
void Diloco::outer_step() {
  const NoGrad no_grad;
  const Parameters& parameters = optimizer_.parameters();
  const Tensor gradient = parameters.gradients().flat(), anchor = anchor_.flat();
  Tensor values = parameters.values().flat(), truth = this->truth();
  subtract_into(gradient, anchor, truth);
  sum_over_ranks(gradient);
  truth.copy_from(anchor);
  const bool narrow = values.dtype() != DType::float32;
  const auto momentum = static_cast<float>(options_.outer_momentum);
  run(values, [&]<typename T>(auto on) {
    kernels::sgd<T>(on,
                    {.parameter = values.data<T>(),
                     .master = narrow ? truth.data<float>() : nullptr,
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

// The parameters in float32.
Tensor Diloco::truth() const {
  Arena& values = optimizer_.parameters().values();
  if (values.dtype() == DType::float32) return values.flat();
  for (const auto& slot : optimizer_.state()) {
    if (slot.name == "master") return slot.arena->flat();
  }
  fail("diloco: the optimizer keeps no parameters in float32");
}

}  // namespace ripieno::distributed
