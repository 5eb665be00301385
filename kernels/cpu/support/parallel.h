// parallel_for: the one place where a CPU kernel becomes several threads.
//
// Callers cut their work into items of a fixed size, so that no result depends on how many threads
// share them.
#pragma once

#include <algorithm>
#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels::cpu {

// Elements of simple arithmetic below which waking a team costs more than it gains.
inline constexpr int64_t kParallelGrain = 1 << 14;

// Elements of simple arithmetic in one item of for_each_block.
inline constexpr int64_t kBlock = 4096;

// Calls body(i) for each i of [0, count). work_per_item is in elements of simple arithmetic.
template <typename Body>
void parallel_for(int64_t count, [[maybe_unused]] int64_t work_per_item, const Body& body) {
#ifdef _OPENMP
  const int threads = cpu_threads();
  if (threads > 1 && count > 1 && count * work_per_item >= kParallelGrain && !omp_in_parallel()) {
    // Always the whole team: OpenMP would end the threads that a smaller one leaves over.
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
#endif
  for (int64_t i = 0; i < count; ++i) body(i);
}

// Calls body(begin, end) for consecutive blocks that cover [0, size).
template <typename Body>
void for_each_block(int64_t size, const Body& body) {
  if (size <= kBlock) {
    if (size > 0) body(int64_t{0}, size);
    return;
  }
  parallel_for((size + kBlock - 1) / kBlock, kBlock,
               [&](int64_t block) { body(block * kBlock, std::min(size, (block + 1) * kBlock)); });
}

// Calls body(row) for each row of a (rows, cols) matrix.
template <typename Body>
void for_each_row(int64_t rows, int64_t cols, const Body& body) {
  parallel_for(rows, cols, body);
}

}  // namespace ripieno::kernels::cpu
