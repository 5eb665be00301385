// DocumentFields: which fields of a line of JSON, or columns of a Parquet file, are a document.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/data_policy.h"
#include "ripieno/io/data/readers/marked_text.h"

namespace ripieno::io {

struct DocumentFields {
  TextContent content = TextContent::text;
  std::string text = "text";
  std::string prompt = "prompt", completion = "completion";

  // Of the fields that are strings; empty for messages.
  std::vector<std::string> names() const;
  // The document with these values of the fields.
  void read(std::span<const std::string_view> values, MarkedText& document) const;
  // That of a line of JSON. Messages are [{"role": "user", "content": "…"}, …], and become
  // "user: …\n\nassistant: …\n\n", of which what follows "assistant: " counts. Throws DataError,
  // without the name of the file, if the line is not valid JSON or a field is missing or no string.
  void read_json(std::string_view line, MarkedText& document) const;
};

}  // namespace ripieno::io
