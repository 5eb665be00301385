// BackgroundSaver: saves checkpoints in a thread of its own while training goes on.
//
//   saver.start(step, mine, training_state, options);  // returns at once
//   … the next forward and backward …
//   saver.wait_until_copied();                         // before the optimizer's next step
//
// It writes a copy of the numbers. Of those on the CPU the copy is made behind the caller's back:
// they must stay as they are until wait_until_copied() returns. Those on a GPU are copied on the
// device, in the order of its work. One save at a time; one thread calls. Where no thread can be
// had, start() returns once all is written.
//
// Nobody waits for ever: where storage leaves an operation unanswered for longer than
// SaveOptions::stall_timeout_seconds, the save has failed, and its thread is left behind.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <thread>

#include "ripieno/io/checkpoint/checkpoint.h"

namespace ripieno::io {

struct EndedSave {
  int64_t step = 0;
  std::string failure;  // empty where the checkpoint stands
  double seconds = 0;   // from start() to its end
};

class BackgroundSaver {
 public:
  // `files` outlives this.
  BackgroundSaver(FileSystem& files, std::string checkpoints_directory);
  // Waits for the save under way as wait() does, but not for other ranks' part in it: where that is
  // missing, the save fails.
  ~BackgroundSaver();

  // Takes the memory that saves of such a state are copied to, and touches it, so that the first
  // save does not have to. Throws Error where there is not enough.
  void reserve(const State& mine);

  // As save_checkpoint(), on every rank, where no save is under way, also not on rank 0, and poll()
  // or wait() has told how the last one ended. `before` is called in the thread, before anything is
  // written; what it throws is the save's failure. Where there is no memory for a copy, or
  // none is wanted, the numbers must stay as they are until all is written.
  enum class Copy { yes, no };
  void start(int64_t step, const State& mine, const nlohmann::json& training_state,
             const SaveOptions& options, std::function<void()> before = {}, Copy copy = Copy::yes);
  // Has the save under way fail where it still waits for another rank.
  void give_up() { thread_.request_stop(); }
  void wait_until_copied() const;

  bool is_saving() const;
  // The save that has ended, once; wait() waits for the one under way. Nothing where there is none.
  std::optional<EndedSave> poll();
  std::optional<EndedSave> wait();

 private:
  struct Save;

  static void run(Save& save);
  EndedSave leave_behind();

  FileSystem& files_;
  const std::string directory_;
  std::shared_ptr<CheckpointLayouts> layouts_;
  State staging_;               // like the newest state, in memory of its own on the CPU
  std::shared_ptr<Save> save_;  // shared with its thread, which may be left behind
  std::jthread thread_;
};

}  // namespace ripieno::io
