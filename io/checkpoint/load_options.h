// Options for loading and verifying checkpoints.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/part.h"

namespace ripieno::io {

struct ReadOptions {
  // Number of threads that read and hash; 0: 4 to 8, fewer for a small checkpoint.
  int threads = 0;
  // Called repeatedly with the number of bytes read so far, from several threads but one at a time.
  std::function<void(int64_t bytes)> progress = {};
  // Checkpoint::verify() calls it for each chunk of a tensor that has NaN or infinite elements,
  // with the tensor ("parameter blocks.0.weight") and their number; one thread at a time.
  std::function<void(const std::string& tensor, int64_t count)> on_not_finite = {};
};

// Replaces the prefix `from` of a name by `to`: {"model.", ""}, {"encoder.", "blocks."}. An empty
// `from` prepends `to` to every name.
struct Renaming {
  std::string from, to;
};

// Parses rules separated by commas: "model.=,encoder.=blocks.". Throws ConfigurationError if a rule
// has no '='.
std::vector<Renaming> renamings_from_text(const std::string& text);

struct LoadOptions {
  // Loads only the saved tensors whose names have this prefix, which is removed: with "encoder.",
  // "encoder.0.weight" is loaded as "0.weight". For optimizer state
  // ("first_moment/encoder.0.weight") it applies to the name after the '/'.
  std::string prefix = {};
  // Rules applied in order to every name, after the prefix was removed.
  std::vector<Renaming> rename = {};
  // true: throws unless everything matches. false: tensors that do not match keep their values and
  // are listed in the LoadReport.
  bool strict = true;
  // End of the error message for tensors that do not match: what the user can do.
  std::string remedy = "use the configuration that it was saved with";
  // Rank and number of the ranks that load at the same time: together they then verify every byte
  // of the checkpoint, including tensors that none of them loads. Without it, only the pieces that
  // are loaded are verified.
  std::optional<Part> verification_part = {};
  ReadOptions reading = {};
};

// The tensors that did not match, one description each: "parameter head.weight (65, 128)".
struct LoadReport {
  std::vector<std::string> missing;    // wanted, but not in the checkpoint
  std::vector<std::string> unused;     // in the checkpoint, but not wanted
  std::vector<std::string> different;  // of a different shape, or of a type that is not converted
  int64_t bytes = 0;                   // number of bytes read and verified

  bool matches() const { return missing.empty() && unused.empty() && different.empty(); }
};

}  // namespace ripieno::io
