// TokenizerTraining: the options of Tokenizer::train().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ripieno::io {

struct TokenizerTraining {
  int64_t vocabulary_size = 32'000;  // with the 256 bytes and the special tokens
  // How text is split before bytes are merged: gpt2, cl100k, llama3, qwen2, qwen3.5 or o200k.
  std::string pattern = "gpt2";
  std::vector<std::string> special_tokens = {"<|endoftext|>"};  // the last ids of the vocabulary
  int threads = 2;
};

}  // namespace ripieno::io
