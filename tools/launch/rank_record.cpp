#include "ripieno/tools/launch/rank_record.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStarted = ".started", kEnded = ".ended", kAlive = ".alive",
                           kLost = ".lost", kNotice = ".notice", kHost = "host_", kRank = "rank_";
constexpr std::size_t kMostBytes = 1 << 16;

// Under another name first, so that a reader never sees half of it. Not synced: what matters after
// a power cut is the run's checkpoints.
bool replace(const std::string& path, std::string_view text) {
  const std::string partial = fmt::format("{}.partial.{}", path, ::getpid());
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  return file.good() && std::rename(partial.c_str(), path.c_str()) == 0;
}

// Opened anew each time, since NFS compares a file with the server's only when it is opened.
std::optional<std::string> read_small(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMostBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) return std::nullopt;
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::string name_of(const RankEnd& rank, std::string_view suffix) {
  return fmt::format("/{}{:05}{}", kRank, rank.rank, suffix);
}

// Unless the record of this rank is known already.
void add_record(std::vector<RankEnd>& records, const std::string& stem, const fs::path& path) {
  int rank = 0;
  const char* end = stem.data() + stem.size();
  if (std::from_chars(stem.data() + kRank.size(), end, rank).ptr != end) return;
  const auto is_same = [&](const RankEnd& record) { return record.rank == rank; };
  if (std::any_of(records.begin(), records.end(), is_same)) return;
  const auto text = read_small(path);
  if (auto record = text ? parse_rank_record(*text) : std::nullopt) records.push_back(*record);
}

}  // namespace

std::string to_json(const RankEnd& rank) {
  const nlohmann::json record = {{"rank", rank.rank},
                                 {"host", rank.host},
                                 {"pid", rank.pid},
                                 {"time", rank.time},
                                 {"status", rank.status},
                                 {"signal", rank.signal},
                                 {"asked_to_end", rank.asked_to_end},
                                 {"last_words", rank.last_words}};
  return record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<RankEnd> parse_rank_record(std::string_view text) {
  const auto record = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return std::nullopt;
  try {
    return RankEnd{.rank = record.at("rank"),
                   .host = record.at("host"),
                   .pid = record.at("pid"),
                   .status = record.at("status"),
                   .signal = record.at("signal"),
                   .time = record.at("time"),
                   .asked_to_end = record.at("asked_to_end"),
                   .last_words = record.at("last_words")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

bool AttemptFolder::write_started(const RankEnd& rank) const {
  return replace(path_ + name_of(rank, kStarted), to_json(rank));
}

bool AttemptFolder::write_ended(const RankEnd& rank) const {
  return replace(path_ + name_of(rank, kEnded), to_json(rank));
}

bool AttemptFolder::write_alive(const std::string& host, uint64_t count) const {
  return replace(fmt::format("{}/{}{}{}", path_, kHost, host, kAlive), fmt::format("{}\n", count));
}

bool AttemptFolder::write_launcher_alive(uint64_t count) const {
  return replace(path_ + "/launcher.alive", fmt::format("{}\n", count));
}

bool AttemptFolder::write_lost(const std::string& host) const {
  return replace(fmt::format("{}/{}{}{}", path_, kHost, host, kLost), "");
}

bool AttemptFolder::write_notice(const std::string& host, const std::string& text) const {
  return replace(fmt::format("{}/{}{}{}", path_, kHost, host, kNotice), text);
}

void update(AttemptContents& contents, const AttemptFolder& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder.path(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string suffix = entry->path().extension(), stem = entry->path().stem();
    if (stem.starts_with(kRank)) {
      if (suffix == kStarted) add_record(contents.started, stem, entry->path());
      if (suffix == kEnded) add_record(contents.ended, stem, entry->path());
    } else if (stem.starts_with(kHost)) {
      const auto text = read_small(entry->path());
      if (!text) continue;
      const std::string host = stem.substr(kHost.size());
      if (suffix == kNotice) contents.notices[host] = *text;
      if (suffix == kAlive)
        std::from_chars(text->data(), text->data() + text->size(), contents.alive[host]);
    }
  }
}

std::string next_attempt_folder(const std::string& directory) {
  const fs::path parent = fs::absolute(fs::path(directory) / "launch").lexically_normal();
  std::error_code error;
  int last = 0;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error)) {
    int number = 0;
    if (std::sscanf(entry->path().filename().c_str(), "attempt_%d", &number) == 1)
      last = std::max(last, number);
  }
  return parent / fmt::format("attempt_{:05}", last + 1);
}

void make_attempt_folder(const std::string& path) {
  std::error_code error;
  if (fs::create_directories(path, error) && !error) return;
  throw StorageError(fmt::format("{}: cannot be created ({}); make the run directory writable",
                                 path, error ? error.message() : "it exists already"));
}

}  // namespace ripieno::tools
