#include "ripieno/training/run_saves.h"

#include <fmt/format.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/file_system.h"
#include "ripieno/training/exchange.h"

namespace ripieno {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

std::string random_name() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

}  // namespace

RunSaves::RunSaves(Session& session, optim::Optimizer& optimizer, int64_t step,
                   const RunSavesOptions& options)
    : session_(session),
      optimizer_(optimizer),
      options_(options),
      exceptions_(std::uncaught_exceptions()),
      start_(from_rank_0(session.communicator(), random_name())),
      schedule_(options.schedule, step, now()),
      saver_(io::local_files(), options.directory) {
  optimizer_.before_step([this] { wait_until_copied(); });
}

// Where the run ends by an exception, other ranks may be gone, and nobody waits for them.
RunSaves::~RunSaves() {
  optimizer_.before_step({});
  if (std::uncaught_exceptions() == exceptions_) saver_.wait();
}

void RunSaves::reserve(const io::State& whole) {
  saver_.reserve(io::share_of(whole, session_.rank(), session_.size()));
}

void RunSaves::end_step() { schedule_.note_step(seconds_since(step_start_), saver_.is_saving()); }

// By time, a save that takes longer than the interval is let end.
bool RunSaves::is_due(int64_t step) const {
  const bool can_begin = options_.schedule.every.has_value() || !saver_.is_saving();
  return can_begin && schedule_.is_due(step, now());
}

void RunSaves::begin(int64_t step, const io::State& whole, const nlohmann::json& training_state,
                     std::function<void()> before) {
  wait_until_ended();
  schedule_.begin(step, now());
  const auto start = Clock::now();
  saver_.start(step, io::share_of(whole, session_.rank(), session_.size()), training_state,
               next_save(), std::move(before));
  schedule_.note_wait(seconds_since(start));
  newest_step_ = step;
}

std::string RunSaves::save_now(int64_t step, const std::function<io::State()>& whole,
                               const nlohmann::json& training_state,
                               const std::function<void()>& before) {
  const bool is_begun = newest_step_ == step;
  wait_until_ended();
  // Also so that no rank begins before rank 0's save has ended.
  const auto failure_so_far = from_rank_0(session_.communicator(), failure_);
  if (is_begun && failure_so_far.empty()) return "";
  if (is_begun) failure_.clear();
  std::string failure;
  try {
    if (before) before();
    io::save_checkpoint(io::local_files(), options_.directory, step,
                        io::share_of(whole(), session_.rank(), session_.size()), training_state,
                        next_save());
  } catch (const StorageError& error) {
    failure = error.what();
  }
  newest_step_ = step;
  return from_rank_0(session_.communicator(), failure);
}

std::string RunSaves::take_failure(int64_t step) {
  note(saver_.poll());
  if (failure_.empty()) return "";
  schedule_.retry_soon(step, now());
  return std::exchange(failure_, "");
}

double RunSaves::take_waited_seconds() { return std::exchange(waited_, 0.0); }

void RunSaves::wait_until_copied() {
  const auto start = Clock::now();
  saver_.wait_until_copied();
  const double waited = seconds_since(start);
  waited_ += waited;
  schedule_.note_wait(waited);
}

void RunSaves::wait_until_ended() {
  const auto start = Clock::now();
  note(saver_.wait());
  schedule_.note_wait(seconds_since(start));
}

void RunSaves::note(const std::optional<io::EndedSave>& ended) {
  if (!ended) return;
  failure_ = ended->failure.empty()
                 ? ""
                 : fmt::format("step {} is not saved: {}", ended->step, ended->failure);
}

io::SaveOptions RunSaves::next_save() {
  return {.rank = session_.rank(),
          .size = session_.size(),
          .attempt = fmt::format("{}_{}", start_, saves_++),
          .keep = options_.keep};
}

}  // namespace ripieno
