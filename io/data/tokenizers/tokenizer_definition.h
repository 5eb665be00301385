// TokenizerDefinition: everything that a file says about a byte-level BPE tokenizer. Not installed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/io/data/tokenizers/byte_pair_model.h"
#include "ripieno/io/data/tokenizers/pattern.h"

namespace ripieno::io {

// A token that is found in the text before the text is split: an end of text, a marker of a chat.
struct AddedToken {
  int32_t id;
  std::string text;
  bool is_special = true;      // not found where special tokens are encoded as text
  bool is_normalized = false;  // found in the normalized text, not in the text as it is
};

struct TokenizerDefinition {
  std::vector<std::string> tokens;  // bytes of each id; empty: no token, or not one of the model
  std::vector<MergeRule> rules;
  const Pattern* pattern = nullptr;
  bool whole_pieces = false;  // a piece that is a token is that token, whatever the rules say
  bool has_nfc = false;       // text is brought into normalization form C first
  std::vector<AddedToken> added;
  // Texts of tokens that neither rules nor the list of added tokens can produce, for decoding.
  std::vector<AddedToken> unreachable;
  // What the file puts around a text (Llama: its begin-of-text token); not part of encode().
  std::vector<int32_t> before, after;
};

// Largest id that is accepted. The vocabularies in use have up to about 260,000 tokens.
inline constexpr int64_t kMostTokens = int64_t{1} << 20;

}  // namespace ripieno::io
