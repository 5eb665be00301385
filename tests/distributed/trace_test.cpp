#include "ripieno/core/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

class Recording final : public trace::Sink {
 public:
  Recording() : before_(trace::install(this)) {}
  ~Recording() override { trace::install(before_); }

  void begin(const trace::Event& event) noexcept override {
    const std::lock_guard lock(mutex_);
    events.push_back(event);
    open_[std::this_thread::get_id()].push_back(std::string(event.name));
  }
  void end(const trace::Event& event) noexcept override {
    const std::lock_guard lock(mutex_);
    auto& open = open_[std::this_thread::get_id()];
    nests = nests && !open.empty() && open.back() == event.name;
    if (!open.empty()) open.pop_back();
  }
  bool all_ended() const {
    for (const auto& [thread, open] : open_) {
      if (!open.empty()) return false;
    }
    return true;
  }
  std::vector<trace::Event> of(std::string_view name) const {
    std::vector<trace::Event> result;
    for (const auto& event : events) {
      if (event.name == name) result.push_back(event);
    }
    return result;
  }

  std::vector<trace::Event> events;
  bool nests = true;

 private:
  std::mutex mutex_;
  std::map<std::thread::id, std::vector<std::string>> open_;
  trace::Sink* before_;
};

TEST(Trace, HasThePhasesOfAStepAndItsCollectives) {
  Recording recording;
  on_every_rank(2, [](Communicator& ranks) { TrainingJob{.steps = 3}.train(ranks); });
  for (const char* phase : {"backward", "communication", "optimizer"}) {
    const auto found = recording.of(phase);
    ASSERT_GE(found.size(), 2u * 3u) << phase;
    EXPECT_EQ(found[0].kind, trace::Event::Kind::phase);
  }
  const auto sums = recording.of("all_reduce");
  ASSERT_THAT(sums, Not(IsEmpty()));
  EXPECT_EQ(sums[0].kind, trace::Event::Kind::collective);
  EXPECT_TRUE(recording.nests);
  EXPECT_TRUE(recording.all_ended());
}

TEST(Trace, HasIndexAndBytesOfEachBucket) {
  Recording recording;
  on_every_rank(2, [](Communicator& ranks) { TrainingJob{.steps = 1}.train(ranks); });
  const auto buckets = recording.of("sum of a bucket");
  int last = 0;
  int64_t bytes = 0;
  for (const auto& event : buckets) {
    last = std::max(last, event.bucket);
    bytes += event.bytes;
  }
  EXPECT_GT(last, 0);
  EXPECT_EQ(buckets.size(), 2u * static_cast<std::size_t>(last + 1)) << "ranks";
  nn::Mlp model({kFeatures, 16, 8, kClasses});
  EXPECT_EQ(bytes, 2 * 4 * model.parameters().layout().elements());
}

// Group, number and arguments of the collectives of a rank, those in a group in order.
std::map<uint32_t, std::vector<std::pair<uint64_t, uint64_t>>> collectives_of(
    int rank, const std::vector<trace::Event>& events) {
  std::map<uint32_t, std::vector<std::pair<uint64_t, uint64_t>>> groups;
  for (const auto& event : events) {
    if (event.kind == trace::Event::Kind::collective && event.rank == rank)
      groups[event.group].emplace_back(event.sequence, event.digest);
  }
  return groups;
}

TEST(Trace, NumbersTheCollectivesOfEachGroupEquallyOnAllRanks) {
  Recording recording;
  on_every_rank(2, [](Communicator& ranks) {
    ranks.barrier();
    const auto first = ranks.duplicate(), second = ranks.split(3, ranks.rank());
    first->all_reduce(Tensor::zeros({2}));
    second->all_reduce(Tensor::zeros({3}));
    first->duplicate()->barrier();
  });
  const auto of_rank_0 = collectives_of(0, recording.events);
  EXPECT_EQ(of_rank_0.size(), 4u) << "groups";
  EXPECT_TRUE(of_rank_0.contains(1)) << "the first one";
  EXPECT_EQ(of_rank_0, collectives_of(1, recording.events));
}

TEST(Trace, HasADigestOfTheArgumentsOfACollective) {
  Recording recording;
  on_every_rank(2, [](Communicator& ranks) {
    for (const int64_t elements : {5, 5, 6}) ranks.broadcast(Tensor::zeros({elements}), 0);
    ranks.broadcast(Tensor::zeros({6}), 1);
    ranks.broadcast(Tensor::zeros({6}, DType::int32), 1);
  });
  std::vector<uint64_t> digests;
  for (const auto& event : recording.of("broadcast")) {
    if (event.rank == 0) digests.push_back(event.digest);
  }
  ASSERT_EQ(digests.size(), 5u);
  EXPECT_EQ(digests[0], digests[1]);
  for (std::size_t i = 1; i + 1 < digests.size(); ++i) EXPECT_NE(digests[i], digests[i + 1]) << i;
}

TEST(Trace, EventsReachTheRecorderToo) {
  Recording sink;
  Recording recorder;  // is installed now, in place of the sink
  trace::install(&sink);
  trace::Sink* const before = trace::install_recorder(&recorder);
  { const trace::Scope traced({.name = "forward"}); }
  trace::install_recorder(before);
  EXPECT_EQ(sink.of("forward").size(), 1u);
  EXPECT_EQ(recorder.of("forward").size(), 1u);
}

TEST(Trace, EventsEndOnFailure) {
  Recording recording;
  const auto job = [](Communicator& ranks) {
    if (ranks.rank() == 0) ranks.barrier();
  };
  EXPECT_THROW(on_every_rank(2, job), CommunicationFailure);
  EXPECT_EQ(recording.of("barrier").size(), 1u);
  EXPECT_TRUE(recording.all_ended());
}

TEST(Trace, HasMicroBatchesAndTheirForward) {
  Recording recording;
  const auto ranks = alone();
  nn::Mlp model({kFeatures, kClasses});
  optim::AdamW optimizer(model.parameters());
  DataParallel parallel(model, optimizer, *ranks, {.micro_batch_size = 8});
  parallel.backward(kSamples, [&](int64_t begin, int64_t end) {
    return model.loss(features().slice(0, begin, end), targets().slice(0, begin, end));
  });
  EXPECT_EQ(recording.of("forward").size(), 3u);
  EXPECT_EQ(recording.of("backward").size(), 3u);
}

}  // namespace
}  // namespace ripieno::distributed::testing
