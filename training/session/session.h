// Session: this process as one rank of a training job, alone or under mpirun; the first object of a
// program.
//
// It owns the communicator, so it outlives the model's parallel wrapper, the loaders and the Run.
// It sets how many threads the CPU kernels of the constructing thread may use, and listens to
// signals (stop_signal.h). One thread uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
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
  // Joins the job that mpirun started, or is alone; takes the GPU of the local rank, or the CPU.
  // Opens closed standard streams (standard_streams.h).
  // Throws ConfigurationError where mpirun is that of another MPI.
  Session(int argc, char** argv);
  // Over the caller's communicator, on the CPU; leaves signals alone.
  explicit Session(std::unique_ptr<distributed::Communicator> communicator);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int rank() const { return communicator_->rank(); }
  int size() const { return communicator_->size(); }
  distributed::Communicator& communicator() { return *communicator_; }
  Device device() const { return device_; }
  // The share of each batch that loaders give this rank.
  operator io::Part() const { return {rank(), size(), slots_}; }
  // The words of the command line, and what each rank runs on: "host cpu, 2 threads".
  const std::vector<std::string>& command() const { return command_; }
  const std::vector<std::string>& hosts() const { return hosts_; }
  const std::vector<std::string>& devices() const { return devices_; }

  // Of this rank's CPU kernels; and what decided it, for people: "train.threads",
  // "OMP_NUM_THREADS", "the control group's quota" or "affinity". Ranks of a host share the last
  // two.
  void set_threads(int threads);  // a collective; on the session's thread
  const std::string& threads_source() const { return threads_source_; }

  // For strict mode: from now on every Part is of batches that are cut into so many slots. 0: none.
  void set_slots(int slots) { slots_ = slots; }

  // "auto", "cpu" or "cuda". Throws ConfigurationError where there is no GPU to take, or two ranks
  // would share one (gpu_places.h). A collective.
  void use_device(const std::string& name);

  // Why a GPU that is there goes unused though the device was left open ("auto"); else empty.
  const std::string& device_remark() const { return device_remark_; }

  // Runs `action`, which makes no collectives, on every rank, and returns where it succeeded on
  // all. Where it failed, every rank throws: each its own exception where all failed, else
  // RankFailure.
  void together(const std::function<void()>& action);

  // Throws Error, on every rank, unless the ranks' rows of a batch are together the whole batch,
  // each row once. A collective.
  void require_whole_batch(const io::Batch& batch);

  // Throws ConfigurationError on rank 0, and RankFailure on the others, where the ranks' facts
  // differ: names the odd ranks and the first fact. A collective.
  void require_agreement(const std::vector<distributed::Fact>& facts);

  // For a program that has nothing to save: signals end it again, as they end any other.
  void release_signals() { signal_.reset(); }

  // As a signal would.
  void ask_to_stop() { stop_asked_ = true; }
  struct Agreement {
    bool stop;         // whether any rank was asked to stop
    int64_t decision;  // rank 0's
    int64_t failures;  // how many ranks have one to tell
  };
  // The same answer on every rank. A collective.
  Agreement agree(int64_t decision_of_rank_0 = 0, bool has_failure = false);
  bool stops_now() { return agree().stop; }

 private:
  void join();
  void take_device(const std::string& name);
  void speak_nccl();
  void describe_places();
  void share_cores();
  void use_threads(int threads, const std::string& source);

  std::unique_ptr<distributed::MpiEnvironment> mpi_;
  std::unique_ptr<distributed::Communicator> communicator_;
  bool speaks_nccl_ = false;
  std::unique_ptr<StopSignal> signal_;
  Device device_;
  std::string device_remark_;
  std::string threads_source_ = "the caller";
  int slots_ = 0;
  bool stop_asked_ = false;
  Tensor votes_;  // (3) int64, as in Agreement
  std::vector<std::string> command_, hosts_, devices_;
};

}  // namespace ripieno
