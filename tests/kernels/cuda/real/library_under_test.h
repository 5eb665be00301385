// The matrix product library under test: cuBLASLt, fused or in steps, whichever is faster.
#pragma once

#include <functional>

namespace ripieno::testing {

inline void with_and_without_epilogues(const std::function<void()>& body) { body(); }
inline void expect_no_gelu_of_the_library(const std::function<void()>& body) { body(); }

}  // namespace ripieno::testing
