// prove_save(): checks at startup that checkpoints can be saved, before a run spends time on
// training.
#pragma once

#include <string>

#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/json.h"

namespace ripieno::io {

// Saves a tiny checkpoint with this training state below `checkpoints_directory`; rank 0 then
// verifies and removes it. Every rank calls it, after probe_commit_mode() on rank 0. Throws
// ConfigurationError on every rank if the training state is not UTF-8, otherwise as
// save_checkpoint().
void prove_save(FileSystem& files, const std::string& checkpoints_directory,
                const nlohmann::json& training_state, const SaveOptions& options);

}  // namespace ripieno::io
