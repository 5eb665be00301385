#include "ripieno/io/data/token_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/data/batch.h"
#include "ripieno/io/data/readers/data_paths.h"
#include "ripieno/io/data/readers/foreign_tokens.h"
#include "ripieno/io/data/readers/joined_tokens.h"
#include "ripieno/io/data/readers/marked_text.h"
#include "ripieno/io/data/readers/megatron.h"
#include "ripieno/io/data/readers/memory_tokens.h"
#include "ripieno/io/data/readers/text_files.h"
#include "ripieno/io/data/readers/token_file.h"
#include "ripieno/io/data/token_store.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/write_aside.h"

namespace ripieno::io {
namespace {

using Store = std::shared_ptr<const TokenStore>;

// A file of a data set and its format.
struct DataPath {
  std::string path;
  DataFormat format;

  bool is_text() const {
    return format == DataFormat::text || format == DataFormat::jsonl ||
           format == DataFormat::parquet;
  }
};

std::vector<DataPath> recognize(const std::vector<std::string>& paths, DataFormat format) {
  std::vector<DataPath> files;
  for (const std::string& path : paths) {
    for (const std::string& file : files_of(path)) {
      files.push_back({file, format == DataFormat::automatic ? recognize_format(file) : format});
    }
  }
  if (files.empty()) throw ConfigurationError("data: no path is given");
  return files;
}

GivenTokenizer given_tokenizer(const TokenDataOptions& options) {
  if (!options.tokenizer_file.empty()) return Tokenizer::load(options.tokenizer_file);
  if (options.vocabulary_size == 0) return std::nullopt;
  return Tokenizer::external("unknown", options.vocabulary_size);
}

Store open_tokens(const DataPath& file, const GivenTokenizer& given) {
  switch (file.format) {
    case DataFormat::ripieno:
      return TokenFile::open(file.path);
    case DataFormat::llmc:
      return open_llmc(file.path, given);
    case DataFormat::nanogpt:
      return open_nanogpt(file.path, given);
    case DataFormat::megatron:
      return open_megatron(file.path, given);
    case DataFormat::automatic:
    case DataFormat::text:
    case DataFormat::jsonl:
    case DataFormat::parquet:
      break;
  }
  throw DataError(
      fmt::format("{}: is {}, but the other files are tokens; a data set has files of one kind",
                  file.path, name_of(file.format)));
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

// The name of the data in messages.
std::string name_of(const std::vector<DataPath>& files) {
  if (files.size() == 1) return files.front().path;
  return fmt::format("{} and {} more", files.front().path, files.size() - 1);
}

// Without documents that are chosen by prompts or messages, a file must be JSON lines or Parquet.
void require_documents(const std::vector<DataPath>& files, TextContent content) {
  if (content == TextContent::text) return;
  for (const DataPath& file : files) {
    if (file.format == DataFormat::jsonl || file.format == DataFormat::parquet) continue;
    throw ConfigurationError(fmt::format(
        "{}: is {}; data.content={} requires JSON lines{}", file.path, name_of(file.format),
        content == TextContent::messages ? "messages" : "completion",
        content == TextContent::messages ? "" : " or Parquet"));
  }
}

Store encode_texts(const std::vector<DataPath>& files, const TokenDataOptions& options) {
  require_documents(files, options.content);
  std::optional<Tokenizer> tokenizer;
  if (!options.tokenizer_file.empty()) tokenizer = Tokenizer::load(options.tokenizer_file);
  const auto end = tokenizer ? tokenizer->end_of_document() : std::nullopt;
  const TextReading reading{
      .fields = {options.content, options.text_field, options.prompt_field,
                 options.completion_field},
      .separator = end ? tokenizer->decode({&*end, 1}) : "\n",
      .on_error = options.on_error,
  };
  MarkedText text;
  SkippedData skipped;
  for (const DataPath& file : files) read_text_file(file.path, file.format, reading, text, skipped);
  if (text.text().empty() && skipped.count > 0) {
    throw DataError(
        fmt::format("{}; all {} documents of {} fail, so data.on_error=skip leaves none",
                    skipped.first, skipped.count, name_of(files)));
  }
  try {
    if (!tokenizer) tokenizer = tokenizer_for(text.text(), options.tokenizer);
    return std::make_shared<const MemoryTokens>(text.encode(*tokenizer), *tokenizer, name_of(files),
                                                std::move(skipped));
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", name_of(files), error.what()));
  }
}

}  // namespace

TokenData::TokenData(std::shared_ptr<const TokenStore> store)
    : store_(std::move(store)), begin_(0), end_(store_->size()) {}

TokenData TokenData::of(std::string_view text, const Tokenizer& tokenizer,
                        const std::string& name) {
  return of(tokenizer.encode(text), tokenizer, name);
}

TokenData TokenData::of(std::span<const int32_t> tokens, const Tokenizer& tokenizer,
                        const std::string& name) {
  const auto negative =
      std::find_if(tokens.begin(), tokens.end(), [](int32_t token) { return token < 0; });
  if (negative != tokens.end()) {
    throw DataError(fmt::format("{}: token {} is outside the vocabulary of {} tokens", name,
                                *negative, tokenizer.vocabulary_size()));
  }
  return TokenData(std::make_shared<const MemoryTokens>(tokens, tokenizer, name));
}

TokenData TokenData::open(const std::string& path) {
  return load(path, {.format = DataFormat::ripieno});
}

TokenData TokenData::load(const std::string& path, const TokenDataOptions& options) {
  return load(std::vector{path}, options);
}

TokenData TokenData::load(const std::vector<std::string>& paths, const TokenDataOptions& options) {
  const auto files = recognize(paths, options.format);
  if (std::all_of(files.begin(), files.end(), [](const auto& file) { return file.is_text(); }))
    return TokenData(encode_texts(files, options));
  const auto given = given_tokenizer(options);
  std::vector<Store> stores;
  for (const DataPath& file : files) stores.push_back(open_tokens(file, given));
  if (stores.size() == 1) return TokenData(stores.front());
  return TokenData(std::make_shared<const JoinedTokens>(std::move(stores), name_of(files)));
}

void TokenData::save(FileSystem& files, const std::string& path) const {
  const uint32_t token_bytes = token_bytes_for(tokenizer().vocabulary_size(), has_marks());
  const auto visit_parts = [&](const auto& visit) {
    constexpr int64_t kPart = 1 << 18;  // tokens that are copied at once
    std::vector<int32_t> tokens, targets;
    std::vector<std::byte> bytes;
    for (int64_t begin = 0; begin < size(); begin += kPart) {
      tokens.resize(static_cast<std::size_t>(std::min(kPart, size() - begin)));
      copy(begin, tokens);
      targets.resize(tokens.size());
      copy_targets(begin, targets);
      for (std::size_t i = 0; i < tokens.size(); ++i)
        if (targets[i] == kIgnoredTarget) tokens[i] = uncounted(tokens[i]);
      bytes.clear();
      append_tokens(tokens, token_bytes, bytes);
      visit(std::span<const std::byte>(bytes));
    }
  };
  TokenFileFrame frame(tokenizer(), has_marks());
  visit_parts([&](auto bytes) { frame.add(bytes); });
  frame.seal();
  write_aside(files, path, [&](const std::string& aside) {
    const auto file = files.create(aside);
    frame.write_head(*file);
    visit_parts([&](auto bytes) { file->append(bytes); });
    frame.write_table(*file);
    file->sync();
  });
}

const Tokenizer& TokenData::tokenizer() const { return store_->tokenizer(); }
const std::string& TokenData::name() const { return store_->name(); }
std::string TokenData::format() const { return store_->format(); }
std::string TokenData::fingerprint() const { return hexadecimal(store_->hash()); }

TokenData TokenData::slice(int64_t begin, int64_t end) const {
  if (begin < 0 || end < begin || end > size()) {
    fail(fmt::format("{}: slice {} .. {} is outside its {} tokens", name(), begin, end, size()));
  }
  TokenData part = *this;
  part.begin_ = begin_ + begin;
  part.end_ = begin_ + end;
  return part;
}

void TokenData::require_inside(int64_t begin, std::size_t tokens) const {
  if (begin >= 0 && begin <= size() - static_cast<int64_t>(tokens)) return;
  fail(fmt::format("{}: cannot copy {} tokens from token {}, it has {}", name(), tokens, begin,
                   size()));
}

void TokenData::copy(int64_t begin, std::span<int32_t> out) const {
  require_inside(begin, out.size());
  store_->copy(begin_ + begin, out);
}

void TokenData::copy_targets(int64_t begin, std::span<int32_t> out) const {
  require_inside(begin, out.size());
  store_->copy_targets(begin_ + begin, out);
}

bool TokenData::has_marks() const { return store_->has_marks(); }
SkippedData TokenData::skipped() const { return store_->skipped(); }

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
