#include "ripieno/training/watch/process_facts.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <ctime>
#include <fstream>

namespace ripieno::watch {
namespace {

// cgroup version 1 has no word for "no limit", only a number that no machine reaches.
constexpr int64_t kNoLimit = int64_t{1} << 60;

int64_t now(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The number at the beginning of `text`, after blanks.
std::optional<int64_t> number_in(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  text.remove_prefix(first);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

// The number after `name` at the beginning of a line.
std::optional<int64_t> number_after(std::string_view name, std::string_view text) {
  while (!text.empty()) {
    if (text.starts_with(name)) return number_in(text.substr(name.size()));
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

// "Tcp: RtoAlgorithm … RetransSegs …\nTcp: 1 …": the value under a name.
std::optional<int64_t> retransmitted_in(std::string_view text) {
  const auto names = text.find("Tcp: "), values = text.find("\nTcp: ", names);
  if (names == std::string_view::npos || values == std::string_view::npos) return std::nullopt;
  std::string_view name = text.substr(names, values - names), value = text.substr(values + 1);
  while (!name.empty() && !value.empty()) {
    const auto word = name.substr(0, name.find(' '));
    if (word == "RetransSegs") return number_in(value);
    const auto next_name = name.find(' '), next_value = value.find(' ');
    if (next_name == std::string_view::npos || next_value == std::string_view::npos) break;
    name.remove_prefix(next_name + 1);
    value.remove_prefix(next_value + 1);
  }
  return std::nullopt;
}

// The path of this process's group for memory, and whether its hierarchy has version 1.
struct Membership {
  std::string path;
  bool has_version_1 = false;
};

std::optional<Membership> membership_in(const std::filesystem::path& file) {
  std::ifstream lines(file);
  std::optional<Membership> found;
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers == ",," && !found) found = {line.substr(second + 1), false};
    if (controllers.find(",memory,") != std::string::npos)
      return Membership{line.substr(second + 1), true};
  }
  return found;
}

int64_t limit_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  int64_t limit = kNoLimit;
  if (!(in >> limit)) return kNoLimit;  // "max"
  return limit;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessFacts::File::~File() {
  if (file_ >= 0) ::close(file_);
}

void ProcessFacts::File::open(const std::filesystem::path& path) {
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

std::string_view ProcessFacts::File::text(std::array<char, 8192>& buffer) const {
  if (file_ < 0) return {};
  const ssize_t bytes = ::pread(file_, buffer.data(), buffer.size(), 0);
  return bytes > 0 ? std::string_view(buffer.data(), static_cast<std::size_t>(bytes))
                   : std::string_view();
}

ProcessFacts::ProcessFacts(const std::filesystem::path& membership,
                           const std::filesystem::path& root) {
  statm_.open("/proc/self/statm");
  meminfo_.open("/proc/meminfo");
  network_.open("/proc/self/net/snmp");
  open_group(membership, root);
  oom_kills_at_start_ = oom_kills();
}

ProcessFacts::~ProcessFacts() = default;

// Of the group and its ancestors, the one with the lowest limit decides when a process is killed.
void ProcessFacts::open_group(const std::filesystem::path& membership,
                              const std::filesystem::path& root) {
  const auto found = membership_in(membership);
  if (!found) return;
  has_version_1_ = found->has_version_1;
  const auto top = has_version_1_ ? root / "memory" : root;
  const char* const limit = has_version_1_ ? "memory.limit_in_bytes" : "memory.max";
  std::filesystem::path own = std::filesystem::path(found->path).relative_path();
  std::error_code ignored;
  if (!std::filesystem::exists(top / own, ignored)) own.clear();  // seen from a container
  std::filesystem::path lowest = top / own;
  for (auto group = own; !group.empty(); group = group.parent_path()) {
    const auto parent = top / group.parent_path();
    if (limit_of(parent / limit) < limit_of(lowest / limit)) lowest = parent;
  }
  group_bytes_.open(lowest / (has_version_1_ ? "memory.usage_in_bytes" : "memory.current"));
  group_limit_.open(lowest / limit);
  group_events_.open(lowest / (has_version_1_ ? "memory.oom_control" : "memory.events"));
  if (!has_version_1_) group_processor_.open(top / own / "cpu.stat");
}

std::optional<int64_t> ProcessFacts::oom_kills() {
  return number_after("oom_kill ", group_events_.text(buffer_));
}

io::FlightHeartbeat ProcessFacts::read() {
  io::FlightHeartbeat beat;
  beat.unix_time = now(CLOCK_REALTIME);
  beat.monotonic_time = now(CLOCK_MONOTONIC);
  const auto statm = statm_.text(buffer_);  // "size resident …", in pages
  const auto resident = number_in(statm.substr(std::min(statm.find(' '), statm.size())));
  beat.resident_bytes = resident.value_or(0) * ::sysconf(_SC_PAGESIZE);
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  beat.peak_resident_bytes = usage.ru_maxrss * 1024;
  beat.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  beat.involuntary_switches = usage.ru_nivcsw;
  beat.group_bytes = number_in(group_bytes_.text(buffer_));
  beat.group_limit_bytes = number_in(group_limit_.text(buffer_));
  if (beat.group_limit_bytes >= kNoLimit) beat.group_limit_bytes.reset();
  beat.oom_kills = oom_kills();
  beat.oom_kills_at_start = oom_kills_at_start_;
  if (const auto free = number_after("MemAvailable:", meminfo_.text(buffer_)))
    beat.host_available_bytes = *free * 1024;
  if (const auto throttled = number_after("throttled_usec ", group_processor_.text(buffer_)))
    beat.throttled_seconds = static_cast<double>(*throttled) / 1e6;
  beat.retransmitted = retransmitted_in(network_.text(buffer_));
  return beat;
}

}  // namespace ripieno::watch
