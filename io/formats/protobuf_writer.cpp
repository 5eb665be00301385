#include "ripieno/io/formats/protobuf_writer.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

static_assert(std::endian::native == std::endian::little);  // numbers are copied as they are

enum WireType { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

constexpr int kLargestField = (1 << 29) - 1;
constexpr int kFirstReservedField = 19000, kLastReservedField = 19999;

int64_t varint_bytes(int64_t value) {
  return (std::bit_width(static_cast<uint64_t>(value) | 1) + 6) / 7;
}

}  // namespace

void ProtobufWriter::add_tag(int field, int wire_type) {
  const bool is_reserved = field >= kFirstReservedField && field <= kLastReservedField;
  if (field < 1 || field > kLargestField || is_reserved)
    fail(fmt::format("protobuf: field number is {}; it must be 1 to {}, and not {} to {}", field,
                     kLargestField, kFirstReservedField, kLastReservedField));
  add_varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type));
}

// Seven bits per byte, the lowest first; the eighth bit means that more follow.
void ProtobufWriter::add_varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
  bytes_.push_back(static_cast<char>(value));
}

template <typename T>
void ProtobufWriter::add_fixed(T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  bytes_.append(bytes, sizeof value);
}

void ProtobufWriter::add_integer(int field, int64_t value) {
  add_tag(field, kVarint);
  add_varint(static_cast<uint64_t>(value));
}

void ProtobufWriter::add_float(int field, float value) {
  add_tag(field, kFixed32);
  add_fixed(value);
}

void ProtobufWriter::add_double(int field, double value) {
  add_tag(field, kFixed64);
  add_fixed(value);
}

void ProtobufWriter::add_bytes(int field, std::string_view bytes) {
  constexpr auto kMostBytes = static_cast<std::size_t>(std::numeric_limits<int32_t>::max());
  if (bytes.size() > kMostBytes)
    fail(fmt::format("protobuf: field {} has {} bytes; a message has at most {}", field,
                     bytes.size(), kMostBytes));
  add_tag(field, kLengthDelimited);
  add_varint(bytes.size());
  bytes_.append(bytes);
}

void ProtobufWriter::add_packed_integers(int field, std::span<const int64_t> values) {
  int64_t size = 0;
  for (const int64_t value : values) size += varint_bytes(value);
  add_tag(field, kLengthDelimited);
  add_varint(static_cast<uint64_t>(size));
  for (const int64_t value : values) add_varint(static_cast<uint64_t>(value));
}

void ProtobufWriter::add_packed_floats(int field, std::span<const float> values) {
  add_bytes(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

void ProtobufWriter::add_packed_doubles(int field, std::span<const double> values) {
  add_bytes(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

}  // namespace ripieno::io
