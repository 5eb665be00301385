#include "ripieno/io/data/token_windows.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {

void require_context(int64_t context) {
  if (context >= 1) return;
  throw ConfigurationError(
      fmt::format("token loader: context must be at least 1 token, got {}", context));
}

TokenWindows::TokenWindows(std::vector<TokenData> sources, int64_t context,
                           std::optional<int32_t> end_of_document)
    : sources_(std::move(sources)), context_(context), end_of_document_(end_of_document) {
  require_context(context);
  if (sources_.empty()) fail("token windows: no source of tokens");
  int64_t end = 0;
  for (const TokenData& source : sources_)
    ends_.push_back(end += std::max<int64_t>(0, source.size() - 1));
}

std::string TokenWindows::fingerprint() const {
  if (sources_.size() == 1) return sources_.front().fingerprint();
  std::string all;
  for (const TokenData& source : sources_) all += source.fingerprint();
  return hexadecimal(hash_of(all));
}

SampleLayout TokenWindows::layout() const {
  const FieldLayout of_tokens{{context_}, DType::int32};
  SampleLayout layout{.inputs = of_tokens, .targets = of_tokens};
  if (end_of_document_) {
    layout.extras = {{kDocumentBegin, of_tokens}, {kDocumentPosition, of_tokens}};
  }
  return layout;
}

void TokenWindows::mark_documents(const SampleRow& into) const {
  const auto inputs = into.inputs<int32_t>();
  const auto targets = into.targets<int32_t>();
  const auto begins = into.extra<int32_t>(kDocumentBegin);
  const auto positions = into.extra<int32_t>(kDocumentPosition);
  int32_t begin = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    begins[i] = begin;
    positions[i] = static_cast<int32_t>(i) - begin;
    if (inputs[i] != end_of_document_) continue;
    targets[i] = kIgnoredTarget;
    begin = static_cast<int32_t>(i) + 1;
  }
}

void TokenWindows::read(int64_t index, const SampleRow& into) const {
  const auto source =
      static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
  const TokenData& data = sources_[source];
  const int64_t token = index - index_of(source, 0);
  const auto inputs = into.inputs<int32_t>();
  const auto targets = into.targets<int32_t>();
  const auto count = static_cast<std::size_t>(std::min(context_, data.size() - 1 - token));
  data.copy(token, inputs.first(count));
  data.copy_targets(token + 1, targets.first(count));
  std::fill(inputs.begin() + static_cast<std::ptrdiff_t>(count), inputs.end(), 0);
  std::fill(targets.begin() + static_cast<std::ptrdiff_t>(count), targets.end(), kIgnoredTarget);
  if (end_of_document_) mark_documents(into);
}

}  // namespace ripieno::io
