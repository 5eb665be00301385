#include "ripieno/io/data/dataset.h"

#include <cstddef>
#include <cstring>

#include "ripieno/io/data/sampler.h"

namespace ripieno::io {
namespace {

Tensor allocate(const FieldLayout& layout, int64_t rows) {
  Shape shape = {rows};
  for (const int64_t size : layout.shape) shape.push_back(size);
  return Tensor(shape, layout.dtype);
}

void copy_row(const Tensor& to, int64_t to_row, const Tensor& from, int64_t from_row) {
  const std::size_t width = to.bytes() / static_cast<std::size_t>(to.size(0));
  if (width == 0) return;  // no elements per sample: there is no memory
  std::memcpy(
      static_cast<std::byte*>(to.raw_data()) + static_cast<std::size_t>(to_row) * width,
      static_cast<const std::byte*>(from.raw_data()) + static_cast<std::size_t>(from_row) * width,
      width);
}

}  // namespace

Batch allocate(const SampleLayout& layout, int64_t rows) {
  Batch batch{allocate(layout.inputs, rows), allocate(layout.targets, rows)};
  for (const auto& extra : layout.extras)
    batch.extras.push_back({extra.name, allocate(extra.layout, rows)});
  return batch;
}

void SampleRow::copy_from(const Batch& rows, int64_t row) const {
  copy_row(batch_.inputs, row_, rows.inputs, row);
  copy_row(batch_.targets, row_, rows.targets, row);
  for (const auto& [name, tensor] : rows.extras) copy_row(batch_.extra(name), row_, tensor, row);
}

Order shuffled(int64_t size, uint64_t seed) {
  return [sampler = Sampler(size, seed)](int64_t position) { return sampler.at(position); };
}

}  // namespace ripieno::io
