#include "ripieno/tools/data_inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/data/batch.h"
#include "ripieno/io/data/readers/data_paths.h"
#include "ripieno/io/data/readers/megatron.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/utf8.h"
#include "ripieno/io/formats/parquet/footer.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/tools/prepare/documents.h"
#include "ripieno/tools/prepare/text_chunks.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kAnyVocabulary = INT32_MAX;      // of token files that do not say theirs
constexpr std::size_t kSampleTokens = 60;          // that are shown
constexpr std::size_t kSampleBytes = 240;          // of text that are shown
constexpr int64_t kPartTokens = int64_t{1} << 18;  // that are read at once

bool is_text(io::DataFormat format) {
  return format == io::DataFormat::text || format == io::DataFormat::jsonl ||
         format == io::DataFormat::parquet;
}

int64_t bytes_of(const std::string& path, io::DataFormat format) {
  auto bytes = static_cast<int64_t>(fs::file_size(path));
  if (format == io::DataFormat::megatron)
    bytes += static_cast<int64_t>(fs::file_size(io::megatron_stem(path) + ".idx"));
  return bytes;
}

// Its beginning, which ends after a whole character.
std::string beginning_of(std::string text) {
  if (text.size() <= kSampleBytes) return text;
  std::size_t end = kSampleBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

// Finds the documents in a stream of tokens.
class TokenDocuments {
 public:
  TokenDocuments(DataInspection& out, const DataInspectionOptions& options,
                 const io::Tokenizer& tokenizer)
      : out_(out),
        most_samples_(static_cast<std::size_t>(std::max<int64_t>(0, options.samples))),
        tokenizer_(tokenizer) {}

  // Documents end with `end`, or begin with it: those without tokens do not count.
  void split_by(std::optional<int32_t> end) { end_ = end; }
  // Documents have these lengths.
  void split_at(std::vector<int64_t> lengths) {
    lengths_ = std::move(lengths);
    begin_given();
  }

  void add(int32_t token, bool is_counted) {
    ++out_.size;
    out_.counted += is_counted;
    out_.largest_token = std::max(out_.largest_token, token);
    if (end_ && token == *end_) return finish();
    if (beginning_.size() < kSampleTokens) beginning_.push_back(token);
    ++length_;
    if (given_ < lengths_.size() && length_ == lengths_[given_]) {
      finish();
      ++given_;
      begin_given();
    }
  }

  void finish() {
    if (length_ > 0 || !end_) add_document();
    beginning_.clear();
    length_ = 0;
  }
  bool is_open() const { return length_ > 0; }

 private:
  void begin_given() {
    for (; given_ < lengths_.size() && lengths_[given_] == 0; ++given_) finish();
  }

  void add_document() {
    out_.lengths.add(length_);
    if (out_.samples.size() >= most_samples_) return;
    DataInspection::Sample sample{length_, "", beginning_};
    if (tokenizer_.kind() != io::Tokenizer::Kind::external)
      sample.text = beginning_of(tokenizer_.decode(beginning_));
    out_.samples.push_back(std::move(sample));
  }

  DataInspection& out_;
  std::size_t most_samples_;
  const io::Tokenizer& tokenizer_;
  std::optional<int32_t> end_;
  std::vector<int64_t> lengths_;
  std::size_t given_ = 0;  // of lengths_
  std::vector<int32_t> beginning_;
  int64_t length_ = 0;
};

// The token between documents that is known from the format or the tokenizer.
std::optional<int32_t> end_of_document(io::DataFormat format, const io::Tokenizer& tokenizer) {
  constexpr int32_t kGpt2End = 50'256, kLlama3Begin = 128'000;
  if (tokenizer.kind() == io::Tokenizer::Kind::byte_pair) return tokenizer.end_of_document();
  if (format != io::DataFormat::llmc) return std::nullopt;
  return tokenizer.vocabulary_size() <= kGpt2End + 1 ? kGpt2End : kLlama3Begin;
}

void read_tokens(const io::TokenData& data, TokenDocuments& documents) {
  std::vector<int32_t> tokens, targets;
  for (int64_t begin = 0; begin < data.size(); begin += kPartTokens) {
    tokens.resize(static_cast<std::size_t>(std::min(kPartTokens, data.size() - begin)));
    targets.resize(tokens.size());
    data.copy(begin, tokens);
    data.copy_targets(begin, targets);
    for (std::size_t i = 0; i < tokens.size(); ++i)
      documents.add(tokens[i], targets[i] != io::kIgnoredTarget);
  }
}

void inspect_token_file(const std::string& path, io::DataFormat format,
                        const DataInspectionOptions& options, DataInspection& out) {
  // llm.c's files say which vocabulary they have.
  const bool is_unknown = options.tokenizer.empty() && format != io::DataFormat::llmc;
  const auto data = io::TokenData::load(path, {.format = format,
                                               .tokenizer_file = options.tokenizer,
                                               .vocabulary_size = is_unknown ? kAnyVocabulary : 0});
  const io::Tokenizer& tokenizer = data.tokenizer();
  out.format = data.format();
  out.vocabulary = tokenizer.vocabulary_size() == kAnyVocabulary ? 0 : tokenizer.vocabulary_size();
  TokenDocuments documents(out, options, tokenizer);
  bool knows_documents = true;
  if (format == io::DataFormat::megatron) {
    std::vector<int64_t> lengths;
    io::visit_megatron_documents(path, [&](int64_t length) { lengths.push_back(length); });
    documents.split_at(std::move(lengths));
    out.separated_by = "the index";
  } else if (const auto end = end_of_document(format, tokenizer)) {
    documents.split_by(end);
    out.separated_by = fmt::format("token {}", *end);
  } else {
    knows_documents = false;
  }
  read_tokens(data, documents);
  if (knows_documents && !documents.is_open()) return;
  documents.finish();
  if (!knows_documents) out.lengths = {};  // one document, which nobody said
}

void inspect_text_file(const std::string& path, io::DataFormat format,
                       const DataInspectionOptions& options, DataInspection& out) {
  if (format == io::DataFormat::parquet && out.columns.empty())
    out.columns = io::parquet::read_columns(*io::local_files().open(path));
  const bool has_tokenizer = !options.tokenizer.empty();
  const auto tokenizer =
      has_tokenizer ? io::Tokenizer::load(options.tokenizer) : io::Tokenizer::bytes();
  out.format = io::name_of(format);
  out.vocabulary = has_tokenizer ? tokenizer.vocabulary_size() : 0;
  int64_t length_of_file = 0;
  std::string beginning_of_file;
  const auto count = [&](const io::MarkedText& document) {
    const auto tokens = document.encode(tokenizer);
    out.size += std::ssize(tokens);
    out.counted += std::count_if(tokens.begin(), tokens.end(), io::is_counted);
    for (const int32_t token : tokens)
      out.largest_token = std::max(out.largest_token, io::token_of(token));
    return std::ssize(tokens);
  };
  const auto add_document = [&](int64_t length, const std::string& text) {
    out.lengths.add(length);
    if (std::ssize(out.samples) < options.samples)
      out.samples.push_back({length, beginning_of(text), {}});
  };
  TextChunks chunks({{path, format}}, tokenizer, "", {}, options.fields, options.on_error);
  while (const auto chunk = chunks.next()) {
    out.skipped.add(chunk->skipped);
    if (format == io::DataFormat::text) {
      if (beginning_of_file.size() < kSampleBytes)
        beginning_of_file += chunk->bytes.substr(0, 2 * kSampleBytes);
      io::MarkedText part;
      part.add(chunk->bytes, true);
      length_of_file += count(part);
      if (chunk->ends_file) add_document(length_of_file, beginning_of_file);
      continue;
    }
    visit_documents(*chunk, options.fields, options.on_error, out.skipped,
                    [&](const auto& document) { add_document(count(document), document.text()); });
  }
  out.separated_by = format == io::DataFormat::text      ? "files"
                     : format == io::DataFormat::parquet ? "rows"
                                                         : "lines";
}

// A text that stands on one line.
std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char byte : io::valid_utf8(text)) {
    if (byte == '\n')
      line += "\\n";
    else if (byte == '\t')
      line += "\\t";
    else
      line += static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f ? '?' : byte;
  }
  return line;
}

