#include "ripieno/io/run/ranks/flight_record.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/ranks/flight_writer.h"
#include "ripieno/io/run/ranks/layout.h"
#include "ripieno/io/run/ranks/paths.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class FlightRecordTest : public testing::Test {
 protected:
  FlightRecord read(int age = 0) { return read_flight_record(directory_, age).value(); }

  TemporaryDirectory run_;
  std::string directory_ = rank_directory(run_ / "run", 3);
  FlightFacts facts_ = {.start = 7,
                        .rank = 3,
                        .size = 8,
                        .local_rank = 1,
                        .cores = 16,
                        .compute_threads = 8,
                        .reader_threads = 2,
                        .processors = {0, 63, 64, 1023},
                        .limit_seconds = 300,
                        .device = "cuda:1",
                        .program = "train_gpt"};
};

FlightWriter::NewEvent sum(uint64_t sequence) {
  return {.is_collective = true,
          .name = "all_reduce",
          .bytes = 4004,
          .digest = 11 * sequence,
          .element_type = "bfloat16",
          .group = 1,
          .group_sequence = sequence,
          .group_rank = 3,
          .group_size = 8};
}

std::vector<std::string> names(const std::vector<FlightEvent>& events) {
  std::vector<std::string> result;
  for (const auto& event : events) result.push_back(event.name);
  return result;
}

TEST_F(FlightRecordTest, HasAHeadWithEverythingButStepsAndEvents) {
  FlightWriter writer(directory_, facts_);
  writer.end_step(1, 0.5, {0.25});
  writer.begin(sum(1));
  writer.beat({.count = 4});
  const auto whole = read(), head = read_flight_head(directory_).value();
  EXPECT_EQ(head.rank, 3);
  EXPECT_EQ(head.step, 1);
  EXPECT_EQ(head.heartbeat.count, 4u);
  EXPECT_EQ(head.seconds, whole.seconds);
  ASSERT_THAT(head.threads, SizeIs(whole.threads.size()));
  EXPECT_EQ(names(head.threads[0].open), names(whole.threads[0].open));
  EXPECT_EQ(head.groups.size(), whole.groups.size());
  EXPECT_THAT(head.events, IsEmpty());
  EXPECT_THAT(head.steps, IsEmpty());
}

