// The parsers of files that may be anything, each as a function of the bytes. False where the
// parser refuses with an error of ours, true where it accepts what then holds together; all else
// (another exception, a crash, a promise not kept) is a finding.
#pragma once

#include <ostream>
#include <string_view>

namespace ripieno::fuzz {

// The members of a manifest or of a side file without the seal, which is put on here, so that the
// checksum does not keep the bytes from the parser behind it. Tried unsealed as well.
bool parse_manifest(std::string_view bytes);
bool parse_side_file(std::string_view bytes);

// The text of a configuration file; its lines also as assignments of --set.
bool parse_settings(std::string_view bytes);

// A token file, whose checksums are put right where its header allows it.
bool parse_token_file(std::string_view bytes);

// A safetensors file; and one whose header is all but the first byte, which is the number of bytes
// that its tensors take.
bool parse_safetensors(std::string_view bytes);

// The file of algorithms of matrix products without its lines' checksums, which are put on here.
// Tried without them as well.
bool parse_algorithms(std::string_view bytes);

// Throws std::logic_error unless `kept`: a promise of the parser's.
void require(bool kept, const char* promise);

struct Parser {
  const char* name;  // of the folders of its corpus
  bool (*parse)(std::string_view);

  // For messages.
  friend std::ostream& operator<<(std::ostream& out, const Parser& parser) {
    return out << parser.name;
  }
};
inline constexpr Parser kParsers[] = {
    {"algorithms", parse_algorithms},   {"manifest", parse_manifest},
    {"safetensors", parse_safetensors}, {"settings", parse_settings},
    {"side_file", parse_side_file},     {"token_file", parse_token_file},
};

}  // namespace ripieno::fuzz
