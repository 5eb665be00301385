// Loads the initial parameters of a new run from a checkpoint, for fine-tuning. The optimizer state
// and the position in the data start from zero.
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
  // A checkpoint, a run directory (its newest intact checkpoint), or with `foreign` any HDF5 file.
  // Empty: random initialization.
  std::string path = {};
  std::string prefix = {};  // of the names to load; removed before they are matched
  std::string rename = {};  // "old=new" rules, separated by commas; see io::LoadOptions
  bool strict = true;       // every parameter must match
  bool foreign = false;     // whether `path` may be an HDF5 file without checksums
  // Whether the checkpoint may have another tokenizer or other model options.
  bool allow_differences = false;
};

// Loads the parameters and buffers of the model and the master weights of the optimizer. Returns
// warnings, complete on rank 0. A collective. Throws ConfigurationError if there is nothing to load
// or it does not match the model, DataError if it is damaged. `opened` is called with the
// checkpoint before anything is loaded, unless `path` is an HDF5 file or differences are allowed.
std::vector<std::string> load(const InitialParameters& initial, Session& session, nn::Module& model,
                              optim::Optimizer& optimizer,
                              const std::function<void(const io::Checkpoint&)>& opened = {});

}  // namespace ripieno
