// An emulator of one GPU on the CPU: runs the blocks of a grid one after another, each CUDA thread
// of a block a fiber, and reports what a GPU would leave undefined.
//
// For tests of kernels on machines without a GPU. One launch at a time (streams.h has the lock).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ripieno/kernels/emulator/dimensions.h"
#include "ripieno/kernels/emulator/emulation.h"

namespace ripieno::simt {

// Calls body(argument) once for each thread of the grid. Rethrows what a thread throws; the
// emulator can be used again after that.
void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, void (*body)(void*), void* argument);

// The barriers met since the program began, as "file:line".
std::vector<std::string> barriers_met();

// ---- For the built-ins (built_ins.h), called by the thread that is running.

void barrier(Location where);
// Returns once all lanes of `mask` have come; then each must call done_reading().
Gathered gather(unsigned mask, Collective kind, const void* value, unsigned bytes, Location where);
void done_reading(const Gathered& gathered);
unsigned current_lane();

// Shared memory starts as NaN in each block. The same `name` gives the same memory.
void* shared_memory(const void* name, std::size_t bytes, std::size_t alignment);
void* dynamic_shared_memory();
[[noreturn]] void fail(const std::string& what);

}  // namespace ripieno::simt
