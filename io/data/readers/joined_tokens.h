// JoinedTokens: several token stores, one after the other, as one stream of tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/io/data/token_store.h"

namespace ripieno::io {

class JoinedTokens final : public TokenStore {
 public:
  // At least one store. Throws DataError if their tokenizers differ.
  JoinedTokens(std::vector<std::shared_ptr<const TokenStore>> stores, std::string name);

  int64_t size() const override { return ends_.back(); }
  uint64_t hash() const override { return hash_; }
  std::string format() const override;
  void copy(int64_t begin, std::span<int32_t> out) const override;
  void copy_targets(int64_t begin, std::span<int32_t> out) const override;
  bool has_marks() const override;
  SkippedData skipped() const override;

 private:
  template <typename Copy>
  void visit(int64_t begin, std::span<int32_t> out, const Copy& copy) const;

  std::vector<std::shared_ptr<const TokenStore>> stores_;
  std::vector<int64_t> ends_;  // of each store, in tokens of the stream
  uint64_t hash_;
};

}  // namespace ripieno::io
