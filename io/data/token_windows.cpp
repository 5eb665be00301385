#include "ripieno/io/data/token_windows.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno::io {

void require_context(int64_t context) {
  if (context >= 1) return;
  throw ConfigurationError(
      fmt::format("token loader: context must be at least 1 token, got {}", context));
}

TokenWindows::TokenWindows(const TokenData& data, int64_t context)
    : data_(data), context_(context) {
  require_context(context);
}

SampleLayout TokenWindows::layout() const {
  return {.inputs = {{context_}, DType::int32}, .targets = {{context_}, DType::int32}};
}

void TokenWindows::read(int64_t index, const SampleRow& into) const {
  const auto inputs = into.inputs<int32_t>();
  const auto targets = into.targets<int32_t>();
  const auto count = static_cast<std::size_t>(std::min(context_, data_.size() - 1 - index));
  data_.copy(index, inputs.first(count));
  data_.copy(index + 1, targets.first(count));
  std::fill(inputs.begin() + static_cast<std::ptrdiff_t>(count), inputs.end(), 0);
  std::fill(targets.begin() + static_cast<std::ptrdiff_t>(count), targets.end(), kIgnoredTarget);
}

}  // namespace ripieno::io
