// CUDA's built-in functions for emulated kernels: those that a kernel calls without an include.
//
// Only those that the kernels use; add others when needed. Shared memory is in launch.h, not
// declared with __shared__.
#pragma once

#include <atomic>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

#include "ripieno/kernels/emulator/emulator.h"

#define __global__
#define __device__
#define __launch_bounds__(...)

namespace ripieno::simt {

template <typename T>
T value_of(const Gathered& gathered, int lane) {
  T value;
  std::memcpy(static_cast<void*>(&value), gathered.values[lane], sizeof(T));
  return value;
}

// The value of lane `source`, or the lane's own value if `inside` is false.
template <typename T>
T shuffle(unsigned mask, T value, int source, bool inside, Location where) {
  static_assert(sizeof(T) <= 16);
  const Gathered gathered = gather(mask, Collective::kShuffle, &value, sizeof(T), where);
  if (inside && !(gathered.mask >> source & 1)) {
    fail("a shuffle reads lane " + std::to_string(source) + ", which does not participate, at " +
         where.file_name() + ":" + std::to_string(where.line()));
  }
  const T result = inside ? value_of<T>(gathered, source) : value;
  done_reading(gathered);
  return result;
}

template <typename T, typename Change>
T change_atomically(T* address, Change change) {
  std::atomic_ref<T> atomic(*address);
  T old = atomic.load(std::memory_order_relaxed);
  while (!atomic.compare_exchange_weak(old, change(old), std::memory_order_acq_rel)) {
  }
  return old;
}

}  // namespace ripieno::simt

inline void __syncthreads(ripieno::simt::Location where = ripieno::simt::Location::current()) {
  ripieno::simt::barrier(where);
}

inline void __syncwarp(unsigned mask = ~0u,
                       ripieno::simt::Location where = ripieno::simt::Location::current()) {
  using namespace ripieno::simt;
  done_reading(gather(mask, Collective::kSynchronize, nullptr, 0, where));
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source,
              ripieno::simt::Location where = ripieno::simt::Location::current()) {
  return ripieno::simt::shuffle(mask, value, source & 31, true, where);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits,
                  ripieno::simt::Location where = ripieno::simt::Location::current()) {
  const int source = static_cast<int>(ripieno::simt::current_lane()) ^ bits;
  return ripieno::simt::shuffle(mask, value, source, source < 32, where);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance,
                 ripieno::simt::Location where = ripieno::simt::Location::current()) {
  const int source = static_cast<int>(ripieno::simt::current_lane()) - static_cast<int>(distance);
  return ripieno::simt::shuffle(mask, value, source, source >= 0, where);
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance,
                   ripieno::simt::Location where = ripieno::simt::Location::current()) {
  const int source = static_cast<int>(ripieno::simt::current_lane() + distance);
  return ripieno::simt::shuffle(mask, value, source, source < 32, where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              ripieno::simt::Location where = ripieno::simt::Location::current()) {
  using namespace ripieno::simt;
  const Gathered gathered = gather(mask, Collective::kVote, &predicate, sizeof(predicate), where);
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane) {
    if (gathered.mask >> lane & 1 && value_of<int>(gathered, lane) != 0) votes |= 1u << lane;
  }
  done_reading(gathered);
  return votes;
}

template <typename T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return ripieno::simt::change_atomically(address, [=](T old) { return T(old + value); });
}
template <typename T>
T atomicSub(T* address, std::type_identity_t<T> value) {
  return ripieno::simt::change_atomically(address, [=](T old) { return T(old - value); });
}
template <typename T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return ripieno::simt::change_atomically(address,
                                          [=](T old) { return old == expected ? value : old; });
}
template <typename T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return ripieno::simt::change_atomically(address,
                                          [=](T old) { return old < value ? value : old; });
}
