// RunFacts directories that are damaged, incomplete, large, of another version, or read-only.
#include "ripieno/tools/explain/run/run_facts.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/run/ranks/layout.h"
#include "ripieno/io/run/ranks/paths.h"
#include "ripieno/tools/explain/wrap.h"
#include "ripieno/training/session/exit_status.h"
#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

namespace fs = std::filesystem;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::ThrowsMessage;

void overwrite(const std::string& path, int64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  file << bytes;
}

std::string record_of(const RecordedRun& run, int rank) {
  return io::flight_path(io::rank_directory(run.path(), rank));
}

TEST(ReadRun, RefusesWhatIsNotARunDirectory) {
  const io::TemporaryDirectory empty;
  EXPECT_THAT([&] { read_run(io::local_files(), empty.path()); },
              ThrowsMessage<UsageError>(HasSubstr("not a run directory")));
  EXPECT_THAT([&] { read_run(io::local_files(), empty / "none"); },
              ThrowsMessage<UsageError>(HasSubstr("no such directory")));
}

TEST(ReadRun, RefusesRecordsOfAnotherVersion) {
  RecordedRun run(2);
  run.write(0, 2, {});
  for (const int rank : {0, 1}) overwrite(record_of(run, rank), 8, "\x09");
  EXPECT_THAT([&] { run.read(); }, ThrowsMessage<DataError>(HasSubstr("it has version 9")));
}

TEST(ReadRun, LeavesOutARecordThatCannotBeRead) {
  RecordedRun run(3);
  run.write(0, 3, {});
  fs::resize_file(record_of(run, 1), 1000);
  const RunFacts read = run.read();
  EXPECT_THAT(read.ranks, SizeIs(2));
  EXPECT_THAT(read.remarks, ElementsAre(HasSubstr("rank_00001")));
  EXPECT_THAT(to_text(read, diagnose(read)), HasSubstr("left no record"));
}

TEST(ReadRun, LeavesOutARecordOfAnotherRank) {
  RecordedRun run(2);
  run.write(0, 2, {});
  fs::copy_file(record_of(run, 0), record_of(run, 1), fs::copy_options::overwrite_existing);
  const RunFacts read = run.read();
  EXPECT_THAT(read.ranks, SizeIs(1));
  EXPECT_THAT(read.remarks, ElementsAre(HasSubstr("it is of rank 0 of 2")));
}

TEST(ReadRun, LeavesOutRanksOfAnEarlierStart) {
  RecordedRun run(4);
  run.write(0, 4, {.started_before = 7200});
  for (const int rank : {0, 1}) {  // the run has only two ranks now
    run.write({.rank = rank, .started_before = 60});
    overwrite(record_of(run, rank), 16, std::string("\x63\0\0\0\0\0\0\0", 8));
  }
  EXPECT_THAT(run.read().ranks, SizeIs(2));
}

TEST(ReadRun, ToleratesDamagedFiles) {
  RecordedRun run(1);
  run.write({});
  run.write_file("run.json", "{");
  run.write_file("metrics.jsonl", "nothing\n{\"step\":1,\"loss\":2}\n{\"step\":\"x\"}\n{\"ste");
  run.write_file("launch/attempt_00001/rank_00000.ended", "[1");
  run.write_file("launch/attempt_x/rank_00000.ended", "{\"rank\":-9999999999999}");
  run.write_file("checkpoints/step_00000001/manifest.json", std::string(100, '\0'));
  const RunFacts read = run.read();
  EXPECT_THAT(read.remarks, testing::UnorderedElementsAre(HasSubstr("run.json"),
                                                          HasSubstr("a line cannot be read")));
  EXPECT_THAT(read.metrics.points, SizeIs(1));
}

