// The matrix product library under test: an implementation of cuBLASLt's documented behavior.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "kernels/cuda/products/interpreted_library.h"

namespace ripieno::testing {

// Calls body with a library that has epilogues, and with one that has none.
inline void with_and_without_epilogues(const std::function<void()>& body) {
  for (const bool has_epilogues : {true, false}) {
    SCOPED_TRACE(has_epilogues ? "fused" : "apart");
    interpreted_library() = {.has_epilogues = has_epilogues};
    body();
    EXPECT_EQ(interpreted_library().products_with_epilogue > 0, has_epilogues);
  }
}

inline void expect_no_gelu_of_the_library(const std::function<void()>& body) {
  interpreted_library() = {};
  body();
  EXPECT_EQ(interpreted_library().products_with_gelu, 0);
}

}  // namespace ripieno::testing
