// Collectives over NCCL: one thread and one GPU per rank, up to four. Skipped without a GPU, or
// failed if RIPIENO_REQUIRE_GPU is set.
#include "ripieno/distributed/communicators/nccl/nccl.h"

#include <cstdlib>
#include <limits>

#include "distributed/communicators/conformance.h"
#include "distributed/on_every_rank.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/distributed/communicators/in_flight.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(NcclChoice, ABuildWithoutNcclThrowsConfigurationError) {
  if (has_nccl()) GTEST_SKIP() << "NCCL is built in";
  EXPECT_THAT([] { over_nccl(alone(), Device::cuda()); },
              ThrowsMessage<ConfigurationError>(HasSubstr("no NCCL support; configure it")));
}

TEST(NcclChoice, TheCpuIsRejected) {
  EXPECT_THROW(over_nccl(alone(), Device::cpu()), ConfigurationError);
}

// A tensor in host memory that claims to be on `device`, for calls that are rejected before reading
// it.
Tensor claimed_to_be_on(Device device) {
  auto claimed = std::make_shared<TensorImplementation>();
  claimed->device = device;
  claimed->storage = allocate_storage(sizeof(float), Device::cpu(), cpu_memory());
  claimed->shape = claimed->strides = {1};
  claimed->elements = 1;
  claimed->dense = true;
  return Tensor::from(std::move(claimed));
}

TEST(NcclChoice, ASecondCollectiveInFlightOnAGpuIsRejected) {
  if (!has_nccl()) GTEST_SKIP() << "built without NCCL";
  const Device device = Device::cuda(0);
  const auto ranks = over_nccl(alone(), device), other = ranks->duplicate();
  const Tensor x = claimed_to_be_on(device);
  {
    const InFlight::Scope in_flight(InFlight::on(device), {.kind = Collective::Kind::barrier});
    for (Communicator* const group : {ranks.get(), other.get()}) {
      EXPECT_THAT([&] { group->all_reduce(x); },
                  ThrowsMessage<Error>(HasSubstr("of this rank is still in flight")));
    }
  }
  // Peers may still wait for this rank in that collective.
  EXPECT_THAT(
      [&] { ranks->all_reduce(x); },
      ThrowsMessage<CommunicationFailure>(HasSubstr("an earlier collective of this group failed")));
}

// Collectives of host tensors do not use NCCL, so no GPU is required.
struct HostTensors {
  template <typename Body>
  static void on_every_rank(const Body& body) {
    if (!has_nccl()) GTEST_SKIP() << "built without NCCL";
    testing::on_every_rank(
        3, [&](Communicator& group) { body(*over_nccl(group.duplicate(), Device::cuda())); });
  }
  static int summed_first(const Communicator& ranks) { return ranks.size(); }
};
INSTANTIATE_TYPED_TEST_SUITE_P(OverNccl, CommunicatorConformance, HostTensors);

struct NcclTest : ::testing::Test {
  void SetUp() override {
    if (!has_nccl()) GTEST_SKIP() << "built without NCCL";
    if (kernels::cuda::device_count() > 0) return;
    if (std::getenv("RIPIENO_REQUIRE_GPU")) {
      FAIL() << kernels::cuda::describe() << ", and RIPIENO_REQUIRE_GPU is set";
    }
    GTEST_SKIP() << kernels::cuda::describe();
  }

  // Calls body(communicator, device) on every rank.
  template <typename Body>
  void on_every_gpu(const Body& body) const {
    on_every_rank(std::min(kernels::cuda::device_count(), 4), [&](Communicator& group) {
      const Device device = Device::cuda(group.rank());
      kernels::cuda::set_device(device.index);
      body(*over_nccl(group.duplicate(), device), device);
    });
  }
};

template <typename T>
double as_double(T x) {
  if constexpr (sizeof(T) == 2)
    return static_cast<float>(x);
  else
    return static_cast<double>(x);
}