TEST_F(FlightRecordTest, HasNoHeadIfItIsTooShort) {
  { const FlightWriter writer(directory_, facts_); }
  std::filesystem::remove(flight_copy_path(directory_));
  std::filesystem::resize_file(flight_path(directory_), 10'000);
  EXPECT_THROW(read_flight_head(directory_), DataError);
}

TEST_F(FlightRecordTest, HasTheFactsOfTheProcess) {
  const FlightWriter writer(directory_, facts_);
  EXPECT_EQ(writer.remark(), "");
  const auto record = read();
  EXPECT_EQ(record.start, 7u);
  EXPECT_EQ(record.rank, 3);
  EXPECT_EQ(record.size, 8);
  EXPECT_EQ(record.process, ::getpid());
  EXPECT_EQ(record.reader_threads, 2);
  EXPECT_THAT(record.processors, ElementsAre(0, 63, 64, 1023));
  EXPECT_EQ(record.device, "cuda:1");
  EXPECT_EQ(record.program, "train_gpt");
  EXPECT_FALSE(record.host.empty());
  EXPECT_EQ(record.limit_seconds, 300);
  EXPECT_EQ(record.end.kind, FlightEnd::Kind::running);
  EXPECT_THAT(record.threads, IsEmpty());
}

TEST_F(FlightRecordTest, HasWhatAThreadIsDoing) {
  FlightWriter writer(directory_, facts_);
  writer.name_bucket(4, "blocks.7.up.weight to blocks.7.down.bias");
  writer.begin({.name = "communication"});
  writer.begin({.name = "sum of a bucket", .bytes = 4004, .bucket = 4});
  writer.begin(sum(1842));
  const auto open = read().threads.at(0).open;
  ASSERT_THAT(names(open), ElementsAre("communication", "sum of a bucket", "all_reduce"));
  EXPECT_TRUE(open[2].is_collective);
  EXPECT_EQ(open[2].end, 0);
  EXPECT_EQ(open[2].bucket, 4);
  EXPECT_EQ(open[2].parameters, "blocks.7.up.weight to blocks.7.down.bias");
  EXPECT_EQ(open[2].group_sequence, 1842u);
  EXPECT_EQ(open[2].element_type, "bfloat16");
  EXPECT_THAT(read().events, IsEmpty());
}

TEST_F(FlightRecordTest, HasTheTimeWithoutAProcessor) {
  FlightWriter writer(directory_, facts_);
  EXPECT_EQ(read().recent_processor_wait, 0);
  writer.set_processor_wait(12, 0.25);
  EXPECT_EQ(read().processor_wait_seconds, 12);
  EXPECT_EQ(read().recent_processor_wait, 0.25);
}

TEST_F(FlightRecordTest, HasTheEventsThatEnded) {
  FlightWriter writer(directory_, facts_);
  writer.begin({.name = "communication"});
  writer.begin(sum(1));
  writer.end(/*has_failed=*/true);
  writer.end(/*has_failed=*/false);
  const auto record = read();
  ASSERT_THAT(names(record.events), ElementsAre("all_reduce", "communication"));
  EXPECT_TRUE(record.events[0].has_failed);
  EXPECT_FALSE(record.events[1].has_failed);
  EXPECT_GE(record.events[1].end, record.events[0].end);
  EXPECT_THAT(record.threads.at(0).open, IsEmpty());
}

TEST_F(FlightRecordTest, CountsTheCollectivesOfEachGroup) {
  FlightWriter writer(directory_, facts_);
  writer.begin(sum(1));
  writer.end(false);
  writer.begin(sum(2));
  auto other = sum(9);
  other.group = 77;
  writer.begin(other);
  const auto groups = read().groups;
  ASSERT_THAT(groups, SizeIs(2));
  EXPECT_EQ(groups[0].begun, 2u);
  EXPECT_EQ(groups[0].ended, 1u);
  EXPECT_EQ(groups[0].digest, 22u);
  EXPECT_EQ(groups[1].id, 77u);
  EXPECT_EQ(groups[1].begun, 9u);
}

TEST_F(FlightRecordTest, KeepsTheLastEventsAndSteps) {
  FlightWriter writer(directory_, facts_);
  for (uint64_t i = 1; i <= 3000; ++i) {
    writer.begin(sum(i));
    writer.end(false);
    writer.end_step(static_cast<int64_t>(i), 0.5, {1, 2, 3});
  }
  const auto record = read();
  ASSERT_THAT(record.events, SizeIs(1024));
  EXPECT_EQ(record.events.front().group_sequence, 3000u - 1023u);
  EXPECT_EQ(record.events.back().group_sequence, 3000u);
  ASSERT_THAT(record.steps, SizeIs(256));
  EXPECT_EQ(record.steps.back().step, 3000);
  EXPECT_EQ(record.steps.back().seconds[2], 3);
  EXPECT_EQ(record.step, 3000);
  EXPECT_EQ(record.seconds[1], 6000);
}

TEST_F(FlightRecordTest, NamesOneThreadMoreThanItHasPlacesFor) {
  FlightWriter writer(directory_, facts_);
  std::vector<std::thread> threads;
  std::atomic<int> begun = 0, stop = 0;
  for (int i = 0; i < 17; ++i) {
    threads.emplace_back([&] {
      writer.begin({.name = "wait for a batch"});
      ++begun;
      while (!stop) std::this_thread::yield();
      writer.end(false);
    });
  }
  while (begun < 17) std::this_thread::yield();
  const auto during = read();
  stop = 1;
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(during.threads, SizeIs(16));
  EXPECT_THAT(read().threads, IsEmpty());
  EXPECT_THAT(read().events, SizeIs(17));
}

TEST_F(FlightRecordTest, CountsEventsThatAreNestedTooDeeply) {
  FlightWriter writer(directory_, facts_);
  for (int i = 0; i < 10; ++i) writer.begin({.name = "forward"});
  EXPECT_THAT(read().threads.at(0).open, SizeIs(6));
  for (int i = 0; i < 12; ++i) writer.end(false);
  EXPECT_THAT(read().threads.at(0).open, IsEmpty());
  EXPECT_THAT(read().events, SizeIs(6));
}

// What a process that is killed leaves behind.
TEST_F(FlightRecordTest, IsReadableAfterAKill) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    FlightWriter writer(directory_, facts_);
    writer.set_activity("step", 300);
    writer.begin(sum(1842));
    [[maybe_unused]] const auto written = ::write(ready[1], "x", 1);
    ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto record = read();
  EXPECT_EQ(record.process, child);
  EXPECT_EQ(record.activity, "step");
  EXPECT_EQ(record.end.kind, FlightEnd::Kind::running);
  EXPECT_THAT(names(record.threads.at(0).open), ElementsAre("all_reduce"));
}

