// Writes kernel results to a file, to compare the emulator with a GPU (compare_outputs.py).
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>

namespace ripieno::testing {

// Appends `size` elements of a type ("float32") to the file $RIPIENO_KERNEL_OUTPUTS, after a line
// with the name of the test and the number of bytes. Does nothing if the variable is not set.
inline void keep_output(const std::string& type, const void* data, std::size_t bytes) {
  const char* path = std::getenv("RIPIENO_KERNEL_OUTPUTS");
  if (!path) return;
  const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = test->name();
  std::ofstream file(path, std::ios::app | std::ios::binary);
  file << test->test_suite_name() << '.' << name.substr(0, name.find('/')) << ' ' << type << ' '
       << bytes << '\n';
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
}

}  // namespace ripieno::testing
