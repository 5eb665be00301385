// The emulator's kernel execution: runs the blocks of a grid one after another on the CPU, with a
// fiber for each CUDA thread of a block, and reports behavior that is undefined on a GPU.
//
// For tests of kernels on hosts without a GPU. Runs one launch at a time (streams.h has the lock).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ripieno/kernels/emulator/dimensions.h"
#include "ripieno/kernels/emulator/emulation.h"

namespace ripieno::simt {

// Calls body(argument) once for each thread of the grid. Rethrows an exception of a thread; the
// emulator remains usable.
void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, void (*body)(void*), void* argument);

// All barriers that any kernel has executed so far, as "file:line".
std::vector<std::string> barriers_met();

// ---- For built_ins.h; called by the running CUDA thread.

void barrier(Location where);
// Returns when all lanes of `mask` have called it; each must then call done_reading().
Gathered gather(unsigned mask, Collective kind, const void* value, unsigned bytes, Location where);
void done_reading(const Gathered& gathered);
unsigned current_lane();

// Shared memory of the current block, initially NaN. The same `name` gives the same memory.
void* shared_memory(const void* name, std::size_t bytes, std::size_t alignment);
void* dynamic_shared_memory();
[[noreturn]] void fail(const std::string& what);

}  // namespace ripieno::simt