// Bytes of every kind at every place of the header, and of the sections behind it.
TEST(ReadRun, SurvivesCorruptRecords) {
  RecordedRun run(2);
  run.write(0, 2, {.in_place = 40, .acts = [](auto& writer) {
                     take_steps(writer, 20, {0.1, 0.2});
                     writer.begin({.name = "communication"});
                     writer.begin(all_reduce(5));
                   }});
  const std::string path = record_of(run, 1);
  std::string whole(fs::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(whole.data(), std::ssize(whole));
  for (std::size_t i = 0; i < whole.size(); i += i < 4200 ? 7 : 997) {
    for (const char* bytes : {"\xff\xff\xff\xff\xff\xff\xff", "\x80\x0a\x1b[2J"}) {
      std::string damaged = whole;
      damaged.replace(i, 7, bytes, 7);
      damaged.resize(whole.size());
      std::ofstream(path, std::ios::binary) << damaged;
      const RunFacts read = run.read();
      const auto findings = diagnose(read);
      EXPECT_THAT(to_text(read, findings), Not(HasSubstr("\x1b")));
      EXPECT_NO_THROW(
          to_json(read, findings).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    }
  }
}

TEST(ReadRun, ChangesNothing) {
  RecordedRun run(2);
  run.write(0, 2, {});
  run.write_file("run.json", "{\"starts\":[]}");
  run.write_file("metrics.jsonl", "{\"step\":1,\"loss\":2}\n{\"step\"");
  const auto snapshot = [&] {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(run.path())) {
      struct stat status;
      EXPECT_EQ(::stat(entry.path().c_str(), &status), 0);
      files.push_back(fmt::format("{} {} {}.{} {}", entry.path().string(), status.st_size,
                                  status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_mode));
    }
    std::sort(files.begin(), files.end());
    return files;
  };
  const auto before = snapshot();
  const RunFacts read = run.read();
  to_text(read, diagnose(read));
  EXPECT_EQ(snapshot(), before);
}

TEST(ReadRun, ReadsARunWithoutRecordsOfRanks) {
  RecordedRun run(1);
  run.write_file("run.json", R"({"starts": [{"configuration": {"schedule": {"steps": 500}}}]})");
  run.write_file("metrics.jsonl",
                 "{\"step\":20,\"loss\":2,\"seconds\":{\"forward\":0.3,\"total\":0.4}}\n");
  const RunFacts read = run.read();
  EXPECT_THAT(to_text(read, diagnose(read)),
              testing::AllOf(HasSubstr("reached step 20 of 500"), HasSubstr("no records"),
                             HasSubstr("Nothing wrong was found")));
}

TEST(MetricHistory, SamplesALargeFileAndReadsItsEnd) {
  const io::TemporaryDirectory directory;
  const std::string path = directory / "metrics.jsonl";
  {
    std::ofstream file(path);
    const std::string padding(180, 'x');
    for (int step = 1; step <= 150'000; ++step) {
      file << fmt::format(R"({{"step":{},"loss":1,"seconds":{{"total":{}}},"note":"{}"}})", step,
                          step < 100'000 ? 0.1 : 0.3, padding)
           << '\n';
    }
  }
  const auto history = read_metric_history(io::local_files(), path);
  EXPECT_TRUE(history.is_sampled);
  EXPECT_EQ(history.unreadable, 0);
  EXPECT_EQ(history.points.back().step, 150'000);
  const auto change = find_slowdown(history.points);
  ASSERT_TRUE(change);
  EXPECT_NEAR(static_cast<double>(history.points[change->index].step), 100'000, 100);
}

TEST(Wrapped, BreaksAtSpacesAndIndents) {
  EXPECT_EQ(wrapped("one two three", 0, 2, 8), "one two\n  three\n");
  EXPECT_EQ(wrapped("a\x1b[1m b", 2, 4, 80), "  a?[1m b\n");
  EXPECT_EQ(wrapped("a µµµ b", 0, 0, 5), "a µµµ\nb\n");
  EXPECT_EQ(wrapped("", 2, 2, 80), "  \n");
}

}  // namespace
}  // namespace ripieno::tools::explain
