// SourceLocation: replaces std::source_location, which clang 14 cannot compile with Debian's
// libstdc++.
#pragma once

#include <cstdint>

namespace ripieno {

class SourceLocation {
 public:
  // As a default argument of a function: where that function is called.
  static constexpr SourceLocation current(const char* file_name = __builtin_FILE(),
                                          const char* function_name = __builtin_FUNCTION(),
                                          uint_least32_t line = __builtin_LINE()) noexcept {
    SourceLocation here;
    here.file_name_ = file_name;
    here.function_name_ = function_name;
    here.line_ = line;
    return here;
  }
  constexpr const char* file_name() const noexcept { return file_name_; }
  constexpr const char* function_name() const noexcept { return function_name_; }
  constexpr uint_least32_t line() const noexcept { return line_; }

 private:
  const char* file_name_ = "";
  const char* function_name_ = "";
  uint_least32_t line_ = 0;
};

}  // namespace ripieno
