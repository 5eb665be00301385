#include "ripieno/kernels/emulator/scheduler.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ripieno/kernels/emulator/device_memory.h"
#include "ripieno/kernels/emulator/sanitizers.h"

namespace ripieno::simt {

Configuration& configuration() {
  static Configuration current;
  return current;
}
namespace {

constexpr std::size_t kMaxDynamicBytes = 227 * 1024;  // as on an H100

void check_launch(dim3 grid, dim3 block, std::size_t shared_bytes) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > kMaxThreads || block.z > 64 || grid.x == 0 ||
      grid.x > 0x7fffffffu || grid.y == 0 || grid.y > 65535 || grid.z == 0 || grid.z > 65535) {
    throw EmulationError("launch: invalid grid or block size");
  }
  if (shared_bytes > kMaxDynamicBytes) {
    throw EmulationError("launch: " + std::to_string(shared_bytes) +
                         " bytes of shared memory, at most " + std::to_string(kMaxDynamicBytes) +
                         " are available");
  }
}

uint3 block_at(uint64_t i, dim3 grid) {
  const uint64_t plane = uint64_t{grid.x} * grid.y;
  return {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
          static_cast<unsigned>(i / plane)};
}

// Index of the first set bit at or after `start`, cyclically.
unsigned set_bit_from(unsigned bits, unsigned start) {
  return (static_cast<unsigned>(std::countr_zero(std::rotr(bits, static_cast<int>(start)))) +
          start) %
         32;
}

unsigned pick(unsigned bits, Order order, uint64_t random) {
  if (order == Order::kForward) return static_cast<unsigned>(std::countr_zero(bits));
  if (order == Order::kReverse) return 31u - static_cast<unsigned>(std::countl_zero(bits));
  return set_bit_from(bits, static_cast<unsigned>(random % 32));
}

}  // namespace

Scheduler& Scheduler::instance() {
  static Scheduler scheduler;
  return scheduler;
}

// ---- Grids and blocks

void Scheduler::run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, void (*body)(void*),
                         void* argument) {
  if (running_ != program_) throw EmulationError("launch: not available in device code");
  check_launch(grid, block, shared_bytes);
  thread_local Fiber program;
  running_ = program_ = &program;
  const DeviceAccess access;
  body_ = body;
  argument_ = argument;
  prepare(grid, block, shared_bytes);
  release(&launch_order_);
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    run_block(block_at(schedule_.order == Order::kReverse ? blocks - 1 - i : i, grid));
  }
  for (char& order : block_order_) acquire(&order);
}

void Scheduler::prepare(dim3 grid, dim3 block, std::size_t shared_bytes) {
  schedule_ = configuration().schedule;
  random_state_ = schedule_.seed * 0x9e3779b97f4a7c15u | 1;
  gridDim = {grid.x, grid.y, grid.z};
  blockDim = {block.x, block.y, block.z};
  thread_count_ = block.x * block.y * block.z;
  warp_count_ = (thread_count_ + kLanes - 1) / kLanes;
  threads_.resize(std::max<std::size_t>(threads_.size(), thread_count_));
  for (unsigned t = 0; t < thread_count_; ++t) {
    threads_[t].index = {t % block.x, t / block.x % block.y, t / (block.x * block.y)};
  }
  shared_memory_.set_dynamic_bytes(shared_bytes);
  if (!kThreadSanitizer) return;
  // Created here, because creating a fiber orders it after its creator.
  for (parity_ = 0; parity_ < 2; ++parity_) {
    for (unsigned t = 0; t < thread_count_; ++t) fiber_for(t);
  }
}

void Scheduler::reset_threads() {
  runnable_warps_ = 0;
  for (unsigned w = 0; w < warp_count_; ++w) {
    const unsigned lanes = std::min(kLanes, thread_count_ - w * kLanes);
    warps_[w].present = lanes == kLanes ? ~0u : (1u << lanes) - 1;
    warps_[w].runnable = warps_[w].present;
    runnable_warps_ |= 1u << w;
  }
  for (unsigned t = 0; t < thread_count_; ++t) {
    threads_[t].state = State::kFresh;
    threads_[t].at_barrier = false;
  }
  living_ = thread_count_;
  returned_ = at_barrier_ = 0;
}

void Scheduler::run_block(uint3 block) {
  blockIdx = block;
  ++blocks_begun_;
  failure_ = nullptr;
  reset_threads();
  const Unwatched unwatched;
  if (kThreadSanitizer) parity_ = blocks_begun_ % 2;
  shared_memory_.begin_block(parity_);
  next_fresh_ = static_cast<unsigned>(next_thread());
  switch_to(fiber_for(next_fresh_));
  if (!failure_) return;
  abandon_block();
  std::rethrow_exception(failure_);
}

