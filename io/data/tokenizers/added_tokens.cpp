#include "ripieno/io/data/tokenizers/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "ripieno/core/error.h"

namespace ripieno::io {

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens) {
  std::set<std::string_view> texts;
  std::vector<ByteTrie::Entry> entries;
  for (const AddedToken& token : tokens) {
    if (token.text.empty())
      throw DataError(fmt::format("tokenizer: added token {} is empty", token.id));
    if (!texts.insert(token.text).second)
      throw DataError(fmt::format("tokenizer: two added tokens are \"{}\"", token.text));
    entries.push_back({token.text, static_cast<uint32_t>(token.id)});
    const auto first = static_cast<uint8_t>(token.text.front());
    only_first_ = entries.size() == 1 || only_first_ == first ? first : -1;
    is_first_[first] = true;
    longest_ = std::max(longest_, token.text.size());
  }
  trie_ = ByteTrie(std::move(entries));
}

void AddedTokens::split(std::string_view text, const std::function<void(std::string_view)>& on_text,
                        const std::function<void(int32_t)>& on_token) const {
  const char* end = text.data() + text.size();
  const char* begin = text.data();
  const auto next_first = [&](const char* at) {
    if (only_first_ >= 0) {
      const void* found = at == end ? nullptr : std::memchr(at, only_first_, end - at);
      return found == nullptr ? end : static_cast<const char*>(found);
    }
    return std::find_if(at, end, [&](char c) { return is_first_[static_cast<uint8_t>(c)]; });
  };
  if (longest_ > 0) {
    for (const char* at = next_first(begin); at != end; at = next_first(at)) {
      const ByteTrie::Match match = trie_.longest(at, end);
      if (match.bytes == 0) {
        ++at;
        continue;
      }
      if (at != begin) on_text({begin, at});
      on_token(static_cast<int32_t>(match.value));
      begin = at += match.bytes;
    }
  }
  if (begin != end) on_text({begin, end});
}

bool AddedTokens::crosses(std::string_view text, std::size_t at) const {
  const char* end = text.data() + text.size();
  const std::size_t first = at < longest_ ? 0 : at - longest_ + 1;
  for (std::size_t begin = first; begin < at; ++begin) {
    if (!is_first_[static_cast<uint8_t>(text[begin])]) continue;
    if (begin + trie_.longest(text.data() + begin, end).bytes > at) return true;
  }
  return false;
}

}  // namespace ripieno::io
