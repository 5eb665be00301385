// The entry point of libFuzzer. RIPIENO_PARSER is the function of parsers.h that this executable
// fuzzes.
#include <cstddef>
#include <cstdint>

#include "fuzz/parsers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  ripieno::fuzz::RIPIENO_PARSER({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
