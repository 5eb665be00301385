// MemoryLoader: batches of training data that is already in tensors, like PyTorch's TensorDataset.
//
//   io::MemoryLoader loader(x, y, {.batch_size = 32, .order = io::shuffled(x.size(0), seed)});
#pragma once

#include <string>
#include <vector>

#include "ripieno/io/data/batch_loader.h"

namespace ripieno::io {

// Sample i is row i of each tensor. Shares the memory of contiguous tensors, which must not change
// afterwards.
class MemoryDataset final : public Dataset {
 public:
  // All tensors are (n, …), on the CPU. Throws Error if they are on a GPU or their numbers of rows
  // differ.
  MemoryDataset(const Tensor& inputs, const Tensor& targets, std::vector<NamedTensor> extras = {});

  int64_t size() const override { return rows_.inputs.size(0); }
  SampleLayout layout() const override;
  void read(int64_t index, const SampleRow& into) const override;
  std::string fingerprint() const override;

 private:
  Batch rows_;
};

class MemoryLoader final : public BatchLoader {
 public:
  // Throws as MemoryDataset and BatchLoader.
  MemoryLoader(const Tensor& inputs, const Tensor& targets, const Options& options, Part part = {});
};

}  // namespace ripieno::io
