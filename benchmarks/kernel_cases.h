// The kernels that benchmarks/kernels.cpp measures, with the sizes of a GPT and random values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/core/dtype.h"

namespace ripieno::benchmarks {

struct KernelCase {
  std::string name;
  double bytes = 0;  // to be moved, for kernels bound by memory bandwidth
  double flops = 0;  // for matrix products; exactly one of the two is not 0
  std::function<void()> enqueue;
};

struct GptSizes {
  int64_t batch = 64, time = 1024, channels = 768, heads = 12, vocab = 50304;
  int64_t parameters = 124'475'904;  // updated by the optimizer
  int64_t chunk_rows = 4096;         // rows per chunk of logits

  int64_t rows() const { return batch * time; }
};
// gpt2-124m with 64 sequences of 1024 tokens, or sizes that a CPU computes quickly.
GptSizes sizes_of_gpt2();
GptSizes small_sizes();

// The first case is the copy to which the others are compared. Each case owns its tensors.
std::vector<KernelCase> kernel_cases(const GptSizes& sizes, Device device, DType dtype);

}  // namespace ripieno::benchmarks