TEST_F(FlightRecordTest, HasTheFirstEndOfTheProcess) {
  FlightWriter writer(directory_, facts_);
  writer.end_process(FlightEnd::Kind::exception, 76, 0, "timed out after 60 s");
  writer.end_process(FlightEnd::Kind::signal, 143, SIGTERM, "SIGTERM");
  const auto end = read().end;
  EXPECT_EQ(end.kind, FlightEnd::Kind::exception);
  EXPECT_EQ(end.status, 76);
  EXPECT_EQ(end.message, "timed out after 60 s");
}

TEST_F(FlightRecordTest, HasACopyWithTheLastEvents) {
  FlightWriter writer(directory_, facts_);
  writer.name_bucket(255, "head.weight");
  for (uint64_t i = 1; i <= 1000; ++i) {
    writer.begin(sum(i));
    writer.end(false);
    writer.end_step(static_cast<int64_t>(i), 0.5, {});
  }
  writer.begin(sum(1001));
  ASSERT_TRUE(writer.write_copy());
  std::filesystem::remove(flight_path(directory_));
  const auto copy = read();
  EXPECT_TRUE(copy.is_copy);
  ASSERT_THAT(copy.events, SizeIs(64));
  EXPECT_EQ(copy.events.back().group_sequence, 1000u);
  EXPECT_EQ(copy.events.front().group_sequence, 937u);
  EXPECT_THAT(copy.steps, SizeIs(32));
  EXPECT_THAT(copy.buckets, SizeIs(256));
  EXPECT_THAT(names(copy.threads.at(0).open), ElementsAre("all_reduce"));
}

TEST_F(FlightRecordTest, IsTheCopyIfThatHasTheNewerHeartbeat) {
  FlightWriter writer(directory_, facts_);
  writer.beat({.count = 1});
  std::filesystem::copy(flight_path(directory_), run_ / "old");
  writer.beat({.count = 2});
  ASSERT_TRUE(writer.write_copy());
  EXPECT_FALSE(read().is_copy);
  std::filesystem::remove(flight_path(directory_));
  std::filesystem::rename(run_ / "old", flight_path(directory_));
  EXPECT_TRUE(read().is_copy);
}

TEST_F(FlightRecordTest, KeepsThoseOfThreeEarlierStarts) {
  for (facts_.start = 1; facts_.start <= 6; ++facts_.start) FlightWriter(directory_, facts_);
  EXPECT_EQ(read(0).start, 6u);
  EXPECT_EQ(read(1).start, 5u);
  EXPECT_EQ(read(3).start, 3u);
  EXPECT_EQ(read_flight_record(directory_, 4), std::nullopt);
}

