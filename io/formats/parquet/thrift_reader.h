// ThriftReader: reads Thrift's compact protocol, in which Parquet files describe themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ripieno/core/error.h"

namespace ripieno::io::parquet {

// Thrown where the bytes end in the middle of a value; there may be more of them in the file.
struct EndOfBytes : DataError {
  EndOfBytes() : DataError("its description ends in the middle") {}
};

// Each function reads the value at the current position. All throw DataError, without the name of
// the file. The bytes must outlive the reader and what binary() returns.
class ThriftReader {
 public:
  enum class Type : uint8_t {
    stop,
    true_value,
    false_value,
    byte,
    int16,
    int32,
    int64,
    real,
    binary,
    list,
    set,
    map,
    structure,
    uuid
  };

  explicit ThriftReader(std::string_view bytes) : bytes_(bytes) {}

  // Number of bytes read.
  std::size_t position() const { return at_; }

  // Calls visit(id, type) for each field of a structure; it must read or skip() the value.
  template <typename Visit>
  void fields(const Visit& visit) {
    int64_t id = 0;
    for (Type type = field(id); type != Type::stop; type = field(id)) visit(id, type);
  }
  // Calls visit() for each element of a list, whose elements must have the type `expected`.
  template <typename Visit>
  void list(Type type, Type expected, const Visit& visit) {
    for (int64_t left = list_size(type, expected); left > 0; --left) visit();
  }

  int64_t integer(Type type);  // byte, int16, int32, int64
  bool boolean(Type type) const;
  std::string_view binary(Type type);
  void require(Type type, Type expected) const;
  void skip(Type type) { skip(type, 0); }

 private:
  Type field(int64_t& id);
  int64_t list_size(Type type, Type expected);
  void skip(Type type, int depth);
  void skip_elements(Type type, uint64_t count, int depth);
  uint8_t byte();
  uint64_t number();
  int64_t signed_number();
  std::string_view take(uint64_t bytes);

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace ripieno::io::parquet
