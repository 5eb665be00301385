// ProtobufWriter: encodes messages in the wire format of Protocol Buffers, field by field.
//
// Fields are written in the order of the calls; a repeated field is several calls. Every call
// throws Error if the field number is none. A message has at most 2 GiB.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ripieno::io {

class ProtobufWriter {
 public:
  // int32, int64, uint32, uint64, bool and enumerations. A negative number takes ten bytes.
  void add_integer(int field, int64_t value);
  void add_float(int field, float value);
  void add_double(int field, double value);
  // string and bytes. A string must be valid UTF-8 (valid_utf8() in files/utf8.h), or readers
  // reject the whole message.
  void add_bytes(int field, std::string_view bytes);
  void add_message(int field, const ProtobufWriter& message) { add_bytes(field, message.bytes()); }
  // Repeated numbers in one field.
  void add_packed_integers(int field, std::span<const int64_t> values);
  void add_packed_floats(int field, std::span<const float> values);
  void add_packed_doubles(int field, std::span<const double> values);

  const std::string& bytes() const { return bytes_; }
  // Begins another message in the same memory.
  void clear() { bytes_.clear(); }

 private:
  void add_tag(int field, int wire_type);
  void add_varint(uint64_t value);
  template <typename T>
  void add_fixed(T value);

  std::string bytes_;
};

}  // namespace ripieno::io
