// Asks NCCL's RAS service, which runs in every process that uses NCCL, about its communicators.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools::explain {

struct NcclRank {
  int rank = 0, process = 0;
  int async_error = 0;
  std::map<std::string, uint64_t> collectives = {};  // number of calls by operation
};

struct NcclMissing {
  int rank = 0, process = 0;
  bool is_dead = false;
};

struct NcclCommunicator {
  int size = 0;
  std::vector<NcclRank> ranks = {};
  std::vector<NcclMissing> missing = {};
};

struct NcclReport {
  std::string version = {};  // empty: the service did not answer
  std::vector<NcclCommunicator> communicators = {};
};

// Empty if the text is not a report. Members that are missing or of another type count as zero.
NcclReport parse_nccl_report(std::string_view json);

// `address`: "HOST:PORT" with a numeric host, or "localhost:PORT". Returns an empty report if
// nothing answers within `seconds`.
NcclReport ask_nccl(const std::string& address, double seconds);

// NCCL_RAS_ADDR, or the default of NCCL.
std::string nccl_ras_address();

}  // namespace ripieno::tools::explain
