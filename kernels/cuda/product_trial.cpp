#include "ripieno/kernels/cuda/product_trial.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "ripieno/kernels/cuda/check.h"
#include "ripieno/kernels/cuda/runtime.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/random.h"

namespace ripieno::kernels::cuda {
namespace {

struct Free {
  void operator()(void* memory) const { deallocate(memory); }
};
using Memory = std::unique_ptr<void, Free>;

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(CUstream_st* stream) { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  double seconds_since(const Event& start) const {
    check(cudaEventSynchronize(event_), "cudaEventSynchronize");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, start.event_, event_), "cudaEventElapsedTime");
    return milliseconds * 1e-3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// A product of zeros takes less power, and so less time, than any that is met in training.
void fill(OnCuda on, void* memory, int64_t size, ElementType type, uint64_t stream) {
  const RandomKey key{.seed = 1, .stream = stream, .step = 0};
  const auto as = [&](auto* elements) { fill_normal(on, elements, size, 0.0, 1.0, key, 0); };
  switch (type) {
    case ElementType::kFloat32:
      return as(static_cast<float*>(memory));
    case ElementType::kFloat64:
      return as(static_cast<double*>(memory));
    case ElementType::kBFloat16:
      return as(static_cast<bfloat16*>(memory));
    default:
      return as(static_cast<float16*>(memory));
  }
}

// Twice what the second-level cache holds: writing it drives all else out.
std::size_t bytes_to_flush() {
  int device = 0, bytes = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device), "cudaDeviceGetAttribute");
  return 2 * static_cast<std::size_t>(std::max(bytes, 1 << 20));
}

class GpuTrial final : public Trial {
 public:
  GpuTrial(OnCuda on, const ProductProblem& problem) : on_(on), flush_bytes_(bytes_to_flush()) {
    const auto& [left, right, result, batch] = problem.matrices;
    const auto& [elements, results, tf32] = problem.types;
    operands_.left = add(extent_of(left, batch), elements);
    operands_.right = add(extent_of(right, batch), elements);
    operands_.result = add(extent_of(result, batch), results);
    if (problem.alignments.bias > 0) {
      operands_.bias = add(std::max(result.rows, result.cols), results);
    }
    if (problem.alignments.before_activation > 0) {
      operands_.before_activation = add(extent_of(result, batch), results);
    }
    flush_ = Memory(allocate(flush_bytes_));
  }
  // What was tried last may still run.
  ~GpuTrial() override { cudaStreamSynchronize(on_.stream); }

  double seconds(const std::function<void(OnCuda, const Operands&)>& work) override {
    // While the cache is driven out, the host enqueues the rest: its own time is not measured.
    zero(flush_.get(), flush_bytes_, on_.stream);
    start_.record(on_.stream);
    work(on_, operands_);
    end_.record(on_.stream);
    return end_.seconds_since(start_);
  }

 private:
  void* add(int64_t size, ElementType type) {
    memory_.emplace_back(allocate(static_cast<std::size_t>(size * size_of(type))));
    fill(on_, memory_.back().get(), size, type, memory_.size());
    return memory_.back().get();
  }

  OnCuda on_;
  std::size_t flush_bytes_;
  std::vector<Memory> memory_;
  Memory flush_;
  Operands operands_;
  Event start_, end_;
};

}  // namespace

std::unique_ptr<Trial> make_trial(OnCuda on, const ProductProblem& problem) {
  return std::make_unique<GpuTrial>(on, problem);
}

}  // namespace ripieno::kernels::cuda
