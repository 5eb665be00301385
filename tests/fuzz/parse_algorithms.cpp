#include <algorithm>
#include <string>

#include "fuzz/parsers.h"
#include "ripieno/kernels/cuda/products/algorithm_choices.h"

namespace ripieno::fuzz {
namespace {

using kernels::cuda::choices_in;
using kernels::cuda::ReadChoices;

std::string with_checksums(std::string_view bytes) {
  constexpr std::string_view kDevice = "device ";
  std::string text, identity;
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.find('\n'), bytes.size());
    const std::string_view line = bytes.substr(0, size);
    bytes.remove_prefix(std::min(size + 1, bytes.size()));
    const bool names_device = line.starts_with(kDevice);
    if (names_device) identity = line.substr(kDevice.size());
    text += names_device ? std::string(line) : kernels::cuda::sealed(identity, line);
    text += '\n';
  }
  return text;
}

bool read(std::string_view text) {
  const ReadChoices read = choices_in(text);
  const ReadChoices again = choices_in(to_text(read.choices));
  require(again.choices == read.choices, "choices read back as they were written");
  require(again.damaged_lines == 0, "written lines are not reported as damaged");
  return !read.choices.empty();
}

}  // namespace

bool parse_algorithms(std::string_view bytes) {
  read(bytes);
  return read(with_checksums(bytes));
}

}  // namespace ripieno::fuzz
