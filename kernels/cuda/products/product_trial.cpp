#include "ripieno/kernels/cuda/products/product_trial.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "ripieno/kernels/cuda/products/product_check.h"
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

// Calls body with the memory as a pointer to elements of that type.
template <typename Body>
void with_type(ElementType type, void* memory, Body body) {
  switch (type) {
    case ElementType::kFloat32:
      return body(static_cast<float*>(memory));
    case ElementType::kFloat64:
      return body(static_cast<double*>(memory));
    case ElementType::kBFloat16:
      return body(static_cast<bfloat16*>(memory));
    default:
      return body(static_cast<float16*>(memory));
  }
}

// An array of the trial. Random numbers, because products of zeros take less power and so less time
// than those in training.
struct Array {
  Array(int64_t size_, ElementType type_, uint64_t stream_)
      : size(size_), type(type_), stream(stream_), memory(allocate(bytes())) {}

  std::size_t bytes() const { return static_cast<std::size_t>(size * size_of(type)); }
  void fill(OnCuda on) const {
    const RandomKey key{.seed = 1, .stream = stream, .step = 0};
    with_type(type, memory.get(),
              [&](auto* elements) { fill_normal(on, elements, size, 0.0, 1.0, key, 0); });
  }

  int64_t size;
  ElementType type;
  uint64_t stream;
  Memory memory;
};

// The relative error of one rounded element, or of a factor that was rounded before.
double rounding_of(const ProductTypes& types) {
  if (types.elements == ElementType::kFloat64) return 0x1p-52;
  if (types.result == ElementType::kBFloat16) return 0x1p-8;
  if (types.result == ElementType::kFloat16) return 0x1p-11;
  return types.tf32 ? 0x1p-10 : 0x1p-23;
}

bool writes_before_activation(Epilogue epilogue) {
  return epilogue == Epilogue::kGeluKept || epilogue == Epilogue::kGeluBiasKept;
}

class GpuTrial final : public Trial {
 public:
  GpuTrial(OnCuda on, const ProductProblem& problem, std::size_t bytes_to_flush)
      : on_(on), problem_(problem), flush_bytes_(bytes_to_flush) {
    const auto& [left, right, result, batch] = problem.matrices;
    const auto& [elements, results, tf32] = problem.types;
    const bool has_epilogue = problem.epilogue != Epilogue::kNone;
    operands_.left = add(extent_of(left, batch), elements, false);
    operands_.right = add(extent_of(right, batch), elements, false);
    operands_.result = add(extent_of(result, batch), results, has_epilogue);
    if (problem.alignments.bias > 0) {
      operands_.bias = add(std::max(result.rows, result.cols), results,
                           problem.epilogue == Epilogue::kBiasGradient);
    }
    if (problem.alignments.before_activation > 0) {
      operands_.before_activation =
          add(extent_of(result, batch), results, writes_before_activation(problem.epilogue));
    }
    if (!has_epilogue) expect_sums();
  }

  void expect(const Work& steps) override {
    run(steps);
    for (const Output& output : outputs_) {
      copy(output.expected.get(), arrays_[output.array].memory.get(), arrays_[output.array].bytes(),
           on_.stream);
    }
  }

  std::string difference(const Work& work) override {
    run(work);
    int64_t differing = 0, all = 0;
    if (outputs_.empty()) {
      all = columns();
      sum_columns(sums_.get(), operands_.result, problem_.matrices.result, problem_.types.result,
                  weights_.get(), 0, false);
      differing = count(static_cast<double*>(sums_.get()),
                        static_cast<double*>(expected_sums_.get()), all, tolerance_of_sums());
    }
    for (const Output& output : outputs_) {
      const Array& array = arrays_[output.array];
      all += array.size;
      with_type(array.type, array.memory.get(), [&](auto* actual) {
        const auto* expected = static_cast<decltype(actual)>(output.expected.get());
        differing += count(actual, expected, array.size, tolerance_of_elements());
      });
    }
    if (differing == 0) return "";
    return std::to_string(differing) + " of " + std::to_string(all) +
           (outputs_.empty() ? " columns" : " elements");
  }

