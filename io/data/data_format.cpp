#include "ripieno/io/data/data_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/foreign_tokens.h"
#include "ripieno/io/data/readers/megatron.h"
#include "ripieno/io/data/readers/parquet_rows.h"
#include "ripieno/io/data/readers/text_stream.h"
#include "ripieno/io/data/readers/token_file.h"
#include "ripieno/io/data/text_check.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

// The first bytes of a file, as many as there are.
std::string beginning_of(const std::string& path) {
  constexpr int64_t kBytes = 1 << 16;
  const auto file = local_files().open(path);
  std::string bytes(static_cast<std::size_t>(std::min(kBytes, file->size())), '\0');
  file->read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

bool has_megatron_index(const std::string& path) {
  if (!path.ends_with(".bin")) return false;
  const std::string index = megatron_stem(path) + ".idx";
  return local_files().exists(index) && is_megatron_index(beginning_of(index));
}

// Throws for the files of a pair whose index is none.
void require_no_pair(const std::string& path) {
  const std::string stem = megatron_stem(path);
  if (stem == path || !local_files().exists(stem + ".idx") || !local_files().exists(stem + ".bin"))
    return;
  throw DataError(
      fmt::format("{}.idx: does not begin like a Megatron index (MMIDIDX), but {}.bin is beside "
                  "it: prepare the "
                  "data set again, or name the format of {}.bin by data.format",
                  stem, stem, stem));
}

// By the name of a text file, without the ending of a compressed one.
DataFormat text_format(std::string name) {
  for (const char* ending : {".gz", ".zst"}) {
    if (name.ends_with(ending)) name.resize(name.size() - std::string_view(ending).size());
  }
  const bool is_jsonl = name.ends_with(".jsonl") || name.ends_with(".ndjson");
  return is_jsonl ? DataFormat::jsonl : DataFormat::text;
}

}  // namespace

const std::vector<std::pair<std::string, DataFormat>>& data_formats() {
  static const std::vector<std::pair<std::string, DataFormat>> formats = {
      {"auto", DataFormat::automatic},    {"ripieno", DataFormat::ripieno},
      {"llmc", DataFormat::llmc},         {"nanogpt", DataFormat::nanogpt},
      {"megatron", DataFormat::megatron}, {"text", DataFormat::text},
      {"jsonl", DataFormat::jsonl},       {"parquet", DataFormat::parquet},
  };
  return formats;
}

std::string name_of(DataFormat format) {
  const auto& formats = data_formats();
  return std::find_if(formats.begin(), formats.end(),
                      [&](const auto& known) { return known.second == format; })
      ->first;
}

DataFormat recognize_format(const std::string& path) {
  const std::string beginning = beginning_of(path);
  if (beginning.starts_with({TokenFileHeader::kMagic, sizeof(TokenFileHeader::kMagic)}))
    return DataFormat::ripieno;
  if (is_megatron_index(beginning) || has_megatron_index(path)) return DataFormat::megatron;
  if (is_llmc(beginning)) return DataFormat::llmc;
  if (is_parquet(beginning)) return DataFormat::parquet;
  if (is_compressed(beginning)) return text_format(path);
  const DataFormat format = text_format(path);
  const std::string_view checked =
      format == DataFormat::jsonl ? beginning_of_lines(beginning) : std::string_view(beginning);
  if (const auto what = describe_non_text(checked); !what.empty()) {
    require_no_pair(path);
    throw DataError(fmt::format("{} {}", path, what));
  }
  return format;
}

}  // namespace ripieno::io