void Scheduler::abandon_block() {
  idle_.clear();
  for (auto& fiber : fibers_) {
    fiber->restart();
    if (!kThreadSanitizer) idle_.push_back(fiber.get());
  }
  for (Warp& warp : warps_) warp.gatherings.clear();
}

// ---- Threads

// The entry of all fibers: runs new threads, one after another, until a suspended one must
// continue.
void Scheduler::run_threads() {
  Scheduler& self = instance();
  ignore_memory();
  Fiber::entered();
  Fiber* const fiber = self.running_;
  for (;;) {
    Thread& thread = self.threads_[self.next_fresh_];
    thread.on = fiber;
    thread.state = State::kRunnable;
    self.enter(self.next_fresh_);
    const int next = self.run_body();
    const bool fresh = next >= 0 && self.threads_[next].state == State::kFresh;
    if (fresh) self.next_fresh_ = static_cast<unsigned>(next);
    if (fresh && !kThreadSanitizer) continue;
    if (!kThreadSanitizer) self.idle_.push_back(fiber);
    self.switch_to(next < 0 ? self.program_
                   : fresh  ? self.fiber_for(self.next_fresh_)
                            : self.threads_[next].on);
  }
}

// Returns the thread to run next, or -1 if the block is done or has failed.
int Scheduler::run_body() {
  try {
    acquire(&launch_order_);
    acquire(&block_order_[blocks_begun_ % 4]);
    watch_memory();
    body_(argument_);
    ignore_memory();
    release(&block_order_[(blocks_begun_ + 2) % 4]);
    threads_[current_].state = State::kReturned;
    --living_;
    ++returned_;
    if (at_barrier_ > 0 && at_barrier_ == living_) {
      report_stuck("barrier: some threads returned while the others wait");
    }
    const int next = next_thread();
    if (next < 0 && living_ > 0) report_stuck("deadlock: no thread of the block can run");
    return next;
  } catch (...) {
    failure_ = std::current_exception();
    return -1;
  }
}

// Under ThreadSanitizer each thread has its own fiber; with shared stacks, locals of two threads
// would look like one object.
Fiber* Scheduler::fiber_for(unsigned thread) {
  Fiber*& assigned = threads_[thread].assigned[parity_];
  if (kThreadSanitizer && assigned) return assigned;
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(configuration().stack_bytes, fibers_.size() * 640,
                                              &Scheduler::run_threads));
    idle_.push_back(fibers_.back().get());
  }
  Fiber* const fiber = idle_.back();
  idle_.pop_back();
  assigned = fiber;
  return fiber;
}

void Scheduler::switch_to(Fiber* fiber) {
  Fiber* const from = running_;
  running_ = fiber;
  from->switch_to(*fiber);
}

void Scheduler::go_to(unsigned thread) {
  if (threads_[thread].state == State::kFresh) {
    next_fresh_ = thread;
    switch_to(fiber_for(thread));
  } else {
    switch_to(threads_[thread].on);
  }
}

void Scheduler::enter(unsigned thread) {
  current_ = thread;
  threadIdx = threads_[thread].index;
}

void Scheduler::wake(unsigned thread) {
  threads_[thread].state = State::kRunnable;
  warps_[thread / kLanes].runnable |= 1u << thread % kLanes;
  runnable_warps_ |= 1u << thread / kLanes;
}

int Scheduler::next_thread() {
  if (runnable_warps_ == 0) return -1;
  const uint64_t number = schedule_.order == Order::kRandom ? random() : 0;
  const unsigned w = pick(runnable_warps_, schedule_.order, number);
  Warp& warp = warps_[w];
  const unsigned lane = pick(warp.runnable, schedule_.order, number >> 32);
  warp.runnable &= ~(1u << lane);
  if (warp.runnable == 0) runnable_warps_ &= ~(1u << w);
  return static_cast<int>(w * kLanes + lane);
}

uint64_t Scheduler::random() {  // xorshift64 (Marsaglia, 2003)
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return random_state_;
}

void Scheduler::wait(const char* what, Location where) {
  const unsigned self = current_;
  threads_[self].state = State::kWaiting;
  threads_[self].waits_in = what;
  threads_[self].where = where;
  const int next = next_thread();
  if (next < 0) report_stuck("deadlock: no thread of the block can run");
  if (static_cast<unsigned>(next) != self) go_to(static_cast<unsigned>(next));
  enter(self);
}

}  // namespace ripieno::simt
