// TensorReads: the memory that operations read while they were recorded, with its version, so that
// recomputation can check that it is unchanged (recomputation.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ripieno/core/device/memory.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

struct Storage;

class TensorReads {
 public:
  // Tracks what the operations of this thread read while it exists, except within a NoGrad.
  // Trackers nest: an inner one also reports to the outer ones.
  class Tracking {
   public:
    explicit Tracking(TensorReads& reads);
    ~Tracking();
    Tracking(const Tracking&) = delete;
    Tracking& operator=(const Tracking&) = delete;

   private:
    friend class TensorReads;
    TensorReads& reads_;
    Tracking* const outer_;
  };

  // Called by autograd for each tensor that an operation reads or saves. Undefined ones are
  // skipped.
  static bool is_tracking();
  static void track(const Tensor& tensor);

  // Excludes this memory from require_unchanged() for good. For a model's buffers: they share one
  // arena, and thus one version, and the forward of any module may update its own.
  static void ignore_writes(const Tensor& tensor);

  void remove(const Tensor& tensor);
  // Removes memory that has been freed, which cannot be read again, and memory that was written
  // after it was first read. Call when the forward is done.
  void remove_freed_and_written();
  // Throws Error if memory that still exists was written after it was first read.
  void require_unchanged() const;

 private:
  struct Read {
    std::weak_ptr<Storage> memory;
    uint64_t version = 0;
    Shape shape;
    DType dtype = DType::float32;
  };

  Read* find(const std::shared_ptr<Storage>& memory);
  void add(const Tensor& tensor);

  std::vector<Read, PoolAllocator<Read>> reads_;
};

}  // namespace ripieno
