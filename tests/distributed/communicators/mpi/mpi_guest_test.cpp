// A program that initializes MPI itself, without MPI_THREAD_MULTIPLE: the library does not finalize
// it.
#include <gtest/gtest.h>

#include "ripieno/distributed/communicators/mpi/mpi.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"

namespace ripieno::distributed {
namespace {

TEST(MpiGuest, MpiOutlivesAnEnvironmentThatDidNotInitializeIt) {
  { const MpiEnvironment environment; }
  int finalized = 1;
  MPI_Finalized(&finalized);
  EXPECT_FALSE(finalized);
}

TEST(MpiGuest, TheWorldNeedsNoEnvironment) {
  const auto world = mpi_world();
  const Tensor x = Tensor::full({3}, 1.0);
  world->all_reduce(x);
  EXPECT_EQ(x.to_vector<float>(), std::vector<float>(3, static_cast<float>(world->size())));
}

TEST(MpiGuest, DuplicateRequiresThreadMultiple) {
  EXPECT_THROW(mpi_world()->duplicate(), ConfigurationError);
}

}  // namespace
}  // namespace ripieno::distributed

int main(int argc, char** argv) {
  int provided = MPI_THREAD_SINGLE;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  ::testing::InitGoogleTest(&argc, argv);
  const int status = RUN_ALL_TESTS();
  MPI_Finalize();
  return status;
}
