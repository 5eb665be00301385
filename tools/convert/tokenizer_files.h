// The files beside a model's weights from which transformers loads its tokenizer and how to
// generate text with it.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "ripieno/io/data/tokenizer.h"

namespace ripieno::tools {

// tokenizer.json, tokenizer_config.json and generation_config.json, by name. Empty for a tokenizer
// of kind external, of which only the size is known. `context`: the model's, in tokens; 0: unknown.
std::map<std::string, std::string> tokenizer_files(const io::Tokenizer& tokenizer, int64_t context);

}  // namespace ripieno::tools
