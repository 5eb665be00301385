// FirstStep: finds mistakes of a program in the first step of a DataParallel that would otherwise
// go unnoticed: modules that were never registered, parameters that nothing uses, and ranks that
// train on the same rows. Not installed.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

class FirstStep {
 public:
  explicit FirstStep(const Parameters& parameters);

  // Notes the parameters on which the loss depends, before its backward. Thread-safe. Throws Error
  // if it depends on a tensor that requires a gradient but is none of them.
  void examine(const Loss& loss);

  // The names of the trainable parameters on which no loss of any rank depends. Throws
  // ConfigurationError on every rank if two ranks loaded the same rows. A collective.
  std::vector<std::string> finish(Communicator& communicator);

 private:
  Parameters parameters_;
  std::unordered_map<const autograd::Leaf*, std::size_t> indices_;
  std::mutex mutex_;
  std::vector<bool> is_used_;  // (parameters)
};

}  // namespace ripieno::distributed