  double seconds(const Work& work) override {
    // The host enqueues `work` while this flushes the cache, so that its own time is not measured.
    zero(flush_.get(), flush_bytes_, on_.stream);
    record(start_.get(), on_.stream);
    work(on_, operands_);
    record(end_.get(), on_.stream);
    synchronize(end_.get());
    return milliseconds_between(start_.get(), end_.get()) * 1e-3;
  }

 private:
  // What the work writes, as an index of arrays_, and what it should be.
  struct Output {
    std::size_t array;
    Memory expected;
  };

  void* add(int64_t size, ElementType type, bool is_compared) {
    const Array& array = arrays_.emplace_back(size, type, arrays_.size() + 1);
    array.fill(on_);
    if (is_compared) outputs_.push_back({arrays_.size() - 1, Memory(allocate(array.bytes()))});
    return array.memory.get();
  }

  // Runs the work on what the arrays held at first, since it may add to its result.
  void run(const Work& work) {
    for (const Array& array : arrays_) array.fill(on_);
    work(on_, operands_);
  }

  int64_t columns() const { return problem_.matrices.batch * problem_.matrices.result.cols; }

  void expect_sums() {
    const auto& [left, right, result, batch] = problem_.matrices;
    const auto doubles = [](int64_t size) {
      return Memory(allocate(static_cast<std::size_t>(size) * sizeof(double)));
    };
    const int64_t inner = inner_size_of(problem_.matrices);
    const Memory of_left = doubles(batch * inner);
    weights_ = doubles(result.rows);
    sums_ = doubles(columns());
    expected_sums_ = doubles(columns());
    counts_ = Memory(allocate(kMostCounts * sizeof(int32_t)));
    fill_normal(on_, static_cast<double*>(weights_.get()), result.rows, 0.0, 1.0,
                {.seed = 1, .stream = 0, .step = 0}, 0);
    sum_columns(of_left.get(), operands_.left, left, problem_.types.elements, weights_.get(), 0,
                false);
    if (problem_.accumulate) {
      sum_columns(expected_sums_.get(), operands_.result, result, problem_.types.result,
                  weights_.get(), 0, false);
    }
    sum_columns(expected_sums_.get(), operands_.right, right, problem_.types.elements,
                of_left.get(), inner, problem_.accumulate);
  }

  void sum_columns(void* sums, const void* memory, const ColumnMajorMatrix& matrix,
                   ElementType type, const void* weights, int64_t weights_stride,
                   bool accumulate) const {
    with_type(type, const_cast<void*>(memory), [&](auto* elements) {
      weighted_column_sums(on_, static_cast<double*>(sums), static_cast<const double*>(weights),
                           weights_stride, elements, matrix, problem_.matrices.batch, accumulate);
    });
  }

  // Eight times the usual error of an element: sums of k products of numbers around 1 are around
  // the square root of k; rounding adds to the error of the sum itself, which is in float at worst.
  Tolerance tolerance_of_elements() const {
    const double size = std::sqrt(static_cast<double>(inner_size_of(problem_.matrices)) + 1.0);
    const double of_sums = problem_.types.elements == ElementType::kFloat64 ? 0x1p-52 : 0x1p-23;
    const double error = 8 * (rounding_of(problem_.types) + size * of_sums);
    return {error * size, error};
  }
  // Errors of the elements of a column are independent.
  Tolerance tolerance_of_sums() const {
    const double rows = static_cast<double>(problem_.matrices.result.rows);
    return {tolerance_of_elements().absolute * std::sqrt(rows), 0};
  }

  template <typename T>
  int64_t count(const T* actual, const T* expected, int64_t size, const Tolerance& tolerance) {
    if (!counts_) counts_ = Memory(allocate(kMostCounts * sizeof(int32_t)));
    auto* const counts = static_cast<int32_t*>(counts_.get());
    count_differences(on_, counts, actual, expected, size, tolerance);
    std::vector<int32_t> of_blocks(static_cast<std::size_t>(counts_of_differences(size)));
    copy(of_blocks.data(), counts, of_blocks.size() * sizeof(int32_t), on_.stream);
    synchronize(on_.stream);
    return std::accumulate(of_blocks.begin(), of_blocks.end(), int64_t{0});
  }

  OnCuda on_;
  ProductProblem problem_;
  std::size_t flush_bytes_;
  std::vector<Array> arrays_;  // freeing them waits for the last work
  std::vector<Output> outputs_;
  Memory weights_, sums_, expected_sums_, counts_;
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
