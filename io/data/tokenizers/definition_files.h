// Reads and writes the files that define a byte-level BPE tokenizer. Not installed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/data/tokenizers/tokenizer_definition.h"

namespace ripieno::io {

class FileSystem;

// Reads a tokenizer.json, a vocab.json or merges.txt (the other one is beside it), a .tiktoken
// file, or the one of them in a folder. `pattern` names the pattern of a .tiktoken file, which does
// not say it; if it is empty, the file must have the size of a known vocabulary. Throws
// ConfigurationError if the file does not exist, DataError, with the path and what was found, if it
// holds anything that is not supported.
TokenizerDefinition read_definition(const FileSystem& files, const std::string& path,
                                    const std::string& pattern = "");

// The same for the contents of one file.
TokenizerDefinition parse_tokenizer_json(std::string_view text);
TokenizerDefinition parse_vocabulary_and_merges(std::string_view vocabulary,
                                                std::string_view merges);
TokenizerDefinition parse_tiktoken(std::string_view text, const std::string& pattern);

// The text of a tokenizer.json that defines the same tokenizer.
std::string write_tokenizer_json(const TokenizerDefinition& definition);

}  // namespace ripieno::io
