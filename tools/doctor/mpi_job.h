// MpiJob: MPI with a time limit on everything, since it may hang where a network does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::tools::doctor {

class MpiJob {
 public:
  // Does nothing without MPI or a launcher: size() is then 1. Otherwise starts MPI; failure() says
  // if that does not succeed within `seconds`.
  explicit MpiJob(double seconds);
  // Finalizes MPI if it works.
  ~MpiJob();
  MpiJob(const MpiJob&) = delete;
  MpiJob& operator=(const MpiJob&) = delete;

  // The world size that MPI reports; 0 if it did not start.
  int size() const;
  // Whether ranks can communicate: it started, has several ranks, and no call has failed.
  bool works() const { return state_ != nullptr && failure_.empty() && size() > 1; }
  const std::string& failure() const { return failure_; }

  // Runs `action` on the communicator of all ranks, whose timeout is `seconds`. False if it throws
  // CommunicationFailure or takes longer; failure() then has the reason, and the communicator is
  // not used again. `action` must own what it uses.
  bool run(double seconds, std::function<void(distributed::Communicator&)> action);

 private:
  struct State;

  std::shared_ptr<State> state_;  // also owned by threads that were abandoned
  std::string failure_;
};

}  // namespace ripieno::tools::doctor
