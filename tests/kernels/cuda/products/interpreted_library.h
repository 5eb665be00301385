// A matrix product library that follows cuBLASLt's documentation: column-major, in plain loops,
// independent of the code under test.
#pragma once

namespace ripieno::testing {

// Settings and counters of the libraries of all devices.
struct InterpretedLibrarySettings {
  bool has_epilogues = true;
  int products_with_epilogue = 0, products_with_gelu = 0;  // counters
};
InterpretedLibrarySettings& interpreted_library();

}  // namespace ripieno::testing
