// Initial parameters: what a new run starts from where it does not start from random numbers, for
// fine-tuning. The optimizer and the position start anew.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

struct InitialParameters {
  // A checkpoint, a run directory for its newest one, or with `foreign` any HDF5 file. Empty:
  // random numbers.
  std::string path = {};
  std::string prefix = {};  // only names that begin with it, without it
  std::string rename = {};  // "old=new" rules, separated by commas; see io::LoadOptions
  bool strict = true;       // every parameter must match
  bool foreign = false;     // whether an HDF5 file without checksums will do
  // Whether the checkpoint may be of another tokenizer, or of other model options.
  bool allow_differences = false;
};

// Fills the model's parameters, and the optimizer's master weights of them. What is worth a
// warning, complete on rank 0. A collective. Throws ConfigurationError where there is nothing
// to load from or it does not match, DataError where it is damaged.
// `opened` is called with the checkpoint before anything is loaded, where it is one and must not
// differ.
std::vector<std::string> load(const InitialParameters& initial, Session& session, nn::Module& model,
                              optim::Optimizer& optimizer,
                              const std::function<void(const io::Checkpoint&)>& opened = {});

}  // namespace ripieno
