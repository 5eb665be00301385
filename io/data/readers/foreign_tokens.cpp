#include "ripieno/io/data/readers/foreign_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

// Unpacks tokens. Returns the index of the first one outside the vocabulary, or out.size().
template <typename Element>
std::size_t unpack(const std::byte* bytes, int64_t vocabulary_size, std::span<int32_t> out) {
  bool is_inside = true;
  const auto read = [&](std::size_t i) {
    Element element;
    std::memcpy(&element, bytes + i * sizeof(element), sizeof(element));
    return static_cast<int64_t>(element);
  };
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int64_t token = read(i);
    is_inside &= static_cast<uint64_t>(token) < static_cast<uint64_t>(vocabulary_size);
    out[i] = static_cast<int32_t>(token);
  }
  if (is_inside) return out.size();
  std::size_t first = 0;
  while (static_cast<uint64_t>(read(first)) < static_cast<uint64_t>(vocabulary_size)) ++first;
  return first;
}

template <typename Visit>
auto visit_element(TokenElement element, Visit visit) {
  switch (element) {
    case TokenElement::uint8:
      return visit(uint8_t{});
    case TokenElement::int8:
      return visit(int8_t{});
    case TokenElement::int16:
      return visit(int16_t{});
    case TokenElement::int32:
      return visit(int32_t{});
    case TokenElement::int64:
      return visit(int64_t{});
    case TokenElement::uint16:
      return visit(uint16_t{});
    case TokenElement::uint32:
      break;
  }
  return visit(uint32_t{});
}

// What the header of an llm.c token file says about its tokens.
struct LlmcKind {
  int32_t magic;
  int32_t version;
  TokenElement element;
  const char* tokenizer;
  int64_t vocabulary_size;
};
constexpr std::array kLlmcKinds = {
    LlmcKind{20240520, 1, TokenElement::uint16, "gpt2", 50'257},
    LlmcKind{20240801, 7, TokenElement::uint32, "llama3", 128'256},
};
constexpr int32_t kLlmcEvaluation = 20240522;
constexpr int64_t kLlmcHeaderBytes = 1024;

int32_t magic_of(std::string_view beginning) {
  int32_t magic = 0;
  if (beginning.size() >= sizeof(magic)) std::memcpy(&magic, beginning.data(), sizeof(magic));
  return magic;
}

const LlmcKind& llmc_kind(const std::string& path, int32_t magic, int32_t version) {
  for (const LlmcKind& kind : kLlmcKinds) {
    if (kind.magic == magic && kind.version == version) return kind;
  }
  if (magic == kLlmcEvaluation) {
    throw DataError(
        path + ": an llm.c evaluation file (multiple choice), which has no tokens to train on");
  }
  throw DataError(
      fmt::format("{}: magic number {} and version {} are not those of an llm.c token file; must "
                  "be {} and {}, or {} and {}",
                  path, magic, version, kLlmcKinds[0].magic, kLlmcKinds[0].version,
                  kLlmcKinds[1].magic, kLlmcKinds[1].version));
}

}  // namespace

int64_t bytes_of(TokenElement element) {
  return visit_element(element, [](auto token) { return static_cast<int64_t>(sizeof(token)); });
}

ForeignTokens::ForeignTokens(std::unique_ptr<DataFile> file, TokenRange range, Tokenizer tokenizer,
                             std::string format, uint64_t hash)
    : TokenStore(file->path(), std::move(tokenizer)),
      file_(std::move(file)),
      range_(range),
      format_(std::move(format)),
      hash_(hash) {}

void ForeignTokens::copy(int64_t begin, std::span<int32_t> out) const {
  const int64_t width = bytes_of(range_.element);
  thread_local std::vector<std::byte> read;  // so that reading a window allocates nothing
  read.resize(out.size() * static_cast<std::size_t>(width));
  file_->read(range_.offset + begin * width, read);
  visit_element(range_.element, [&](auto token) {
    using Element = decltype(token);
    const std::size_t bad = unpack<Element>(read.data(), tokenizer().vocabulary_size(), out);
    if (bad == out.size()) return;
    std::memcpy(&token, read.data() + bad * sizeof(token), sizeof(token));
    throw DataError(fmt::format(
        "{}: token {} is {}, outside the vocabulary of {} tokens; give the vocabulary that it was "
        "made with (data.vocabulary_size or data.tokenizer), or the format that it has "
        "(data.format)",
        name(), begin + static_cast<int64_t>(bad), static_cast<int64_t>(token),
        tokenizer().vocabulary_size()));
  });
}

bool is_llmc(std::string_view beginning) {
  const int32_t magic = magic_of(beginning);
  return magic == kLlmcEvaluation ||
         std::any_of(kLlmcKinds.begin(), kLlmcKinds.end(),
                     [&](const LlmcKind& kind) { return kind.magic == magic; });
}

std::unique_ptr<TokenStore> open_llmc(const std::string& path, const GivenTokenizer& tokenizer) {
  auto file = std::make_unique<DataFile>(path);
  if (file->size() < kLlmcHeaderBytes) {
    throw DataError(
        fmt::format("{}: {} bytes are too few for an llm.c token file, whose header "
                    "has {}",
                    path, file->size(), kLlmcHeaderBytes));
  }
  std::array<int32_t, 3> header;  // magic number, version, number of tokens
  file->read(0, std::as_writable_bytes(std::span(header)));
  const LlmcKind& kind = llmc_kind(path, header[0], header[1]);
  const int64_t expected = kLlmcHeaderBytes + header[2] * bytes_of(kind.element);
  if (header[2] < 0) {
    throw DataError(
        fmt::format("{}: its header gives {} tokens; must be at least 0: it is damaged; write the "
                    "file again",
                    path, header[2]));
  }
  if (file->size() != expected) {
    throw DataError(fmt::format(
        "{}: its header gives {} tokens, so {} bytes, but it has {}: it is truncated or damaged",
        path, header[2], expected, file->size()));
  }
  const uint64_t hash = file->sampled_hash();
  return std::make_unique<ForeignTokens>(
      std::move(file), TokenRange{kind.element, kLlmcHeaderBytes, header[2]},
      tokenizer ? *tokenizer : Tokenizer::external(kind.tokenizer, kind.vocabulary_size),
      "llm.c tokens", hash);
}

std::unique_ptr<TokenStore> open_nanogpt(const std::string& path, const GivenTokenizer& tokenizer) {
  if (!tokenizer) {
    throw ConfigurationError(
        path +
        ": nanoGPT's files do not say which vocabulary they have; set data.vocabulary_size (GPT-2: "
        "50257) or data.tokenizer");
  }
  auto file = std::make_unique<DataFile>(path);
  if (file->size() % 2 != 0) {
    throw DataError(fmt::format(
        "{}: {} bytes cannot be nanoGPT's tokens, which have 2 bytes each; it is truncated, or has "
        "another format",
        path, file->size()));
  }
  const uint64_t hash = file->sampled_hash();
  const TokenRange range{TokenElement::uint16, 0, file->size() / 2};
  return std::make_unique<ForeignTokens>(std::move(file), range, *tokenizer, "nanoGPT tokens",
                                         hash);
}

}  // namespace ripieno::io