// NCCL does not define the order of sums or how often 16-bit sums are rounded.
template <typename T>
void expect_near_sums(const Tensor& actual, int size, int64_t begin) {
  const Tensor x = actual.to(Device::cpu());
  for (int64_t i = 0; i < x.elements(); ++i) {
    double sum = 0, magnitude = 0;
    for (int rank = 0; rank < size; ++rank) {
      const double one = as_double(number<T>(rank, begin + i));
      sum += one;
      magnitude += std::abs(one);
    }
    const double digits = sizeof(T) == 2 ? 8 : sizeof(T) == 4 ? 24 : 53;
    ASSERT_NEAR(as_double(x.data<T>()[i]), sum, magnitude * size * std::exp2(1 - digits));
  }
}

TEST_F(NcclTest, AllReduceGivesEveryRankTheSum) {
  on_every_gpu([](Communicator& ranks, Device device) {
    for_every_type_and_size(1, [&]<typename T>(int64_t elements) {
      const Tensor x = tensor_of(numbers<T>(ranks.rank(), elements)).to(device);
      ranks.all_reduce(x);
      expect_near_sums<T>(x, ranks.size(), 0);
    });
  });
}

TEST_F(NcclTest, APartMayAliasTheWhole) {
  on_every_gpu([](Communicator& ranks, Device device) {
    const int64_t part = 30001, all = part * ranks.size(), begin = part * ranks.rank();
    const Tensor x = tensor_of(numbers<float>(ranks.rank(), all)).to(device);
    const Tensor mine = x.slice(0, begin, begin + part);
    ranks.reduce_scatter(mine, x);
    expect_near_sums<float>(mine, ranks.size(), begin);
    ranks.all_gather(x, mine);
    expect_near_sums<float>(x, ranks.size(), 0);
  });
}

TEST_F(NcclTest, AllToAllAndBroadcastCopyEveryType) {
  on_every_gpu([](Communicator& ranks, Device device) {
    for_every_copied_type_and_size(ranks.size(), [&]<typename T>(int64_t elements) {
      const int64_t all = elements * ranks.size(), begin = elements * ranks.rank();
      const Tensor in = tensor_of(numbers<T>(ranks.rank(), all)).to(device);
      const Tensor out({ranks.size(), elements}, dtype_of<T>, device);
      ranks.all_to_all(out, in);
      ranks.broadcast(in, ranks.size() - 1);
      for (int rank = 0; rank < ranks.size(); ++rank) {
        const auto sent =
            sequence<T>(begin, elements, [&](int64_t i) { return number<T>(rank, i); });
        EXPECT_EQ(first_difference(out.slice(0, rank, rank + 1).to(Device::cpu()), sent), -1);
      }
      EXPECT_EQ(first_difference(in.to(Device::cpu()), numbers<T>(ranks.size() - 1, all)), -1);
    });
  });
}

TEST_F(NcclTest, SplitGroupsUseNccl) {
  on_every_gpu([](Communicator& ranks, Device device) {
    const auto group = ranks.split(0, -ranks.rank());
    const Tensor x = tensor_of(numbers<float>(ranks.rank(), 1001)).to(device);
    group->broadcast(x, 0);
    EXPECT_EQ(first_difference(x.to(Device::cpu()), numbers<float>(ranks.size() - 1, 1001)), -1);
  });
}

// The host may be waiting for the GPU, so nothing can be thrown there.
TEST_F(NcclTest, AMissingRankEndsTheProcessAfterTheTimeout) {
  if (kernels::cuda::device_count() < 2) GTEST_SKIP() << "requires two GPUs";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(on_every_gpu([](Communicator& ranks, Device device) {
                 const Tensor x = tensor_of(numbers<float>(ranks.rank(), 1001)).to(device);
                 ranks.all_reduce(x);
                 synchronize(device);
                 ranks.set_timeout(std::chrono::seconds(1));
                 if (ranks.rank() == 0) ranks.all_reduce(x);
                 synchronize(device);
                 ranks.barrier();
               }),
               "all_reduce of 1001 float32 over NCCL on rank 0 of .: timed out after 1 s waiting "
               "for the other ranks");
}

}  // namespace
}  // namespace ripieno::distributed::testing
