// TensorReads: which memory operations read while they were recorded, and in which state, for what
// computes the same again later (recomputation.h).
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
  // While one lives, notes what operations of this thread read, unless within a NoGrad. One within
  // another leaves its notes to both.
  class Noting {
   public:
    explicit Noting(TensorReads& reads);
    ~Noting();
    Noting(const Noting&) = delete;
    Noting& operator=(const Noting&) = delete;

   private:
    friend class TensorReads;
    TensorReads& reads_;
    Noting* const outer_;
  };

  // By autograd, for each tensor that an operation takes or keeps. Undefined ones are passed over.
  static bool are_noted();
  static void note(const Tensor& tensor);

  // From now on, writes to this memory are no change to anybody who read it. For a model's buffers:
  // all lie in one arena, with one version, and any module's forward may move its own.
  static void pass_over(const Tensor& tensor);

  void forget(const Tensor& tensor);
  // Once all is read: memory that is gone, which nothing can read again, and memory that was
  // written since it was read, by whoever reads.
  void forget_gone_and_written();
  // Throws Error where memory that is still there was written after it was first read.
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
