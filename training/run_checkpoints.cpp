#include "ripieno/training/run_checkpoints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <random>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint.h"
#include "ripieno/io/file_system.h"
#include "ripieno/training/exchange.h"

namespace ripieno {
namespace {

std::string random_name() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

// The step of "step_00001000".
std::optional<int64_t> step_named(std::string_view name) {
  constexpr std::string_view kPrefix = "step_";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc() || rest != end) return std::nullopt;
  return step;
}

}  // namespace

void set_aside(io::FileSystem& files, const std::string& path) {
  if (!files.exists(path)) return;
  std::string name = path + ".set_aside";
  for (int i = 2; files.exists(name); ++i) name = fmt::format("{}.set_aside_{}", path, i);
  files.rename(path, name);
  files.sync_directory(io::parent_of(path));
}

RunCheckpoints::RunCheckpoints(Session& session, std::string directory, int keep)
    : session_(session),
      directory_(std::move(directory)),
      keep_(keep),
      start_(from_rank_0(session.communicator(), random_name())) {}

RunCheckpoints::Choice RunCheckpoints::choose(const std::string& resume) {
  Choice choice;
  if (resume == "never") return choice;
  session_.together([&] {
    if (session_.rank() != 0) return;
    const auto& files = io::local_files();
    if (resume != "auto") {
      choice.path = resume;
      if (!files.exists(resume)) {
        throw ConfigurationError(fmt::format("--resume {}: there is no such checkpoint", resume));
      }
      return;
    }
    auto found = io::newest_intact(files, directory_);
    if (!found.path && !found.rejected.empty()) {
      throw DataError(fmt::format("no checkpoint is intact: {}; --resume never starts anew",
                                  fmt::join(found.rejected, "; ")));
    }
    choice = {found.path.value_or(""), std::move(found.rejected)};
  });
  choice.path = from_rank_0(session_.communicator(), choice.path);
  return choice;
}

void RunCheckpoints::set_aside_after(int64_t step) {
  session_.together([&] {
    auto& files = io::local_files();
    if (session_.rank() != 0 || !files.exists(directory_)) return;
    for (const auto& name : files.names_in(directory_)) {
      if (step_named(name).value_or(step) > step) set_aside(files, directory_ + "/" + name);
    }
  });
}

std::string RunCheckpoints::save(int64_t step, const io::State& whole,
                                 const nlohmann::json& training_state) {
  const int rank = session_.rank(), size = session_.size();
  std::string failure;
  try {
    io::save_checkpoint(io::local_files(), directory_, step, io::share_of(whole, rank, size),
                        training_state,
                        {.rank = rank,
                         .size = size,
                         .attempt = fmt::format("{}_{}", start_, saves_++),
                         .keep = {.newest = keep_}});
  } catch (const StorageError& error) {
    failure = error.what();
  }
  if (size == 1) return failure;
  for (auto& text : gather(session_.communicator(), failure)) {
    if (!text.empty()) return text;
  }
  return "";
}

}  // namespace ripieno
