#include "ripieno/training/session/bus_error.h"

#include <gtest/gtest.h>

#include <csignal>

namespace ripieno {
namespace {

TEST(BusError, EndsTheProcessWithAMessage) {
  EXPECT_EXIT(
      {
        report_bus_errors();
        std::raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), "/dev/shm");
}

}  // namespace
}  // namespace ripieno
