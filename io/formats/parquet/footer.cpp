#include "ripieno/io/formats/parquet/footer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "ripieno/core/error.h"
#include "ripieno/io/formats/parquet/thrift_reader.h"

namespace ripieno::io::parquet {
namespace {

using Type = ThriftReader::Type;

constexpr int64_t kMostFooter = 64 << 20;
constexpr int64_t kTailBytes = 8;  // length of the footer and magic

// Numbers of the format.
constexpr int64_t kByteArray = 6;
constexpr int64_t kRequired = 0, kOptional = 1;
constexpr int64_t kUtf8 = 0, kEnum = 4, kJson = 19;
constexpr std::array<const char*, 8> kTypeNames = {
    "boolean", "int32", "int64", "int96", "float", "double", "byte array", "fixed bytes"};

// A column, or a group of columns, which follow it.
struct SchemaElement {
  int64_t type = -1;
  int64_t repetition = kRequired;
  std::string_view name = {};
  int64_t children = 0;
  int64_t converted = -1;
};

// One column in one group of rows, as the footer says.
struct ChunkDescription {
  bool is_elsewhere = false, is_encrypted = false, is_described = false;
  int64_t type = -1;
  std::vector<std::string_view> path = {};
  int64_t codec = 0, values = 0, bytes = 0, data = 0, dictionary = 0;
};

struct Footer {
  std::vector<SchemaElement> schema;  // whose names point into the bytes that were read
  int64_t rows = 0;
};

std::string bytes_of_footer(const ReadableFile& file) {
  const int64_t size = file.size();
  if (size < 2 * std::ssize(kMagic) + kTailBytes / 2)
    throw DataError(fmt::format("{} bytes are too few for a Parquet file", size));
  std::array<char, kTailBytes> tail;
  file.read(size - kTailBytes, std::as_writable_bytes(std::span(tail)));
  const std::string_view magic(tail.data() + 4, 4);
  if (magic == "PARE") throw DataError("is encrypted; decrypt it first");
  if (magic != kMagic)
    throw DataError("does not end like a Parquet file (PAR1): it is truncated or damaged");
  uint32_t length;
  std::memcpy(&length, tail.data(), sizeof(length));
  if (length > size - kTailBytes - std::ssize(kMagic)) {
    throw DataError(
        fmt::format("its footer has {} bytes, but the file only {}: it is damaged", length, size));
  }
  if (length > kMostFooter) {
    throw DataError(
        fmt::format("its footer has {} bytes; at most {} MiB are read", length, kMostFooter >> 20));
  }
  std::string bytes(length, '\0');
  file.read(size - kTailBytes - length, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

SchemaElement read_element(ThriftReader& in) {
  SchemaElement element;
  in.fields([&](int64_t id, Type type) {
    switch (id) {
      case 1:
        element.type = in.integer(type);
        break;
      case 3:
        element.repetition = in.integer(type);
        break;
      case 4:
        element.name = in.binary(type);
        break;
      case 5:
        element.children = in.integer(type);
        break;
      case 6:
        element.converted = in.integer(type);
        break;
      default:
        in.skip(type);
    }
  });
  return element;
}

void read_metadata(ThriftReader& in, ChunkDescription& chunk) {
  chunk.is_described = true;
  in.fields([&](int64_t id, Type type) {
    switch (id) {
      case 1:
        chunk.type = in.integer(type);
        break;
      case 3:
        in.list(type, Type::binary, [&] { chunk.path.push_back(in.binary(Type::binary)); });
        break;
      case 4:
        chunk.codec = in.integer(type);
        break;
      case 5:
        chunk.values = in.integer(type);
        break;
      case 7:
        chunk.bytes = in.integer(type);
        break;
      case 9:
        chunk.data = in.integer(type);
        break;
      case 11:
        chunk.dictionary = in.integer(type);
        break;
      default:
        in.skip(type);
    }
  });
}

ChunkDescription read_chunk(ThriftReader& in) {
  ChunkDescription chunk;
  in.fields([&](int64_t id, Type type) {
    if (id == 1) {
      chunk.is_elsewhere = true;
    } else if (id == 8) {
      chunk.is_encrypted = true;
    } else if (id == 3) {
      in.require(type, Type::structure);
      return read_metadata(in, chunk);
    }
    in.skip(type);
  });
  return chunk;
}

// Reads a group of rows: sets its number of rows, and returns the column `leaf` of it.
std::optional<ChunkDescription> read_group(ThriftReader& in, int64_t leaf, int64_t& rows) {
  std::optional<ChunkDescription> chunk;
  in.fields([&](int64_t id, Type type) {
    if (id == 3) {
      rows = in.integer(type);
    } else if (id == 1) {
      int64_t index = 0;
      in.list(type, Type::structure, [&] {
        if (index++ == leaf)
          chunk = read_chunk(in);
        else
          in.skip(Type::structure);
      });
    } else {
      in.skip(type);
    }
  });
  return chunk;
}

// visit(in) reads the groups of rows, which follow the schema.
template <typename Visit>
void read_footer(const std::string& bytes, Footer& footer, const Visit& visit) {
  ThriftReader in(bytes);
  in.fields([&](int64_t id, Type type) {
    switch (id) {
      case 2:
        in.list(type, Type::structure, [&] { footer.schema.push_back(read_element(in)); });
        break;
      case 3:
        footer.rows = in.integer(type);
        break;
      case 4:
        in.list(type, Type::structure, [&] { visit(in); });
        break;
      case 8:
        throw DataError("is encrypted; decrypt it first");
      default:
        in.skip(type);
    }
  });
}

// The outermost columns: index in the schema, and number of leaves before it.
struct Outermost {
  std::size_t element;
  int64_t leaf;
};

std::vector<Outermost> outermost_of(const std::vector<SchemaElement>& schema) {
  const auto damaged = [] { throw DataError("its tree of columns is damaged"); };
  if (schema.empty()) damaged();
  std::vector<Outermost> columns;
  std::size_t at = 1;
  int64_t leaf = 0;
  for (int64_t column = 0; column < schema.front().children; ++column) {
    columns.push_back({at, leaf});
    for (int64_t pending = 1; pending > 0; --pending) {
      if (at >= schema.size()) damaged();
      const int64_t children = schema[at++].children;
      if (children < 0 || children > std::ssize(schema)) damaged();
      pending += children;
      leaf += children == 0;
    }
  }
  if (at != schema.size()) damaged();
  return columns;
}

std::string list_of_names(const std::vector<SchemaElement>& schema,
                          const std::vector<Outermost>& columns) {
  constexpr std::size_t kMost = 10;
  std::string names;
  for (std::size_t i = 0; i < std::min(kMost, columns.size()); ++i)
    names += fmt::format("{}{}", i == 0 ? "" : ", ", schema[columns[i].element].name.substr(0, 60));
  if (columns.size() > kMost) names += fmt::format(" and {} more", columns.size() - kMost);
  return names.empty() ? "none" : names;
}

void require_strings(const SchemaElement& element) {
  const std::string name(element.name);
  if (element.children > 0 ||
      (element.repetition != kRequired && element.repetition != kOptional)) {
    throw DataError(
        fmt::format("its column \"{}\" is nested (a list or a structure); must be one string per "
                    "row; write its text as a column of its own",
                    name));
  }
  const bool is_text = element.converted == -1 || element.converted == kUtf8 ||
                       element.converted == kEnum || element.converted == kJson;
  if (element.type == kByteArray && is_text) return;
  const bool has_name = element.type >= 0 && element.type < std::ssize(kTypeNames);
  throw DataError(fmt::format("its column \"{}\" has the type {}; must be a string", name,
                              element.type == kByteArray ? "decimal or BSON"
                              : has_name ? kTypeNames[static_cast<std::size_t>(element.type)]
                                         : "unknown"));
}

ColumnChunk checked(const ChunkDescription& chunk, const std::string& name, int64_t rows,
                    int64_t end_of_data) {
  if (chunk.is_encrypted) throw DataError(fmt::format("its column \"{}\" is encrypted", name));
  if (chunk.is_elsewhere)
    throw DataError("has its columns in another file, which is not supported; write it anew");
  if (!chunk.is_described || chunk.type != kByteArray || chunk.path.size() != 1 ||
      chunk.path.front() != name)
    throw DataError(fmt::format("its footer describes the column \"{}\" inconsistently", name));
  if (rows == 0 && chunk.values == 0) return {};  // its offsets have no meaning
  const bool has_dictionary = chunk.dictionary > 0 && chunk.dictionary < chunk.data;
  const int64_t begin = has_dictionary ? chunk.dictionary : chunk.data;
  if (rows < 0 || chunk.values != rows) {
    throw DataError(fmt::format("its column \"{}\" has {} values in a group of {} rows", name,
                                chunk.values, rows));
  }
  if (begin < std::ssize(kMagic) || begin > end_of_data || chunk.bytes < 0 ||
      chunk.bytes > end_of_data - begin) {
    throw DataError(fmt::format("its column \"{}\" has {} bytes from byte {} on, outside the file",
                                name, chunk.bytes, begin));
  }
  return {begin, chunk.bytes, rows, codec_of(chunk.codec)};
}

}  // namespace

Column read_column(const ReadableFile& file, const std::string& name) {
  const std::string bytes = bytes_of_footer(file);
  const int64_t end_of_data = file.size() - kTailBytes - std::ssize(bytes);
  Footer footer;
  Column column;
  int64_t leaf = -1, rows_of_groups = 0;
  const auto find = [&] {
    const auto columns = outermost_of(footer.schema);
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const Outermost& outer) {
      return footer.schema[outer.element].name == name;
    });
    if (found == columns.end()) {
      throw DataError(fmt::format("has no column \"{}\"; its columns: {}", name,
                                  list_of_names(footer.schema, columns)));
    }
    require_strings(footer.schema[found->element]);
    column.is_optional = footer.schema[found->element].repetition == kOptional;
    leaf = found->leaf;
  };
  read_footer(bytes, footer, [&](ThriftReader& in) {
    if (leaf < 0) find();
    int64_t rows = 0;
    const auto chunk = read_group(in, leaf, rows);
    if (!chunk)
      throw DataError(
          fmt::format("its footer has a group of rows without the column \"{}\"", name));
    column.chunks.push_back(checked(*chunk, name, rows, end_of_data));
    if (rows > INT64_MAX - rows_of_groups) throw DataError("its numbers of rows are damaged");
    rows_of_groups += rows;
  });
  if (leaf < 0) find();
  if (rows_of_groups != footer.rows) {
    throw DataError(fmt::format("its footer gives {} rows, but its groups have {}", footer.rows,
                                rows_of_groups));
  }
  return column;
}

std::vector<std::string> read_columns(const ReadableFile& file) {
  const std::string bytes = bytes_of_footer(file);
  Footer footer;
  read_footer(bytes, footer, [](ThriftReader& in) { in.skip(Type::structure); });
  std::vector<std::string> names;
  for (const Outermost& column : outermost_of(footer.schema))
    names.emplace_back(footer.schema[column.element].name);
  return names;
}

}  // namespace ripieno::io::parquet
