#include "ripieno/kernels/emulator/emulator.h"

#include "ripieno/kernels/emulator/sanitizers.h"
#include "ripieno/kernels/emulator/scheduler.h"

namespace ripieno::simt {

void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, void (*body)(void*),
              void* argument) {
  Scheduler::instance().run_grid(grid, block, shared_bytes, body, argument);
}

std::vector<std::string> barriers_met() { return Scheduler::instance().barriers_met(); }

void barrier(Location where) { Scheduler::instance().barrier(where); }

Gathered gather(unsigned mask, Collective kind, const void* value, unsigned bytes, Location where) {
  return Scheduler::instance().gather(mask, kind, value, bytes, where);
}

void done_reading(const Gathered& gathered) { Scheduler::instance().done_reading(gathered); }

unsigned current_lane() { return Scheduler::instance().lane(); }

void* shared_memory(const void* name, std::size_t bytes, std::size_t alignment) {
  const Unwatched unwatched;
  return Scheduler::instance().shared_memory().get(name, bytes, alignment);
}

void* dynamic_shared_memory() { return Scheduler::instance().shared_memory().dynamic(); }

void fail(const std::string& what) { Scheduler::instance().fail(what); }

}  // namespace ripieno::simt
