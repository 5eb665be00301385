// What `ripieno doctor` finds out about training data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/tools/doctor/finding.h"
#include "ripieno/training/settings/token_data_settings.h"

namespace ripieno::tools::doctor {

struct DataFacts {
  enum class State { readable, missing, damaged, unsuitable, no_answer };

  std::string path;
  State state = State::readable;
  std::string failure = {};                     // message, unless it is readable
  std::string kind = {};                        // "llm.c tokens", "text", "images"
  int64_t samples = 0;                          // tokens or images; 0: not counted
  int64_t vocabulary = 0;                       // of tokens
  int64_t features = 0, classes = 0;            // of images
  int64_t channels = 0, height = 0, width = 0;  // of an image; 0: not known
  std::string fingerprint = {};  // empty: not computed, because the file is too large
  double checked_ratio = 1;      // of the bytes
};

// Reads the headers, and as much of the content as it can in two thirds of `seconds`, spread over
// the files. With a context (data.loader.context) it also has to be enough to train on.
DataFacts probe_data(const TokenDataSettings& data, double seconds);

// `model_vocabulary`: 0 if it is that of the data.
std::vector<Finding> check_data(const DataFacts& facts, const std::string& host,
                                int64_t model_vocabulary);

}  // namespace ripieno::tools::doctor
