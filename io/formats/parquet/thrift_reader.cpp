#include "ripieno/io/formats/parquet/thrift_reader.h"

#include <fmt/format.h>

namespace ripieno::io::parquet {
namespace {

constexpr int kMostDepth = 32;  // of structures in each other

}  // namespace

std::string_view ThriftReader::take(uint64_t bytes) {
  if (bytes > bytes_.size() - at_) throw EndOfBytes();
  const auto taken = bytes_.substr(at_, static_cast<std::size_t>(bytes));
  at_ += static_cast<std::size_t>(bytes);
  return taken;
}

uint8_t ThriftReader::byte() { return static_cast<uint8_t>(take(1).front()); }

uint64_t ThriftReader::number() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint64_t next = byte();
    value |= (next & 0x7f) << shift;
    if (next < 0x80) return value;
  }
  throw DataError("its description has a number of more than 64 bits");
}

// Zigzag: 0, -1, 1, -2, …
int64_t ThriftReader::signed_number() {
  const uint64_t value = number();
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

ThriftReader::Type ThriftReader::field(int64_t& id) {
  const uint8_t head = byte();
  const auto type = static_cast<Type>(head & 0xf);
  if (type == Type::stop) return type;
  if (type > Type::uuid)
    throw DataError(fmt::format("its description has the unknown type {}", head & 0xf));
  const int64_t step = head >> 4;
  id = step == 0 ? signed_number() : id + step;
  if (id < 0 || id > INT16_MAX)
    throw DataError(fmt::format("its description has the field {}, outside 0 to 32767", id));
  return type;
}

int64_t ThriftReader::list_size(Type type, Type expected) {
  require(type, Type::list);
  const uint8_t head = byte();
  const uint64_t size = head >> 4 == 15 ? number() : head >> 4;
  // Each element has at least one byte.
  if (size > bytes_.size() - at_) throw EndOfBytes();
  if (size > 0) require(static_cast<Type>(head & 0xf), expected);
  return static_cast<int64_t>(size);
}

void ThriftReader::require(Type type, Type expected) const {
  if (type == expected) return;
  throw DataError(fmt::format("its description has type {} where type {} is required",
                              static_cast<int>(type), static_cast<int>(expected)));
}

int64_t ThriftReader::integer(Type type) {
  if (type == Type::byte) return static_cast<int8_t>(byte());
  if (type != Type::int16 && type != Type::int32) require(type, Type::int64);
  return signed_number();
}

bool ThriftReader::boolean(Type type) const {
  if (type != Type::false_value) require(type, Type::true_value);
  return type == Type::true_value;
}

std::string_view ThriftReader::binary(Type type) {
  require(type, Type::binary);
  return take(number());
}

void ThriftReader::skip_elements(Type type, uint64_t count, int depth) {
  if (count > bytes_.size() - at_) throw EndOfBytes();
  const bool is_boolean = type == Type::true_value || type == Type::false_value;
  for (; count > 0; --count) {
    if (is_boolean)
      byte();  // in a list, a boolean has a byte of its own
    else
      skip(type, depth);
  }
}

void ThriftReader::skip(Type type, int depth) {
  if (depth > kMostDepth)
    throw DataError(fmt::format("its description has more than {} levels", kMostDepth));
  switch (type) {
    case Type::true_value:
    case Type::false_value:
      return;
    case Type::byte:
      byte();
      return;
    case Type::int16:
    case Type::int32:
    case Type::int64:
      number();
      return;
    case Type::real:
      take(8);
      return;
    case Type::binary:
      take(number());
      return;
    case Type::uuid:
      take(16);
      return;
    case Type::list:
    case Type::set: {
      const uint8_t head = byte();
      const uint64_t count = head >> 4 == 15 ? number() : head >> 4;
      return skip_elements(static_cast<Type>(head & 0xf), count, depth + 1);
    }
    case Type::map: {
      const uint64_t count = number();
      if (count == 0) return;
      const uint8_t types = byte();
      for (uint64_t i = 0; i < count; ++i) {
        skip_elements(static_cast<Type>(types >> 4), 1, depth + 1);
        skip_elements(static_cast<Type>(types & 0xf), 1, depth + 1);
      }
      return;
    }
    case Type::structure:
      return fields([&](int64_t, Type field_type) { skip(field_type, depth + 1); });
    case Type::stop:
      break;
  }
  throw DataError(fmt::format("its description has the unknown type {}", static_cast<int>(type)));
}

}  // namespace ripieno::io::parquet
