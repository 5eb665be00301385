// TokenDataSettings: the configuration keys of sequences of tokens (section data).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/io/data/token_data.h"
#include "ripieno/io/data/token_loader.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

struct TokenDataSettings {
  void bind(Settings& settings);

  // How the files are read. Throws ConfigurationError if the tokenizer is neither of the known
  // kinds nor a file.
  io::TokenDataOptions reading() const;
  // Opens the paths: as one sequence, or with weights each as a source of its own. Throws
  // ConfigurationError if there is no path, or if the weights are not as many as the paths; and as
  // TokenData::load().
  std::vector<io::WeightedTokens> open() const;
  // Opens validation_paths, which must not be empty.
  io::TokenData open_validation() const { return io::TokenData::load(validation_paths, reading()); }

  std::vector<std::string> paths;
  std::vector<int64_t> weights;
  std::vector<std::string> validation_paths;  // empty: loader.validation_fraction of the paths
  std::string tokenizer = "characters";
  // loader.data has no tokenizer yet: see reading().
  io::TokenLoaderOptions loader;
};

}  // namespace ripieno
