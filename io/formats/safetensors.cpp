#include "ripieno/io/formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using nlohmann::json;

constexpr std::string_view kMetadata = "__metadata__";
constexpr int64_t kHeaderAlignment = 8;

constexpr std::array<std::pair<DType, std::string_view>, 8> kNames{{
    {DType::float32, "F32"},
    {DType::float16, "F16"},
    {DType::bfloat16, "BF16"},
    {DType::float64, "F64"},
    {DType::int64, "I64"},
    {DType::int32, "I32"},
    {DType::uint8, "U8"},
    {DType::boolean, "BOOL"},
}};

std::optional<DType> dtype_of_name(std::string_view name) {
  for (const auto& [dtype, known] : kNames) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw DataError(fmt::format(format, std::forward<Arguments>(arguments)...));
}

// The tensor is valid, but its element type or number of axes is not supported.
struct UnsupportedTensor : DataError {
  using DataError::DataError;
};

// A name from a file as shown in messages: quoted, shortened to 80 bytes, control characters
// escaped.
std::string shown(std::string_view name) {
  constexpr std::size_t kLongest = 80;
  const bool is_long = name.size() > kLongest;
  return json(name.substr(0, kLongest)).dump(-1, ' ', true, json::error_handler_t::replace) +
         (is_long ? "…" : "");
}

// Parser callback that rejects what the parsed value would not show: duplicate keys, and nesting
// that the format does not allow.
class KeyCheck {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& value) {
    constexpr int kDeepest = 3;  // {"name": {"shape": [...]}}
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      if (depth >= kDeepest) refuse("its header is nested more deeply than the format allows");
      if (event == json::parse_event_t::object_start)
        keys_[static_cast<std::size_t>(depth)].clear();
    }
    // The depth of a key is that of its object plus one.
    if (event == json::parse_event_t::key &&
        !keys_[static_cast<std::size_t>(depth - 1)].insert(value.get<std::string>()).second)
      refuse("its header has the key {} twice", shown(value.get<std::string>()));
    return true;
  }

 private:
  std::array<std::set<std::string>, 4> keys_;
};

json parse_json(std::string_view text) {
  if (text.empty() || text.front() != '{') refuse("its header does not begin with {{ at byte 8");
  try {
    return json::parse(text, KeyCheck());
  } catch (const json::parse_error& error) {
    refuse("its header is invalid JSON at byte {}",
           kSafetensorsPrefixBytes + static_cast<int64_t>(error.byte));
  } catch (const json::exception&) {
    refuse("its header contains a number that is too large");
  }
}

// A number of bytes or elements of tensor `name`.
int64_t size_from(const json& value, std::string_view name) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX)
    refuse("tensor {} has the size {}; sizes must be integers of at least 0", shown(name),
           shown(value.dump()));
  return value.get<int64_t>();
}

Shape shape_from(const json& sizes, std::string_view name) {
  if (!sizes.is_array()) refuse("the shape of tensor {} is not an array", shown(name));
  if (sizes.size() > static_cast<std::size_t>(Shape::kMaxRank))
    throw UnsupportedTensor(fmt::format("tensor {} has {} axes; at most {} are supported",
                                        shown(name), sizes.size(), Shape::kMaxRank));
  Shape shape;
  for (const json& size : sizes) shape.push_back(size_from(size, name));
  return shape;
}

int64_t bytes_of(DType dtype, const Shape& shape, std::string_view name) {
  int64_t bytes = static_cast<int64_t>(size_of(dtype));
  for (const int64_t size : shape) {
    if (size == 0) return 0;
  }
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes))
      refuse("tensor {} has the shape {}, which is larger than any file", shown(name),
             to_string(shape));
  }
  return bytes;
}

