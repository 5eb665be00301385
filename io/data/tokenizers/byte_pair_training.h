// Trains a byte-level BPE vocabulary: finds the merges that shorten a text most. Not installed;
// programs use Tokenizer::train().
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ripieno/io/data/tokenizers/tokenizer_definition.h"
#include "ripieno/io/data/tokenizers/tokenizer_training.h"

namespace ripieno::io {

// As Tokenizer::train().
//
// Ids are those of Hugging Face's trainer: the bytes in the order of their characters, then each
// merge of the most frequent pair; of pairs that are equally frequent, the one with the lower ids.
TokenizerDefinition train_byte_pairs(const TokenizerTraining& options,
                                     const std::function<std::optional<std::string>()>& next_text);

}  // namespace ripieno::io
