// Strict mode over MPI. Each process is one rank and runs every test (mpi_test.cpp).
#include <gtest/gtest.h>

#include "distributed/strategies/strict_job.h"
#include "ripieno/distributed/communicators/mpi/mpi.h"
#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"

namespace ripieno::distributed::testing {
namespace {

TEST(MpiStrict, WindowAndMessagesMatchOneRankBitwise) {
  const auto world = mpi_world();
  const bool on_one_host = world->local_size() == world->size();
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    const StrictJob job{.threads = 2, .dtype = dtype};
    const auto expected = job.train(*alone());
    for (const auto join : {mpi, mpi_window, mpi_point_to_point}) {
      if (join == mpi_window && !on_one_host) continue;
      EXPECT_TRUE(job.train(*join(MPI_COMM_WORLD)) == expected);
    }
  }
}

}  // namespace
}  // namespace ripieno::distributed::testing
