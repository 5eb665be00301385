#include "ripieno/distributed/gradients/gradient_reducer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/error.h"
#include "ripieno/core/models/mlp.h"

namespace ripieno::distributed {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ThrowsMessage;

// A memory resource that counts its blocks.
class CountingMemory final : public MemoryResource {
 public:
  explicit CountingMemory(int& blocks) : blocks_(blocks) {}
  void* allocate(std::size_t bytes) override {
    ++blocks_;
    return pool(Device::cpu()).allocate(bytes);
  }
  void deallocate(void* memory, std::size_t bytes) noexcept override {
    --blocks_;
    pool(Device::cpu()).deallocate(memory, bytes);
  }

 private:
  int& blocks_;
};

// A communicator of rank 0 of 2 that sums nothing; all_reduce(x) calls show(x).
class Watched final : public Communicator {
 public:
  explicit Watched(std::function<void(const Tensor&)> show) : show_(std::move(show)) {}

  int rank() const override { return 0; }
  int size() const override { return 2; }
  int local_rank() const override { return 0; }
  int local_size() const override { return 2; }
  void all_reduce(const Tensor& x) override { show_(x); }
  void reduce_scatter(const Tensor&, const Tensor&) override {}
  void all_gather(const Tensor&, const Tensor&) override {}
  void broadcast(const Tensor&, int) override {}
  void barrier() override {}
  void all_to_all(const Tensor&, const Tensor&) override {}
  std::unique_ptr<Communicator> duplicate() override { return std::make_unique<Watched>(show_); }
  std::unique_ptr<Communicator> split(int, int) override { return duplicate(); }
  void set_timeout(std::chrono::seconds) override {}
  std::unique_ptr<MemoryResource> shared_memory(std::size_t) override {
    return blocks ? std::make_unique<CountingMemory>(*blocks) : nullptr;
  }

  int* blocks = nullptr;  // counts blocks of its shared memory; null: it has none

 private:
  std::function<void(const Tensor&)> show_;
};

// A reducer with one bucket for each of six parameters, whose offsets differ by at least 64
// elements.
struct GradientReducerTest : ::testing::Test {
  nn::Mlp model{{8, 8, 8, 8}};
  Parameters parameters = model.parameters();
  const float* base = parameters.gradients().flat().data<float>();

  std::unique_ptr<GradientReducer> watched_by(std::function<void(const Tensor&)> show) {
    Watched ranks(std::move(show));
    return std::make_unique<GradientReducer>(parameters, ranks, 1, OrderedWorker::Mode::in_thread);
  }
  // The index of the parameter whose bucket x is; -1 for the totals of the loss.
  int parameter_of(const Tensor& x) const {
    if (x.dtype() == DType::float64) return -1;
    const auto& entries = parameters.layout().entries();
    int index = 0;
    while (entries[static_cast<std::size_t>(index)].offset != x.data<float>() - base) ++index;
    return index;
  }
  // Completes gradients from the first parameter on, which is the reverse order of buckets.
  void complete_from_the_first(GradientReducer& reducer,
                               const std::function<void(std::size_t)>& before = {}) const {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (before) before(i);
      reducer.complete(i);
    }
  }
};

TEST_F(GradientReducerTest, GradientsAreInSharedMemoryForItsLifetime) {
  int blocks = 0;
  Watched ranks([](const Tensor&) {});
  ranks.blocks = &blocks;
  parameters.gradients().flat().fill(3.0);
  {
    const GradientReducer reducer(parameters, ranks, 1, OrderedWorker::Mode::in_finish);
    EXPECT_EQ(blocks, 1);
  }
  EXPECT_EQ(blocks, 0);
  EXPECT_THAT(parameters.gradients().flat().to_vector<float>(), Each(3.0f));
}

const Tensor kNothing = Tensor::full({}, 0.0), kOne = Tensor::full({}, 1.0);

TEST_F(GradientReducerTest, ReducesInTheOrderOfBuckets) {
  std::vector<int> reduced;
  const auto reducer = watched_by([&](const Tensor& x) { reduced.push_back(parameter_of(x)); });
  for (int step = 0; step < 3; ++step) {
    reduced.clear();
    reducer->begin(kNothing, kOne);
    complete_from_the_first(*reducer);
    reducer->complete_all();
    reducer->finish();
    EXPECT_THAT(reduced, ElementsAre(-1, 5, 4, 3, 2, 1, 0));
  }
}

TEST_F(GradientReducerTest, ReducesOnlyTrainableParameters) {
  std::vector<int> reduced;
  const auto reducer = watched_by([&](const Tensor& x) { reduced.push_back(parameter_of(x)); });
  const auto step = [&] {
    reduced.clear();
    reducer->begin(kNothing, kOne);
    complete_from_the_first(*reducer);
    reducer->complete_all();
    reducer->finish();
    return reduced;
  };
  Tensor some = parameters.tensors()[2], last = parameters.tensors()[5];
  some.set_requires_gradient(false);
  last.set_requires_gradient(false);
  EXPECT_THAT(step(), ElementsAre(-1, 4, 3, 1, 0));
  EXPECT_EQ(reducer->trained_buckets(), 4u);
  last.set_requires_gradient(true);
  EXPECT_THAT(step(), ElementsAre(-1, 5, 4, 3, 1, 0));
}

TEST_F(GradientReducerTest, NamesTheGradientsOfALostPeer) {
  const auto reducer = watched_by([&](const Tensor& x) {
    if (parameter_of(x) == 4) throw CommunicationFailure("timed out");
  });
  reducer->begin(kNothing, kOne);
  complete_from_the_first(*reducer);
  reducer->complete_all();
  const auto& name = parameters.layout().entries()[4].name;
  EXPECT_THAT([&] { reducer->finish(); },
              ThrowsMessage<CommunicationFailure>("gradients of " + name + ": timed out"));
}

TEST_F(GradientReducerTest, ReducesOnlyWhatIsComplete) {
  std::vector<std::atomic<bool>> complete(parameters.size());
  const auto reducer = watched_by([&](const Tensor& x) {
    const int parameter = parameter_of(x);
    if (parameter >= 0) {
      EXPECT_TRUE(complete[static_cast<std::size_t>(parameter)]);
    }
  });
  for (int step = 0; step < 1000; ++step) {
    for (auto& one : complete) one = false;
    reducer->begin(kNothing, kOne);
    complete_from_the_first(*reducer, [&](std::size_t i) { complete[i] = true; });
    reducer->complete_all();
    reducer->finish();
  }
}

TEST_F(GradientReducerTest, ReducesNothingBeforeTheLastBackward) {
  std::vector<double> sums;
  for (int round = 0; round < 20; ++round) {
    const auto reducer = watched_by([&](const Tensor& x) {
      if (x.dtype() == DType::float64) sums.push_back(*x.data<double>());
    });
    complete_from_the_first(*reducer);                          // a micro-batch
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // time for the background thread
    reducer->begin(Tensor::full({}, 3.0), kOne);
    complete_from_the_first(*reducer);
    reducer->complete_all();
    reducer->finish();
  }
  EXPECT_THAT(sums, Each(3.0));
}

}  // namespace
}  // namespace ripieno::distributed
