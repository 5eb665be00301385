#include "ripieno/training/run/run_saves.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/io/checkpoint/prove_save.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/watched_task.h"

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

// Runs `action` on every rank, on a thread that is abandoned if storage does not respond. The ranks
// poll each other until all have ended, so that none blocks in a collective meanwhile.
void watched_together(Session& session, double stall_timeout_seconds,
                      io::WatchedTask::Action action) {
  io::WatchedTask task(io::local_files(), stall_timeout_seconds, std::move(action));
  while (session.agree(0, task.is_running()).failures > 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  session.together([&] { task.finish(); });
}

// The forward changes buffers while a save is still copying: only optimizer steps wait for it.
io::State with_copied_buffers(io::State share) {
  for (auto& tensor : share) {
    if (tensor.kind == io::StateKind::buffer && tensor.count() > 0)
      tensor.part = tensor.part.clone();
  }
  return share;
}

// As determined by rank 0.
io::CommitMode chosen_commit_mode(Session& session, const RunSavesOptions& options) {
  const auto name =
      std::make_shared<std::string>();  // shared with the thread, which may outlive this call
  watched_together(session, options.stall_timeout_seconds,
                   [name, directory = options.directory, rank = session.rank()](auto& files) {
                     if (rank == 0) *name = io::name_of(io::probe_commit_mode(files, directory));
                   });
  return *io::commit_mode_named(from_rank_0(session.communicator(), *name));
}

}  // namespace

void prove_saves(Session& session, const RunSavesOptions& options,
                 const nlohmann::json& training_state) {
  const io::SaveOptions how = {.rank = session.rank(),
                               .size = session.size(),
                               .attempt = from_rank_0(session.communicator(), random_name()),
                               .commit = chosen_commit_mode(session, options)};
  watched_together(session, options.stall_timeout_seconds,
                   [directory = options.directory, training_state, how](io::FileSystem& files) {
                     io::prove_save(files, directory, training_state, how);
                   });
}

void prove_room(Session& session, const RunSavesOptions& options,
                const std::function<io::RoomNeeded()>& needed) {
  io::RoomNeeded room;
  session.together([&] { room = needed(); });
  watched_together(
      session, options.stall_timeout_seconds,
      [directory = options.directory, room, rank = session.rank()](io::FileSystem& files) {
        if (rank == 0) io::prove_room(files, directory, room);
      });
}

RunSaves::RunSaves(Session& session, optim::Optimizer& optimizer, int64_t step,
                   const RunSavesOptions& options)
    : session_(session),
      optimizer_(optimizer),
      options_(options),
      exceptions_(std::uncaught_exceptions()),
      commit_(chosen_commit_mode(session, options)),
      start_(from_rank_0(session.communicator(), random_name())),
      schedule_(options.schedule, step, now()),
      saver_(io::local_files(), options.directory) {
  optimizer_.before_step([this] {
    wait_until_copied();
    has_stepped_ = true;
  });
}

// If the run ends by an exception, other ranks may be lost, so this does not wait for them.
RunSaves::~RunSaves() {
  optimizer_.before_step({});
  if (std::uncaught_exceptions() == exceptions_) saver_.wait();
}

void RunSaves::reserve(const io::State& whole) {
  saver_.reserve(io::share_of(whole, session_.rank(), session_.size()));
}

void RunSaves::begin_step() {
  step_start_ = Clock::now();
  has_stepped_ = false;
}

void RunSaves::end_step() { schedule_.note_step(seconds_since(step_start_), saver_.is_saving()); }

// With an interval in time, a running save is never interrupted by the next one.
bool RunSaves::is_due(int64_t step) const {
  const bool can_begin = options_.schedule.every.has_value() || !saver_.is_saving();
  return can_begin && schedule_.is_due(step, now());
}

Session::Agreement RunSaves::agree(int64_t decision_of_rank_0, std::span<int64_t> sums) {
  note(saver_.poll());
  const bool has_failure = session_.rank() != 0 && !failure_.empty();
  const auto agreement = session_.agree(decision_of_rank_0, has_failure, sums);
  if (agreement.failures > 0)
    collect_failures(gather(session_.communicator(), has_failure ? failure_ : ""));
  return agreement;
}

void RunSaves::collect_failures(const std::vector<std::string>& failures) {
  failure_.clear();
  if (session_.rank() != 0) return;
  saver_.give_up();
  for (std::size_t rank = 0; rank < failures.size() && failure_.empty(); ++rank) {
    if (!failures[rank].empty()) failure_ = fmt::format("{} (rank {})", failures[rank], rank);
  }
}

