#include "ripieno/distributed/communicators/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/core/tensor.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::StartsWith;
using ::testing::ThrowsMessage;

const Collective kSum{.kind = Collective::Kind::all_reduce, .elements = 7};
const Collective kCopy{.kind = Collective::Kind::broadcast, .root = 1, .elements = 5};

TEST(InFlight, ASecondCollectiveOfTheRankIsRejected) {
  InFlight rank;
  const InFlight::Scope first(rank, kSum);
  std::thread([&] {
    EXPECT_THAT([&] { InFlight::Scope(rank, kCopy); },
                ThrowsMessage<Error>(StartsWith("broadcast of 5 float32 from rank 1: all_reduce of "
                                                "7 float32 of another communicator")));
  }).join();
}

TEST(InFlight, TheNextMayStartAfterOneHasReturnedOrFailed) {
  InFlight rank;
  EXPECT_THROW(
      {
        const InFlight::Scope failed(rank, kSum);
        throw CommunicationFailure("lost");
      },
      CommunicationFailure);
  EXPECT_NO_THROW(InFlight::Scope(rank, kCopy));
}

TEST(InFlight, EachGpuHasItsOwn) {
  const InFlight::Scope first(InFlight::on(Device::cuda(0)), kSum);
  EXPECT_NO_THROW(InFlight::Scope(InFlight::on(Device::cuda(1)), kSum));
  EXPECT_THROW(InFlight::Scope(InFlight::on(Device::cuda(0)), kSum), Error);
}

}  // namespace
}  // namespace ripieno::distributed::testing