SafetensorsTensor tensor_from(const std::string& name, const json& value, int64_t data_begin,
                              int64_t data_bytes) {
  if (!value.is_object()) refuse("the header entry of tensor {} is not an object", shown(name));
  for (const char* member : {"dtype", "shape", "data_offsets"}) {
    if (!value.contains(member)) refuse("tensor {} has no {}", shown(name), member);
  }
  const json& type = value["dtype"];
  const auto dtype =
      type.is_string() ? dtype_of_name(type.get_ref<const std::string&>()) : std::nullopt;
  if (!dtype)
    throw UnsupportedTensor(fmt::format(
        "tensor {} has the element type {}, which is not supported; convert it to a supported type "
        "(F32, F16, BF16, F64, I64, I32, U8, BOOL)",
        shown(name), shown(type.dump(-1, ' ', true, json::error_handler_t::replace))));
  const Shape shape = shape_from(value["shape"], name);
  const json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    refuse("data_offsets of tensor {} is not an array of two numbers", shown(name));
  const int64_t begin = size_from(offsets[0], name), end = size_from(offsets[1], name);
  if (begin > end || end > data_bytes)
    refuse("tensor {} has data_offsets {} to {}, outside the {} bytes of data", shown(name), begin,
           end, data_bytes);
  const int64_t bytes = bytes_of(*dtype, shape, name);
  if (end - begin != bytes)
    refuse("tensor {} has {} bytes, but its shape {} requires {}", shown(name), end - begin,
           to_string(shape), bytes);
  return {name, *dtype, shape, data_begin + begin, bytes};
}

std::map<std::string, std::string> metadata_from(const json& value) {
  if (!value.is_object()) refuse("its {} is not an object", kMetadata);
  std::map<std::string, std::string> metadata;
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) refuse("the value of {} in {} is not a string", shown(name), kMetadata);
    metadata[name] = text.get<std::string>();
  }
  return metadata;
}

void check_contiguous(const std::vector<SafetensorsTensor>& tensors, int64_t data_begin,
                      int64_t file_bytes) {
  int64_t covered = data_begin;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.file_offset < covered)
      refuse("tensor {} begins at byte {}, inside the tensor before it", shown(tensor.name),
             tensor.file_offset);
    if (tensor.file_offset > covered)
      refuse("bytes {} to {}, before tensor {}, belong to no tensor", covered, tensor.file_offset,
             shown(tensor.name));
    covered += tensor.bytes;
  }
  if (covered != file_bytes)
    refuse("its tensors end at byte {}, but the file ends at byte {}", covered, file_bytes);
}

std::string padded(std::string header) {
  const auto length = static_cast<int64_t>(header.size());
  header.append(static_cast<std::size_t>(-length & (kHeaderAlignment - 1)), ' ');
  return header;
}

// The header's JSON text. Also computes `bytes` of each tensor.
std::string header_text(SafetensorsHeader& header) {
  nlohmann::ordered_json text = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) text[kMetadata] = header.metadata;
  int64_t offset = 0;
  for (SafetensorsTensor& tensor : header.tensors) {
    if (tensor.name == kMetadata || text.contains(tensor.name))
      fail(
          fmt::format("safetensors: tensor name {} is reserved or used twice", shown(tensor.name)));
    tensor.bytes = tensor.shape.elements() * static_cast<int64_t>(size_of(tensor.dtype));
    text[tensor.name] = {{"dtype", safetensors_name_of(tensor.dtype)},
                         {"shape", std::vector<int64_t>(tensor.shape.begin(), tensor.shape.end())},
                         {"data_offsets", {offset, offset + tensor.bytes}}};
    offset += tensor.bytes;
  }
  return padded(text.dump());
}

std::array<std::byte, kSafetensorsPrefixBytes> prefix_of(uint64_t header_bytes) {
  std::array<std::byte, kSafetensorsPrefixBytes> prefix;
  for (std::size_t i = 0; i < prefix.size(); ++i)
    prefix[i] = static_cast<std::byte>(header_bytes >> (8 * i) & 0xff);
  return prefix;
}

SafetensorsHeader read_header(const ReadableFile& file) {
  const auto prefix_bytes = std::min(file.size(), kSafetensorsPrefixBytes);
  std::string beginning(static_cast<std::size_t>(prefix_bytes), '\0');
  file.read(0, std::as_writable_bytes(std::span(beginning)));
  const int64_t header_bytes = safetensors_header_bytes(beginning, file.size());
  beginning.resize(static_cast<std::size_t>(kSafetensorsPrefixBytes + header_bytes));
  file.read(0, std::as_writable_bytes(std::span(beginning)));
  return parse_safetensors(beginning, file.size());
}

}  // namespace

