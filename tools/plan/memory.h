// The memory of a rank: what MemoryReport counts, exactly, and what a step needs beside it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ripieno/distributed/strategies/memory_report.h"
#include "ripieno/tools/plan/job.h"

namespace ripieno::tools::plan {

struct Memory {
  distributed::MemoryReport model;  // as DataParallel::memory_report() of rank 0 after a step
  int64_t activations = 0;          // kept from the forward for the backward
  int64_t temporary = 0;            // of the backward and the loss, beside them
  int64_t data = 0;                 // batches

  // The peak of all, with temporary memory of communication.
  int64_t total() const;
};

// `threads`: of the rank; in strict mode each computes a slot.
Memory memory_of(const Job& job, int ranks, std::size_t bucket_bytes, int threads);

// The bytes that a memory pool takes for a tensor of that size (core/device/memory.h): size
// classes, four per power of two.
int64_t pooled(int64_t bytes);

}  // namespace ripieno::tools::plan
