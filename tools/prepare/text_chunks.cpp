#include "ripieno/tools/prepare/text_chunks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/text_files.h"
#include "ripieno/io/data/text_check.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

TextChunks::TextChunks(std::vector<TextInput> inputs, const io::Tokenizer& tokenizer,
                       std::string separator, ChunkSizes sizes, io::DocumentFields fields,
                       io::OnDataError on_error)
    : inputs_(std::move(inputs)),
      tokenizer_(tokenizer),
      separator_(std::move(separator)),
      sizes_(sizes),
      fields_(std::move(fields)),
      on_error_(on_error) {
  for (const TextInput& input : inputs_) total_bytes_ += io::local_files().open(input.path)->size();
}

int64_t TextChunks::position() const {
  if (rows_) {  // in proportion, since other columns are not read
    const double share = static_cast<double>(rows_->position()) /
                         static_cast<double>(std::max<int64_t>(1, rows_->bytes()));
    const auto size = static_cast<double>(io::local_files().open(inputs_[index_].path)->size());
    return bytes_before_ + static_cast<int64_t>(share * size);
  }
  return bytes_before_ + (stream_ ? stream_->position() : 0);
}

// Appends bytes of the file to rest_. Returns false at its end.
bool TextChunks::read_more() {
  const std::size_t before = rest_.size();
  rest_.resize(before + sizes_.chunk);
  const std::size_t got = stream_->read(std::span(rest_).subspan(before));
  rest_.resize(before + got);
  return got == sizes_.chunk;
}

// Where a chunk may end in rest_, which does not reach the end of its file; above `least`.
std::optional<std::size_t> TextChunks::last_end(std::size_t least) const {
  const bool is_jsonl = inputs_[index_].format == io::DataFormat::jsonl;
  if (!is_jsonl && separator_.empty()) return tokenizer_.last_cut(rest_, least);
  const std::string_view end = is_jsonl ? "\n" : std::string_view(separator_);
  const auto found = std::string_view(rest_).substr(least).rfind(end);
  if (found == rest_.npos) return std::nullopt;
  return least + found + end.size();
}

// Reads on until rest_ has the end of a chunk, whose position it returns.
std::size_t TextChunks::end_of_chunk(bool& has_more) {
  constexpr std::size_t kMargin = 4096;  // an end this close to what was read may not be seen yet
  std::size_t least = 0;
  while (has_more) {
    if (const auto end = last_end(least)) return *end;
    if (rest_.size() > sizes_.most) {
      throw DataError(fmt::format(
          "{}: more than {} MiB from line {} on without the end of a document or word; check "
          "--format and --separator",
          inputs_[index_].path, sizes_.most >> 20, line_));
    }
    least = std::max(rest_.size(), kMargin + separator_.size()) - kMargin - separator_.size();
    has_more = read_more();
  }
  return rest_.size();
}

// Opens the next file that is not empty and reads its beginning. Returns false if there is none.
bool TextChunks::open_file(bool& has_more) {
  for (; index_ < inputs_.size(); close_file()) {
    if (inputs_[index_].format == io::DataFormat::parquet) return false;
    const std::string& path = inputs_[index_].path;
    stream_ = std::make_unique<io::TextStream>(path);
    line_ = 1;
    has_more = read_more();
    if (rest_.empty()) continue;
    const bool is_jsonl = inputs_[index_].format == io::DataFormat::jsonl;
    if (is_jsonl && rest_.starts_with(io::kByteOrderMark))
      rest_.erase(0, io::kByteOrderMark.size());
    const auto checked = is_jsonl ? io::beginning_of_lines(rest_) : std::string_view(rest_);
    if (const auto what = io::describe_non_text(checked); !what.empty())
      throw DataError(fmt::format("{} {}", path, what));
    return true;
  }
  return false;
}

void TextChunks::close_file() {
  bytes_before_ += io::local_files().open(inputs_[index_].path)->size();
  stream_.reset();
  rows_.reset();
  ++index_;
}

std::optional<TextChunk> TextChunks::next_part() {
  bool has_more = false;
  if (stream_)
    has_more = read_more();
  else if (!open_file(has_more))
    return std::nullopt;
  const std::size_t end = end_of_chunk(has_more);
  TextChunk chunk{number_, inputs_[index_], line_, rest_.substr(0, end), !has_more};
  rest_.erase(0, end);
  line_ += std::count(chunk.bytes.begin(), chunk.bytes.end(), '\n');
  if (chunk.ends_file) close_file();
  return chunk;
}

// Rows of about ChunkSizes::chunk bytes.
std::optional<TextChunk> TextChunks::next_rows() {
  if (!rows_) rows_ = std::make_unique<io::ParquetRows>(inputs_[index_].path, fields_);
  TextChunk chunk{.number = number_, .input = inputs_[index_]};
  std::vector<std::string_view> values;
  while (chunk.bytes.size() < sizes_.chunk && !chunk.ends_file) {
    try {
      chunk.ends_file = !rows_->next(values);
      if (chunk.ends_file) break;
      TextChunk::Row row{rows_->row(), {}};
      for (const std::string_view value : values) {
        if (value.size() > sizes_.most) {
          throw DataError(fmt::format("{}: row {} has a text of more than {} MiB", chunk.input.path,
                                      row.number, sizes_.most >> 20));
        }
        chunk.bytes += value;
        row.ends.push_back(chunk.bytes.size());
      }
      chunk.rows.push_back(std::move(row));
    } catch (const DataError& error) {
      if (on_error_ == io::OnDataError::stop) throw;
      chunk.bytes.resize(chunk.rows.empty() ? 0 : chunk.rows.back().ends.back());
      chunk.skipped.add(rows_->skip_failed(), error.what());
    }
  }
  if (chunk.ends_file) close_file();
  return chunk;
}

// After an error: an empty chunk that counts the rest of the file as left out.
std::optional<TextChunk> TextChunks::without_rest(const std::string& why) {
  TextChunk chunk{.number = number_, .input = inputs_[index_], .ends_file = true};
  chunk.skipped.add(1, why);
  rest_.clear();
  close_file();
  return chunk;
}

std::optional<TextChunk> TextChunks::next() {
  const auto read = [&]() -> std::optional<TextChunk> {
    if (!stream_ && !rows_) {
      // Skips empty files, and reads the beginning of the next one unless it is Parquet.
      if (index_ < inputs_.size() && inputs_[index_].format == io::DataFormat::parquet)
        return next_rows();
      auto chunk = next_part();
      const bool is_parquet =
          index_ < inputs_.size() && inputs_[index_].format == io::DataFormat::parquet;
      return chunk || !is_parquet ? std::move(chunk) : next_rows();
    }
    return rows_ ? next_rows() : next_part();
  };
  std::optional<TextChunk> chunk;
  try {
    chunk = read();
  } catch (const DataError& error) {
    if (on_error_ == io::OnDataError::stop) throw;
    chunk = without_rest(error.what());
  } catch (const StorageError& error) {
    if (on_error_ == io::OnDataError::stop) throw;
    chunk = without_rest(error.what());
  }
  if (chunk) ++number_;
  return chunk;
}

}  // namespace ripieno::tools