std::string_view safetensors_name_of(DType dtype) {
  for (const auto& [known, name] : kNames) {
    if (known == dtype) return name;
  }
  fail("safetensors: unknown element type");
}

int64_t safetensors_header_bytes(std::string_view first_bytes, int64_t file_bytes) {
  if (std::ssize(first_bytes) < kSafetensorsPrefixBytes)
    refuse("it has {} bytes, too few for the 8-byte length of the header", first_bytes.size());
  uint64_t length = 0;
  for (int i = kSafetensorsPrefixBytes - 1; i >= 0; --i)
    length = length << 8 | static_cast<uint8_t>(first_bytes[static_cast<std::size_t>(i)]);
  if (length > static_cast<uint64_t>(kSafetensorsHeaderLimit))
    refuse("its first 8 bytes give a header of {} bytes; the format allows at most {}", length,
           kSafetensorsHeaderLimit);
  if (static_cast<int64_t>(length) > file_bytes - kSafetensorsPrefixBytes)
    refuse("it ends at byte {}, inside its header of {} bytes", file_bytes, length);
  return static_cast<int64_t>(length);
}

SafetensorsHeader parse_safetensors(std::string_view beginning, int64_t file_bytes) {
  const int64_t header_bytes = safetensors_header_bytes(beginning, file_bytes);
  const int64_t data_begin = kSafetensorsPrefixBytes + header_bytes;
  if (std::ssize(beginning) < data_begin)
    refuse("its header is truncated at byte {}", beginning.size());
  const json value = parse_json(beginning.substr(static_cast<std::size_t>(kSafetensorsPrefixBytes),
                                                 static_cast<std::size_t>(header_bytes)));
  SafetensorsHeader header;
  for (const auto& [name, described] : value.items()) {
    if (name == kMetadata)
      header.metadata = metadata_from(described);
    else
      header.tensors.push_back(tensor_from(name, described, data_begin, file_bytes - data_begin));
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.file_offset, a.bytes) < std::pair(b.file_offset, b.bytes);
  });
  check_contiguous(header.tensors, data_begin, file_bytes);
  return header;
}

SafetensorsReader::SafetensorsReader(const FileSystem& files, std::string path)
    : path_(std::move(path)), file_(files.open(path_)) {
  try {
    header_ = read_header(*file_);
  } catch (const UnsupportedTensor& error) {
    throw ConfigurationError(fmt::format("{}: {}", path_, error.what()));
  } catch (const DataError& error) {
    throw DataError(
        fmt::format("{} is damaged or not a safetensors file: {}; download or write it again",
                    path_, error.what()));
  }
}

void SafetensorsReader::read(const SafetensorsTensor& tensor, int64_t begin,
                             std::span<std::byte> into) const {
  if (begin < 0 || std::ssize(into) > tensor.bytes - begin)
    fail(fmt::format("safetensors: {} bytes from byte {} are outside tensor {} of {} bytes",
                     into.size(), begin, tensor.name, tensor.bytes));
  file_->read(tensor.file_offset + begin, into);
}

SafetensorsWriter::SafetensorsWriter(FileSystem& files, const std::string& path,
                                     SafetensorsHeader header) {
  const std::string text = header_text(header);
  for (const SafetensorsTensor& tensor : header.tensors) missing_ += tensor.bytes;
  file_ = files.create(path);
  file_->reserve(kSafetensorsPrefixBytes + static_cast<int64_t>(text.size()) + missing_);
  file_->append(prefix_of(text.size()));
  file_->append(std::as_bytes(std::span(text)));
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  if (std::ssize(bytes) > missing_)
    fail(fmt::format("safetensors: {} bytes appended, but only {} remain to be written",
                     bytes.size(), missing_));
  file_->append(bytes);
  missing_ -= std::ssize(bytes);
}

void SafetensorsWriter::finish() {
  if (missing_ != 0)
    fail(fmt::format("safetensors: {} bytes of the tensors were not appended", missing_));
  file_->sync();
}

}  // namespace ripieno::io
