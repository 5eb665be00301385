// Weights: the parameters and buffers of a model as one safetensors file, the format of Hugging
// Face, to exchange them with other programs.
//
//   save_weights(model, "model.safetensors");
//   load_weights(model, "pytorch.safetensors", {.rename = {{"encoder.", "blocks."}}});
//
// The file has neither optimizer state nor checksums; use checkpoints to continue a run.
#pragma once

#include <string>

#include "ripieno/core/nn/module.h"
#include "ripieno/io/checkpoint/load_options.h"

namespace ripieno {

// Writes the file atomically: an existing one is replaced once the new one is complete. On several
// ranks, call it on one. Throws StorageError, and Error if a parameter and a buffer have the same
// name.
void save_weights(nn::Module& model, const std::string& path);

// Loads the file into the model, in place, converting to the element type of the model; the file
// must have the model's names, after `rename`, and shapes. On several ranks, call it on all of them
// before DataParallel is constructed, or on rank 0: DataParallel broadcasts its parameters. Returns
// what did not match with {.strict = false}. Throws ConfigurationError, listing all differences, if
// something does not match (the model is then unchanged); StorageError or DataError if the file
// cannot be read.
io::LoadReport load_weights(nn::Module& model, const std::string& path,
                            const io::LoadOptions& options = {});

}  // namespace ripieno
