// HostFacts: what `ripieno doctor` knows of one host, as seen by one rank. The checks are functions
// of these facts, so that tests can state any host.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/tools/launch/mpirun/network.h"
#include "ripieno/training/session/processors.h"

namespace ripieno::tools::doctor {

struct Space {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;
};

// What a name resolves to.
struct ResolvedName {
  enum class State { found, unknown, no_answer };

  std::string name;
  State state = State::found;
  uint32_t address = 0;  // in the byte order of the host
};

struct GpuState {
  int index = 0;
  std::string name = {};
  int64_t memory_errors = 0;  // uncorrected, since the driver started
  bool is_throttled = false;  // by heat or a hardware brake
};

struct GpuFacts {
  int count = 0;                      // usable by this build
  std::string description = {};       // one line: the GPUs, or why there are none
  std::string unusable = {};          // why a GPU that is there cannot be used; otherwise empty
  std::string nccl = {}, cudnn = {};  // one line each: version and file, or why it is missing
  bool has_nccl = false, has_cudnn = false;
  // By nvidia-smi. Empty optional: it is not installed.
  struct Tool {
    std::string failure = {};  // empty: it answered
    std::vector<GpuState> gpus = {};
  };
  std::optional<Tool> tool = {};
};

struct LimitFacts {
  std::optional<Space> shared_memory = {};          // empty: there is no /dev/shm
  std::optional<int64_t> locked_memory_bytes = {};  // empty: unlimited
  bool has_rdma = false;
  std::optional<int64_t> open_files = {};  // empty: unlimited
  Affinity affinity = {.count = 1, .list = ""};
  CpuQuota quota = {};
  std::optional<int> threads = {};           // OMP_NUM_THREADS
  bool yields_when_idle = false;             // mpi_yield_when_idle is set
  std::optional<int64_t> memory_bytes = {};  // the lowest limit of this process's control groups
  int64_t available_bytes = 0;               // of the host, and below the limit
};

struct NetworkFacts {
  std::vector<Interface> interfaces = {};
  // Variables that choose interfaces, empty if unset.
  std::string mpi_include = {};  // OMPI_MCA_btl_tcp_if_include
  std::string mpi_exclude = {};  // OMPI_MCA_btl_tcp_if_exclude
  std::string nccl = {};         // NCCL_SOCKET_IFNAME
};

struct MpiFacts {
  std::string library = {};   // "Open MPI v4.1.4"; "none"
  std::string launcher = {};  // first line of mpirun --version; empty: not found
  int launched = 1;           // ranks that the launcher started
  int world = 1;              // ranks that MPI reports; 0: it did not start
  std::string failure = {};   // of its start, or of messages between ranks
};

struct HostFacts {
  std::string host = {};
  int ranks = 1;  // of the job
  int ranks_on_host = 1;
  GpuFacts gpu = {};
  LimitFacts limits = {};
  std::vector<ResolvedName> names = {};  // the host's own first, then those of the host file
  NetworkFacts network = {};
  MpiFacts mpi = {};
  double clock_jump_seconds = 0;  // of the wall clock against the monotonic clock, while it ran
};

// Everything but ranks, ranks_on_host, `world` and the clock. Takes at most five seconds: what does
// not answer is recorded as such. `names`: hosts to resolve besides this one.
HostFacts read_host_facts(const std::vector<std::string>& names);

}  // namespace ripieno::tools::doctor
