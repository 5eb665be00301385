#include "ripieno/io/data/token_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/data/text_check.h"
#include "ripieno/io/data/token_store.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/replace_file.h"

namespace ripieno::io {
namespace {

void require_file(const std::string& path) {
  if (local_files().exists(path)) return;
  throw ConfigurationError(
      fmt::format("data: file {} does not exist; give the path of a text or token file", path));
}

bool is_token_file(const std::string& path) {
  const auto file = local_files().open(path);
  std::array<char, sizeof(TokenFileHeader::kMagic)> first;
  if (file->size() < static_cast<int64_t>(first.size())) return false;
  file->read(0, std::as_writable_bytes(std::span(first)));
  return std::equal(first.begin(), first.end(), TokenFileHeader::kMagic);
}

// The content of a text file.
std::string read_text(const std::string& path) {
  require_file(path);
  std::string text = read_file(local_files(), path);
  if (const auto what = describe_non_text(text); !what.empty()) throw DataError(path + " " + what);
  return text;
}

Tokenizer tokenizer_for(std::string_view text, Tokenizer::Kind kind) {
  switch (kind) {
    case Tokenizer::Kind::bytes:
      return Tokenizer::bytes();
    case Tokenizer::Kind::characters:
      return Tokenizer::characters_of(text);
    case Tokenizer::Kind::external:
    case Tokenizer::Kind::byte_pair:
      break;
  }
  fail(
      "data: the tokenizer of a text must be characters or bytes; give a byte-pair tokenizer "
      "itself");
}

}  // namespace

TokenData TokenData::of(std::string_view text, const Tokenizer& tokenizer,
                        const std::string& name) {
  return of(tokenizer.encode(text), tokenizer, name);
}

TokenData TokenData::of(std::span<const int32_t> tokens, const Tokenizer& tokenizer,
                        const std::string& name) {
  auto store = std::make_shared<const TokenStore>(tokens, tokenizer, name);
  const int64_t size = store->size();
  return TokenData(std::move(store), 0, size);
}

TokenData TokenData::from_text(const std::string& path, Tokenizer::Kind kind) {
  const std::string text = read_text(path);
  try {
    return of(text, tokenizer_for(text, kind), path);
  } catch (const DataError& error) {
    throw DataError(
        fmt::format("{}: {}; to train on token ids, write a token file (docs/token_file_format.md)",
                    path, error.what()));
  }
}

TokenData TokenData::from_text(const std::string& path, const Tokenizer& tokenizer) {
  return of(read_text(path), tokenizer, path);
}

TokenData TokenData::open(const std::string& path) {
  require_file(path);
  auto store = std::make_shared<const TokenStore>(path);
  const int64_t size = store->size();
  return TokenData(std::move(store), 0, size);
}

TokenData TokenData::load(const std::string& path, Tokenizer::Kind kind,
                          const std::string& tokenizer_file) {
  require_file(path);
  if (is_token_file(path)) return open(path);
  if (!tokenizer_file.empty()) return from_text(path, Tokenizer::load(tokenizer_file));
  return from_text(path, kind);
}

void TokenData::save(FileSystem& files, const std::string& path) const {
  if (size() != store_->size()) {
    std::vector<int32_t> tokens(static_cast<std::size_t>(size()));
    copy(0, tokens);
    of(tokens, tokenizer(), name()).save(files, path);
    return;
  }
  store_->verify();
  replace_file(files, path, {store_->image()});
}

const Tokenizer& TokenData::tokenizer() const { return store_->tokenizer(); }
const std::string& TokenData::name() const { return store_->name(); }
std::string TokenData::fingerprint() const { return hexadecimal(store_->hash()); }

TokenData TokenData::slice(int64_t begin, int64_t end) const {
  if (begin < 0 || end < begin || end > size()) {
    fail(fmt::format("{}: slice {} .. {} is outside its {} tokens", name(), begin, end, size()));
  }
  return TokenData(store_, begin_ + begin, begin_ + end);
}

void TokenData::copy(int64_t begin, std::span<int32_t> out) const {
  if (begin < 0 || begin > size() - static_cast<int64_t>(out.size())) {
    fail(fmt::format("{}: cannot copy {} tokens from token {}, it has {}", name(), out.size(),
                     begin, size()));
  }
  store_->copy(begin_ + begin, out);
}

TokenSplit split(const TokenData& data, double validation_fraction) {
  if (!(validation_fraction >= 0 && validation_fraction < 1)) {
    throw ConfigurationError(fmt::format(
        "data: validation_fraction must be at least 0 and below 1, got {}", validation_fraction));
  }
  const auto size = static_cast<double>(data.size());
  const auto train = static_cast<int64_t>(size * (1 - validation_fraction));
  return {data.slice(0, train), data.slice(train, data.size())};
}

}  // namespace ripieno::io
