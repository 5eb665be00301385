#include "ripieno/tools/launch/last_line.h"

namespace ripieno::tools {
namespace {

constexpr std::size_t kMostBytes = 1000;

}  // namespace

void LastLine::add(std::string_view text) {
  for (const char c : text) {
    if (c != '\n') {
      if (line_.size() < kMostBytes) line_ += c;
    } else if (!line_.empty()) {
      previous_ = std::move(line_);
      line_.clear();
    }
  }
}

std::string LastLine::text() const { return line_.empty() ? previous_ : line_; }

}  // namespace ripieno::tools
