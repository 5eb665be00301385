// LastLine: the last line with text of a stream that arrives in pieces.
#pragma once

#include <string>
#include <string_view>

namespace ripieno::tools {

class LastLine {
 public:
  void add(std::string_view text);
  // At most 1,000 bytes of it; also if its newline has not arrived yet.
  std::string text() const;

 private:
  std::string line_, previous_;
};

}  // namespace ripieno::tools
