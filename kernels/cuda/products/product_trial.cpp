#include "ripieno/kernels/cuda/products/product_trial.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/random.h"

namespace ripieno::kernels::cuda {
namespace {

struct Free {
  void operator()(void* memory) const { deallocate(memory); }
  void operator()(CUevent_st* event) const { destroy_event(event); }
};
using Memory = std::unique_ptr<void, Free>;
using Event = std::unique_ptr<CUevent_st, Free>;

// Random numbers, because products of zeros take less power and so less time than those in
// training.
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

class GpuTrial final : public Trial {
 public:
  GpuTrial(OnCuda on, const ProductProblem& problem, std::size_t bytes_to_flush)
      : on_(on), flush_bytes_(bytes_to_flush) {
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
  }

  double seconds(const std::function<void(OnCuda, const Operands&)>& work) override {
    // The host enqueues `work` while this flushes the cache, so that its own time is not measured.
    zero(flush_.get(), flush_bytes_, on_.stream);
    record(start_.get(), on_.stream);
    work(on_, operands_);
    record(end_.get(), on_.stream);
    synchronize(end_.get());
    return milliseconds_between(start_.get(), end_.get()) * 1e-3;
  }

 private:
  void* add(int64_t size, ElementType type) {
    memory_.emplace_back(allocate(static_cast<std::size_t>(size * size_of(type))));
    fill(on_, memory_.back().get(), size, type, memory_.size());
    return memory_.back().get();
  }

  OnCuda on_;
  std::size_t flush_bytes_;
  std::vector<Memory> memory_;  // freeing it waits for the last work
  Memory flush_{allocate(flush_bytes_)};
  Operands operands_;
  Event start_{create_event(/*timed=*/true)}, end_{create_event(/*timed=*/true)};
};

}  // namespace

std::unique_ptr<Trial> make_trial(OnCuda on, const ProductProblem& problem,
                                  std::size_t bytes_to_flush) {
  return std::make_unique<GpuTrial>(on, problem, bytes_to_flush);
}

}  // namespace ripieno::kernels::cuda
