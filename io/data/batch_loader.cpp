#include "ripieno/io/data/batch_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/loaded_rows.h"
#include "ripieno/io/data/prefetcher.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

void require_batch_size(int64_t batch_size) {
  if (batch_size >= 1) return;
  throw ConfigurationError(
      fmt::format("loader: batch_size must be at least 1 sample, got {}", batch_size));
}

void require_valid(Part part) {
  if (part.size >= 1 && part.rank >= 0 && part.rank < part.size && part.slots >= 0) return;
  throw ConfigurationError(
      fmt::format("loader: a part requires a rank of 0 to size - 1 and at least 0 slots, got rank "
                  "{}, size {}, slots {}; pass the session",
                  part.rank, part.size, part.slots));
}

std::span<const std::byte> bytes_of(const Tensor& rows) {
  return {static_cast<const std::byte*>(rows.raw_data()), rows.bytes()};
}

uint64_t identity_of(const Batch& batch) {
  if (batch.inputs.size(0) == 0) return 0;
  Hash hash;
  const std::array range = {batch.first_row, batch.global_rows};
  hash.add(std::as_bytes(std::span(range)));
  hash.add(bytes_of(batch.inputs));
  hash.add(bytes_of(batch.targets));
  return hash.value();
}

// The index of the sample at `position`.
int64_t index_at(const Dataset& data, const Order& order, int64_t position) {
  const int64_t index = order(position), size = data.size();
  if (0 <= index && index < size) return index;
  throw DataError(
      fmt::format("loader: the order gives sample {} at position {}, but the data set has {} "
                  "samples; use an order of that many, such as shuffled({}, seed)",
                  index, position, size, size));
}

int64_t units_of(const Dataset& data, const Order& order, int64_t position, int64_t rows) {
  if (!data.units_vary()) return rows * data.units_per_sample();
  int64_t units = 0;
  for (int64_t row = 0; row < rows; ++row)
    units += data.units(index_at(data, order, position + row));
  return units;
}

void fill_ignored(const Batch& batch, int64_t row) {
  const auto fill = [&](const Tensor& tensor, int byte) {
    const std::size_t width = tensor.bytes() / static_cast<std::size_t>(tensor.size(0));
    if (width == 0) return;
    std::memset(static_cast<std::byte*>(tensor.raw_data()) + static_cast<std::size_t>(row) * width,
                byte, width);
  };
  static_assert(kIgnoredTarget == -1);  // every byte is 0xff
  fill(batch.inputs, 0);
  fill(batch.targets, 0xff);
  for (const auto& extra : batch.extras) fill(extra.tensor, 0);
}

void read_row(const Dataset& data, int64_t index, Batch& batch, int64_t row, OnDataError on_error) {
  if (on_error == OnDataError::stop) return data.read(index, SampleRow(batch, row));
  std::string why;
  try {
    return data.read(index, SampleRow(batch, row));
  } catch (const DataError& error) {
    why = error.what();
  } catch (const StorageError& error) {
    why = error.what();
  }
  fill_ignored(batch, row);
  batch.skipped.add(1, why);
}

// The rows of `part` in the batch of `global_rows` samples that starts at `position`.
Batch make_batch(const Dataset& data, const Order& order, Part part, int64_t position,
                 int64_t global_rows, OnDataError on_error = OnDataError::stop) {
  const Rows rows = rows_of(part, global_rows);
  Batch batch = allocate(data.layout(), rows.count());
  batch.first_row = rows.begin;
  batch.global_rows = global_rows;
  batch.units = units_of(data, order, position, global_rows);
  for (int64_t row = 0; row < rows.count(); ++row)
    read_row(data, index_at(data, order, position + rows.begin + row), batch, row, on_error);
  return batch;
}

// Far from overflow, however long a run continues from there.
constexpr int64_t kLastPosition = int64_t{1} << 61;

Order sequential(int64_t size) {
  return [size](int64_t position) { return position % size; };
}

}  // namespace

BatchLoader::BatchLoader(std::shared_ptr<const Dataset> data, const Options& options, Part part)
    : data_(std::move(data)), options_(options), part_(part) {
  require_batch_size(options_.batch_size);
  require_valid(part);
  if (!data_) throw ConfigurationError("loader: the data set is a null pointer");
  if (data_->size() < 1) throw ConfigurationError("loader: the data set is empty");
  if (options_.threads < 1 || options_.ahead < 1) {
    throw ConfigurationError(
        fmt::format("loader: threads and ahead must be at least 1, got {} and "
                    "{}",
                    options_.threads, options_.ahead));
  }
  if (options_.on_error == OnDataError::skip && data_->layout().targets.dtype != DType::int32) {
    throw ConfigurationError(fmt::format(
        "loader: on_error = skip requires int32 targets, which can be ignored; they are "
        "{}",
        name_of(data_->layout().targets.dtype)));
  }
  if (!options_.order) options_.order = sequential(data_->size());
  prefetcher_ = std::make_unique<Prefetcher>(
      [this](int64_t position) {
        return make_batch(*data_, options_.order, part_, position, options_.batch_size,
                          options_.on_error);
      },
      options_.batch_size, options_.threads, options_.ahead);
}

BatchLoader::~BatchLoader() = default;

Batch BatchLoader::next() {
  Batch batch = prefetcher_->next();
  // Depends on the order, so that two equal loaders do not cancel.
  if (std::exchange(is_first_, false)) loaded_rows() = 31 * loaded_rows() + identity_of(batch);
  skipped_.add(batch.skipped);
  return batch;
}

std::optional<SkippedData> BatchLoader::skipped() const {
  if (options_.on_error == OnDataError::stop) return std::nullopt;
  return skipped_;
}

int64_t BatchLoader::position() const { return prefetcher_->position(); }
void BatchLoader::seek(int64_t position) {
  if (position < 0 || position > kLastPosition) {
    throw DataError(fmt::format("loader: seek({}): the position must be between 0 and {}", position,
                                kLastPosition));
  }
  prefetcher_->seek(position);
}

std::unique_ptr<EvaluationSet> BatchLoader::held_out(int64_t batch_size) const {
  if (!options_.validation || options_.validation->size() == 0) return nullptr;
  return std::make_unique<EvaluationBatches>(options_.validation, batch_size, part_);
}

EvaluationBatches::EvaluationBatches(std::shared_ptr<const Dataset> data, int64_t samples,
                                     Order order, int64_t batch_size, Part part)
    : data_(std::move(data)),
      samples_(samples),
      order_(std::move(order)),
      batch_size_(batch_size),
      part_(part) {
  require_batch_size(batch_size);
  require_valid(part);
}

EvaluationBatches::EvaluationBatches(std::shared_ptr<const Dataset> data, int64_t batch_size,
                                     Part part)
    : EvaluationBatches(
          data, data->size(), [](int64_t position) { return position; }, batch_size, part) {}

int64_t EvaluationBatches::batches() const {
  return samples_ / batch_size_ + (samples_ % batch_size_ != 0);
}

Batch EvaluationBatches::batch(int64_t index) const {
  if (index < 0 || index >= batches()) {
    fail(fmt::format("validation: batch {} was requested; there are batches 0 to {}", index,
                     batches() - 1));
  }
  const int64_t first = index * batch_size_;
  return make_batch(*data_, order_, part_, first, std::min(batch_size_, samples_ - first));
}

}  // namespace ripieno::io
