#include "ripieno/training/watch/recorder.h"

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "io/files/temporary_directory.h"
#include "ripieno/core/trace.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/ranks/paths.h"
#include "ripieno/training/session/bus_error.h"

namespace ripieno::watch {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RecorderTest : public testing::Test {
 protected:
  std::unique_ptr<Recorder> create(const WatchOptions& watch = {.limit_seconds = 0}) {
    return Recorder::create({.run_directory = run_.path(),
                             .start = 7,
                             .rank = 2,
                             .size = 4,
                             .device = "cpu",
                             .watch = watch});
  }
  io::FlightRecord read() {
    return io::read_flight_record(io::rank_directory(run_.path(), 2)).value();
  }

  io::TemporaryDirectory run_;
};

TEST_F(RecorderTest, HasPhasesAndCollectivesOfTheProcess) {
  const auto recorder = create();
  {
    const trace::Scope outer({.name = "communication"});
    const trace::Scope inner({.kind = trace::Event::Kind::collective,
                              .name = "all_reduce",
                              .bytes = 12,
                              .group = 1,
                              .sequence = 5,
                              .rank = 2,
                              .size = 4});
    EXPECT_THAT(read().threads.at(0).open, SizeIs(2));
  }
  const auto record = read();
  ASSERT_THAT(record.events, SizeIs(2));
  EXPECT_EQ(record.events[0].group_sequence, 5u);
  EXPECT_EQ(record.groups.at(0).ended, 5u);
}

TEST_F(RecorderTest, KnowsThatAnExceptionEndedAnEvent) {
  const auto recorder = create();
  try {
    const trace::Scope traced({.name = "forward"});
    throw 1;
  } catch (int) {
  }
  EXPECT_TRUE(read().events.at(0).has_failed);
}

TEST_F(RecorderTest, HasActivityAndSteps) {
  const auto recorder = create({.limit_seconds = 300});
  recorder->enter(Activity::step);
  recorder->end_step(41, {0.5, 1});
  recorder->enter(Activity::validation);
  const auto record = read();
  EXPECT_EQ(record.activity, "validation");
  EXPECT_EQ(record.activity_limit_seconds, 900);
  EXPECT_EQ(record.step, 41);
  EXPECT_EQ(record.steps.at(0).seconds[1], 1);
  EXPECT_EQ(record.limit_seconds, 300);
}

TEST_F(RecorderTest, WritesAHeartbeatAndTheCopyEachSecond) {
  const auto recorder = create();
  const auto first = read().heartbeat.count;
  EXPECT_GE(first, 1u);
  while (read().heartbeat.count < first + 2) std::this_thread::yield();
  EXPECT_TRUE(std::filesystem::exists(io::flight_copy_path(io::rank_directory(run_.path(), 2))));
}

TEST_F(RecorderTest, IsOneForTheProcess) {
  const auto recorder = create();
  EXPECT_EQ(create(), nullptr);
}

TEST_F(RecorderTest, CanBeFollowedByAnother) {
  create().reset();
  EXPECT_NE(create(), nullptr);
}

TEST_F(RecorderTest, HasTheStatusOfARunThatEnded) {
  create()->end(75);
  EXPECT_EQ(read().end.kind, io::FlightEnd::Kind::returned);
  EXPECT_EQ(read().end.status, 75);
}

TEST_F(RecorderTest, HasTheExceptionThatEndsTheProcess) {
  const auto recorder = create();
  record_exception(74, "disk full");
  EXPECT_EQ(read().end.kind, io::FlightEnd::Kind::exception);
  EXPECT_EQ(read().end.message, "disk full");
}

TEST_F(RecorderTest, HasABusErrorThatEndsTheProcess) {
  EXPECT_EXIT(
      {
        report_bus_errors();
        const auto recorder = create();
        std::raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), "");
  EXPECT_EQ(read().end.kind, io::FlightEnd::Kind::signal);
  EXPECT_EQ(read().end.signal, SIGBUS);
}

TEST_F(RecorderTest, SurvivesEventsThatEndAfterIt) {
  auto recorder = create();
  std::promise<void> begun, ended;
  std::thread late([&, wait = ended.get_future()]() mutable {
    const trace::Scope traced({.name = "save of a checkpoint"});
    begun.set_value();
    wait.wait();
  });
  begun.get_future().wait();
  recorder.reset();
  ended.set_value();
  late.join();
  EXPECT_EQ(trace::install_recorder(nullptr), nullptr);
}

TEST_F(RecorderTest, CallsTheProgramThatLinksItAndDoesNotEndIt) {
  std::promise<std::string> stalled;
  const auto recorder = create({.limit_seconds = 0.1, .on_stall = [&](const std::string& line) {
                                  stalled.set_value(line);
                                }});
  recorder->enter(Activity::step);
  const trace::Scope traced({.name = "data"});
  EXPECT_THAT(stalled.get_future().get(), HasSubstr("nothing has proceeded"));
  std::ifstream stacks(io::stacks_path(io::rank_directory(run_.path(), 2)));
  std::string first;
  std::getline(stacks, first);
  EXPECT_THAT(first, HasSubstr("rank 2"));
  EXPECT_EQ(read().end.kind, io::FlightEnd::Kind::running);
}

}  // namespace
}  // namespace ripieno::watch
