// The device under test: the emulated GPU. Each test runs with several schedules.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "ripieno/kernels/emulator/device_memory.h"
#include "ripieno/kernels/emulator/emulator.h"

namespace ripieno::testing {

class KernelTest : public ::testing::TestWithParam<simt::Schedule> {
 protected:
  void SetUp() override { simt::configuration().schedule = GetParam(); }
};

inline auto device_runs() {
  using enum simt::Order;
  return ::testing::Values(simt::Schedule{kForward, 0}, simt::Schedule{kReverse, 0},
                           simt::Schedule{kRandom, 1}, simt::Schedule{kRandom, 2});
}

inline std::string run_name(const ::testing::TestParamInfo<simt::Schedule>& info) {
  if (info.param.order == simt::Order::kForward) return "Forward";
  if (info.param.order == simt::Order::kReverse) return "Reverse";
  return "Random" + std::to_string(info.param.seed);
}

inline void* allocate_on_device(std::size_t bytes) { return simt::allocate_device_memory(bytes); }
inline void free_on_device(void* memory) { simt::free_device_memory(memory); }
inline void copy_on_device(void* to, const void* from, std::size_t bytes) {
  simt::copy_device_memory(to, from, bytes);
}

}  // namespace ripieno::testing
