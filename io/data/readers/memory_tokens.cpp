#include "ripieno/io/data/readers/memory_tokens.h"

#include <algorithm>
#include <utility>

#include "ripieno/io/data/readers/marked_text.h"
#include "ripieno/io/data/readers/token_file.h"

namespace ripieno::io {

MemoryTokens::MemoryTokens(std::span<const int32_t> marked, const Tokenizer& tokenizer,
                           std::string name, SkippedData skipped)
    : TokenStore(std::move(name), tokenizer),
      has_marks_(!std::all_of(marked.begin(), marked.end(), is_counted)),
      token_bytes_(token_bytes_for(tokenizer.vocabulary_size(), has_marks_)),
      skipped_(std::move(skipped)) {
  for (const int32_t token : marked) {
    if (token_of(token) >= tokenizer.vocabulary_size()) refuse(token_of(token));
  }
  append_tokens(marked, token_bytes_, bytes_);
  TokenFileFrame frame(tokenizer, has_marks_);
  frame.add(bytes_);
  hash_ = frame.seal().hash;
}

std::span<const std::byte> MemoryTokens::range(int64_t begin, std::size_t tokens) const {
  return std::span(bytes_).subspan(static_cast<std::size_t>(begin) * token_bytes_,
                                   tokens * token_bytes_);
}

void MemoryTokens::copy(int64_t begin, std::span<int32_t> out) const {
  unpack_tokens(range(begin, out.size()), {token_bytes_, has_marks_}, out);
}

void MemoryTokens::copy_targets(int64_t begin, std::span<int32_t> out) const {
  unpack_targets(range(begin, out.size()), {token_bytes_, has_marks_}, out);
}

}  // namespace ripieno::io