std::string description_of(const DataInspection& inspection) {
  const LengthHistogram& lengths = inspection.lengths;
  if (inspection.separated_by.empty())
    return "unknown, since no end-of-document token is known; --tokenizer may name one";
  std::string text = fmt::format("{}, separated by {}", io::with_thousands(lengths.count()),
                                 inspection.separated_by);
  if (lengths.count() > 0) {
    text +=
        fmt::format("; {} to {} {} each, {:.1f} on average", io::with_thousands(lengths.least()),
                    io::with_thousands(lengths.most()), inspection.unit, lengths.mean());
  }
  return text;
}

}  // namespace

bool is_data(const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored))
    return !fs::is_directory(path, ignored) && !path.ends_with(".safetensors");
  try {
    return !io::files_of(path).empty();
  } catch (const Error&) {
    return false;
  }
}

DataInspection inspect_data(const std::string& path, const DataInspectionOptions& options) {
  DataInspection out{.path = path, .files = io::files_of(path)};
  std::optional<io::DataFormat> first;
  for (const std::string& file : out.files) {
    const auto format =
        options.format == io::DataFormat::automatic ? io::recognize_format(file) : options.format;
    if (first && is_text(*first) != is_text(format)) {
      throw DataError(fmt::format("{}: is {}, but {} is {}; inspect files of one kind", file,
                                  io::name_of(format), out.files.front(), io::name_of(*first)));
    }
    first = first.value_or(format);
    out.bytes += bytes_of(file, format);
    out.unit = is_text(format) && options.tokenizer.empty() ? "bytes" : "tokens";
    if (is_text(format))
      inspect_text_file(file, format, options, out);
    else
      inspect_token_file(file, format, options, out);
  }
  return out;
}

