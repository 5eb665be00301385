#include "ripieno/io/checkpoint/background_save.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <system_error>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/io/checkpoint/state_copy.h"
#include "ripieno/io/files/watched_files.h"

namespace ripieno::io {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

// State shared by the saver and the thread of the save.
struct BackgroundSaver::Save {
  Save(FileSystem& to, std::string parent) : files(to), directory(std::move(parent)) {}

  bool is_stalled() const { return files.stalled_seconds() > options.stall_timeout_seconds; }
  // Blocks until the flag is set. Returns false if storage stops responding before that.
  bool wait_until(const bool Save::*reached) {
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, kPollInterval, [&] { return this->*reached; }) &&
           !is_stalled()) {
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

  static constexpr auto kPollInterval = std::chrono::milliseconds(50);

  WatchedFiles files;
  const std::string directory;
  const Clock::time_point start = Clock::now();
  EndedSave ended;                  // written by the thread until has_ended
  std::shared_ptr<StateCopy> copy;  // null: the tensors themselves are written
  State written;
  nlohmann::json training_state;
  SaveOptions options;
  std::function<void()> before;

  std::mutex mutex;  // guards the members below
  std::condition_variable changed;
  bool is_copied = false, has_ended = false;
};

BackgroundSaver::BackgroundSaver(FileSystem& files, std::string checkpoints_directory)
    : files_(files),
      directory_(std::move(checkpoints_directory)),
      layouts_(std::make_shared<CheckpointLayouts>()),
      copy_(std::make_shared<StateCopy>()) {}

BackgroundSaver::~BackgroundSaver() {
  give_up();
  wait();
}

void BackgroundSaver::reserve(const State& mine) {
  if (is_saving()) fail("BackgroundSaver::reserve: a save is in progress; call wait() first");
  copy_->reserve(mine);
}

void BackgroundSaver::start(int64_t step, const State& mine, const nlohmann::json& training_state,
                            const SaveOptions& options, std::function<void()> before, Copy copy) {
  if (save_ != nullptr)
    fail(
        "BackgroundSaver::start: the previous save is in progress or its result was not collected; "
        "call wait() first");
  auto save = std::make_shared<Save>(files_, directory_);
  save->ended.step = step;
  save->written = mine;
  save->training_state = training_state;
  save->options = options;
  save->options.layouts = layouts_;
  save->before = std::move(before);
  try {
    if (copy == Copy::yes) {
      copy_->begin(mine);
      save->copy = copy_;
      save->written = copy_->copied();
    }
  } catch (const std::exception&) {  // out of memory: save without a copy
    copy_ = std::make_shared<StateCopy>();
  }
  save_ = save;
  try {
    thread_ = std::jthread([save](const std::stop_token& stop) {
      save->options.stop = stop;
      run(*save);
    });
  } catch (const std::system_error&) {  // cannot start a thread
    run(*save);
  }
}

void BackgroundSaver::run(Save& save) {
  const auto release = [&] { save.reach(&Save::is_copied); };
  try {
    if (save.copy) save.copy->finish(release);
    if (save.before) save.files.watch(save.directory, save.before);
    save.ended.shard_seconds = save_checkpoint(save.files, save.directory, save.ended.step,
                                               save.written, save.training_state, save.options);
  } catch (const std::exception& error) {
    save.ended.failure = error.what();
  }
  release();
  save.ended.seconds = std::chrono::duration<double>(Clock::now() - save.start).count();
  save.reach(&Save::has_ended);
}

void BackgroundSaver::wait_until_copied() const {
  if (save_ == nullptr) return;
  if (!save_->wait_until(&Save::is_copied)) {
    save_->files.abandon();  // the caller may now change the tensors: they must not be committed
  } else if (save_->copy) {
    save_->copy->order_changes();
  }
}

std::string BackgroundSaver::shortage() const { return copy_->shortage(); }

bool BackgroundSaver::is_saving() const {
  return save_ != nullptr && !save_->is(&Save::has_ended) && !save_->is_stalled();
}

int64_t BackgroundSaver::writes() const {
  return earlier_writes_ + (save_ ? save_->files.writes() : 0);
}

void BackgroundSaver::forget_save() {
  earlier_writes_ = writes();
  save_.reset();
}

std::optional<EndedSave> BackgroundSaver::poll() {
  if (save_ == nullptr || is_saving()) return std::nullopt;
  return wait();
}

std::optional<EndedSave> BackgroundSaver::wait() {
  if (save_ == nullptr) return std::nullopt;
  if (!save_->wait_until(&Save::has_ended)) return abandon();
  if (thread_.joinable()) thread_.join();
  EndedSave ended = std::move(save_->ended);
  forget_save();
  return ended;
}

// The detached thread owns everything that it uses; its next storage operation fails.
EndedSave BackgroundSaver::abandon() {
  save_->files.abandon();
  thread_.request_stop();
  thread_.detach();
  EndedSave ended{.step = save_->ended.step,
                  .failure = fmt::format("{}: storage has not responded for {} s; check its server "
                                         "or disk, or choose another directory",
                                         save_->files.path(), save_->options.stall_timeout_seconds),
                  .seconds = std::chrono::duration<double>(Clock::now() - save_->start).count()};
  forget_save();
  copy_ = std::make_shared<StateCopy>();
  layouts_ = std::make_shared<CheckpointLayouts>();
  return ended;
}

}  // namespace ripieno::io
