// BackgroundSaver: saves checkpoints in a background thread while training continues.
//
//   saver.start(step, mine, training_state, options);  // returns without waiting for storage
//   … the next forward and backward …
//   saver.wait_until_copied();                         // before the next optimizer step
//
// Writes a copy of the state, as the work that is enqueued before start() leaves it. The tensors
// must not change before wait_until_copied(); until then the copy is made beside the next forward
// and backward. Tensors on a GPU are copied on the GPU, if it has memory for it, and then to the
// host, both on a stream of the saver.
//
// One save at a time. Not thread-safe: call it from one thread. If no thread can be started,
// start() returns once everything is written.
//
// If storage does not complete a single operation within SaveOptions::stall_timeout_seconds, the
// save fails and its thread is detached, so no call blocks forever.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/json.h"

namespace ripieno::io {

class StateCopy;

struct EndedSave {
  int64_t step = 0;
  std::string failure;       // error message; empty if the save succeeded
  double seconds = 0;        // from start() to the end of the save
  double shard_seconds = 0;  // of those, for writing this rank's shard; 0 if the save failed
};

class BackgroundSaver {
 public:
  // `files` must outlive this object and any detached thread.
  BackgroundSaver(FileSystem& files, std::string checkpoints_directory);
  // Waits like wait(), but not for other ranks: if a shard of another rank is missing, the save
  // fails.
  ~BackgroundSaver();

  // Allocates and touches the CPU memory for copies of a state with this layout, some of it pinned
  // if the state is on a GPU, so that the first save does not have to. Throws Error if there is not
  // enough memory or a save is in progress.
  void reserve(const State& mine);

  // Starts save_checkpoint() with these arguments in the background. Every rank calls it, once the
  // previous save has ended on all ranks (rank 0 too) and its result was collected with poll() or
  // wait(). `before` is called in the thread before anything is written; an exception of it fails
  // the save. Errors of the save are in EndedSave::failure; throws Error only if called too early.
  //
  // Copy::no writes the tensors themselves: they must not change until wait_until_copied() returns,
  // which is then at the end of the save. The same happens if there is no memory for a copy.
  enum class Copy { yes, no };
  void start(int64_t step, const State& mine, const nlohmann::json& training_state,
             const SaveOptions& options, std::function<void()> before = {}, Copy copy = Copy::yes);
  // Makes the save in progress fail if it is waiting for another rank's shard (rank 0).
  void give_up() { thread_.request_stop(); }
  // Lets the tensors passed to start() change: work that is enqueued on the current streams from
  // now on runs after they are copied. Blocks until tensors on the CPU are copied, and those on a
  // GPU that has no memory for a copy. Returns immediately if there is no save.
  void wait_until_copied() const;
  // Why wait_until_copied() blocks for tensors on a GPU: "cuda:0 has no memory for a copy of the
  // state (1.39 GiB)". Empty if it does not.
  std::string shortage() const;

  // Whether a save is in progress. False once it has ended or storage does not respond.
  bool is_saving() const;
  // The number of operations that have written something, over all saves: it grows while a save
  // proceeds.
  int64_t writes() const;
  // The result of the save that has ended, returned once. poll() returns nullopt while the save is
  // in progress; wait() blocks until it ends. Both return nullopt if there is no save.
  std::optional<EndedSave> poll();
  std::optional<EndedSave> wait();

 private:
  struct Save;

  static void run(Save& save);
  void forget_save();
  EndedSave abandon();

  FileSystem& files_;
  const std::string directory_;
  std::shared_ptr<CheckpointLayouts> layouts_;
  // Shared with the thread of the save, which may be detached.
  std::shared_ptr<StateCopy> copy_;
  int64_t earlier_writes_ = 0;  // of saves before save_
  std::shared_ptr<Save> save_;
  std::jthread thread_;
};

}  // namespace ripieno::io
