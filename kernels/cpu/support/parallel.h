// parallel_for: the only way for a CPU kernel to use several threads.
//
// Callers split work into items of a fixed size, so that results do not depend on the number of
// threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ripieno/kernels/cpu/support/team.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels::cpu {

// Elements of simple arithmetic below which waking the team costs more than it gains.
inline constexpr int64_t kParallelGrain = 1 << 14;

// Elements of simple arithmetic in one item of for_each_block.
inline constexpr int64_t kBlock = 4096;

// The loop over body, compiled once for both cases: all on one thread, or split between several.
template <typename Body>
[[gnu::noinline]] void run_indices(const void* object, int64_t begin, int64_t end) {
  const Body& body = *static_cast<const Body*>(object);
  for (int64_t i = begin; i < end; ++i) body(i);
}

// Calls body(i) for each i in [0, count). work_per_item is in elements of simple arithmetic.
template <typename Body>
void parallel_for(int64_t count, int64_t work_per_item, const Body& body) {
  const int threads = count > 1 && count * work_per_item >= kParallelGrain ? cpu_threads() : 1;
  run_by_team(count, threads, {&body, run_indices<Body>});
}

// Calls body(begin, end) for consecutive blocks that cover [0, size).
template <typename Body>
void for_each_block(int64_t size, const Body& body) {
  parallel_for((size + kBlock - 1) / kBlock, kBlock,
               [&](int64_t block) { body(block * kBlock, std::min(size, (block + 1) * kBlock)); });
}

// Calls body(row) for each row of a (rows, cols) matrix; cols is the work per row.
template <typename Body>
void for_each_row(int64_t rows, int64_t cols, const Body& body) {
  parallel_for(rows, cols, body);
}

}  // namespace ripieno::kernels::cpu