std::string to_text(const DataInspection& inspection) {
  Table table("ll");
  table.add({"format", fmt::format("{}, {}, {}", inspection.format,
                                   counted(std::ssize(inspection.files), "file"),
                                   readable_bytes(inspection.bytes))});
  std::string size = io::with_thousands(inspection.size);
  if (inspection.counted < inspection.size) {
    size += fmt::format(
        ", of which the loss counts {} ({:.1f} %)", io::with_thousands(inspection.counted),
        100 * static_cast<double>(inspection.counted) / static_cast<double>(inspection.size));
  }
  if (!inspection.columns.empty())
    table.add({"columns", fmt::format("{}", fmt::join(inspection.columns, ", "))});
  table.add({inspection.unit, size});
  if (inspection.unit == "tokens") {
    std::string vocabulary = inspection.vocabulary == 0
                                 ? "unknown"
                                 : io::with_thousands(inspection.vocabulary) + " tokens";
    if (inspection.largest_token >= 0)
      vocabulary += fmt::format("; the largest token is {}", inspection.largest_token);
    table.add({"vocabulary", vocabulary});
  }
  table.add({"documents", description_of(inspection)});
  if (inspection.skipped.count > 0) {
    table.add({"left out", fmt::format("{}; the first: {}", inspection.skipped.count,
                                       inspection.skipped.first)});
  }
  std::string text = inspection.path + "\n" + table.text();
  if (inspection.lengths.count() > 0)
    text += "\nlengths of documents\n" + inspection.lengths.text(inspection.unit);
  if (!inspection.samples.empty()) text += "\nfirst documents\n";
  for (const DataInspection::Sample& sample : inspection.samples) {
    text += fmt::format("  {}: ", counted(sample.length, std::string(inspection.unit, 0,
                                                                     inspection.unit.size() - 1)));
    text += sample.text.empty() ? fmt::format("{}", fmt::join(sample.tokens, " "))
                                : on_one_line(sample.text);
    text += '\n';
  }
  return text;
}

nlohmann::json to_json(const DataInspection& inspection) {
  nlohmann::json samples = nlohmann::json::array();
  for (const DataInspection::Sample& sample : inspection.samples) {
    samples.push_back({{"length", sample.length}, {"text", io::valid_utf8(sample.text)}});
    if (!sample.tokens.empty()) samples.back()["tokens"] = sample.tokens;
  }
  const LengthHistogram& lengths = inspection.lengths;
  nlohmann::json documents = nullptr;
  if (!inspection.separated_by.empty()) {
    documents = {{"count", lengths.count()},      {"separated_by", inspection.separated_by},
                 {"shortest", lengths.least()},   {"longest", lengths.most()},
                 {"mean_length", lengths.mean()}, {"lengths", lengths.json()}};
  }
  nlohmann::json result = {{"path", inspection.path},
                           {"format", inspection.format},
                           {"files", inspection.files},
                           {"bytes", inspection.bytes},
                           {"unit", inspection.unit},
                           {"size", inspection.size},
                           {"counted", inspection.counted},
                           {"documents", documents},
                           {"skipped", inspection.skipped.count},
                           {"samples", samples}};
  if (!inspection.columns.empty()) result["columns"] = inspection.columns;
  if (inspection.vocabulary > 0) result["vocabulary"] = inspection.vocabulary;
  if (inspection.largest_token >= 0) result["largest_token"] = inspection.largest_token;
  return result;
}

}  // namespace ripieno::tools
