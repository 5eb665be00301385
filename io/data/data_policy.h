// What a data set does with data that cannot be read, and what of a document is trained on.
#pragma once

#include <cstdint>
#include <string>

namespace ripieno::io {

// What happens if a document cannot be parsed or a sample cannot be read.
enum class OnDataError {
  stop,  // the error is thrown
  skip,  // it is left out and counted; the order of the others does not change
};

// Documents or samples that were left out (OnDataError::skip).
struct SkippedData {
  int64_t count = 0;
  std::string first = {};  // why the first of them was left out; empty if there is none

  void add(int64_t documents, const std::string& why) {
    if (documents > 0 && count == 0) first = why;
    count += documents;
  }
  void add(const SkippedData& other) { add(other.count, other.first); }
};

// What a line of JSON or a row of Parquet has, and what the loss counts of it.
enum class TextContent {
  text,        // a text, all of which counts
  completion,  // a prompt and its completion, which counts
  messages,    // a conversation, of which what the assistant says counts
};

}  // namespace ripieno::io
