// Session: this process as one rank of a training job, started alone or by mpirun. Construct it
// first in main().
//
// It owns the communicator, so it must outlive DataParallel, the loaders and the Run. It sets the
// number of threads of the CPU kernels that the constructing thread calls, and installs signal
// handlers (stop_signal.h). Not thread-safe: it is used by the thread that constructed it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"
#include "ripieno/distributed/handshake.h"
#include "ripieno/io/data/batch.h"
#include "ripieno/io/part.h"
#include "ripieno/training/session/stop_signal.h"

namespace ripieno {

class Session {
 public:
  // Joins the job if mpirun started this process, otherwise is its only rank. Selects the GPU of
  // the local rank if there is one, otherwise the CPU. Opens closed standard streams
  // (standard_streams.h). Throws ConfigurationError if mpirun belongs to another MPI.
  Session(int argc, char** argv);
  // Uses an existing communicator and the CPU; installs no signal handlers.
  explicit Session(std::unique_ptr<distributed::Communicator> communicator);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int rank() const { return communicator_->rank(); }
  int size() const { return communicator_->size(); }
  // Connects the ranks. On several ranks, an optimizer throws Error in its first step, on this
  // session's thread, unless the program has called this: every rank would train a model of its
  // own.
  distributed::Communicator& communicator() {
    *is_connected_ = true;
    return *communicator_;
  }
  Device device() const { return device_; }
  // The part of each batch that loaders read on this rank.
  operator io::Part() const { return {rank(), size(), slots_}; }
  // The words of the command line; the host name and the device of each rank ("cpu, 2 threads",
  // "cuda:0").
  const std::vector<std::string>& command() const { return command_; }
  const std::vector<std::string>& hosts() const { return hosts_; }
  const std::vector<std::string>& devices() const { return devices_; }

  // Sets the number of threads of this rank's CPU kernels. threads_source() is what determined it:
  // "train.threads", "OMP_NUM_THREADS", "the control group's quota" or "affinity"; the last two are
  // divided among the ranks of a host.
  void set_threads(int threads);  // a collective; on the session's thread
  const std::string& threads_source() const { return threads_source_; }

  // For strict mode: the number of slots per batch in every Part from now on; 0 disables strict
  // mode.
  void set_slots(int slots) { slots_ = slots; }

  // Selects "auto", "cpu" or "cuda". Throws ConfigurationError if "cuda" finds no usable GPU, or if
  // two ranks would share a GPU (gpu_sharing.h). A collective.
  void use_device(const std::string& name);

  // Why device "auto" selected the CPU although there is a GPU; otherwise empty.
  const std::string& device_remark() const { return device_remark_; }

  // What carries gradients between GPUs: NCCL and its file, or host memory and why. Empty for one
  // rank, and before use_device().
  const std::string& communication() const { return communication_; }
  bool uses_nccl() const { return uses_nccl_; }

  // Runs `action`, which must not call collectives, on every rank, and returns if it succeeded on
  // all of them. If it failed on some, every rank throws RankFailure, with the message on the first
  // rank that failed; if it failed on all, rank 0 throws its own exception instead. A collective.
  void together(const std::function<void()>& action);

  // Throws Error or RankFailure on every rank unless the parts of all ranks cover each row of the
  // batch exactly once. A collective.
  void require_whole_batch(const io::Batch& batch);

  // Throws on every rank if the facts of the ranks differ: ConfigurationError on rank 0, with the
  // deviating rank and the first fact that differs, RankFailure on the others. A collective.
  void require_agreement(const std::vector<distributed::Fact>& facts);

  // Restores the previous signal handlers, for a program that has nothing to save.
  void release_signals() { signal_.reset(); }

  // Requests a stop of the run, like a signal.
  void ask_to_stop() { stop_requested_ = true; }
  struct Agreement {
    bool stop;         // whether any rank was requested to stop, by a signal or ask_to_stop()
    int64_t decision;  // of rank 0
    int64_t failures;  // number of ranks with has_failure
  };
  // One exchange between the ranks, with the same result on all of them. `sums`, as many on every
  // rank, are replaced by their sums over the ranks. A collective.
  Agreement agree(int64_t decision_of_rank_0 = 0, bool has_failure = false,
                  std::span<int64_t> sums = {});
  bool stops_now() { return agree().stop; }

 private:
  void join();
  void take_device(const std::string& name);
  void use_nccl();
  void gather_devices();
  void choose_threads();
  void use_threads(int threads, const std::string& source);
  void check_optimizers();

  std::unique_ptr<distributed::MpiEnvironment> mpi_;
  std::unique_ptr<distributed::Communicator> communicator_;
  // Whether the program has called communicator(). Shared with the check of optimizers, which may
  // outlive the session on another thread.
  std::shared_ptr<std::atomic<bool>> is_connected_ = std::make_shared<std::atomic<bool>>(false);
  bool uses_nccl_ = false;
  std::unique_ptr<StopSignal> signal_;
  Device device_;
  std::string device_remark_, communication_;
  std::string threads_source_ = "the caller";
  int slots_ = 0;
  bool stop_requested_ = false;
  Tensor votes_;  // (3 + most sums so far) int64: as in Agreement, then the sums
  std::vector<std::string> command_, hosts_, devices_;
};

}  // namespace ripieno
