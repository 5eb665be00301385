#include "ripieno/tools/prepare/preparation.h"

#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/data_paths.h"
#include "ripieno/io/data/readers/token_file.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/write_aside.h"
#include "ripieno/tools/byte_progress.h"
#include "ripieno/tools/prepare/work_folder.h"

namespace ripieno::tools {
namespace {

using Tokens = std::vector<std::byte> EncodedChunk::*;

io::DataFormat text_format_of(const std::string& path, io::DataFormat format) {
  if (format == io::DataFormat::automatic) format = io::recognize_format(path);
  if (format == io::DataFormat::text || format == io::DataFormat::jsonl ||
      format == io::DataFormat::parquet)
    return format;
  throw DataError(
      fmt::format("{}: has tokens already (format {}); ripieno prepare reads text, JSON lines and "
                  "Parquet, and train_gpt reads this file as it is",
                  path, io::name_of(format)));
}

std::vector<TextInput> inputs_of(const PrepareOptions& options) {
  std::vector<TextInput> inputs;
  for (const std::string& given : options.inputs) {
    for (const std::string& path : io::files_of(given)) {
      for (const std::string& output : {options.output, validation_path(options.output)}) {
        std::error_code no_output;
        if (std::filesystem::equivalent(path, output, no_output))
          throw ConfigurationError(fmt::format("--output: {} is also an input", path));
      }
      inputs.push_back({path, text_format_of(path, options.format)});
    }
  }
  return inputs;
}

// All that the output depends on.
nlohmann::json manifest_of(const std::vector<TextInput>& inputs, const EncoderOptions& encoding,
                           const io::Tokenizer& tokenizer) {
  nlohmann::json files = nlohmann::json::array();
  for (const auto& [path, format] : inputs) {
    const std::chrono::nanoseconds changed =
        std::filesystem::last_write_time(path).time_since_epoch();
    files.push_back({{"path", std::filesystem::absolute(path).string()},
                     {"format", io::name_of(format)},
                     {"bytes", std::filesystem::file_size(path)},
                     {"modified_ns", changed.count()}});
  }
  return {{"version", 2},
          {"inputs", files},
          {"tokenizer", tokenizer.identity()},
          {"content", static_cast<int>(encoding.fields.content)},
          {"fields", encoding.fields.names()},
          {"on_error", static_cast<int>(encoding.on_error)},
          {"separator", io::hexadecimal(io::hash_of(encoding.separator))},
          {"end_of_document", encoding.end_of_document.value_or(-1)},
          {"special_as_text", encoding.special == io::SpecialTokens::as_text},
          {"validation_share", encoding.validation_share}};
}

// Encodes all chunks into the work folder, on several threads.
class Encoding {
 public:
  Encoding(TextChunks chunks, ChunkEncoder encoder, WorkFolder& work, bool quiet)
      : chunks_(std::move(chunks)),
        encoder_(std::move(encoder)),
        work_(work),
        progress_(chunks_.total_bytes(), quiet) {}

  void run(int threads) {
    {
      std::vector<std::jthread> others;
      for (int i = 1; i < threads; ++i) others.emplace_back([this] { encode_chunks(); });
      encode_chunks();
    }
    speed_ = progress_.finish();
    if (error_) std::rethrow_exception(error_);
  }

  int64_t chunks() const { return count_; }
  const std::string& speed() const { return speed_; }
  // Why the first document was left out, of those that this process read; empty: none was.
  const std::string& first_skipped() const { return first_skipped_; }

 private:
  std::optional<TextChunk> next() {
    const std::lock_guard lock(mutex_);
    if (error_) return std::nullopt;
    auto chunk = chunks_.next();
    if (chunk) count_ = chunk->number + 1;
    progress_.reach(chunks_.position());
    return chunk;
  }

  void note_skipped(int64_t number, const io::SkippedData& skipped) {
    const std::lock_guard lock(mutex_);
    if (skipped.count == 0 || number >= first_skipped_in_) return;
    first_skipped_in_ = number;
    first_skipped_ = skipped.first;
  }

