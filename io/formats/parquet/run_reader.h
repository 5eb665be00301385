// RunReader: Parquet's mixture of repeated and bit-packed numbers (its encoding "RLE").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ripieno::io::parquet {

class RunReader {
 public:
  RunReader() = default;
  // `bits`: of each number, 0 to 32. The bytes must outlive the reader.
  RunReader(std::string_view bytes, int bits) : bytes_(bytes), bits_(bits) {}

  // Throws DataError, without the name of the file, if there is no further number.
  uint32_t next();

 private:
  void open_run();
  uint32_t unpack();

  std::string_view bytes_;
  int bits_ = 0;
  std::size_t at_ = 0;
  uint64_t left_ = 0;  // numbers of the current run
  bool is_packed_ = false;
  uint32_t value_ = 0;   // of a run of repeated numbers
  uint64_t bit_at_ = 0;  // of the next number of a packed run, from the start of the bytes
};

}  // namespace ripieno::io::parquet
