#include "ripieno/io/data/readers/memory_tokens.h"

#include <utility>

#include "ripieno/io/data/readers/token_file.h"

namespace ripieno::io {

MemoryTokens::MemoryTokens(std::span<const int32_t> tokens, const Tokenizer& tokenizer,
                           std::string name)
    : TokenStore(std::move(name), tokenizer),
      token_bytes_(token_bytes_for(tokenizer.vocabulary_size())) {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= tokenizer.vocabulary_size()) refuse(token);
  }
  append_tokens(tokens, token_bytes_, bytes_);
  TokenFileFrame frame(tokenizer);
  frame.add(bytes_);
  hash_ = frame.seal().hash;
}

void MemoryTokens::copy(int64_t begin, std::span<int32_t> out) const {
  const auto first = static_cast<std::size_t>(begin) * token_bytes_;
  unpack_tokens(std::span(bytes_).subspan(first, out.size() * token_bytes_), token_bytes_, out);
}

}  // namespace ripieno::io
