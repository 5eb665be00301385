#include "ripieno/tools/not_finite.h"

#include <fmt/format.h>

#include "ripieno/io/formats/not_finite.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools {

void NotFinite::add(const std::string& tensor, int64_t count) {
  if (count > 0) counts_[tensor] += count;
}

void NotFinite::scan(const std::string& tensor, const Tensor& values) {
  add(tensor,
      io::count_not_finite(values.dtype(),
                           {static_cast<const std::byte*>(values.raw_data()), values.bytes()}));
}

std::string NotFinite::text() const {
  std::string text;
  for (const auto& [tensor, count] : counts_)
    text += fmt::format("{}: {} {} NaN or infinite\n", tensor, counted(count, "element"),
                        count == 1 ? "is" : "are");
  return text;
}

}  // namespace ripieno::tools
