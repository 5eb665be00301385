#include "ripieno/io/data/readers/joined_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {

JoinedTokens::JoinedTokens(std::vector<std::shared_ptr<const TokenStore>> stores, std::string name)
    : TokenStore(std::move(name), stores.front()->tokenizer()), stores_(std::move(stores)) {
  std::vector<uint64_t> hashes;
  int64_t end = 0;
  for (const auto& store : stores_) {
    if (!store->tokenizer().is_same_as(tokenizer())) {
      throw DataError(fmt::format(
          "{} and {} were made with different tokenizers, so they cannot be one data set; encode "
          "both with the same tokenizer",
          stores_.front()->name(), store->name()));
    }
    end += store->size();
    ends_.push_back(end);
    hashes.push_back(store->hash());
  }
  hash_ = hash_of(std::as_bytes(std::span(hashes)));
}

std::string JoinedTokens::format() const {
  std::vector<std::string> formats;
  for (const auto& store : stores_) {
    if (std::find(formats.begin(), formats.end(), store->format()) == formats.end())
      formats.push_back(store->format());
  }
  return fmt::format("{}", fmt::join(formats, " and "));
}

bool JoinedTokens::has_marks() const {
  return std::any_of(stores_.begin(), stores_.end(),
                     [](const auto& store) { return store->has_marks(); });
}

SkippedData JoinedTokens::skipped() const {
  SkippedData all;
  for (const auto& store : stores_) all.add(store->skipped());
  return all;
}

// Calls copy(store, begin, out) for the part of each store.
template <typename Copy>
void JoinedTokens::visit(int64_t begin, std::span<int32_t> out, const Copy& copy) const {
  auto index =
      static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
  for (; !out.empty(); ++index) {
    const int64_t first = index == 0 ? 0 : ends_[index - 1];
    const auto count = std::min(static_cast<int64_t>(out.size()), ends_[index] - begin);
    copy(*stores_[index], begin - first, out.first(static_cast<std::size_t>(count)));
    out = out.subspan(static_cast<std::size_t>(count));
    begin += count;
  }
}

void JoinedTokens::copy(int64_t begin, std::span<int32_t> out) const {
  visit(begin, out, [](const TokenStore& store, int64_t at, auto part) { store.copy(at, part); });
}

void JoinedTokens::copy_targets(int64_t begin, std::span<int32_t> out) const {
  visit(begin, out,
        [](const TokenStore& store, int64_t at, auto part) { store.copy_targets(at, part); });
}

}  // namespace ripieno::io