// Waits until rank 0 has committed the running save or it has failed. No rank may start another
// save before that, because rank 0 removes the files of incomplete saves.
void RunSaves::wait_together() {
  const trace::Scope traced({.name = "wait for the running save"});
  const auto start = Clock::now();
  int64_t before = -1;
  bool has_waited = false;  // the same on all ranks
  while (true) {
    int64_t writes = saver_.writes();
    if (agree(session_.rank() == 0 && saver_.is_saving(), {&writes, 1}).decision == 0) break;
    has_waited = true;
    if (std::exchange(before, writes) != writes && options_.proceeds) options_.proceeds();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  note(saver_.wait());
  schedule_.note_wait(seconds_since(start));
  if (has_waited) compare_shard_times(seconds_since(start));
}

void RunSaves::compare_shard_times(double waited_seconds) {
  if (session_.size() == 1) return;
  std::vector<int64_t> nanoseconds(static_cast<std::size_t>(session_.size()));
  nanoseconds[static_cast<std::size_t>(session_.rank())] =
      static_cast<int64_t>(shard_seconds_ * 1e9);
  session_.agree(0, false, nanoseconds);
  const double passed = seconds_since(std::exchange(compared_, Clock::now()));
  if (session_.rank() != 0) return;
  const auto longest = std::max_element(nanoseconds.begin(), nanoseconds.end());
  ShardTimes times{.slowest = static_cast<int>(longest - nanoseconds.begin()),
                   .seconds = static_cast<double>(*longest) / 1e9,
                   .waited_seconds = waited_seconds,
                   .waited = std::min(1.0, waited_seconds / passed)};
  const auto middle = nanoseconds.begin() + (std::ssize(nanoseconds) - 1) / 2;
  std::nth_element(nanoseconds.begin(), middle, nanoseconds.end());
  times.median = static_cast<double>(*middle) / 1e9;
  shard_times_ = times;
}

bool RunSaves::ShardTimes::has_slow_rank() const {
  constexpr double kShare = 0.1, kTimes = 2, kLeastSeconds = 0.05, kPart = 0.25;
  const double more = seconds - median;
  return waited >= kShare && seconds >= kTimes * median && more >= kLeastSeconds &&
         more >= kPart * waited_seconds;
}

// Otherwise rank 0 would wait in vain for the files of a rank that saves something else.
void RunSaves::require_same_save(int64_t step, const io::State& whole) {
  session_.require_agreement({{"the checkpoint directory", options_.directory},
                              {"the step of the save", std::to_string(step)},
                              {"the number of saves", std::to_string(saves_)},
                              {"the number of tensors", std::to_string(whole.size())}});
}

void RunSaves::begin(int64_t step, const io::State& whole, const nlohmann::json& training_state,
                     std::function<void()> before) {
  wait_together();
  require_same_save(step, whole);
  schedule_.begin(step, now());
  const auto start = Clock::now();
  saver_.start(step, with_copied_buffers(io::share_of(whole, session_.rank(), session_.size())),
               training_state, next_save(), std::move(before));
  schedule_.note_wait(seconds_since(start));
  newest_step_ = step;
}

std::string RunSaves::save_now(int64_t step, const std::function<io::State()>& whole,
                               const nlohmann::json& training_state,
                               const std::function<void()>& before) {
  wait_together();
  if (newest_step_ == step) failure_.clear();  // this save is the retry
  const std::string earlier = std::exchange(failure_, "");
  const io::State state = whole();
  require_same_save(step, state);
  saver_.start(step, io::share_of(state, session_.rank(), session_.size()), training_state,
               next_save(), before, io::BackgroundSaver::Copy::no);
  newest_step_ = step;
  wait_together();
  const std::string failure = from_rank_0(session_.communicator(), failure_);
  failure_ = earlier;
  return failure;
}

std::string RunSaves::take_failure(int64_t step) {
  note(saver_.poll());
  if (failure_.empty()) return "";
  schedule_.retry_soon(step, now());
  return std::exchange(failure_, "");
}

std::string RunSaves::description() const {
  const auto& every = options_.schedule.every;
  const auto cost = schedule_.cost_seconds();
  const std::string when =
      every  ? fmt::format("every {} steps", *every)
      : cost ? fmt::format("every {:.0f} s (a save costs {:.2g} s of training time)",
                           schedule_.interval_seconds(), *cost)
             : "at intervals that depend on the cost of saving";
  const std::string shortage = saver_.shortage();
  return fmt::format("{}, committed by {}{}", when, io::name_of(commit_),
                     shortage.empty() ? ""
                                      : fmt::format("; {}, so the optimizer waits until the state "
                                                    "is copied to the host",
                                                    shortage));
}

std::string RunSaves::take_description() {
  const auto now = description();
  return std::exchange(description_, now) == now ? "" : now;
}

double RunSaves::take_waited_seconds() { return std::exchange(waited_, 0.0); }

void RunSaves::wait_until_copied() {
  const auto start = Clock::now();
  saver_.wait_until_copied();
  const double waited = seconds_since(start);
  waited_ += waited;
  schedule_.note_wait(waited);
}

void RunSaves::note(const std::optional<io::EndedSave>& ended) {
  if (ended) shard_seconds_ = ended->shard_seconds;
  if (ended && options_.ended && session_.rank() == 0) options_.ended(ended->failure.empty());
  const bool is_new = ended && !ended->failure.empty() && failure_.empty();
  if (is_new) failure_ = fmt::format("saving step {} failed: {}", ended->step, ended->failure);
}

io::SaveOptions RunSaves::next_save() {
  return {.rank = session_.rank(),
          .size = session_.size(),
          .attempt = fmt::format("{}_{}", start_, saves_++),
          .stall_timeout_seconds = options_.stall_timeout_seconds,
          .commit = commit_,
          .keep = options_.keep};
}

}  // namespace ripieno
