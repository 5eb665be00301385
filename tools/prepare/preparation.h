// prepare(): writes token files of text files, as `ripieno prepare` does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/data/data_format.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/tools/prepare/encoder.h"

namespace ripieno::tools {

struct PrepareOptions {
  std::vector<std::string> inputs;  // files, folders or patterns
  std::string output;
  io::DataFormat format = io::DataFormat::automatic;
  EncoderOptions encoding;
  int threads = 1;
  bool quiet = false;
};

struct Prepared {
  std::string output, validation_output;  // the latter empty without a validation share
  int64_t documents = 0;
  int64_t skipped = 0;        // documents that were left out (EncoderOptions::on_error)
  std::string first_skipped;  // why, if this process read one of them
  int64_t tokens = 0, validation_tokens = 0;
  std::string speed;  // "1.49 GB in 0.71 s, 2.10 GB/s"
};

// "data/corpus_validation.bin" for "data/corpus.bin".
std::string validation_path(const std::string& output);

// Replaces the output when it is complete; continues what an earlier call with the same arguments
// left unfinished in OUTPUT.work. The files are the same for any number of threads. Throws
// ConfigurationError if the options are invalid or an input does not exist, DataError if an input
// is damaged or changes, StorageError.
Prepared prepare(const PrepareOptions& options, const io::Tokenizer& tokenizer);

}  // namespace ripieno::tools
