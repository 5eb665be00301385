// RunSaves: saves a run's checkpoints while it trains.
//
// Every rank has one. Rank 0 decides when a save is due, and knows how each ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/checkpoint/background_save.h"
#include "ripieno/io/checkpoint/prove_room.h"
#include "ripieno/training/run/save_schedule.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

struct RunSavesOptions {
  std::string directory;
  SaveSchedule::Options schedule = {};
  io::Retention keep = {};
  // How long storage may leave an operation unanswered before a save, or the proof, has failed.
  double stall_timeout_seconds = 600;
};

// Before anything is trained: throws where a checkpoint of this training state could not be saved
// in the directory, or storage does not answer. A collective; it leaves nothing behind.
void prove_saves(Session& session, const RunSavesOptions& options,
                 const nlohmann::json& training_state);
// The same where there is no room for the checkpoints that the run will save from here on. `needed`
// is called on each rank, and may throw; rank 0 asks for what it returned there.
void prove_room(Session& session, const RunSavesOptions& options,
                const std::function<io::RoomNeeded()>& needed);

class RunSaves {
 public:
  // A collective, as most calls are. The session and the optimizer outlive this. From now on the
  // optimizer waits before each step until the save under way has copied what the step changes.
  RunSaves(Session& session, optim::Optimizer& optimizer, int64_t step,
           const RunSavesOptions& options);
  ~RunSaves();
  RunSaves(const RunSaves&) = delete;
  RunSaves& operator=(const RunSaves&) = delete;

  // Takes the memory for saves of `whole`, here and below what this rank has of the state.
  void reserve(const io::State& whole);

  // Around a step of training, so that it is known what saving costs it.
  void begin_step() { step_start_ = Clock::now(); }
  void end_step();
  bool is_due(int64_t step) const;

  // After each step, on every rank: as session.agree(). Where another rank failed to save its part,
  // rank 0 hears of it, even if that rank cannot write at all.
  Session::Agreement agree(int64_t decision_of_rank_0);

  // Begins to save, once the save under way has ended. `before` is called on this rank, in another
  // thread, before anything is written.
  void begin(int64_t step, const io::State& whole, const nlohmann::json& training_state,
             std::function<void()> before);
  // Returns once the checkpoint stands (empty) or has failed, the same on every rank. It replaces
  // one of that step, whose training state may be older.
  std::string save_now(int64_t step, const std::function<io::State()>& whole,
                       const nlohmann::json& training_state, const std::function<void()>& before);
  // Returns once the save under way has ended, before an exception that every rank throws.
  void let_end() { wait_together(); }
  // On rank 0: why a save that ended since the last call failed, or empty. What was saved before it
  // stands, and the next try is soon.
  std::string take_failure(int64_t step);

  // "every 100 steps, committed by rename", for people; empty where it is as it was at the last
  // call.
  std::string take_description();
  // How long training has stood still in the optimizer's steps, since the last call.
  double take_waited_seconds();
  const SaveSchedule& schedule() const { return schedule_; }

 private:
  using Clock = std::chrono::steady_clock;

  void wait_until_copied();
  void wait_together();
  void hear(const std::vector<std::string>& failures);
  std::string description() const;
  void note(const std::optional<io::EndedSave>& ended);
  io::SaveOptions next_save();

  Session& session_;
  optim::Optimizer& optimizer_;
  const RunSavesOptions options_;
  const int exceptions_;  // under way when this was made
  const io::CommitMode commit_;
  const std::string start_;  // names this start of the run
  int64_t saves_ = 0;
  int64_t newest_step_ = -1;
  std::string failure_;  // of a save that has ended, on rank 0 also of what others had to tell
  Clock::time_point step_start_;
  double waited_ = 0;
  std::string description_;
  SaveSchedule schedule_;
  io::BackgroundSaver saver_;
};

}  // namespace ripieno