  // Until there are no more, or one of the threads fails.
  void encode_chunks() {
    try {
      while (const auto chunk = next()) {
        if (work_.find(chunk->number)) continue;
        const EncodedChunk encoded = encoder_.encode(*chunk);
        work_.save(chunk->number, encoded);
        note_skipped(chunk->number, encoded.skipped);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  TextChunks chunks_;
  ChunkEncoder encoder_;
  WorkFolder& work_;
  ByteProgress progress_;
  std::string speed_;
  std::mutex mutex_;  // of what follows, and chunks_
  int64_t count_ = 0;
  int64_t first_skipped_in_ = INT64_MAX;  // a chunk
  std::string first_skipped_;
  std::exception_ptr error_;
};

// Writes the tokens of all chunks. Returns their number.
int64_t write_tokens(const std::string& path, const WorkFolder& work, int64_t chunks, Tokens tokens,
                     const io::Tokenizer& tokenizer, bool has_marks) {
  io::TokenFileFrame frame(tokenizer, has_marks);
  for (int64_t number = 0; number < chunks; ++number) frame.add(work.load(number).*tokens);
  const auto count = static_cast<int64_t>(frame.seal().tokens);
  io::FileSystem& files = io::local_files();
  io::write_aside(files, path, [&](const std::string& aside) {
    const auto file = files.create(aside);
    frame.write_head(*file);
    for (int64_t number = 0; number < chunks; ++number) file->append(work.load(number).*tokens);
    frame.write_table(*file);
    file->sync();
  });
  return count;
}

void require_valid(const PrepareOptions& options, const std::vector<TextInput>& inputs) {
  if (std::filesystem::is_directory(options.output))
    throw ConfigurationError(fmt::format("--output: {} is a folder; name a file", options.output));
  const double share = options.encoding.validation_share;
  if (!(share >= 0 && share < 1)) {
    throw ConfigurationError(
        fmt::format("--validation-share must be at least 0 and below 1, got {}", share));
  }
  for (const TextInput& input : inputs) {
    if (!options.encoding.has_marks() || input.format != io::DataFormat::text) continue;
    throw ConfigurationError(
        fmt::format("--content: {} is a text; completions and messages require JSON lines or, "
                    "for completions, Parquet",
                    input.path));
  }
  if (options.threads < 1)
    throw ConfigurationError(fmt::format("--threads must be at least 1, got {}", options.threads));
  if (share == 0 || !options.encoding.separator.empty()) return;
  for (const TextInput& input : inputs) {
    if (input.format != io::DataFormat::text) continue;
    throw ConfigurationError(
        fmt::format("--validation-share chooses documents, and the text file {} is one document; "
                    "give --separator, the text between its documents",
                    input.path));
  }
}

Prepared write_outputs(const PrepareOptions& options, const WorkFolder& work, int64_t chunks,
                       const io::Tokenizer& tokenizer) {
  Prepared prepared;
  prepared.output = options.output;
  bool trains = false, validates = false;
  for (int64_t number = 0; number < chunks; ++number) {
    const EncodedChunk chunk = work.load(number);
    prepared.documents += chunk.documents;
    prepared.skipped += chunk.skipped.count;
    trains |= !chunk.train.empty();
    validates |= !chunk.validation.empty();
  }
  const double share = options.encoding.validation_share;
  if (share > 0 && (!trains || !validates)) {
    throw DataError(fmt::format("--validation-share {} chooses {} of {} documents; {} it", share,
                                validates ? "all" : "none", prepared.documents,
                                validates ? "reduce" : "increase"));
  }
  if (!trains) throw DataError(options.inputs.front() + ": has no text");
  if (share > 0) {
    prepared.validation_output = validation_path(options.output);
    prepared.validation_tokens =
        write_tokens(prepared.validation_output, work, chunks, &EncodedChunk::validation, tokenizer,
                     options.encoding.has_marks());
  }
  prepared.tokens = write_tokens(options.output, work, chunks, &EncodedChunk::train, tokenizer,
                                 options.encoding.has_marks());
  return prepared;
}

}  // namespace

std::string validation_path(const std::string& output) {
  const std::filesystem::path path(output);
  return (path.parent_path() / (path.stem().string() + "_validation" + path.extension().string()))
      .string();
}

Prepared prepare(const PrepareOptions& options, const io::Tokenizer& tokenizer) {
  const std::vector<TextInput> inputs = inputs_of(options);
  require_valid(options, inputs);
  const nlohmann::json manifest = manifest_of(inputs, options.encoding, tokenizer);
  WorkFolder work(options.output + ".work", manifest);
  if (!work.changes().empty() && !options.quiet) {
    fmt::print(stderr, "{}.work: started anew, since these differ from the unfinished work: {}\n",
               options.output, work.changes());
  }
  try {
    const EncoderOptions& how = options.encoding;
    Encoding encoding(TextChunks(inputs, tokenizer, how.separator, {}, how.fields, how.on_error),
                      ChunkEncoder(tokenizer, options.encoding), work, options.quiet);
    encoding.run(options.threads);
    if (manifest_of(inputs, options.encoding, tokenizer) != manifest)
      throw DataError("an input changed while it was read; run the same command again");
    Prepared prepared = write_outputs(options, work, encoding.chunks(), tokenizer);
    prepared.speed = encoding.speed();
    prepared.first_skipped = encoding.first_skipped();
    work.remove();
    return prepared;
  } catch (const DataError&) {
    work.remove();  // it cannot be continued: the input or an option has to change
    throw;
  }
}

}  // namespace ripieno::tools
