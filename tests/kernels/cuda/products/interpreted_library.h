// A library of matrix products as cuBLASLt's documentation describes it: column-major, in plain
// loops, knowing nothing of ours.
#pragma once

namespace ripieno::testing {

// What the library of each device does from now on.
struct InterpretedLibrarySettings {
  bool has_epilogues = true;
  int products_with_epilogue = 0, products_with_gelu = 0;  // counted
};
InterpretedLibrarySettings& interpreted_library();

}  // namespace ripieno::testing
