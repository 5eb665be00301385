#include "ripieno/io/checkpoint/background_save.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <system_error>
#include <utility>

#include "ripieno/core/device/copy.h"
#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/io/files/watched_files.h"

namespace ripieno::io {
namespace {

using Clock = std::chrono::steady_clock;

bool is_like(const StateTensor& staged, const StateTensor& tensor) {
  return staged.count() == tensor.count() &&
         (tensor.count() == 0 || staged.part.dtype() == tensor.part.dtype());
}

// In parts, so that a device's own work is never held up for long.
void copy_in_parts(const Tensor& to, const Tensor& from) {
  constexpr std::size_t kPartBytes = std::size_t{32} << 20;
  for (std::size_t at = 0; at < from.bytes(); at += kPartBytes) {
    copy_bytes(static_cast<std::byte*>(to.raw_data()) + at, to.device(),
               static_cast<const std::byte*>(from.raw_data()) + at, from.device(),
               std::min(kPartBytes, from.bytes() - at));
  }
}

// A state like `mine`, in memory of its own on the CPU: that of `known` where it is of these sizes.
State staged_like(const State& mine, State known) {
  const bool is_known = std::equal(known.begin(), known.end(), mine.begin(), mine.end(), is_like);
  if (!is_known) known.clear();  // before more is taken
  State staging = mine;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (mine[i].count() == 0) continue;
    const Tensor& part = mine[i].part;
    staging[i].part =
        is_known ? known[i].part.reshape(part.shape()) : Tensor::zeros(part.shape(), part.dtype());
  }
  return staging;
}

// What is on a GPU is copied there, in the order of its work; where the GPU has no room, to
// `staging` at once.
State snapshot_of(const State& mine, const State& staging) {
  State snapshot = mine;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (mine[i].count() == 0) continue;
    const Tensor& part = mine[i].part;
    if (!part.device().is_cuda()) {
      snapshot[i].part = part.dense();
      continue;
    }
    try {
      snapshot[i].part = part.clone();
    } catch (const std::exception&) {
      copy_in_parts(staging[i].part, part.dense());
      snapshot[i].part = staging[i].part;
    }
  }
  return snapshot;
}

}  // namespace

// What the saver and the save's thread share.
struct BackgroundSaver::Save {
  Save(FileSystem& to, std::string below) : files(to), directory(std::move(below)) {}

  bool is_silent() const { return files.silent_seconds() > options.silence_seconds; }
  // Whether it was reached: else storage is silent.
  bool wait_until(const bool Save::*reached) {
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, kLook, [&] { return this->*reached; }) && !is_silent()) {
    }
    return this->*reached;
  }
  void reach(bool Save::*reached) {
    const std::lock_guard lock(mutex);
    this->*reached = true;
    changed.notify_all();
  }
  bool is(const bool Save::*reached) {
    const std::lock_guard lock(mutex);
    return this->*reached;
  }

  static constexpr auto kLook = std::chrono::milliseconds(50);

  WatchedFiles files;
  const std::string directory;
  const Clock::time_point start = Clock::now();
  EndedSave ended;  // the thread's, until it has_ended
  State source, written;
  nlohmann::json training_state;
  SaveOptions options;
  std::function<void()> before;

  std::mutex mutex;  // of what follows
  std::condition_variable changed;
  bool is_copied = false, has_ended = false;
};

BackgroundSaver::BackgroundSaver(FileSystem& files, std::string checkpoints_directory)
    : files_(files),
      directory_(std::move(checkpoints_directory)),
      layouts_(std::make_shared<CheckpointLayouts>()) {}

BackgroundSaver::~BackgroundSaver() {
  give_up();
  wait();
}

void BackgroundSaver::reserve(const State& mine) {
  if (is_saving()) fail("BackgroundSaver::reserve: a save is under way; wait() for it");
  staging_ = staged_like(mine, std::exchange(staging_, {}));
}

void BackgroundSaver::start(int64_t step, const State& mine, const nlohmann::json& training_state,
                            const SaveOptions& options, std::function<void()> before, Copy copy) {
  if (save_ != nullptr)
    fail("BackgroundSaver::start: a save is under way, or untold; wait() first");
  auto save = std::make_shared<Save>(files_, directory_);
  save->ended.step = step;
  save->written = mine;
  save->training_state = training_state;
  save->options = options;
  save->options.layouts = layouts_;
  save->before = std::move(before);
  try {
    if (copy == Copy::yes) {
      reserve(mine);
      save->source = snapshot_of(mine, staging_);
      save->written = staging_;
    }
  } catch (const std::exception&) {  // no memory
    staging_.clear();
  }
  save_ = save;
  try {
    thread_ = std::jthread([save](const std::stop_token& stop) {
      save->options.stop = stop;
      run(*save);
    });
  } catch (const std::system_error&) {  // no thread is to be had
    run(*save);
  }
}

void BackgroundSaver::run(Save& save) {
  // The caller may change the numbers from then on.
  const auto let_go = [&] {
    save.source.clear();
    save.reach(&Save::is_copied);
  };
  try {
    for (std::size_t i = 0; i < save.source.size(); ++i) {
      const Tensor &from = save.source[i].part, &to = save.written[i].part;
      const bool is_there = save.source[i].count() == 0 || from.raw_data() == to.raw_data();
      if (!is_there) copy_in_parts(to, from);
    }
    if (!save.source.empty()) let_go();
    if (save.before) save.files.watch(save.directory, save.before);
    save_checkpoint(save.files, save.directory, save.ended.step, save.written, save.training_state,
                    save.options);
  } catch (const std::exception& error) {
    save.ended.failure = error.what();
  }
  let_go();
  save.ended.seconds = std::chrono::duration<double>(Clock::now() - save.start).count();
  save.reach(&Save::has_ended);
}

void BackgroundSaver::wait_until_copied() const {
  if (save_ == nullptr || save_->wait_until(&Save::is_copied)) return;
  save_->files.abandon();  // nobody may commit numbers that now change
}

bool BackgroundSaver::is_saving() const {
  return save_ != nullptr && !save_->is(&Save::has_ended) && !save_->is_silent();
}

std::optional<EndedSave> BackgroundSaver::poll() {
  if (save_ == nullptr || is_saving()) return std::nullopt;
  return wait();
}

std::optional<EndedSave> BackgroundSaver::wait() {
  if (save_ == nullptr) return std::nullopt;
  if (!save_->wait_until(&Save::has_ended)) return leave_behind();
  if (thread_.joinable()) thread_.join();
  EndedSave ended = std::move(save_->ended);
  save_.reset();
  return ended;
}

// The thread keeps what it uses, and its next operation fails.
EndedSave BackgroundSaver::leave_behind() {
  save_->files.abandon();
  thread_.request_stop();
  thread_.detach();
  EndedSave ended{.step = save_->ended.step,
                  .failure = fmt::format("{}: storage has not responded for {} s",
                                         save_->files.path(), save_->options.silence_seconds),
                  .seconds = std::chrono::duration<double>(Clock::now() - save_->start).count()};
  save_.reset();
  staging_.clear();
  layouts_ = std::make_shared<CheckpointLayouts>();
  return ended;
}

}  // namespace ripieno::io
