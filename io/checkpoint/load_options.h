// How a checkpoint is read: by how many threads, and what may differ between it and what it fills.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/part.h"

namespace ripieno::io {

struct ReadOptions {
  int threads = 0;  // that read and hash at the same time; 0: a few, one for a small checkpoint
  // Told now and then how many bytes were read so far, by one thread at a time.
  std::function<void(int64_t bytes)> progress = {};
  // Of Checkpoint::verify(): told of each run of a tensor, "parameter blocks.0.weight", in which so
  // many elements are NaN or infinite, by one thread at a time.
  std::function<void(const std::string& tensor, int64_t count)> on_not_finite = {};
};

// Names that begin with `from` begin with `to` instead: {"model.", ""}, {"encoder.", "blocks."};
// an empty `from` puts `to` in front of every name.
struct Renaming {
  std::string from, to;
};

// "model.=,encoder.=blocks.": rules separated by commas. Throws ConfigurationError where a rule has
// no '='.
std::vector<Renaming> renamings_from_text(const std::string& text);

struct LoadOptions {
  // Of a checkpoint's tensors those alone whose names begin with it, without it: "encoder." takes
  // "encoder.0.weight" for "0.weight". Of an optimizer's tensors it is what follows the slot that
  // counts.
  std::string prefix = {};
  // Then each rule in turn, on every name, from the checkpoint's to the wanted one.
  std::vector<Renaming> rename = {};
  // Whether everything must match; else what does not keeps its values, and is reported.
  bool strict = true;
  // How the message ends where it must match, and does not.
  std::string remedy = "choose the configuration that it was saved with";
  // Which rank of those that load at the same time this is: all together then verify every byte of
  // the checkpoint, also what none of them wants. Without it, only what is wanted is verified.
  std::optional<Part> verification_part = {};
  ReadOptions reading = {};
};

// What did not match, a description each: "parameter head.weight (65, 128)".
struct LoadReport {
  std::vector<std::string> missing;    // wanted, but not in the checkpoint
  std::vector<std::string> unused;     // in the checkpoint, but not wanted
  std::vector<std::string> different;  // of another shape, or of a type that is not converted
  int64_t bytes = 0;                   // that were read and verified

  bool matches() const { return missing.empty() && unused.empty() && different.empty(); }
};

}  // namespace ripieno::io
