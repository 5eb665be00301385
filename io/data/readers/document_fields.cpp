#include "ripieno/io/data/readers/document_fields.h"

#include "ripieno/io/data/readers/json_line.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kAssistant = "assistant";
constexpr std::string_view kMessages = "messages";

}  // namespace

std::vector<std::string> DocumentFields::names() const {
  switch (content) {
    case TextContent::completion:
      return {prompt, completion};
    case TextContent::messages:
      return {};
    case TextContent::text:
      break;
  }
  return {text};
}

void DocumentFields::read(std::span<const std::string_view> values, MarkedText& document) const {
  document.clear();
  for (std::size_t i = 0; i < values.size(); ++i)
    document.add(values[i], /*is_counted=*/i + 1 == values.size());
}

void DocumentFields::read_json(std::string_view line, MarkedText& document) const {
  document.clear();
  if (content == TextContent::messages) {
    for (const JsonMessage& message : read_json_messages(line, kMessages)) {
      const bool is_answer = message.role == kAssistant;
      document.add(message.role + ": ", false);
      document.add(message.content + "\n\n", is_answer);
    }
    return;
  }
  const auto fields = names();
  std::vector<std::string> values(fields.size());
  read_json_fields(line, fields, values);
  const std::vector<std::string_view> views(values.begin(), values.end());
  read(views, document);
}

}  // namespace ripieno::io
