// visit_documents(): the documents of a chunk of JSON lines or Parquet rows.
#pragma once

#include <functional>

#include "ripieno/io/data/data_policy.h"
#include "ripieno/io/data/readers/document_fields.h"
#include "ripieno/io/data/readers/marked_text.h"
#include "ripieno/tools/prepare/text_chunks.h"

namespace ripieno::tools {

// Calls visit(document) for each document, in order. Throws DataError, naming file and line or row,
// if one has a NUL byte or is not JSON with the fields; with OnDataError::skip, adds it to
// `skipped` instead.
void visit_documents(const TextChunk& chunk, const io::DocumentFields& fields,
                     io::OnDataError on_error, io::SkippedData& skipped,
                     const std::function<void(const io::MarkedText&)>& visit);

// Throws DataError if `text`, which begins with this line of the chunk, has a NUL byte.
void require_text(const TextChunk& chunk, std::string_view text, int64_t first_line);

}  // namespace ripieno::tools
