// Dataset: samples that can be read in any order, for a BatchLoader.
//
// A data set is a pure function from an index to a sample. BatchLoader adds the order, the rows of
// each rank and the threads that read ahead.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/loader.h"

namespace ripieno::io {

// One tensor of a sample; in a batch it has one axis more, the rows, outermost.
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

// An uninitialized batch of `rows` rows, on the CPU.
Batch allocate(const SampleLayout& layout, int64_t rows);

// One row of a batch, which a data set fills. Throws Error where T is not the tensor's type, or
// there is no extra of that name.
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

  // Copies row `row` of all tensors of `rows`, whose layout is the same.
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

// Any number of threads call it at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  // Indices are 0 .. size() - 1.
  virtual int64_t size() const = 0;
  virtual SampleLayout layout() const = 0;
  // Fills every element of the row. May throw; BatchLoader::next() then throws the same.
  virtual void read(int64_t index, const SampleRow& into) const = 0;
  // Identifies the content: it changes with any sample.
  virtual std::string fingerprint() const = 0;

  // What the progress of training is counted in, and how many a sample has: on average where they
  // vary, as those of packed sequences do.
  virtual std::string_view unit() const { return "samples"; }
  virtual int64_t units_per_sample() const { return 1; }
  virtual bool units_vary() const { return false; }
  // Of one sample. Cheap, without reading it: every rank asks for the samples of all ranks.
  virtual int64_t units(int64_t) const { return units_per_sample(); }
};

// The index of the sample at each position, counted from the start of the run: a pure function,
// which several threads call at once.
using Order = std::function<int64_t(int64_t position)>;

// Every sample once an epoch, in another order in each epoch (sampler.h).
Order shuffled(int64_t size, uint64_t seed);

}  // namespace ripieno::io
