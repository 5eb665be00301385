// Dataset: the interface to implement for your own data: samples with random access by index.
//
// A data set is a pure function from an index to a sample. BatchLoader adds shuffling, the split
// between ranks and reading ahead in background threads.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/loader.h"

namespace ripieno::io {

// Shape and element type of one tensor of a sample. In a batch it has an additional outermost axis,
// the rows.
struct FieldLayout {
  Shape shape;
  DType dtype = DType::float32;
};

struct SampleLayout {
  FieldLayout inputs;
  FieldLayout targets = {{}, DType::int32};
  struct Extra {
    std::string name;  // "lengths", "mask", "document_ids"
    FieldLayout layout;
  };
  std::vector<Extra> extras = {};
};

// An uninitialized batch of `rows` rows on the CPU.
Batch allocate(const SampleLayout& layout, int64_t rows);

// One row of a batch, to be filled by Dataset::read(). Each accessor returns the row's elements,
// flattened, row-major. Throws Error if T is not the element type of the tensor, or if there is no
// extra `name`. The batch must outlive it.
class SampleRow {
 public:
  SampleRow(const Batch& batch, int64_t row) : batch_(batch), row_(row) {}

  template <typename T>
  std::span<T> inputs() const {
    return of<T>(batch_.inputs);
  }
  template <typename T>
  std::span<T> targets() const {
    return of<T>(batch_.targets);
  }
  template <typename T>
  std::span<T> extra(std::string_view name) const {
    return of<T>(batch_.extra(name));
  }

  // Fills this row with row `row` of every tensor of `rows`, which must have the same layout.
  void copy_from(const Batch& rows, int64_t row) const;

 private:
  template <typename T>
  std::span<T> of(const Tensor& tensor) const {
    const int64_t width = tensor.elements() / tensor.size(0);
    return {tensor.data<T>() + row_ * width, static_cast<std::size_t>(width)};
  }

  const Batch& batch_;
  int64_t row_;
};

// All functions must be thread-safe: BatchLoader calls them from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  // Number of samples. Indices are 0 .. size() - 1.
  virtual int64_t size() const = 0;
  // Shapes (without the rows) and element types of one sample; the same for all samples.
  virtual SampleLayout layout() const = 0;
  // Writes every element of the row; the batch is uninitialized. An exception is rethrown by
  // BatchLoader::next().
  virtual void read(int64_t index, const SampleRow& into) const = 0;
  // Identifies the content: must change if any sample changes. Compared when a run is resumed.
  virtual std::string fingerprint() const = 0;

  // What progress is counted in ("samples", "tokens"), and the number per sample: the average if
  // units_vary(), e.g. for sequences of different lengths.
  virtual std::string_view unit() const { return "samples"; }
  virtual int64_t units_per_sample() const { return 1; }
  virtual bool units_vary() const { return false; }
  // Number of units of sample `index`. Called only if units_vary(). Must be cheap, without reading
  // the sample: every rank calls it for the samples of all ranks.
  virtual int64_t units(int64_t) const { return units_per_sample(); }
};

// Returns the index of the sample at `position`, counted in samples from the start of the run. A
// pure function; several threads call it at once.
using Order = std::function<int64_t(int64_t position)>;

// Every sample once per epoch, shuffled differently in each epoch (sampler.h). Throws Error if size
// is below 1.
Order shuffled(int64_t size, uint64_t seed);

}  // namespace ripieno::io
