// prove_save(): that checkpoints can be saved, before a run spends time on what could not be kept.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// Every rank calls it, as save_checkpoint(), after rank 0's probe_commit_mode(): it saves a few
// numbers with this training state below `checkpoints_directory`, and rank 0 reads them back and
// removes them. Throws ConfigurationError, on every rank, where the training state is not UTF-8;
// else as save_checkpoint().
void prove_save(FileSystem& files, const std::string& checkpoints_directory,
                const nlohmann::json& training_state, const SaveOptions& options);

}  // namespace ripieno::io
