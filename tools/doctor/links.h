// Measures the TCP links between hosts, without MPI: each host serves, and connects to the others.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ripieno/tools/launch/mpirun/network.h"

namespace ripieno::tools::doctor {

// Where a host can be reached.
struct LinkEnd {
  std::string host = {};
  std::vector<Interface> interfaces = {};  // without loopback and local bridges
  uint16_t port = 0;                       // 0: it does not serve
  uint64_t token = 0;                      // that a client must send first
};

struct LinkFacts {
  std::string from = {}, to = {};  // hosts; `from` connected
  std::string interface = {};      // of `from`
  std::string address = {};        // of `to`
  bool has_common_network = true;
  std::string failure = {};               // empty: connected
  double latency_seconds = 0;             // round trip
  double clock_offset_seconds = 0;        // clock of `to` minus that of `from`
  double bytes_per_second = 0;            // from -> to; 0: not measured
  double bytes_per_second_back = 0;       // to -> from
  double interface_bytes_per_second = 0;  // what the interface's driver states; 0: nothing
};

// Answers measurements of other hosts until destroyed.
class LinkServer {
 public:
  LinkServer();
  ~LinkServer();
  LinkServer(const LinkServer&) = delete;
  LinkServer& operator=(const LinkServer&) = delete;

  // 0 if it could not be started.
  uint16_t port() const { return port_; }
  uint64_t token() const { return token_; }

 private:
  int listener_ = -1;
  uint16_t port_ = 0;
  uint64_t token_ = 0;
  std::shared_ptr<std::atomic<bool>> is_ended_ = std::make_shared<std::atomic<bool>>(false);
  std::thread thread_;
};

// Measures the link from `self` to `peer`, streaming for `stream_seconds` in each direction.
LinkFacts measure_link(const LinkEnd& self, const LinkEnd& peer, double stream_seconds);

// The rounds in which `hosts` hosts measure all pairs: in each of them a host has at most one
// partner; the one with the lower index connects. partner[round]: index, or -1.
std::vector<int> partners_of(int host, int hosts);

}  // namespace ripieno::tools::doctor
