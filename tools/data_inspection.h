// What `ripieno inspect` shows of a data set for language models: token files and texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/data/data_format.h"
#include "ripieno/io/data/data_policy.h"
#include "ripieno/io/data/readers/document_fields.h"
#include "ripieno/io/files/json.h"
#include "ripieno/tools/length_histogram.h"

namespace ripieno::tools {

struct DataInspectionOptions {
  io::DataFormat format = io::DataFormat::automatic;
  std::string tokenizer = {};  // a file; empty: that of a token file, and bytes for a text
  io::DocumentFields fields = {};
  io::OnDataError on_error = io::OnDataError::stop;
  int64_t samples = 3;  // the first documents, of which the beginning is shown
};

struct DataInspection {
  struct Sample {
    int64_t length = 0;           // of the document
    std::string text;             // of its beginning; empty without a tokenizer
    std::vector<int32_t> tokens;  // the same of a token file
  };

  std::string path = {}, format = {};
  std::vector<std::string> files = {};
  std::vector<std::string> columns = {};  // of the first Parquet file
  int64_t bytes = 0;                      // of the files
  std::string unit = {};                  // "tokens" or "bytes", of what follows
  int64_t size = 0;                       // of all documents
  int64_t counted = 0;                    // of them, what the loss counts
  int64_t vocabulary = 0;                 // 0: unknown
  int32_t largest_token = -1;             // -1: there is none
  std::string separated_by = {};          // how documents were found; empty: they were not
  LengthHistogram lengths = {};           // of documents
  io::SkippedData skipped = {};
  std::vector<Sample> samples = {};
};

// Whether `path` is a data set rather than a checkpoint or tensors: a file that is not safetensors,
// a pattern that matches files, or the stem of a Megatron pair.
bool is_data(const std::string& path);

// Reads all of it. Throws ConfigurationError if an option does not fit, DataError if it is damaged,
// StorageError.
DataInspection inspect_data(const std::string& path, const DataInspectionOptions& options);

std::string to_text(const DataInspection& inspection);
nlohmann::json to_json(const DataInspection& inspection);

}  // namespace ripieno::tools
