#include "ripieno/training/settings/help_text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace ripieno {
namespace {

std::string wrapped_paragraph(const std::string& paragraph, std::size_t columns,
                              std::size_t indent) {
  std::string text(indent, ' ');
  std::size_t used = indent;
  std::istringstream words(paragraph);
  for (std::string word; words >> word;) {
    const bool is_first = used == indent;
    if (!is_first && used + 1 + word.size() > columns) {
      text += '\n' + std::string(indent, ' ') + word;
      used = indent + word.size();
    } else {
      text += (is_first ? "" : " ") + word;
      used += (is_first ? 0 : 1) + word.size();
    }
  }
  return text;
}

}  // namespace

int help_columns() {
  winsize size{};
  const bool is_terminal = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_terminal ? std::clamp<int>(size.ws_col, 40, 120) : 80;
}

std::string wrapped(std::string_view text, int columns, int indent) {
  std::string lines;
  std::istringstream paragraphs{std::string(text)};
  for (std::string paragraph; std::getline(paragraphs, paragraph);) {
    if (!lines.empty()) lines += '\n';
    lines += wrapped_paragraph(paragraph, static_cast<std::size_t>(columns),
                               static_cast<std::size_t>(indent));
  }
  return lines;
}

}  // namespace ripieno
