// The kernels that benchmarks/kernels.cpp times, at the sizes of a GPT, on random numbers.
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
  double bytes = 0;  // that must move, for what memory bounds
  double flops = 0;  // for products; exactly one of the two is not 0
  std::function<void()> enqueue;
};

struct GptSizes {
  int64_t batch = 64, time = 1024, channels = 768, heads = 12, vocab = 50304;
  int64_t parameters = 124'475'904;  // for optimizers
  int64_t chunk_rows = 4096;         // of logits

  int64_t rows() const { return batch * time; }
};
// gpt2-124m with 64 sequences of 1024, or what a processor computes in a moment.
GptSizes sizes_of_gpt2();
GptSizes small_sizes();

// The first is the copy that the others are measured by. They keep the memory that they use.
std::vector<KernelCase> kernel_cases(const GptSizes& sizes, Device device, DType dtype);

}  // namespace ripieno::benchmarks
