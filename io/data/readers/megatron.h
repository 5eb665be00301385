// Megatron's indexed data sets: tokens in STEM.bin, their sequences and documents in STEM.idx.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ripieno/io/data/readers/foreign_tokens.h"

namespace ripieno::io {

bool is_megatron_index(std::string_view beginning);
// The path without .bin or .idx.
std::string megatron_stem(const std::string& path);

// Opens the pair by the path of either file or by their stem, and checks every field of the index:
// the tokens of all documents are read as one stream, so sequences must follow each other in
// STEM.bin without gaps. Reads the index in parts; keeps nothing of it. Throws ConfigurationError
// without a tokenizer, DataError if the index is damaged or is not that of the tokens,
// StorageError.
std::unique_ptr<TokenStore> open_megatron(const std::string& path, const GivenTokenizer& tokenizer);

// Calls visit(tokens) with the number of tokens of each document. Throws as open_megatron().
void visit_megatron_documents(const std::string& path,
                              const std::function<void(int64_t tokens)>& visit);

}  // namespace ripieno::io