TEST_F(FlightRecordTest, LeavesOutRanksOfEarlierStarts) {
  for (const int rank : {0, 1, 2})
    FlightWriter(rank_directory(run_ / "run", rank), {.start = 1, .rank = rank});
  for (const int rank : {1, 0})
    FlightWriter(rank_directory(run_ / "run", rank), {.start = 2, .rank = rank});
  const auto now = read_flight_records(run_ / "run");
  ASSERT_THAT(now, SizeIs(2));
  EXPECT_EQ(now[0].rank, 0);
  EXPECT_EQ(now[1].start, 2u);
  EXPECT_THAT(read_flight_records(run_ / "run", nullptr, 1), SizeIs(3));
  EXPECT_THAT(read_flight_records(run_ / "run", nullptr, 2), IsEmpty());
  EXPECT_THAT(read_flight_records(run_ / "no run"), IsEmpty());
}

TEST_F(FlightRecordTest, OfOneDamagedRankDoesNotHideTheOthers) {
  for (const int rank : {0, 1})
    FlightWriter(rank_directory(run_ / "run", rank), {.start = 1, .rank = rank});
  std::filesystem::resize_file(flight_path(rank_directory(run_ / "run", 1)), 5000);
  std::filesystem::remove(flight_copy_path(rank_directory(run_ / "run", 1)));
  std::vector<std::string> remarks;
  EXPECT_THAT(read_flight_records(run_ / "run", &remarks), SizeIs(1));
  EXPECT_THAT(remarks, ElementsAre(HasSubstr("rank_00001/flight_record.bin")));
}

std::string message_of(const std::string& bytes) {
  try {
    parse_flight_record(bytes, "file");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(FlightRecordTest, OfAnotherVersionIsRefused) {
  { const FlightWriter writer(directory_, facts_); }
  std::string bytes = read_file(local_files(), flight_path(directory_));
  ++bytes[8];
  EXPECT_THAT(message_of(bytes), HasSubstr("it has version 2, but version 1 is required"));
}

TEST_F(FlightRecordTest, IsRefusedUnlessItIsWhole) {
  { const FlightWriter writer(directory_, facts_); }
  const std::string bytes = read_file(local_files(), flight_path(directory_));
  EXPECT_THAT(message_of(bytes.substr(0, 100)), HasSubstr("too short"));
  EXPECT_THAT(message_of(bytes.substr(0, 50'000)), HasSubstr("has 50000 bytes"));
  EXPECT_THAT(message_of(std::string(bytes.size(), '\0')), HasSubstr("RIPFLREC"));
  std::string huge = bytes;
  std::memset(huge.data() + 64, 0xff, 16);
  EXPECT_THAT(message_of(huge), HasSubstr("its header requires"));
}

TEST_F(FlightRecordTest, LeavesOutEntriesThatWereBeingWritten) {
  FlightWriter writer(directory_, facts_);
  for (uint64_t i = 1; i <= 3; ++i) {
    writer.begin(sum(i));
    writer.end(false);
  }
  std::string bytes = read_file(local_files(), flight_path(directory_));
  bytes[flight::Sizes{}.events_begin() + 2 * sizeof(flight::Event) - 4] ^= 1;
  const auto events = parse_flight_record(bytes, "file").events;
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].group_sequence, 3u);
}

TEST_F(FlightRecordTest, OfADirectoryThatCannotBeWrittenIsInMemory) {
  std::ofstream(run_ / "run") << "a file";
  FlightWriter writer(directory_, facts_);
  EXPECT_THAT(writer.remark(), HasSubstr("run"));
  writer.begin(sum(1));
  writer.end(false);
  EXPECT_FALSE(writer.write_copy());
}

// The pages of a truncated file raise SIGBUS, which a program handles like this.
void continue_without_file(int, siginfo_t* information, void*) {
  if (!replace_lost_flight_memory(information->si_addr)) ::_exit(3);
}

TEST_F(FlightRecordTest, SurvivesTheLossOfItsFile) {
  const pid_t child = ::fork();
  if (child == 0) {
    FlightWriter writer(directory_, facts_);
    struct sigaction action = {};
    action.sa_sigaction = continue_without_file;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGBUS, &action, nullptr);
    std::filesystem::resize_file(flight_path(directory_), 0);
    writer.begin(sum(1));
    writer.end(false);
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace ripieno::io
