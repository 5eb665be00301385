// The scheduler's barriers and warp collectives, and its error reports.
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <sstream>

#include "ripieno/kernels/emulator/sanitizers.h"
#include "ripieno/kernels/emulator/scheduler.h"

namespace ripieno::simt {
namespace {

std::string to_string(Location where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

std::string to_string(uint3 index) {
  std::ostringstream text;
  text << '(' << index.x << ',' << index.y << ',' << index.z << ')';
  return text.str();
}

bool same_site(Location a, Location b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

}  // namespace

// ---- Barriers

void Scheduler::barrier(Location where) {
  {
    const Unwatched unwatched;
    note_barrier(where);
    const std::string& skipped = configuration().skipped_barrier;
    if (!skipped.empty() && to_string(where).ends_with(skipped)) return;
  }
  char* const order = &barrier_order_[barriers_passed_ % 2];
  release(order);
  {
    const Unwatched unwatched;
    wait_at_barrier(where);
  }
  acquire(order);
}

void Scheduler::note_barrier(Location where) {
  for (const Location& known : barrier_sites_) {
    if (same_site(known, where)) return;
  }
  barrier_sites_.push_back(where);
}

std::vector<std::string> Scheduler::barriers_met() const {
  std::vector<std::string> sites;
  for (const Location& site : barrier_sites_) sites.push_back(to_string(site));
  return sites;
}

void Scheduler::wait_at_barrier(Location where) {
  Thread& thread = threads_[current_];
  if (returned_ > 0) fail("__syncthreads at " + to_string(where) + " after threads returned");
  if (at_barrier_ == 0) {
    barrier_site_ = where;
  } else if (!same_site(barrier_site_, where)) {
    thread.state = State::kWaiting;
    thread.waits_in = "__syncthreads";
    thread.where = where;
    report_stuck("barrier: threads wait at different __syncthreads");
  }
  if (++at_barrier_ == living_) {
    release_barrier();
    return;
  }
  thread.at_barrier = true;
  wait("__syncthreads", where);
  thread.at_barrier = false;
}

void Scheduler::release_barrier() {
  ++barriers_passed_;
  at_barrier_ = 0;
  for (unsigned t = 0; t < thread_count_; ++t) {
    if (threads_[t].state == State::kWaiting && threads_[t].at_barrier) wake(t);
  }
}

// ---- Collectives of a warp

Gathered Scheduler::gather(unsigned mask, Collective kind, const void* value, unsigned bytes,
                           Location where) {
  // Only __syncwarp orders memory; shuffles and votes do not.
  char* const order = &warp_order_[current_ / kLanes];
  if (kind == Collective::kSynchronize) release(order);
  Gathering* gathering = nullptr;
  {
    const Unwatched unwatched;
    Warp& warp = warps_[current_ / kLanes];
    const unsigned self = 1u << lane();
    if (!(mask & self)) fail("the calling lane is not in the mask of a collective");
    gathering = &gathering_for(warp, mask & warp.present, kind, where);
    if (bytes > 0) std::memcpy(gathering->values[lane()], value, bytes);
    gathering->arrived |= self;
    if (gathering->arrived != gathering->mask) {
      wait("a collective of its warp", where);
    } else {
      const unsigned first = current_ - lane();
      for (unsigned rest = gathering->mask & ~self; rest != 0; rest &= rest - 1) {
        wake(first + static_cast<unsigned>(std::countr_zero(rest)));
      }
    }
  }
  if (kind == Collective::kSynchronize) acquire(order);
  return {gathering->values, gathering->mask, gathering};
}

// The open collective that expects this lane, or a new one.
Gathering& Scheduler::gathering_for(Warp& warp, unsigned mask, Collective kind, Location where) {
  Gathering* free = nullptr;
  for (auto& gathering : warp.gatherings) {
    const bool open = gathering->arrived != gathering->mask;
    if (open && gathering->mask >> lane() & 1) {
      if (gathering->mask == mask && gathering->kind == kind) return *gathering;
      fail("a lane calls a collective at " + to_string(where) + " while its warp waits at " +
           to_string(gathering->where));
    }
    if (!open && gathering->unread == 0) free = gathering.get();
  }
  if (!free) {
    warp.gatherings.push_back(std::make_unique<Gathering>());
    free = warp.gatherings.back().get();
  }
  free->mask = free->unread = mask;
  free->arrived = 0;
  free->kind = kind;
  free->where = where;
  return *free;
}

void Scheduler::done_reading(const Gathered& gathered) {
  static_cast<Gathering*>(gathered.gathering)->unread &= ~(1u << lane());
}

// ---- Reports

std::string Scheduler::name_of(unsigned thread) const { return to_string(threads_[thread].index); }

void Scheduler::fail(const std::string& what) const {
  throw EmulationError(what + "; thread " + name_of(current_) + " of block " + to_string(blockIdx));
}

void Scheduler::report_stuck(const char* what) const {
  std::map<std::string, std::vector<unsigned>> threads_at;
  for (unsigned t = 0; t < thread_count_; ++t) {
    const Thread& thread = threads_[t];
    std::string at = "can run";
    if (thread.state == State::kReturned) at = "returned";
    if (thread.state == State::kWaiting) {
      at = std::string("wait in ") + thread.waits_in + " at " + to_string(thread.where);
    }
    threads_at[at].push_back(t);
  }
  std::string message = std::string(what) + "; block " + to_string(blockIdx);
  for (const auto& [at, threads] : threads_at) {
    message += "; " + std::to_string(threads.size()) + " threads " + at + ", first " +
               name_of(threads.front()) + ", last " + name_of(threads.back());
  }
  throw EmulationError(message);
}

}  // namespace ripieno::simt
