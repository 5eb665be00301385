#include "tools/explain/recorded_run.h"

#include <fmt/format.h>
#include <time.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "ripieno/io/run/ranks/layout.h"
#include "ripieno/io/run/ranks/paths.h"

namespace ripieno::tools::explain {
namespace {

int64_t monotonic_now() {
  timespec time = {};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

// Changes what the writer takes from this process and from the clock.
void set_facts(const std::string& path, const RecordedRank& rank) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  io::flight::Header header;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  header.facts.started_unix = kNow - nanoseconds(rank.started_before);
  header.facts.process = rank.process > 0 ? rank.process : 4700 + rank.rank;
  std::strncpy(header.facts.host, rank.host.c_str(), sizeof header.facts.host - 1);
  header.facts.host[rank.host.size()] = '\0';
  if (header.end.kind != 0) header.end.unix_time = kNow - nanoseconds(rank.ended);
  file.seekp(0);
  file.write(reinterpret_cast<const char*>(&header), sizeof header);
  ASSERT_TRUE(file.good());
}

}  // namespace

void RecordedRun::write(const RecordedRank& rank) {
  const std::string directory = io::rank_directory(path(), rank.rank);
  {
    io::FlightWriter writer(directory, {.start = 7,
                                        .rank = rank.rank,
                                        .size = size_,
                                        .cores = rank.cores,
                                        .compute_threads = rank.compute_threads,
                                        .reader_threads = rank.reader_threads,
                                        .processors = rank.processors,
                                        .limit_seconds = 300,
                                        .device = "cpu"});
    writer.set_activity(rank.activity, 300);
    if (rank.acts) rank.acts(writer);
    io::FlightHeartbeat beat = rank.heartbeat;
    beat.count = 100;
    beat.unix_time = kNow - nanoseconds(rank.silent);
    // As if the clock had gone on since the rank entered its place.
    beat.monotonic_time = monotonic_now() + nanoseconds(rank.in_place - rank.silent);
    writer.beat(beat);
  }
  std::filesystem::remove(io::flight_copy_path(directory));
  set_facts(io::flight_path(directory), rank);
}

void RecordedRun::write(int first, int last, RecordedRank like) {
  for (like.rank = first; like.rank < last; ++like.rank) write(like);
}

void RecordedRun::write_file(const std::string& name, const std::string& text) {
  const std::filesystem::path file = path() + "/" + name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

RunFacts RecordedRun::read() const {
  return read_run(io::local_files(), path(), {.now = kNow, .asks_nccl = false});
}

io::FlightWriter::NewEvent all_reduce(uint64_t sequence, int bucket) {
  return {.is_collective = true,
          .name = "all_reduce",
          .bytes = 4'000'000,
          .bucket = bucket,
          .digest = 11,
          .element_type = "float32",
          .group = 1,
          .group_sequence = sequence,
          .group_rank = 0,
          .group_size = 8};
}

void take_steps(io::FlightWriter& writer, int64_t count, const io::FlightWriter::Seconds& seconds,
                int64_t first) {
  for (int64_t step = first; step < first + count; ++step) writer.end_step(step, 0.1, seconds);
}

void PrintTo(const Finding& finding, std::ostream* out) {
  constexpr const char* kRoles[] = {"root", "consequence", "teardown"};
  *out << finding.code << " (" << kRoles[static_cast<int>(finding.role)] << "): " << finding.text;
}

testing::Matcher<const Finding&> is_finding(const std::string& code, Role role, int rank) {
  return testing::AllOf(
      testing::Field("code", &Finding::code, code), testing::Field("role", &Finding::role, role),
      testing::ResultOf(
          "the first rank",
          [](const Finding& finding) { return finding.ranks.empty() ? -1 : finding.ranks[0]; },
          rank));
}

testing::Matcher<const Finding&> says(const std::string& text) {
  return testing::Field("text", &Finding::text, testing::HasSubstr(text));
}

std::vector<std::string> codes(const std::vector<Finding>& findings) {
  std::vector<std::string> result;
  for (const auto& finding : findings) result.emplace_back(finding.code);
  return result;
}

}  // namespace ripieno::tools::explain
