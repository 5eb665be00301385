#include "ripieno/training/profile/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/core/tensor.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/write_aside.h"
#include "ripieno/training/profile/recording.h"
#include "ripieno/training/profile/table.h"
#include "ripieno/training/profile/trace_file.h"

namespace ripieno {
namespace {

constexpr int64_t kWarmUp = 5, kSteps = 10;
constexpr int kMostRanks = 64;  // in the file, which a browser has to load

void require_writable(const std::string& path) {
  auto& files = io::local_files();
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw StorageError(fmt::format("profile: {} is a directory; pass the path of a file", path));
  const std::string aside = io::aside_of(io::link_target(files, path));
  files.create(aside);
  files.remove_all(aside);
}

// The file while it is written. Its first failure is kept, so that this rank can continue to take
// part in the collectives.
class TraceFile {
 public:
  explicit TraceFile(const std::string& path) : path_(io::link_target(files_, path)) {
    attempt([&] { file_ = files_.create(aside_); });
  }

  void append(const std::string& text) {
    attempt([&] { file_->append(std::as_bytes(std::span(text))); });
  }
  void finish() {
    attempt([&] { io::write_aside(files_, path_, aside_, [&] { file_->sync(); }); });
    if (!failure_.empty()) files_.remove_all(aside_);
  }
  const std::string& failure() const { return failure_; }

 private:
  template <typename Action>
  void attempt(const Action& action) {
    if (!failure_.empty()) return;
    try {
      action();
    } catch (const std::exception& error) {
      failure_ = error.what();
    }
  }

  io::FileSystem& files_ = io::local_files();
  const std::string path_;
  const std::string aside_ = io::aside_of(path_);
  std::unique_ptr<io::WritableFile> file_;
  std::string failure_;
};

// The text of rank `root`, on every rank.
std::string text_of_rank(distributed::Communicator& ranks, int root, const std::string& text,
                         int64_t size) {
  const Tensor bytes({size}, DType::uint8);
  auto* const data = bytes.data<uint8_t>();
  if (ranks.rank() == root) std::copy(text.begin(), text.end(), data);
  if (ranks.size() > 1) ranks.broadcast(bytes, root);
  return std::string(data, data + size);
}

void check(const ProfileOptions& options) {
  const auto [first, last] = std::pair(options.first_step, options.last_step);
  if ((first == 0 && last == 0) || (first >= 1 && last >= first)) return;
  throw ConfigurationError(fmt::format(
      "profile: the steps are {} to {}; the first must be at least 1, the last not below it", first,
      last));
}

}  // namespace

Profile::Profile(Session& session, ProfileOptions options)
    : session_(session), options_(std::move(options)), is_over_(options_.file.empty()) {
  session_.together([&] {
    check(options_);
    if (!is_over_ && session_.rank() == 0) require_writable(options_.file);
  });
}

Profile::~Profile() {
  if (recording_) recording_->stop();
}

void Profile::begin_step(int64_t step) {
  if (is_over_) return;
  if (options_.first_step == 0) {
    options_.first_step = step + kWarmUp;
    options_.last_step = options_.first_step + kSteps - 1;
  }
  if (step > options_.last_step) return finish();
  if (step < options_.first_step && !has_begun_) return;
  if (!std::exchange(has_begun_, true)) recording_ = profiles::Recording::start(session_.device());
  if (recording_) recording_->begin_step(step);
}

void Profile::finish() {
  if (std::exchange(is_over_, true)) return;
  if (!has_begun_) {
    const std::string steps = options_.first_step == 0
                                  ? "no step was taken"
                                  : fmt::format("none of the steps {} to {} was taken",
                                                options_.first_step, options_.last_step);
    return warn(fmt::format("profile: {}, so {} was not written; choose other steps", steps,
                            options_.file));
  }
  profiles::Recorded recorded;
  if (recording_) recorded = recording_->stop();
  recording_.reset();
  write(recorded);
}

// Rank after rank, so that no rank holds the events of all.
void Profile::write(const profiles::Recorded& recorded) {
  auto& ranks = session_.communicator();
  const bool writes = ranks.rank() == 0;
  auto starts = distributed::gather(ranks, recorded.started_unix);
  // A rank without a recording has no start.
  std::erase(starts, 0);
  const int64_t first = starts.empty() ? 0 : std::ranges::min(starts);
  const std::string events = profiles::trace_events(
      recorded, ranks.rank(), host_name(), std::max<int64_t>(recorded.started_unix - first, 0));
  const auto sizes = distributed::gather(ranks, static_cast<int64_t>(events.size()));
  std::unique_ptr<TraceFile> file;
  if (writes) file = std::make_unique<TraceFile>(options_.file);
  if (writes) file->append(profiles::trace_header());
  for (int rank = 0; rank < std::min(ranks.size(), kMostRanks); ++rank) {
    const auto text = text_of_rank(ranks, rank, events, sizes[static_cast<std::size_t>(rank)]);
    if (writes) file->append(text);
  }
  if (!writes) return;
  std::string table = profiles::table_of(recorded, ranks.rank(), ranks.size());
  if (ranks.size() > kMostRanks)
    table += fmt::format("The file contains the first {} of {} ranks.\n", kMostRanks, ranks.size());
  file->append(profiles::trace_footer(table));
  file->finish();
  if (file->failure().empty()) {
    table += fmt::format("trace: {} (open it in ui.perfetto.dev)\n", options_.file);
  } else {
    warn(
        fmt::format("profile: the trace was not written; training continues: {}", file->failure()));
  }
  if (options_.show) return options_.show(table);
  std::fputs(table.c_str(), stdout);
  std::fflush(stdout);
}

void Profile::warn(const std::string& line) const {
  if (session_.rank() != 0) return;
  if (options_.warn) return options_.warn(line);
  std::fputs((line + '\n').c_str(), stderr);
}

}  // namespace ripieno
