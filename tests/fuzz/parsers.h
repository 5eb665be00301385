// The fuzzed parsers, each as a function of the bytes of a file. It returns true if the parser
// accepts them and the result is consistent, false if the parser throws one of our errors. Anything
// else (another exception, a crash, a failed require()) is a finding.
#pragma once

#include <ostream>
#include <string_view>

namespace ripieno::fuzz {

// The members of a manifest or a side file without the checksum (seal). Parsed as they are, and
// with a correct checksum, so that the fuzzer reaches the code behind that check.
bool parse_manifest(std::string_view bytes);
bool parse_side_file(std::string_view bytes);

// The text of a configuration file. Its first three lines are also parsed as arguments of --set.
bool parse_settings(std::string_view bytes);

// A token file. Parsed as it is, and with correct checksums if its header is consistent.
bool parse_token_file(std::string_view bytes);

// A safetensors file. Also parsed as a file whose first byte is the number of bytes of its tensors
// and whose other bytes are the header.
bool parse_safetensors(std::string_view bytes);

// A tokenizer.json; a .tiktoken file; or a vocab.json, a NUL and a merges.txt. Parsed as each, with
// the missing single bytes; the text that is encoded is the beginning of the file.
bool parse_tokenizer(std::string_view bytes);

// A file of algorithms for matrix products, without the checksums of its lines. Parsed as it is,
// and with correct checksums.
bool parse_algorithms(std::string_view bytes);

// A flight record of a rank, and who holds up the run according to it.
bool parse_flight_record(std::string_view bytes);

// A line of JSON with the field "text", compared with another parser.
bool parse_json_line(std::string_view bytes);

// A Megatron data set: the number of bytes of STEM.bin in one byte, those bytes, and STEM.idx.
bool parse_megatron(std::string_view bytes);

// A Parquet file with a column "text".
bool parse_parquet(std::string_view bytes);

// Throws std::logic_error unless `holds`. `property`: what the parser guarantees.
void require(bool holds, const char* property);

struct Parser {
  const char* name;  // of its folders in corpus/ and found/
  bool (*parse)(std::string_view);

  // For messages of GoogleTest.
  friend std::ostream& operator<<(std::ostream& out, const Parser& parser) {
    return out << parser.name;
  }
};
inline constexpr Parser kParsers[] = {
    {"algorithms", parse_algorithms},   {"flight_record", parse_flight_record},
    {"json_line", parse_json_line},     {"manifest", parse_manifest},
    {"megatron", parse_megatron},       {"parquet", parse_parquet},
    {"safetensors", parse_safetensors}, {"settings", parse_settings},
    {"side_file", parse_side_file},     {"token_file", parse_token_file},
    {"tokenizer", parse_tokenizer},
};

}  // namespace ripieno::fuzz
