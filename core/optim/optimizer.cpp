#include "ripieno/core/optim/optimizer.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/copy.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::optim {
namespace {

using kernels::DecaySegment;
using kernels::StepScalars;

bool is_matrix(const ArenaLayout::Entry& entry) { return entry.shape.rank() >= 2; }

// One segment for each run of parameters of the same decay; frozen parameters are in none.
std::vector<DecaySegment> segments_of(const Parameters& parameters, const Common& common) {
  std::vector<DecaySegment> segments;
  const auto& entries = parameters.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!parameters.tensors()[i].requires_gradient()) continue;
    const int64_t begin = entries[i].offset;
    const int64_t end =
        i + 1 < entries.size() ? entries[i + 1].offset : parameters.layout().elements();
    const bool decays = common.decays ? common.decays(entries[i]) : is_matrix(entries[i]);
    const auto decay = static_cast<float>(decays ? common.weight_decay : 0.0);
    if (!segments.empty() && segments.back().end == begin &&
        segments.back().weight_decay == decay) {
      segments.back().end = end;
    } else {
      segments.push_back({begin, end, decay});
    }
  }
  return segments;
}

template <typename T>
Tensor bytes_on(Device device, const T* values, std::size_t count) {
  Tensor result({static_cast<int64_t>(count * sizeof(T))}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, values, Device::cpu(), count * sizeof(T));
  return result;
}

void check(const Common& common) {
  const auto require = [](bool holds, const char* name, double value, const char* wanted) {
    if (!holds)
      throw ConfigurationError(
          fmt::format("optimizer: {} is {}; it must be {}", name, value, wanted));
  };
  require(common.learning_rate >= 0.0, "learning_rate", common.learning_rate, "0 or more");
  require(common.weight_decay >= 0.0, "weight_decay", common.weight_decay, "0 or more");
  require(common.max_gradient_norm >= 0.0, "max_gradient_norm", common.max_gradient_norm,
          "0 or more");
}

}  // namespace

Optimizer::Optimizer(Parameters parameters, Common common)
    : parameters_(std::move(parameters)),
      common_(std::move(common)),
      learning_rate_(common_.learning_rate) {
  check(common_);
}

bool Optimizer::keeps_master() const {
  const DType dtype = parameters_.values().dtype();
  return dtype == DType::bfloat16 || dtype == DType::float16;
}

Arena& Optimizer::slot(const std::string& name) {
  for (auto& [known, arena] : slots_) {
    if (known == name) return *arena;
  }
  slots_.emplace_back(name, std::make_unique<Arena>(parameters_.shared_layout(), DType::float32,
                                                    parameters_.values().device()));
  if (name == "master") {
    Arena& arena = *slots_.back().second;
    arena.on_first_use([this, &arena] { arena.flat().copy_from(parameters_.values().flat()); });
  }
  return *slots_.back().second;
}

void Optimizer::allocate() {
  const Arena& values = parameters_.values();
  if (allocated_ && device_ == values.device() && dtype_ == values.dtype()) return;
  device_ = values.device();
  dtype_ = values.dtype();
  for (auto& [name, arena] : slots_) arena->to(device_, DType::float32);
  if (keeps_master()) master();
  prepare();
  const std::vector<DecaySegment> segments = segments_of(parameters_, common_);
  segments_ = bytes_on(device_, segments.data(), segments.size());
  const StepScalars scalars;
  scalars_ = bytes_on(device_, &scalars, 1);
  const int64_t chunks =
      (parameters_.layout().elements() + kernels::kSumChunk - 1) / kernels::kSumChunk;
  partial_sums_ = Tensor({chunks}, DType::float64, device_);
  sum_of_squares_ = Tensor({}, DType::float64, device_);
  one_ = Tensor::full({}, 1.0, DType::float64, device_);
  allocated_ = true;
}

std::vector<Optimizer::Slot> Optimizer::state() {
  allocate();
  std::vector<Slot> result;
  for (auto& [name, arena] : slots_) result.push_back({name, arena.get()});
  return result;
}

void Optimizer::corrections(int64_t, StepScalars&) const {}

void Optimizer::write_scalars() {
  StepScalars scalars;
  scalars.learning_rate = static_cast<float>(learning_rate_);
  corrections(steps_taken_, scalars);
  copy_bytes(scalars_.raw_data(), device_, &scalars, Device::cpu(), sizeof scalars);
}

void Optimizer::measure_gradients(const Tensor& count) {
  const Tensor gradients = parameters_.gradients().flat();
  const Tensor divisor = count.defined() ? count.to(DType::float64) : one_;
  run(gradients, [&]<typename T>(auto on) {
    kernels::sum_of_squares(on, sum_of_squares_.data<double>(), partial_sums_.data<double>(),
                            gradients.data<T>(), gradients.elements());
    kernels::finish_step_scalars(on, static_cast<StepScalars*>(scalars_.raw_data()),
                                 sum_of_squares_.data<double>(), divisor.data<double>(),
                                 common_.max_gradient_norm);
  });
}

void Optimizer::step(const Tensor& count) {
  const NoGrad no_grad;
  if (before_step_) before_step_();
  allocate();
  ++steps_taken_;
  parameters_.complete_gradients();
  write_scalars();
  measure_gradients(count);
  update(static_cast<const DecaySegment*>(segments_.raw_data()),
         segments_.elements() / static_cast<int64_t>(sizeof(DecaySegment)),
         static_cast<const StepScalars*>(scalars_.raw_data()));
  parameters_.clear_gradients();
}

double Optimizer::gradient_norm() const {
  if (!scalars_.defined()) return 0.0;
  const Tensor host = scalars_.to(Device::cpu());
  return static_cast<const StepScalars*>(host.raw_data())->gradient_norm;
}

}  // namespace ripieno::optim
