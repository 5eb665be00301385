// RunSaves: saves the checkpoints of a run in the background while it trains.
//
// Every rank has one. Rank 0 decides when a save is due and collects the result of each.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/checkpoint/background_save.h"
#include "ripieno/io/checkpoint/prove_room.h"
#include "ripieno/io/files/json.h"
#include "ripieno/training/run/save_schedule.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

struct RunSavesOptions {
  std::string directory;
  SaveSchedule::Options schedule = {};
  io::Retention keep = {};
  // Called when a rank's part of a save proceeds while the ranks wait for its end.
  std::function<void()> proceeds = {};
  // Called on rank 0 when a save has ended, with whether it succeeded.
  std::function<void(bool succeeded)> ended = {};
  // A save, or a check of the storage, fails if an operation takes longer than this.
  double stall_timeout_seconds = 600;
};

// Before the first step: throws if a checkpoint with this training state cannot be saved in the
// directory or if storage does not respond. Leaves no files behind. A collective.
void prove_saves(Session& session, const RunSavesOptions& options,
                 const nlohmann::json& training_state);
// The same if there is too little space for the checkpoints that the run will save. `needed` is
// called on each rank and may throw; its result on rank 0 is used. A collective.
void prove_room(Session& session, const RunSavesOptions& options,
                const std::function<io::RoomNeeded()>& needed);

class RunSaves {
 public:
  // The session and the optimizer must outlive this object. From now on, the optimizer waits before
  // each step until the running save has copied what the step will change. A collective, like most
  // other calls.
  RunSaves(Session& session, optim::Optimizer& optimizer, int64_t step,
           const RunSavesOptions& options);
  ~RunSaves();
  RunSaves(const RunSaves&) = delete;
  RunSaves& operator=(const RunSaves&) = delete;

  // Allocates the memory for saves. `whole`, here and below: the state, as far as this rank has it.
  void reserve(const io::State& whole);

  // Called around each training step, to measure the cost of saving.
  void begin_step();
  void end_step();
  // Whether the optimizer took a step since begin_step().
  bool has_stepped() const { return has_stepped_; }
  bool is_due(int64_t step) const;

  // Called after each step on every rank: session.agree(), which also tells rank 0 of ranks that
  // failed to save their part, even if they cannot write any file.
  // `sums`, as many on every rank, are replaced by their sums over the ranks.
  Session::Agreement agree(int64_t decision_of_rank_0, std::span<int64_t> sums = {});

  // Starts a save once the running one has ended. `before` is called on every rank, on another
  // thread, before anything is written.
  void begin(int64_t step, const io::State& whole, const nlohmann::json& training_state,
             std::function<void()> before);
  // Saves, and returns when the checkpoint is committed (empty) or has failed (the error); the same
  // on every rank. Replaces a checkpoint of the same step, whose training state may be older.
  std::string save_now(int64_t step, const std::function<io::State()>& whole,
                       const nlohmann::json& training_state, const std::function<void()>& before);
  // Waits until the running save has ended. Called before an exception that every rank throws.
  void wait_for_save() { wait_together(); }
  // On rank 0: the error of a save that failed since the last call, or empty. Earlier checkpoints
  // are kept, and the save is retried soon.
  std::string take_failure(int64_t step);

  // The schedule as text, "every 100 steps, committed by rename"; empty if it is the same as at the
  // last call.
  std::string take_description();
  // How long ranks took to write their parts of a save for which training waited.
  struct ShardTimes {
    int slowest = 0;
    double seconds = 0, median = 0;  // of the slowest rank, and of the median rank
    double waited_seconds = 0;       // by training, for this save
    double waited = 0;               // the same as a share of the time since the save before

    // Whether training waited long, and for one rank.
    bool has_slow_rank() const;
  };
  // Of the last such save, once, on rank 0.
  std::optional<ShardTimes> take_shard_times() { return std::exchange(shard_times_, std::nullopt); }

  // The time that optimizer steps have waited for saves since the last call.
  double take_waited_seconds();
  const SaveSchedule& schedule() const { return schedule_; }

 private:
  using Clock = std::chrono::steady_clock;

  void wait_until_copied();
  void wait_together();
  void compare_shard_times(double waited_seconds);
  void require_same_save(int64_t step, const io::State& whole);
  void collect_failures(const std::vector<std::string>& failures);
  std::string description() const;
  void note(const std::optional<io::EndedSave>& ended);
  io::SaveOptions next_save();

  Session& session_;
  optim::Optimizer& optimizer_;
  const RunSavesOptions options_;
  const int exceptions_;  // uncaught exceptions at construction
  const io::CommitMode commit_;
  const std::string start_;  // random name of this start of the run
  int64_t saves_ = 0;
  int64_t newest_step_ = -1;
  std::string failure_;  // of the last save; on rank 0 also that of other ranks
  Clock::time_point step_start_;
  bool has_stepped_ = false;
  double waited_ = 0;
  double shard_seconds_ = 0;  // of the last save
  Clock::time_point compared_ = Clock::now();
  std::optional<ShardTimes> shard_times_;
  std::string description_;
  SaveSchedule schedule_;
  io::BackgroundSaver saver_;
};

}  // namespace ripieno
