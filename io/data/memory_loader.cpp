#include "ripieno/io/data/memory_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

// `tensor` made contiguous, after checking that it is on the CPU and has as many rows as `first`.
Tensor rows_like(const Tensor& first, const Tensor& tensor, const std::string& name) {
  if (tensor.rank() < 1 || tensor.size(0) != first.size(0)) {
    fail(
        fmt::format("memory data set: {} is {}, inputs are {}; they must have the same number of "
                    "rows",
                    name, to_string(tensor.shape()), to_string(first.shape())));
  }
  if (tensor.device().is_cuda())
    fail(fmt::format("memory data set: {} must be on the CPU, got {}", name,
                     to_string(tensor.device())));
  return tensor.dense();
}

FieldLayout layout_of(const Tensor& rows) {
  Shape shape;
  for (int axis = 1; axis < rows.rank(); ++axis) shape.push_back(rows.size(axis));
  return {shape, rows.dtype()};
}

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw_data()), tensor.bytes()};
}

void add(Hash& hash, const std::string& name, const Tensor& tensor) {
  const std::string form = name + to_string(tensor.shape()) + std::string(name_of(tensor.dtype()));
  hash.add(std::as_bytes(std::span(form)));
  hash.add(bytes_of(tensor));
}

}  // namespace

MemoryDataset::MemoryDataset(const Tensor& inputs, const Tensor& targets,
                             std::vector<NamedTensor> extras) {
  if (inputs.rank() < 1) fail("memory data set: inputs must be (n, …), got a scalar");
  rows_.inputs = rows_like(inputs, inputs, "inputs");
  rows_.targets = rows_like(inputs, targets, "targets");
  for (const auto& [name, tensor] : extras)
    rows_.extras.push_back({name, rows_like(inputs, tensor, name)});
}

SampleLayout MemoryDataset::layout() const {
  SampleLayout layout{layout_of(rows_.inputs), layout_of(rows_.targets), {}};
  for (const auto& [name, tensor] : rows_.extras)
    layout.extras.push_back({name, layout_of(tensor)});
  return layout;
}

void MemoryDataset::read(int64_t index, const SampleRow& into) const {
  into.copy_from(rows_, index);
}

std::string MemoryDataset::fingerprint() const {
  Hash hash;
  add(hash, "inputs", rows_.inputs);
  add(hash, "targets", rows_.targets);
  for (const auto& [name, tensor] : rows_.extras) add(hash, name, tensor);
  return hexadecimal(hash.value());
}

MemoryLoader::MemoryLoader(const Tensor& inputs, const Tensor& targets, const Options& options,
                           Part part)
    : BatchLoader(std::make_shared<const MemoryDataset>(inputs, targets), options, part) {}

}  // namespace ripieno::io
